"""The command line: suites by folder, every failure by name, and a total; `--json` prints one object."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.tck.suites import Suite, run_suite, suites


def main(words: list[str]) -> int:
    """0 when every node came to what was expected."""
    reader = argparse.ArgumentParser(prog="python -m tests.tck", description=__doc__)
    reader.add_argument("folder", nargs="+", type=Path, help="folder of suites, searched to the bottom")
    reader.add_argument("--json", action="store_true", help="print one JSON object")
    asked = reader.parse_args(words)
    found = [run_suite(folder) for folder in watched(suites(asked.folder))]
    passed, total = sum(one.passed for one in found), sum(one.total for one in found)
    if asked.json:
        print(json.dumps(as_json(found, passed, total), ensure_ascii=False))
    else:
        print(as_text(found, passed, total))
    return 0 if passed == total and total else 1


def watched(folders: list[Path]) -> Iterator[Path]:
    """The folders, and on a terminal which of them is being run."""
    for place, folder in enumerate(folders, 1):
        if sys.stderr.isatty():
            print(f"\r\x1b[K{place} of {len(folders)}  {folder.name}", end="", file=sys.stderr, flush=True)
        yield folder
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def as_json(found: list[Suite], passed: int, total: int) -> dict:
    per_suite = [
        {"name": one.name, "passed": one.passed, "total": one.total,
         "failures": [{"case": f.case, "node": f.node, "why": f.why} for f in one.failures]}
        for one in found
    ]  # fmt: skip
    return {"passed": passed, "total": total, "suites": per_suite}


def as_text(found: list[Suite], passed: int, total: int) -> str:
    lines = []
    for one in found:
        lines.append(f"{one.passed:5d} of {one.total:5d}  {one.name}")
        lines += [f"               {f.case} {f.node}: {f.why}" for f in one.failures]
    share = f" ({passed / total:.2%})" if total else ""
    return "\n".join([*lines, f"{passed} of {total} result nodes{share}"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
