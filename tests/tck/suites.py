"""Finds suites, evaluates their cases and compares what came out.

Numbers count as equal within a relative distance of 1e-8, because the kit writes many results with fewer digits than
decimal128 has; everything else must be the same FEEL value.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from lxml import etree

from engine import dmn, feel
from engine.errors import Refused
from engine.feel.values import same

TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
CLOSE = Decimal("1e-8")
#: how long one result node may take, its model included
SECONDS = 20.0


@dataclass
class Failure:
    case: str
    node: str
    why: str


@dataclass
class Suite:
    name: str
    passed: int = 0
    total: int = 0
    failures: list[Failure] = field(default_factory=list)

    def count(self, case: str, node: str, why: str) -> None:
        self.total += 1
        self.passed += not why
        if why:
            self.failures.append(Failure(case, node, why))


def suites(folders: Iterable[Path]) -> list[Path]:
    """Every folder below those given (they themselves among them) that holds cases, each once."""
    found = {}
    for folder in folders:
        for file in sorted(Path(folder).resolve().rglob("*.xml")):
            if is_cases(file):
                found[file.parent] = True
    return list(found)


def is_cases(file: Path) -> bool:
    """By its name; one that is named otherwise by its first tag."""
    return "-test-" in file.name or b"<testCases" in file.read_bytes()[:2000]


def run(folders: Iterable[Path]) -> list[Suite]:
    return [run_suite(folder) for folder in suites(folders)]


def run_suite(folder: Path) -> Suite:
    suite = Suite(f"{folder.parent.name}/{folder.name}")
    shelf = Models(folder)
    for file in sorted(filter(is_cases, folder.glob("*.xml"))):
        try:
            root = etree.parse(str(file)).getroot()
        except etree.XMLSyntaxError as error:
            suite.count(file.name, "", f"the file cannot be read: {error}")
            continue
        for case in children(root, "testCase"):
            run_case(suite, shelf, text_of(child(root, "modelName")), case)
    return suite


class Models:
    """The models of one folder; an import is looked for among its neighbours."""

    def __init__(self, folder: Path):
        self.files = {file.name: file.read_bytes() for file in sorted(folder.glob("*.dmn"))}
        self.parsed: dict[str, dmn.Decisions] = {}

    def get(self, name: str, around: tuple[str, ...] = ()) -> dmn.Decisions:
        """Cases that name no model mean the only one."""
        if not name and len(self.files) == 1:
            name = next(iter(self.files))
        if name not in self.files:
            raise NoModel(f"there is no model '{name}' in the folder")
        if name not in self.parsed:
            wanted = {one.get("namespace") for one in etree.fromstring(self.files[name]).iter("{*}import")}
            others = [
                self.get(other, (*around, name))
                for other in self.files
                if other != name and other not in around and self.namespace(other) in wanted
            ]
            self.parsed[name] = dmn.parse(self.files[name], others)
        return self.parsed[name]

    def namespace(self, name: str) -> str | None:
        """None for a neighbour that cannot be read: it spoils only the cases that are its own."""
        try:
            return etree.fromstring(self.files[name]).get("namespace")
        except etree.XMLSyntaxError:
            return None


class NoModel(Exception):
    pass


class TooSlow(Exception):
    pass


def run_case(suite: Suite, shelf: Models, model_name: str, case: Any) -> None:
    for node in children(case, "resultNode"):
        error_due = node.get("errorResult") == "true"
        try:
            with at_most(SECONDS):
                variables = {one.get("name"): value_of(one) for one in children(case, "inputNode")}
                why = judge(shelf.get(model_name), case, node, variables, error_due)
        except (Refused, feel.FeelError) as error:
            why = "" if error_due else f"{type(error).__name__}: {error}"
        except Exception as error:  # whatever breaks is a failure of this node, and the others are still run
            why = f"{type(error).__name__}: {error}"
        suite.count(case.get("id", ""), node.get("name", ""), why)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises TooSlow inside when it takes longer. Only the main thread of a POSIX system has such a clock."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise TooSlow(f"took longer than {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judge(model: dmn.Decisions, case: Any, node: Any, variables: dict[str, Any], error_due: bool = False) -> str:
    """Why the node did not come to what was expected, or "". An error inside a decision is told as null."""
    answer = dmn.evaluate(model, asked(case, node), variables)
    found = answer.value
    service = model.find(asked(case, node))
    if isinstance(service, dmn.Service) and len(service.outputs) > 1 and isinstance(found, dict):
        found = found.get(node.get("name"), found)
    if error_due:
        return "" if found is None else f"expected an error, but came to {feel.literal(found)}"
    expected = value_of(child(node, "expected"))
    if agree(found, expected):
        return ""
    notes = "; ".join(str(one) for one in answer.diagnoses[:3])
    return f"expected {feel.literal(expected)}, but came to {feel.literal(found)}" + (f" ({notes})" if notes else "")


def asked(case: Any, node: Any) -> str:
    """A case may call a service or a knowledge model by name; else the node names the decision."""
    return case.get("invocableName") or node.get("name", "")


def agree(found: Any, expected: Any) -> bool:
    if isinstance(found, Decimal) and isinstance(expected, Decimal):
        return abs(found - expected) <= CLOSE * max(abs(expected), CLOSE)
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(agree, found, expected))
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(agree(found[name], expected[name]) for name in found)
    return type(found) is type(expected) and same(found, expected) is True


# --- values in XML ----------------------------------------------------------------------------
def value_of(element: Any) -> Any:
    """The FEEL value that a node, component or item writes; null when nothing is written."""
    if element is None:
        return None
    held = child(element, "value")
    if held is not None:
        return simple_value(held)
    listed = child(element, "list")
    if listed is not None:
        return None if listed.get(NIL) == "true" else [value_of(one) for one in children(listed, "item")]
    parts = children(element, "component")
    return {one.get("name"): value_of(one) for one in parts} if parts else None


def simple_value(element: Any) -> Any:
    if element.get(NIL) == "true":
        return None
    kind = (element.get(TYPE) or "xsd:string").rpartition(":")[2]
    text = element.text or ""
    return READ.get(kind, str)(text if kind == "string" else text.strip())


def a_moment(text: str) -> Any:
    return feel.evaluate("date and time(text)", {"text": text})


def a_number(text: str) -> Decimal:
    return Decimal(text)


READ = {
    "boolean": lambda text: text in ("true", "1"),
    "decimal": a_number,
    "double": a_number,
    "integer": a_number,
    "int": a_number,
    "long": a_number,
    "float": a_number,
    "date": lambda text: feel.evaluate("date(text)", {"text": text}),
    "time": lambda text: feel.evaluate("time(text)", {"text": text}),
    "dateTime": a_moment,
    "duration": lambda text: feel.evaluate("duration(text)", {"text": text}),
}


def children(element: Any, name: str) -> list[Any]:
    return [one for one in element if isinstance(one.tag, str) and etree.QName(one).localname == name]


def child(element: Any, name: str) -> Any | None:
    return next(iter(children(element, name)), None) if element is not None else None


def text_of(element: Any) -> str:
    return (element.text or "").strip() if element is not None else ""
