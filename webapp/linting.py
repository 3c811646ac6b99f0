"""What `bizday lint` does: look at files of any tool, without a database and wherever they lie.

`look_at` finds the files, knows what the project beside the platform has (policies, decisions, forms,
processes, services), and gives one `Checked` after the other. Each file is read in a process of its own
kind that is ended when it takes longer than its limit, so that one bad file never keeps the others
waiting. `as_text`, `as_json` and `as_sarif` say what came of it (SARIF 2.1.0, OASIS). Nothing is changed.
"""

from __future__ import annotations

import glob
import json
import multiprocessing
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import quote

from lxml import etree

from engine import dmn, forms, handlers, lint, policies, services, xmlgate  # noqa: F401  handlers registers the services
from engine.errors import Invalid, Problem

#: how the names of models and tables end in a folder
IN_FOLDERS = (".bpmn", ".bpmn2", ".bpmn20.xml", ".dmn")
#: what stands for standard input
STDIN = Path("-")
#: seconds that one file may take
LIMIT = 20
SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}


@dataclass(frozen=True)
class Checked:
    """What is to be said of one file."""

    path: str
    opens: bool
    deployable: bool
    problems: tuple[Problem, ...]
    #: changes that could be made on request
    mends: tuple[lint.Mend, ...] = ()
    #: id of an element -> line of the file at which it begins
    lines: dict[str, int] = field(default_factory=dict)

    @property
    def is_wrong(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)


# --- finding ------------------------------------------------------------------------------------
def files_of(paths: Iterable[Path], home: Path) -> list[Path]:
    """Files as they are given, even those that are not there; what folders hold; what patterns mean that no shell expanded."""
    found: list[Path] = []
    for path in paths:
        if os.path.isdir(path):
            found += _in_folder(path, home) or [path]
        elif glob.has_magic(str(path)) and not os.path.lexists(path):
            found += files_of(map(Path, sorted(glob.glob(str(path), recursive=True))), home) or [path]
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _in_folder(folder: Path, home: Path) -> list[Path]:
    """Its models and tables, the forms below a folder named forms, and those of the project that belong to it."""
    everything = sorted(one for one in folder.rglob("*") if one.is_file())
    models = [one for one in everything if one.name.lower().endswith(IN_FOLDERS)]
    schemas = [one for one in everything if one.suffix == ".json" and "forms" in one.resolve().parts[:-1]]
    return models + schemas + sorted((home / "forms" / folder.resolve().name).glob("*.json"))


def look_at(files: list[Path], home: Path, limit: float = LIMIT, stdin: bytes = b"") -> Iterator[Checked]:
    """One after the other, none longer than `limit` seconds. Raises Misconfigured when the policies are wrong."""
    _policies(home)
    worker = _Worker(home, files)
    try:
        for path in files:
            yield worker.ask(path, limit, *([stdin] if path == STDIN else []))
    finally:
        worker.end()


class _Worker:
    """The process that reads the files; ended and begun anew when one takes too long."""

    def __init__(self, home: Path, files: list[Path]):
        self._given = (home, files)
        self._process = None

    def ask(self, path: Path, limit: float, *data: bytes) -> Checked:
        try:
            if self._process is None:
                self._begin()
            self._pipe.send((path, *data))
            if self._pipe.poll(limit):
                return self._pipe.recv()
            problem = _given_up("lint.too-long", "The file took longer than %(seconds)s seconds.", seconds=f"{limit:g}")
        except (EOFError, ConnectionError):
            problem = _given_up("lint.unfinished", "The file could not be checked to the end.")
        self.end()
        return Checked(_shown(path), False, False, (problem,))

    def _begin(self) -> None:
        self._pipe, other = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_serve, args=(other, *self._given), daemon=True)
        self._process.start()
        other.close()
        self._pipe.recv()

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None


def _given_up(rule: str, sentence: str, **params: str) -> Problem:
    return Problem("", rule, sentence, params=tuple(params.items()))


def _serve(pipe, home: Path, files: list[Path]) -> None:
    """Answers paths with what is to be said of them, until its end of the pipe is closed."""
    known = known_at(home, files)
    pipe.send("ready")
    while True:
        try:
            path, *data = pipe.recv()
            pipe.send(check(path, known, *data))
        except (EOFError, KeyboardInterrupt):
            return


