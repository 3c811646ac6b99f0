"""Decision tables (DMN 1.5, chapter 8): which rules hit, and what the hit policy makes of them.

A rule is a row of unary tests. Tests against constants are looked up in a dictionary per column, so that a table of
hundreds of rules asks only few of them one by one; the rules that are still possible are the bits of a number. Every hit
is written down with its annotations, because a person will ask why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from engine import feel
from engine.dmn.xml import child, children, name_of, place_of, text_of
from engine.feel.compiler import Closure, Run, Scope, typed_result
from engine.feel.operators import plus
from engine.feel.types import Type
from engine.feel.values import contained, order, same

if TYPE_CHECKING:
    from engine.dmn.boxes import Boxes

POLICIES = {
    "UNIQUE", "ANY", "PRIORITY", "FIRST", "RULE ORDER", "OUTPUT ORDER", "COLLECT",
}  # fmt: skip


@dataclass(frozen=True)
class Hit:
    """A rule that hit: which table, which rule (counted from 1), and what is written beside it."""

    table: str
    rule: int
    rule_id: str
    annotations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Clause:
    """A column of conditions."""

    id: str
    label: str
    text: str
    read: Closure
    type: Type | None
    #: the values that may come in, as tests; None when all may
    allowed: feel.Tests | None
    tests: tuple[feel.Tests | None, ...]


@dataclass(frozen=True)
class Output:
    id: str
    name: str
    type: Type | None
    #: values that may come out, the most important first; () when all may
    values: tuple[Any, ...]
    default: Closure | None


@dataclass(frozen=True)
class Rule:
    id: str
    outputs: tuple[Closure, ...]
    texts: tuple[str, ...]
    annotations: tuple[tuple[str, str], ...]


class Table:
    """A decision table, ready to run. Immutable once it is read."""

    def __init__(self, key: str, policy: str, aggregation: str, clauses: list[Clause], outputs: list[Output],
                 rules: list[Rule]):  # fmt: skip
        self.id = key
        self.policy = policy
        self.aggregation = aggregation
        self.clauses = clauses
        self.outputs = outputs
        self.rules = rules
        self._columns = [_Column(clause) for clause in clauses]
        self._all = (1 << len(rules)) - 1

    @staticmethod
    def read(boxes: Boxes, element: Any) -> Table:
        rows = children(element, "rule")
        clauses = [_clause(boxes, one, place, rows) for place, one in enumerate(children(element, "input"))]
        outputs = [_output(boxes, one) for one in children(element, "output")]
        notes = [name_of(one) for one in children(element, "annotation")]
        rules = [_rule(boxes, row, notes) for row in rows]
        policy = " ".join((element.get("hitPolicy") or "UNIQUE").upper().replace("_", " ").split())
        return Table(place_of(element), policy, (element.get("aggregation") or "").upper(), clauses, outputs, rules)

    def run(self, scope: Scope) -> Any:
        """The result in a scope; null with a note when the hit policy is broken."""
        hits = self.hits(scope)
        if not hits:
            return self._none(scope)
        return RESULTS.get(self.policy, _unique)(self, hits, scope)

    def hits(self, scope: Scope) -> list[int]:
        """The rules that hit, counted from 0, in their order. FIRST stops looking at the first."""
        left = self._all
        for column in self._columns:
            left = column.still(left, scope)
            if not left:
                return []
        return list(_bits(left))

    def outcome(self, rule: int, scope: Scope) -> Any:
        """What a rule says: a value, or a context when the table has several outputs."""
        made = self.rules[rule].outputs
        values = [
            _checked(output, typed_result(scope.run, cell(scope), output.type), scope.run)
            for output, cell in zip(self.outputs, made, strict=False)
        ]
        return self.shaped(values)

    def shaped(self, values: list) -> Any:
        if len(self.outputs) <= 1:
            return values[0] if values else None
        return {output.name: value for output, value in zip(self.outputs, values, strict=False)}

    def record(self, rules: list[int], scope: Scope) -> None:
        hits = getattr(scope.run, "hits", None)
        if hits is not None:
            hits.extend(Hit(self.id, one + 1, self.rules[one].id, self.rules[one].annotations) for one in rules)

    def _none(self, scope: Scope) -> Any:
        if any(output.default for output in self.outputs):
            return self.shaped([
                typed_result(scope.run, output.default(scope), output.type) if output.default else None
                for output in self.outputs
            ])  # fmt: skip
        scope.run.note("table", "No rule of '%(table)s' hits.", table=self.id)
        if self.policy in MANY and not self.aggregation:
            return []
        return Decimal(0) if self.aggregation == "COUNT" else None


MANY = {"COLLECT", "RULE ORDER", "OUTPUT ORDER"}


def _bits(mask: int):
    place = 0
    while mask:
        if mask & 1:
            yield place
        mask >>= 1
        place += 1


class _Column:
    """The tests of one column: those against constants by value, the others to be asked."""

    __slots__ = ("always", "ask", "clause", "constants")

    def __init__(self, clause: Clause):
        self.clause = clause
        self.always = 0
        self.constants: dict[Any, int] = {}
        self.ask: list[tuple[int, feel.Tests]] = []
        for place, tests in enumerate(clause.tests):
            self._sort(1 << place, tests)

    def _sort(self, bit: int, tests: feel.Tests | None) -> None:
        if tests is None:
            return
        held = constants_of(tests)
        if tests.any_value:
            self.always |= bit
        elif held is not None:
            for value in held:
                self.constants[_mark(value)] = self.constants.get(_mark(value), 0) | bit
        else:
            self.ask.append((bit, tests))

    def still(self, left: int, scope: Scope) -> int:
        """Those of the rules `left` whose test in this column holds."""
        if left & self.always == left:
            return left
        kind = self.clause.type
        value = typed_result(scope.run, as_typed(self.clause.read(scope), kind), kind)
        if self.clause.allowed and value is not None and self.clause.allowed.run(value, scope) is False:
            scope.run.note("value", "'%(name)s' has a value that is not allowed.", name=self.clause.label or self.clause.text)
        hit = self.always
        if self.constants:
            hit |= self._equal(value)
        for bit, tests in self.ask:
            if left & bit and tests.run(value, scope) is True:
                hit |= bit
        return left & hit

    def _equal(self, value: Any) -> int:
        if isinstance(value, list):
            return sum(bit for mark, bit in self.constants.items() if contained(value, [mark[1]]) is True)
        return self.constants.get(_mark(value), 0) if isinstance(value, str | bool | Decimal) else 0


def _mark(value: Any) -> tuple[type, Any]:
    return type(value), value


def constants_of(tests: feel.Tests) -> list[Any] | None:
    """The texts, numbers and booleans of a cell that tests for nothing else; None for other cells."""
    node, negated = tests.node
    if negated or node.kind == "any_value":
        return None
    found = []
    for one in node.parts[0].parts:
        if one.kind == "string":
            found.append(one.parts[0][1])
        elif one.kind in ("true", "false"):
            found.append(one.kind == "true")
        elif one.kind == "number":
            found.append(Decimal(one.parts[0][1]))
        else:
            return None
    return found


def as_typed(value: Any, kind: Type | None) -> Any:
    """Text as the date, time or duration that the type asks for: plain JSON has no such values."""
    if not isinstance(value, str) or kind is None:
        return value
    name = kind.kind
    if name == "date":
        return feel.read_literal_of(value, feel.Date) or value
    if name in LITERALS:
        return feel.read_literal_of(value, LITERALS[name]) or value
    return value


LITERALS = {
    "time": feel.Time,
    "date and time": feel.DateTime,
    "days and time duration": feel.DaysTime,
    "years and months duration": feel.YearsMonths,
}


def _checked(output: Output, value: Any, run: Run) -> Any:
    if output.values and value is not None and contained(value, list(output.values)) is not True:
        return run.note("value", "'%(name)s' has a value that is not allowed.", name=output.name)
    return value


# --- hit policies -----------------------------------------------------------------------------
def _unique(table: Table, hits: list[int], scope: Scope) -> Any:
    table.record(hits, scope)
    if len(hits) > 1:
        said = ", ".join(str(one + 1) for one in hits)
        return scope.run.note("table", "Rules %(rules)s of '%(table)s' hit, but only one may.", rules=said, table=table.id)
    return table.outcome(hits[0], scope)


def _first(table: Table, hits: list[int], scope: Scope) -> Any:
    table.record(hits[:1], scope)
    return table.outcome(hits[0], scope)


def _any(table: Table, hits: list[int], scope: Scope) -> Any:
    table.record(hits, scope)
    found = [table.outcome(one, scope) for one in hits]
    if all(same(one, found[0]) is True for one in found):
        return found[0]
    return scope.run.note("table", "Rules of '%(table)s' that hit say different things.", table=table.id)


def _ordered(table: Table, hits: list[int], scope: Scope) -> list[tuple[int, Any]]:
    """(rule, outcome) by the order of the output values, the first output first; equal ones stay in rule order."""
    found = [(one, table.outcome(one, scope)) for one in hits]

    def rank(pair: tuple[int, Any]) -> tuple[int, ...]:
        outcome = pair[1]
        values = list(outcome.values()) if len(table.outputs) > 1 else [outcome]
        return tuple(_place(value, output.values) for value, output in zip(values, table.outputs, strict=False))

    return sorted(found, key=rank)


def _place(value: Any, values: tuple[Any, ...]) -> int:
    return next((place for place, one in enumerate(values) if contained(value, one) is True), len(values))


def _priority(table: Table, hits: list[int], scope: Scope) -> Any:
    rule, outcome = _ordered(table, hits, scope)[0]
    table.record([rule], scope)
    return outcome


def _output_order(table: Table, hits: list[int], scope: Scope) -> list:
    found = _ordered(table, hits, scope)
    table.record([rule for rule, _ in found], scope)
    return [outcome for _, outcome in found]


def _collect(table: Table, hits: list[int], scope: Scope) -> Any:
    table.record(hits, scope)
    found = [table.outcome(one, scope) for one in hits]
    if table.policy != "COLLECT" or not table.aggregation:
        return found
    if len(table.outputs) > 1:
        return _each_output(table, found, scope)
    return _aggregated(table, found, scope)


def _each_output(table: Table, found: list[dict], scope: Scope) -> dict:
    return {one.name: _aggregated(table, [row[one.name] for row in found], scope) for one in table.outputs}


def _aggregated(table: Table, found: list, scope: Scope) -> Any:
    if table.aggregation == "COUNT":
        return Decimal(len(found))
    made = AGGREGATIONS[table.aggregation](found) if table.aggregation in AGGREGATIONS else None
    if made is None:
        scope.run.note("table", "'%(aggregation)s' cannot be told of what was found.", aggregation=table.aggregation)
    return made


def _sum(found: list) -> Any:
    total = found[0]
    for one in found[1:]:
        total = plus(total, one)
    return total if not isinstance(total, str) else None


def _extreme(sign: int) -> Callable[[list], Any]:
    def choose(found: list) -> Any:
        best = found[0]
        for one in found[1:]:
            way = order(one, best)
            if way is None:
                return None
            best = one if way == sign else best
        return best

    return choose


AGGREGATIONS: dict[str, Callable[[list], Any]] = {"SUM": _sum, "MIN": _extreme(-1), "MAX": _extreme(1)}
RESULTS: dict[str, Callable[[Table, list[int], Scope], Any]] = {
    "UNIQUE": _unique,
    "FIRST": _first,
    "ANY": _any,
    "PRIORITY": _priority,
    "RULE ORDER": _collect,
    "OUTPUT ORDER": _output_order,
    "COLLECT": _collect,
}


# --- reading ----------------------------------------------------------------------------------
def _clause(boxes: Boxes, element: Any, place: int, rows: list) -> Clause:
    inner = child(element, "inputExpression")
    source = inner if inner is not None else element
    text = text_of(inner)
    read = boxes.expression(text, source) if text else (lambda _scope: None)
    values = child(element, "inputValues")
    allowed = boxes.tests(text_of(values), values) if text_of(values) else None
    tests = tuple(_cell(boxes, row, place) for row in rows)
    kind = boxes.types.of(inner) if inner is not None else None
    return Clause(place_of(element), element.get("label", ""), text, read, kind, allowed, tests)


def _cell(boxes: Boxes, row: Any, place: int) -> feel.Tests | None:
    cells = children(row, "inputEntry")
    return boxes.tests(text_of(cells[place]), cells[place]) if place < len(cells) else boxes.tests("-", row)


def _output(boxes: Boxes, element: Any) -> Output:
    values = child(element, "outputValues")
    default = child(element, "defaultOutputEntry")
    listed = boxes.values(text_of(values), values) if text_of(values) else ()
    made = boxes.expression(text_of(default), default) if text_of(default) else None
    return Output(place_of(element), name_of(element), boxes.types.of(element), listed, made)


def _rule(boxes: Boxes, row: Any, notes: list[str]) -> Rule:
    cells = children(row, "outputEntry")
    outputs = tuple(_entry(boxes, one) for one in cells)
    said = [text_of(one) for one in children(row, "annotationEntry")]
    named = [(name or "annotation", text) for name, text in zip(notes + [""] * len(said), said, strict=False) if text]
    described = text_of(child(row, "description"))
    pairs = tuple(named) + ((("description", described),) if described else ())
    return Rule(row.get("id") or place_of(row), outputs, tuple(text_of(one) for one in cells), pairs)


def _entry(boxes: Boxes, element: Any) -> Closure:
    text = text_of(element)
    return boxes.expression(text, element) if text and text != "-" else (lambda _scope: None)
