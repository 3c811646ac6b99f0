"""A .dmn file as data: decisions, inputs, knowledge, services, types, imports, and what each of them requires.

Elements are known by their local names, so that every version of the standard reads the same. Expressions are compiled
while the file is read; one that is wrong becomes a `Problem` of the model and answers null.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from engine import xmlgate
from engine.dmn.boxes import Boxes, Logic
from engine.dmn.types import Types
from engine.dmn.xml import child, children, name_of, text_of
from engine.errors import Invalid, Problem
from engine.feel.types import Type


@dataclass(frozen=True)
class Input:
    """Data that comes from outside."""

    id: str
    name: str
    type: Type | None


@dataclass(frozen=True)
class Decision:
    id: str
    name: str
    #: hrefs of inputs, decisions, knowledge and services, as they stand in the file
    requires: tuple[str, ...]
    logic: Logic | None
    type: Type | None
    question: str = ""


@dataclass(frozen=True)
class Knowledge:
    """A business knowledge model: a function."""

    id: str
    name: str
    requires: tuple[str, ...]
    logic: Logic | None
    type: Type | None


@dataclass(frozen=True)
class Service:
    """Decisions offered as a function."""

    id: str
    name: str
    inputs: tuple[str, ...]
    input_decisions: tuple[str, ...]
    outputs: tuple[str, ...]
    type: Type | None


@dataclass(eq=False)
class Decisions:
    """One model. Treat it as frozen."""

    name: str
    namespace: str
    types: Types
    #: alias -> the model that it stands for
    imports: dict[str, Decisions] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    inputs: dict[str, Input] = field(default_factory=dict)
    knowledge: dict[str, Knowledge] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    #: id -> names that the element declares inside: entries of its contexts, columns, parameters
    declared: dict[str, frozenset[str]] = field(default_factory=dict)
    #: what could not be read
    problems: list[Problem] = field(default_factory=list)

    def elements(self) -> Iterator[Any]:
        for held in (self.decisions, self.inputs, self.knowledge, self.services):
            yield from held.values()

    def find(self, key: str) -> Decision | Service | Knowledge | None:
        """A decision, service or knowledge model by id, else by name."""
        shelves = (self.decisions, self.services, self.knowledge)
        for held in shelves:
            if key in held:
                return held[key]
        return next((one for held in shelves for one in held.values() if one.name == key), None)

    def at(self, href: str) -> tuple[Decisions, Any] | None:
        """(the model, the element) that an href means: `#id` or `namespace#id`."""
        namespace, _, key = href.rpartition("#")
        model = self if not namespace or namespace == self.namespace else self._imported(namespace)
        if model is None:
            return None
        found = next((held[key] for held in model._shelves() if key in held), None)
        return (model, found) if found is not None else None

    def route(self, model: Decisions) -> tuple[str, ...]:
        """The names of the imports, one behind the other, by which a model is spoken of here; () for this one."""
        return next((route for route, held in self._reachable() if held is model), ())

    def _shelves(self) -> tuple[dict, ...]:
        return self.decisions, self.inputs, self.knowledge, self.services

    def _imported(self, namespace: str) -> Decisions | None:
        return next((held for _, held in self._reachable() if held.namespace == namespace), None)

    def _reachable(self) -> Iterator[tuple[tuple[str, ...], Decisions]]:
        """Every imported model with its route, the nearest first."""
        waiting = [((alias,), held) for alias, held in self.imports.items()]
        while waiting:
            route, held = waiting.pop(0)
            yield route, held
            if len(route) < 10:
                waiting += [((*route, alias), inner) for alias, inner in held.imports.items()]


def read_model(data: bytes, others: tuple[Decisions, ...]) -> Decisions:
    root = xmlgate.read(data)
    tag = etree.QName(root)
    if tag.localname != "definitions" or "/DMN/" not in (tag.namespace or "").upper() + "/":
        raise Invalid("The file holds no DMN model.")
    made = Decisions(root.get("name", ""), root.get("namespace", ""), Types())
    _read_imports(made, root, others)
    made.types.read(root, {alias: held.types for alias, held in made.imports.items()}, made.problems)
    for element in children(root, "inputData"):
        _add(made, made.inputs, element, Input(key(element), variable_name(element), variable_type(made, element)))
    for element in children(root, "decisionService"):
        _add(made, made.services, element, _service(made, element))
    waiting = []
    for element in children(root, "decision"):
        waiting.append((element, made.decisions, Decision))
        _add(made, made.decisions, element, _shell(made, element, Decision))
    for element in children(root, "businessKnowledgeModel"):
        waiting.append((element, made.knowledge, Knowledge))
        _add(made, made.knowledge, element, _shell(made, element, Knowledge))
    made.declared.update({key(element): declared_in(element) for element, _, _ in waiting})
    for element, shelf, kind in waiting:
        shelf[key(element)] = _whole(made, element, kind)
    return made


#: begins the key of an import without a name, whose elements are spoken of as if they were the model's own
UNNAMED = "\x00"


def _read_imports(made: Decisions, root: Any, others: tuple[Decisions, ...]) -> None:
    for element in children(root, "import"):
        namespace = element.get("namespace", "")
        alias = name_of(element) or UNNAMED + namespace
        if "DMN" not in element.get("importType", "DMN"):
            continue
        found = next((one for one in others if one.namespace == namespace), None)
        if found is not None:
            made.imports[alias] = found
        else:
            made.problems.append(
                Problem(alias, "dmn.import", "The imported model '%(name)s' is not there.",
                        params=(("name", alias.removeprefix(UNNAMED)),))
            )  # fmt: skip


def _add(made: Decisions, shelf: dict, element: Any, thing: Any) -> None:
    if any(thing.id in held for held in made._shelves()):
        made.problems.append(
            Problem(thing.id, "dmn.id", "Two elements have the id '%(id)s'.", params=(("id", thing.id),))
        )
    shelf[thing.id] = thing


def key(element: Any) -> str:
    return element.get("id") or element.get("name") or ""


def variable_name(element: Any) -> str:
    variable = child(element, "variable")
    return name_of(variable) if variable is not None and variable.get("name") else name_of(element)


def variable_type(made: Decisions, element: Any) -> Type | None:
    variable = child(element, "variable")
    return made.types.of(variable if variable is not None else element)


def hrefs(element: Any, *kinds: str) -> tuple[str, ...]:
    return tuple(one.get("href", "") for one in element.iter() if isinstance(one.tag, str) and _local(one) in kinds)


def _local(element: Any) -> str:
    return etree.QName(element).localname


REQUIRED = ("requiredInput", "requiredDecision", "requiredKnowledge")


def _shell(made: Decisions, element: Any, kind: type) -> Any:
    """A decision or knowledge model whose logic is not compiled yet."""
    return kind(key(element), variable_name(element), hrefs(element, *REQUIRED), None, variable_type(made, element))


def _service(made: Decisions, element: Any) -> Service:
    outputs = hrefs(element, "outputDecision")
    inputs, decided = hrefs(element, "inputData"), hrefs(element, "inputDecision")
    return Service(key(element), variable_name(element), inputs, decided, outputs, variable_type(made, element))


def _whole(made: Decisions, element: Any, kind: type) -> Any:
    """With its logic, compiled against the names that it requires."""
    shell = _shell(made, element, kind)
    boxes = Boxes(made.types, names_for(made, shell, element), made.problems, shell.id)
    logic = boxes.knowledge(element) if kind is Knowledge else boxes.decision(element)
    if kind is Decision:
        return Decision(shell.id, shell.name, shell.requires, logic, shell.type, text_of(child(element, "question")))
    return Knowledge(shell.id, shell.name, shell.requires, logic, shell.type)


#: elements whose names can be spoken of inside the same decision
LOCAL = {"variable", "formalParameter", "parameter", "column", "output"}


def declared_in(element: Any) -> frozenset[str]:
    found = set()
    for one in element.iter():
        if isinstance(one.tag, str) and (_local(one) in LOCAL or one.get("iteratorVariable")):
            found.add(one.get("iteratorVariable") or name_of(one))
    return frozenset(found)


def names_for(made: Decisions, thing: Any, element: Any) -> frozenset[str]:
    """All names that an expression of this element may speak of: what it requires and declares, and entries of types."""
    found = set(made.types.entry_names()) | declared_in(element)
    for href in thing.requires:
        held = made.at(href)
        if held:
            found |= {held[1].name, *made.route(held[0])}
            found |= set(held[0].types.entry_names()) | held[0].declared.get(held[1].id, frozenset())
    for alias, model in made.imports.items():
        found.add(alias)
        found |= {one.name for one in model.elements()}
    return frozenset(name for name in found if name and not name.startswith(UNNAMED))