# --- knowing ------------------------------------------------------------------------------------
def known_at(home: Path, files: Iterable[Path]) -> lint.Known:
    """What a model may name: what the project has, and what the files bring themselves."""
    everything = [*files, *home.glob("processes/*/*"), *home.glob("forms/*/*.json")]
    schemas = {_key(path): _json(path) for path in everything if path.suffix == ".json"}
    fields = {key: lint.fields_of(schema) for key, schema in schemas.items()}
    return lint.Known(
        policies=_policies(home), decisions=_ids(everything, (".dmn",), "decision"), forms=set(fields), fields=fields,
        services=set(services.known()), processes=_ids(everything, (".bpmn", ".bpmn2"), "process"),
        shapes={key: lint.types_of(schema) for key, schema in schemas.items()},
    )  # fmt: skip


def _policies(home: Path) -> policies.Policies | None:
    return policies.load(home / "policies") if (home / "policies").is_dir() else None


def _ids(files: Iterable[Path], kinds: tuple[str, ...], tag: str) -> set[str]:
    """Ids of the elements `tag`, without reading the files as XML: nothing of them is believed yet."""
    pattern = re.compile(rf'<(?:\w+:)?{tag}\s[^>]{{0,500}}?\bid="([^"]+)"'.encode())
    return {
        found.decode("utf-8", "replace")
        for path in files if path.suffix in kinds
        for found in pattern.findall(_bytes(path))
    }  # fmt: skip


def _bytes(path: Path) -> bytes:
    """What a file holds; nothing where it is none, for a pipe could keep us waiting."""
    try:
        return _read(path) if os.path.isfile(path) else b""
    except OSError:
        return b""


def _json(path: Path):
    try:
        return json.loads(_bytes(path))
    except (ValueError, RecursionError):
        return None


def _key(path: Path) -> str:
    """Forms are known as <process>/<form>."""
    return f"{path.resolve().parent.name}/{path.stem}"


# --- checking one -------------------------------------------------------------------------------
def check(path: Path, known: lint.Known, data: bytes | None = None) -> Checked:
    """What is to be said of one file, or of `data` in its place. Never raises."""
    try:
        data = _read(path) if data is None else data
        return CHECKS[_kind(path, data)](path, data, known)
    except Invalid as refused:
        said = _given_up("file", refused.message, **{key: str(value) for key, value in refused.params.items()})
        return Checked(_shown(path), False, False, tuple(refused.problems) or (said,))
    except OSError as error:
        problem = _given_up("file", "The file cannot be read: %(why)s.", why=_why(path, error))
    except Exception as error:  # whatever a file does to its reader is said of that file
        kind = type(error).__name__
        problem = _given_up("lint.unfinished", "The file could not be checked to the end (%(kind)s).", kind=kind)
    return Checked(_shown(path), False, False, (problem,))


