"""`python -m benchmarks [--out FILE] [--quick]`: measure, print and write name -> value, unit, ratio.

Everything is measured in one run, so that ratios mean something on any machine. PostgreSQL is measured
where its binaries are.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks import feel, ours, peers

Rows = dict[str, dict]


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m benchmarks")
    asked.add_argument("--out", type=Path, help="write the figures as JSON")
    asked.add_argument("--quick", action="store_true", help="a tenth of the work, for trying it out")
    options = asked.parse_args()
    share = 10 if options.quick else 1
    rows: Rows = {}
    with tempfile.TemporaryDirectory() as folder:
        _rates(rows, Path(folder), share)
        _shapes(rows, Path(folder), share)
    for row in feel.measure():
        _say(rows, row.pop("name"), row.pop("value"), row.pop("unit"), **row)
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _say(rows: Rows, name: str, value: float, unit: str, *, ratio: float | None = None, ratio_to: str | None = None) -> None:
    if ratio_to and ratio is None and ratio_to in rows:
        ratio = value / rows[ratio_to]["value"]
    rows[name] = {"value": round(value, 6), "unit": unit, "ratio": ratio and round(ratio, 3), "ratio_to": ratio_to}
    beside = f"   {ratio:.2f} × {ratio_to}" if ratio else ""
    print(f"{name:<52} {value:>12,.3f} {unit}{beside}", file=sys.stdout, flush=True)


def _rates(rows: Rows, folder: Path, share: int) -> None:
    """Completions per second, beside SpiffWorkflow and beside a database that only commits."""
    raw, whole, bare = "SpiffWorkflow in memory", "SpiffWorkflow whole state, no database", "SQLite bare commits"
    _say(rows, raw, peers.raw_spiffworkflow(3000 // share), "completions/s")
    _say(rows, whole, peers.whole_state(600 // share), "completions/s", ratio_to=raw)
    _say(rows, bare, peers.bare_sqlite(folder, 5000 // share), "commits/s")
    with ours.opened(folder / "rates") as (platform, actor):
        rate = ours.chains(platform, actor, 3000 // share)
        for name in (raw, whole, bare):
            _say(rows, f"engine on SQLite, beside {name}", rate, "completions/s", ratio_to=name)
        _http(rows, platform, actor, rate, share)
    _postgresql(rows, folder, raw, share)


def _http(rows: Rows, platform, actor, rate: float, share: int) -> None:
    with ours.served(platform) as url:
        _say(rows, "HTTP on SQLite", ours.through_http(platform, actor, url, 1000 // share), "completions/s",
             ratio_to="engine on SQLite, beside SpiffWorkflow in memory")  # fmt: skip


def _postgresql(rows: Rows, folder: Path, raw: str, share: int) -> None:
    from tests import services

    if not services._binaries():
        print("PostgreSQL is not measured: its binaries are not here.")
        return
    bare = "PostgreSQL bare commits"
    _say(rows, bare, peers.bare_postgresql(services.fresh_postgresql(), 3000 // share), "commits/s")
    with ours.opened(folder / "postgresql", services.fresh_postgresql()) as (platform, actor):
        rate = ours.chains(platform, actor, 1500 // share)
        _say(rows, "engine on PostgreSQL", rate, "completions/s", ratio_to=raw)
        _say(rows, "engine on PostgreSQL, beside bare commits", rate, "completions/s", ratio_to=bare)


def _shapes(rows: Rows, folder: Path, share: int) -> None:
    """How cost grows: with the length of a history, the size of a vote, the number of cases."""
    with ours.opened(folder / "shapes") as (platform, actor):
        marks = (20, 100, 1000, 5000) if share == 1 else (20, 100, 500)
        first = f"step after {marks[0]} steps"
        for mark, seconds in ours.long_loop(platform, actor, marks).items():
            _say(rows, f"step after {mark} steps", seconds * 1000, "ms", ratio_to=None if mark == marks[0] else first)
        for size in (10, 100, 500):
            _say(rows, f"vote in a multi-instance of {size}", ours.votes(platform, actor, size) * 1000, "ms",
                 ratio_to=None if size == 10 else "vote in a multi-instance of 10")  # fmt: skip
    with ours.opened(folder / "many") as (platform, actor):
        count = 10_000 // share
        _say(rows, f"starts, up to {count} cases", ours.many_starts(platform, actor, count), "starts/s")
        _say(rows, f"inbox page over {count} tasks", ours.inbox(platform, actor) * 1000, "ms")
        _say(rows, "memory of 1000 live instances", ours.memory(platform, actor, 1000 // share), "MiB")
        for verb, rate in ours.many_cases(platform, actor, 1000 // share).items():
            _say(rows, f"{verb} many cases", rate, "cases/s", ratio_to=f"starts, up to {count} cases")


if __name__ == "__main__":
    main()
