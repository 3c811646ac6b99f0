"""The README's table of elements: what runs, since which version, and which tests show it.

What runs is read from the engine (`NODES` and `CATCHABLE`), what is tested from the sources of the tests:
each call of the vocabulary in `tests/models/xml.py` that a test makes, itself or through what it names,
says which element stands in its model. A test may also say it: `@pytest.mark.element("complexGateway")`.
Run as a script it prints the table; nothing is executed and nothing is counted by hand.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from engine.bpmn.parser import NODES
from engine.bpmn.soundness import CATCHABLE

HERE = Path(__file__).resolve().parent
VOCABULARY = HERE.parent / "models" / "xml.py"
FIRST = "0.1.0"
#: element -> version that first ran it, where that is not the first
SINCE: dict[str, str] = {}
#: places where an event without a trigger may stand
PLAIN = ("startEvent", "intermediateThrowEvent", "endEvent")
#: triggers after which what they are attached to may go on
MAY_GO_ON = ("timer", "message", "signal", "conditional", "escalation")
LOOPS = ("multiInstance.parallel", "multiInstance.sequential", "standardLoop")
#: names of tests that one row shows
SHOWN = 2


# --- what runs ----------------------------------------------------------------------------------
def supported() -> list[str]:
    """Every kind of element that the engine runs, as dotted names, in the order of the engine."""
    found: list[str] = []
    for tag in NODES:
        found += list(_events(tag)) if tag in CATCHABLE else [tag]
    return [*found, *_events("eventSubProcess"), *LOOPS]


def _events(place: str) -> Iterator[str]:
    if place in PLAIN:
        yield f"{place}.none"
    for kind in sorted(CATCHABLE["event start" if place == "eventSubProcess" else place]):
        yield f"{place}.{kind}"
        if place in ("boundaryEvent", "eventSubProcess") and kind in MAY_GO_ON:
            yield f"{place}.{kind}.non-interrupting"


# --- the vocabulary -----------------------------------------------------------------------------
def _functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    return {
        target.id: node.value
        for node in tree.body if isinstance(node, ast.Assign)
        for target in node.targets if isinstance(target, ast.Name)
    }  # fmt: skip


class Vocabulary:
    """Which call writes which element, and which name which trigger."""

    def __init__(self, tree: ast.Module):
        #: name of a function -> tag of the element that it writes
        self.tags = {name: tag for name, node in _functions(tree).items() if (tag := _written(node))}
        given = {**_functions(tree), **_constants(tree)}
        #: name of a function or constant -> kind of event
        self.triggers = {name: kind for name, node in given.items() if (kind := _trigger(node))}


def _written(node: ast.FunctionDef) -> str | None:
    calls = (
        one
        for one in ast.walk(node)
        if isinstance(one, ast.Call) and getattr(one.func, "id", "") == "element"
    )
    return next(
        (one.args[0].value for one in calls if one.args and isinstance(one.args[0], ast.Constant)), None
    )


def _trigger(node: ast.AST) -> str | None:
    texts = (
        one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
    )
    found = next((match[1] for text in texts if (match := re.match(r"<(\w+)EventDefinition", text))), None)
    return "compensation" if found == "compensate" else found


# --- what is tested -----------------------------------------------------------------------------
def tested(source: str, vocabulary: Vocabulary) -> dict[str, set[str]]:
    """name of each test of a file -> the elements that stand in its models."""
    tree = ast.parse(source)
    named = {**_functions(tree), **_constants(tree)}
    return {
        name: _elements(node, named, vocabulary) for name, node in named.items() if name.startswith("test_")
    }


def _elements(test: ast.AST, named: dict[str, ast.AST], vocabulary: Vocabulary) -> set[str]:
    found: set[str] = set()
    for node in _reached(test, named):
        within = {id(one) for one in ast.walk(node) if _called(one) == "event_sub" for one in ast.walk(one)}
        given = _parameters(node)
        for call in (one for one in ast.walk(node) if isinstance(one, ast.Call)):
            found |= _of_call(call, vocabulary, given, id(call) in within)
    return found


def _reached(test: ast.AST, named: dict[str, ast.AST]) -> list[ast.AST]:
    """A test and everything of its file that it names, directly or not."""
    rest, seen, found = [test], set(), []
    while rest:
        node = rest.pop()
        found.append(node)
        for one in ast.walk(node):
            if (
                isinstance(one, ast.Name)
                and one.id in named
                and one.id not in seen
                and not one.id.startswith("test_")
            ):
                seen.add(one.id)
                rest.append(named[one.id])
    return found


def _called(node: ast.AST) -> str:
    return getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""


def _parameters(node: ast.AST) -> dict[str, ast.AST]:
    """Names that a test is parametrised with -> the decorator that holds their values."""
    return {
        name: one
        for one in getattr(node, "decorator_list", ())
        if isinstance(one, ast.Call) and getattr(one.func, "attr", "") == "parametrize" and one.args
        for part in ast.walk(one.args[0]) if isinstance(part, ast.Constant)
        for name in str(part.value).replace(",", " ").split()
    }  # fmt: skip


def _of_call(
    call: ast.Call, vocabulary: Vocabulary, given: dict[str, ast.AST], in_event_sub: bool
) -> set[str]:
    if getattr(call.func, "attr", "") == "element":
        return {one.value for one in call.args if isinstance(one, ast.Constant)}
    if _called(call) == "multi":
        return {"multiInstance.sequential" if _is_sequential(call) else "multiInstance.parallel"}
    if _called(call) == "loop":
        return {"standardLoop"}
    tag = vocabulary.tags.get(_called(call)) or _first(call)
    if tag is None:
        return set()
    place = "eventSubProcess" if in_event_sub and tag == "startEvent" else tag
    if tag not in CATCHABLE:
        return {tag}
    kinds = {kind for one in call.args for kind in _kinds(one, vocabulary, given)} or {"none"}
    return {f"{place}.{kind}{how}" for kind in kinds for how in _ways(call, given)}


def _ways(call: ast.Call, given: dict[str, ast.AST]) -> set[str]:
    """Whether the event interrupts; a parameter stands for both."""
    said = next((one.value for one in call.keywords if one.arg == "interrupting"), None)
    if getattr(said, "id", "") in given:
        return {"", ".non-interrupting"}
    return {".non-interrupting"} if getattr(said, "value", True) is False else {""}


def _first(call: ast.Call) -> str | None:
    """The tag of `element("tag", ...)`."""
    is_tag = _called(call) == "element" and call.args and isinstance(call.args[0], ast.Constant)
    return call.args[0].value if is_tag and call.args[0].value in NODES else None


def _kinds(argument: ast.AST, vocabulary: Vocabulary, given: dict[str, ast.AST]) -> set[str]:
    """The triggers that an argument writes; of a parameter those that it stands for."""
    name = getattr(argument, "id", "") or _called(argument)
    if name in given:
        return {
            vocabulary.triggers[found] for one in ast.walk(given[name])
            if (found := _called(one) or getattr(one, "id", "")) in vocabulary.triggers
        }  # fmt: skip
    return {vocabulary.triggers[name]} if name in vocabulary.triggers else set()


def _is_sequential(call: ast.Call) -> bool:
    return any(one.arg == "sequential" and getattr(one.value, "value", None) is True for one in call.keywords)


# --- the table ----------------------------------------------------------------------------------
def collected() -> dict[str, list[str]]:
    """element -> names of the tests in whose models it stands: first whose name speaks of it, then with few others beside it."""
    vocabulary = Vocabulary(ast.parse(VOCABULARY.read_text("utf-8")))
    tests: dict[str, set[str]] = {}
    for path in sorted(HERE.glob("test_bpmn_*.py")):
        tests |= tested(path.read_text("utf-8"), vocabulary)
    found: dict[str, list[str]] = {}
    for name, elements in tests.items():
        for element in elements:
            found.setdefault(element, []).append(name)
    return {
        element: sorted(names, key=lambda one: (_unnamed(element, one), len(tests[one]))) for element, names in found.items()
    }


def _unnamed(element: str, test: str) -> int:
    """How many words of an element's kind the name of a test does not say."""
    words = {word.lower() for word in re.findall("[A-Z]?[a-z]+", element)} - {"event", "none", "non", "interrupting"}
    return sum(not any(said.startswith(word) for said in test.split("_")) for word in words)


def table() -> str:
    """The Markdown table that stands in the README between its two marks."""
    found = collected()
    lines = ["| element | supported since | tested by |", "|---|---|---|"]
    for element in supported():
        shown = ", ".join(f"`{name}`" for name in found.get(element, [])[:SHOWN])
        lines.append(f"| `{element}` | {SINCE.get(element, FIRST)} | {shown} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
