"""What we ask of variables along the paths of a model: that they were written before they are read.

Two walks over each process. `Paths.may` has for each element the variables that some path to it writes, `Paths.must` those
that every path writes. ANYTHING among them says that something on the way may bring any variable (a service without outputs,
a message, a start without form); then nothing is said. Neither walk recurses, and both end because sets only grow or shrink.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.bpmn.model import Element, Formula, Process
from engine.bpmn.parser import SCOPES
from engine.lint.kinds import everywhere, place, seen
from engine.lint.look import Look, edges, entries, name_of, reached
from engine.lint.variables import GIVEN_NAMES, brings_anything, is_null_without, reads, written_by

ANYTHING = "*"
#: gateways that wait for all of their branches
JOINS = ("parallelGateway",)
#: gateways that let one branch go on
CHOICES = ("exclusiveGateway", "eventBasedGateway")
#: processes with more elements are not walked
MOST = 1000


class Paths:
    """The variables on the way to each element of one process."""

    def __init__(self, process: Process, look: Look):
        self.process = process
        self.look = look
        self.reached = reached(process)
        #: element -> what leads to it, and whether that is a boundary, an entry of a scope or what it holds
        self.before: dict[str, set[str]] = {key: set() for key in process.elements}
        self._connect()
        self.writes = {key: self._writes(one) for key, one in process.elements.items()}
        self.may = self._may()

    def _connect(self) -> None:
        for element in self.process.elements.values():
            for following in edges(element):
                self.before[following.id].add(element.id)
            if element.kind in SCOPES:
                for child in element.children:
                    self.before[element.id].add(child.id)
                for entry in entries(element):
                    self.before[entry.id].add(element.id)
                    if element.loop is not None or element.kind == "adHocSubProcess":
                        self.before[entry.id] |= {child.id for child in element.children}
            if element.triggered_by_event or element.for_compensation:
                self.before[element.id] |= {one.id for one in element.siblings if one is not element}

    def _writes(self, element: Element) -> set[str]:
        found = written_by(element) | set(self.look.known.fields.get(element.form_key or "", ()))
        unknown = element.form_key and element.form_key not in self.look.known.fields
        return found | ({ANYTHING} if unknown or brings_anything(element) else set())

    def _may(self) -> dict[str, set[str]]:
        """element -> variables that may be written when it is left."""
        found = {key: set(writes) for key, writes in self.writes.items()}
        for entry in entries(self.process.root):
            if not entry.form_key and not entry.triggered_by_event:
                found[entry.id].add(ANYTHING)
        changed = True
        while changed:
            changed = False
            for key, before in self.before.items():
                size = len(found[key])
                found[key].update(*(found[one] for one in before))
                changed = changed or len(found[key]) > size
        return found

    def must(self) -> dict[str, set[str]]:
        """element -> variables that are written on every path to its end, filled-in fields among them."""
        everything = set().union(*self.writes.values()) if self.writes else set()
        found = {key: set(everything) for key in self.before}
        changed = True
        while changed:
            changed = False
            for key, element in self.process.elements.items():
                said = self._must_at(element, found) | self._surely(element)
                if said != found[key]:
                    found[key], changed = said, True
        return found

    def _must_at(self, element: Element, found: dict[str, set[str]]) -> set[str]:
        flows = [found[flow.source.id] for flow in element.incoming]
        if element.kind in SCOPES:
            ends = [found[one.id] for one in element.children if not one.outgoing and not one.triggered_by_event]
            inside = set.intersection(*ends) if ends else set()
        else:
            inside = set()
        if element.kind in JOINS and flows:
            return set().union(*flows) | inside
        around = [found[key] - self._surely(self.process.elements[key]) for key in self.before[element.id]
                  if key not in {flow.source.id for flow in element.incoming} and not self._is_inside(key, element)]  # fmt: skip
        whole = flows + around
        return (set.intersection(*whole) if whole else set()) | inside

    def _is_inside(self, key: str, element: Element) -> bool:
        return self.process.elements[key].parent is element

    def _surely(self, element: Element) -> set[str]:
        fields = self.look.known.fields.get(element.form_key or "", {})
        return written_by(element) | {name for name, required in fields.items() if required}


def variables_are_written_before(look: Look) -> None:
    """A variable that is written, but on no path that leads to where it is read."""
    for process in look.processes:
        if len(process.elements) > MOST:
            continue
        paths = Paths(process, look)
        for where, formula in everywhere(process):
            known = _known_at(paths, where)
            if known is None or ANYTHING in known or formula.expression is None:
                continue
            for name in sorted(reads(formula) - known - GIVEN_NAMES):
                _say(look, paths, where, formula, name)


def _known_at(paths: Paths, where: str) -> set[str] | None:
    """What may be written where an expression stands; None where it waits for others to write or is never asked."""
    element = paths.process.elements.get(where)
    if (element or paths.process.flows[where].source).id not in paths.reached:
        return None
    if element is None:
        return paths.may[paths.process.flows[where].source.id]
    if any(event.kind == "conditional" for event in element.events):
        return None
    return paths.may[where]


def _say(look: Look, paths: Paths, where: str, formula: Formula, name: str) -> None:
    writers = [one for key, one in paths.process.elements.items() if name in paths.writes[key]]
    at = paths.process.elements.get(where) or paths.process.flows[where].source
    if not writers or _is_asked_for(formula, name) or any(_beside(paths, one, at) for one in writers):
        return
    look.say(
        where, "feel.not-yet-written", "'%(variable)s' is written by '%(writer)s' only later or on another branch.", "warning",
        "Write it on every path that leads here, or ask whether it is null first.", variable=name, writer=name_of(writers[0]),
        **place(formula, seen(formula, {}).places.get(name, 0)),
    )  # fmt: skip


def _is_asked_for(formula: Formula, name: str) -> bool:
    """Whether the expression reckons with its absence."""
    said = re.escape(name)
    return bool(re.search(rf"\b{said}\s*!?=\s*null|is defined\(\s*{said}|get or else\(\s*{said}", formula.text))


def _beside(paths: Paths, one: Element, other: Element) -> bool:
    """Whether two elements may be done at the same time: something lets several branches go on to both."""
    ahead, behind = _ancestors(paths, one.id), _ancestors(paths, other.id)
    if one.id in behind or (other.id in ahead and not _comes_any_time(one)):
        return False
    elements = (paths.process.elements[key] for key in ahead & behind)
    return _comes_any_time(one) or any(len(e.outgoing) + len(e.boundaries) > 1 and e.kind not in CHOICES for e in elements)


def _comes_any_time(element: Element | None) -> bool:
    """Whether an event or a compensation may start it whenever its scope is alive."""
    while element is not None:
        if element.triggered_by_event or element.for_compensation:
            return True
        element = element.parent
    return False


def _ancestors(paths: Paths, key: str) -> set[str]:
    found: set[str] = set()
    rest = [key]
    while rest:
        for one in paths.before[rest.pop()]:
            if one not in found:
                found.add(one)
                rest.append(one)
    return found


def conditions_have_their_variables(look: Look) -> None:
    """A condition over a variable that only some of the paths to it write."""
    for process in look.processes:
        asked = [flow for flow in process.flows.values() if flow.condition is not None]
        if not asked or len(process.elements) > MOST:
            continue
        paths = Paths(process, look)
        must = paths.must()
        for flow in asked:
            for name in _missing(paths, must, flow.source, flow.condition, look):
                look.say(
                    flow.id, "feel.may-be-null",
                    "Not every path here writes '%(variable)s'; without it the condition '%(text)s' is null and the "
                    "case stops there.", "warning",
                    "Write it on every path, or ask for null first: %(variable)s != null and (%(text)s).",
                    variable=name, **place(flow.condition, seen(flow.condition, {}).places.get(name, 0)),
                )  # fmt: skip


def _missing(paths: Paths, must: dict[str, set[str]], at: Element, condition: Formula, look: Look) -> Iterator[str]:
    """Variables that may be missing; only where the condition hangs on nothing else that could tell."""
    may = paths.may[at.id]
    asked = reads(condition) - GIVEN_NAMES
    fields = set().union(*look.known.fields.values()) if look.known.fields else set()
    loose = {name for name in asked if name in may and name not in must[at.id]}
    if ANYTHING in may or not loose or loose != asked or not is_null_without(condition, loose):
        return
    yield from sorted(loose - _optional_only(paths, loose, fields))[:1]


def _optional_only(paths: Paths, names: set[str], fields: set[str]) -> set[str]:
    """Fields that nothing else writes are told by the rule about fields that may be left empty."""
    elements = paths.process.elements.values()
    other = set().union(*(written_by(one) for one in elements))
    required = {name for one in elements for name in names if paths.look.known.fields.get(one.form_key or "", {}).get(name)}
    return (names & fields) - other - required


RULES = (variables_are_written_before, conditions_have_their_variables)