def _shown(path: Path) -> str:
    """A path as text that can be printed, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "replace")


def _why(path: Path, error: OSError) -> str:
    if os.path.isdir(path):
        return "the folder holds neither models, tables nor forms"
    return "nothing matches this pattern" if glob.has_magic(str(path)) else (error.strerror or "no reason was given").lower()


def _read(path: Path) -> bytes:
    """The file, or as much of it as shows that it is too large."""
    with path.open("rb") as file:
        return file.read(xmlgate.SIZE + 1)


def _kind(path: Path, data: bytes) -> str:
    """bpmn, dmn or json: as the name says, and what it holds where the name says nothing."""
    suffix = path.suffix.lower()
    if suffix in (".bpmn", ".bpmn2", ".dmn", ".json"):
        return suffix.removesuffix("2")[1:]
    if suffix != ".xml" and path != STDIN:
        raise Invalid("'%(name)s' is neither a .bpmn, a .dmn nor a .json file.", name=path.name)
    if data.lstrip()[:1] in (b"{", b"["):
        return "json"
    return "dmn" if "/DMN/" in (etree.QName(xmlgate.read(data)).namespace or "") else "bpmn"


def _model(path: Path, data: bytes, known: lint.Known) -> Checked:
    report = lint.inspect(data, known)
    if not report.opens:
        return Checked(_shown(path), False, False, report.problems)
    lines = _lines(data, report.problems)
    return Checked(_shown(path), True, report.deployable, report.problems, tuple(lint.mends(data)), lines)


def _table(path: Path, data: bytes, known: lint.Known) -> Checked:
    problems = tuple(dmn.check(dmn.parse(data)))
    return Checked(_shown(path), True, _is_sound(problems), problems, lines=_lines(data, problems))


def _form(path: Path, data: bytes, known: lint.Known) -> Checked:
    problems = tuple(lint.check_form(forms.parse(data, _key(path)).schema))
    return Checked(_shown(path), True, _is_sound(problems), problems)


CHECKS = {"bpmn": _model, "dmn": _table, "json": _form}


def _is_sound(problems: Iterable[Problem]) -> bool:
    return all(problem.severity != "error" for problem in problems)


def _lines(data: bytes, problems: Iterable[Problem]) -> dict[str, int]:
    wanted = {problem.where for problem in problems}
    return {one.get("id"): one.sourceline for one in xmlgate.read(data).iter("{*}*") if one.get("id") in wanted}


# --- saying -------------------------------------------------------------------------------------
def as_text(found: list[Checked]) -> str:
    lines = []
    for one in found:
        lines += [f"{one.path}:"] if one.problems else []
        lines += [f"  {p.severity}: {p.where or 'file'}: {p} [{p.rule}]{_excerpt(p)}" for p in one.problems]
    counts = [sum(p.severity == severity for one in found for p in one.problems) for severity in LEVELS]
    total = "{} errors, {} warnings, {} remarks".format(*counts) if any(counts) else "no problems found"
    return "\n".join([*lines, f"{len(found)} files: {total}."])


def _excerpt(problem: Problem) -> str:
    """The expression that the problem speaks of, from the place on that it means."""
    said = _expression(problem)
    return f" at '{said['expression'][said['position'] :][:60]}'" if said else ""


def _expression(problem: Problem) -> dict:
    """{expression, position}: FEEL and the place in it that is meant, counted from 0; empty where there is none."""
    params = dict(problem.params)
    if "text" not in params or "at" not in params:
        return {}
    return {"expression": params["text"], "position": int(params["at"])}


def as_json(found: list[Checked]) -> str:
    """{"files": [{path, opens, deployable, problems: [{element, rule, severity, sentence, mend}], mends}]}

    A problem in FEEL has its "expression" and the "position" in it besides.
    """
    files = [
        {
            "path": one.path, "opens": one.opens, "deployable": one.deployable,
            "problems": [_plain(problem, one) for problem in one.problems],
            "mends": [_plain_mend(mend) for mend in one.mends],
        }
        for one in found
    ]  # fmt: skip
    return json.dumps({"files": files}, ensure_ascii=False, indent=1)


def _plain(problem: Problem, checked: Checked) -> dict:
    return {
        "element": problem.where, "rule": problem.rule, "severity": problem.severity, "sentence": str(problem),
        "mend": _mend(problem, checked), **_expression(problem),
    }  # fmt: skip


def _mend(problem: Problem, checked: Checked) -> str:
    """What would mend it: the change that could be made, else the advice of the rule."""
    offered = (str(one) for one in checked.mends if (one.where, one.rule) == (problem.where, problem.rule))
    advice = problem.mend % dict(problem.params) if problem.params else problem.mend
    return next(offered, advice)


def _plain_mend(mend: lint.Mend) -> dict[str, str]:
    return {"act": mend.act, "where": mend.where, "what": mend.what, "rule": mend.rule, "sentence": str(mend)}


def as_sarif(found: list[Checked]) -> str:
    rules = sorted({problem.rule for one in found for problem in one.problems})
    place = {rule: number for number, rule in enumerate(rules)}
    driver = {"name": "bizday", "version": _version(), "rules": [{"id": rule} for rule in rules]}
    results = [_result(problem, one, place) for one in found for problem in one.problems]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SARIF, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=1)


def _result(problem: Problem, checked: Checked, place: dict[str, int]) -> dict:
    artifact, line = {"uri": quote(Path(checked.path).as_posix())}, _line(problem, checked)
    location: dict = {"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": line}}}
    if problem.where and not problem.where.isdecimal():
        location["logicalLocations"] = [{"fullyQualifiedName": problem.where, "kind": "element"}]
    return {
        "ruleId": problem.rule, "ruleIndex": place[problem.rule], "level": LEVELS[problem.severity],
        "message": {"text": " ".join(filter(None, (str(problem), _mend(problem, checked))))}, "locations": [location],
    }  # fmt: skip


def _line(problem: Problem, checked: Checked) -> int:
    """Where its element begins, or the line that it names itself; else the first."""
    return checked.lines.get(problem.where) or (int(problem.where) if problem.where.isdecimal() else 0) or 1


def _version() -> str:
    try:
        return version("bizday")
    except PackageNotFoundError:
        return "0"
