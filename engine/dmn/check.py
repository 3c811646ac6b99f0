"""What is wrong with a model before anyone runs it: one short function per rule.

"error" stops a deployment: what is sure to go wrong. "warning" is what will go wrong for some case, "info" what may be meant.
Every problem names the element by its id and, where cases are concerned, an example of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import combinations
from typing import Any

from engine.dmn.model import Decision, Decisions, Input, Knowledge, Service
from engine.dmn.space import Space, checking, constants_in, is_ordinary
from engine.dmn.tables import POLICIES, Table
from engine.errors import Problem
from engine.feel import Tests, inference
from engine.feel.builtins import BUILTINS
from engine.feel.compiler import Run, Scope
from engine.feel.errors import Exhausted, FeelError
from engine.feel.types import Type, conform
from engine.feel.values import contained, kind_of, literal

#: pairs of rules beyond these are not compared
MOST_RULES = 400
#: problems of one kind in one table beyond these are not told
MOST_TOLD = 10
AGGREGATIONS = {"", "SUM", "MIN", "MAX", "COUNT"}


def check(decisions: Decisions) -> list[Problem]:
    """Everything that is wrong or doubtful in a model, errors first."""
    found = [*decisions.problems]
    for element in decisions.elements():
        found += requirements(decisions, element)
    for element in [*decisions.decisions.values(), *decisions.knowledge.values()]:
        found += [*logic(element), *names(decisions, element), *kinds(decisions, element)]
        for table in element.logic.tables if element.logic else ():
            found += of_table(table)
    return sorted(dict.fromkeys(found), key=lambda one: ("error", "warning", "info").index(one.severity))


def problem(
    where: str, name: str, sentence: str, severity: str = "error", /, mend: str = "", **params: Any
) -> Problem:
    told = tuple((key, str(value)) for key, value in params.items())
    return Problem(where, name, sentence, severity, mend, told)


# --- the graph --------------------------------------------------------------------------------
def requirements(decisions: Decisions, element: Any) -> Iterator[Problem]:
    hrefs = required(element)
    for href in hrefs:
        if decisions.at(href) is None and not href.rpartition("#")[0]:
            yield problem(element.id, "dmn.requirement", "'%(name)s' requires '%(href)s', which is not there.",
                          name=element.name, href=href)  # fmt: skip
    if isinstance(element, Decision) and requires_itself(decisions, element):
        yield problem(element.id, "dmn.cycle", "The decision '%(name)s' requires itself.", name=element.name)


def required(element: Any) -> tuple[str, ...]:
    if isinstance(element, Service):
        return element.inputs + element.input_decisions + element.outputs
    return getattr(element, "requires", ())


def requires_itself(decisions: Decisions, element: Decision) -> bool:
    waiting, seen = [*element.requires], set()
    while waiting:
        found = decisions.at(waiting.pop())
        if found is None or found[0] is not decisions or found[1].id in seen:
            continue
        if found[1] is element:
            return True
        seen.add(found[1].id)
        waiting += getattr(found[1], "requires", ())
    return False


def logic(element: Decision | Knowledge) -> Iterator[Problem]:
    if element.logic is None:
        yield problem(element.id, "dmn.no-logic", "'%(name)s' has no logic; its value must be given.", "warning",
                      name=element.name)  # fmt: skip
    elif element.logic.foreign:
        yield problem(element.id, "dmn.foreign", "'%(name)s' is written in another language and answers null.", "warning",
                      mend="Write it in FEEL.", name=element.name)  # fmt: skip


# --- names ------------------------------------------------------------------------------------
def names(decisions: Decisions, element: Decision | Knowledge) -> Iterator[Problem]:
    """Variables and functions that nobody provides. A model that draws no inputs leaves its variables to the caller."""
    if element.logic is None:
        return
    seen = {name for href in element.requires if (found := decisions.at(href)) for name in (found[1].name, found[1].id)}
    seen |= set(decisions.imports) | {element.name, "?"}
    is_drawn = bool(decisions.inputs) or isinstance(element, Knowledge)
    for where, text, bound in element.logic.texts:
        for name in sorted(text.calls - BUILTINS.keys() - seen - bound):
            sentence = "There is no function '%(name)s'."
            near = nearest(name, BUILTINS.keys() | seen | bound)
            if near:
                sentence = "There is no function '%(name)s'; is '%(near)s' meant?"
            yield problem(where, "dmn.unknown-function", sentence, name=name, near=near, **place(text, name))
        for name in sorted(text.reads - text.maybe - seen - bound) if is_drawn else ():
            sentence = "There is no variable '%(name)s' here."
            near = nearest(name, seen | bound)
            if near:
                sentence = "There is no variable '%(name)s' here; is '%(near)s' meant?"
            yield problem(where, "dmn.unknown-variable", sentence, "warning", mend="Draw a requirement to what provides it.",
                          name=name, near=near, **place(text, name))  # fmt: skip


def nearest(name: str, known: Iterable[str]) -> str:
    return next(iter(get_close_matches(name, known, 1, 0.75)), "")


def place(text: Any, name: str) -> dict[str, str]:
    """An expression and where a name stands in it, for those who show it."""
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text.text)
    return {"text": text.text[:2000], "at": str(found.start() if found else 0)}


# --- types ------------------------------------------------------------------------------------
def kinds(decisions: Decisions, element: Decision | Knowledge) -> Iterator[Problem]:
    """Expressions and cells in which types stand together that cannot match."""
    if element.logic is None:
        return
    known = known_types(decisions, element)
    columns = {id(tests): column_type(clause, known) for table in element.logic.tables for clause in table.clauses
               for tests in clause.tests if tests is not None and not _is_told(clause)}  # fmt: skip
    for where, text, bound in element.logic.texts:
        here = {name: kind for name, kind in known.items() if name not in bound}
        for finding in seen_in(text, here, columns.get(id(text))).findings[:MOST_TOLD]:
            is_call = finding.kind == "argument" and "%(type)s" not in finding.sentence
            yield problem(where, f"dmn.{finding.kind}", finding.sentence, "error" if is_call else "warning",
                          **dict(finding.params), text=text.text[:2000], at=max(finding.position, 0))  # fmt: skip


def known_types(decisions: Decisions, element: Decision | Knowledge) -> dict[str, Type]:
    """Types of what an element requires and of its parameters."""
    found = {one.name: one.type for href in element.requires if (held := decisions.at(href)) for one in (held[1],)
             if isinstance(one, Input | Decision) and held[0] is decisions}  # fmt: skip
    logic = element.logic
    found.update(zip(logic.parameters, logic.types, strict=False))
    return {name: kind for name, kind in found.items() if kind is not None}


def column_type(clause: Any, known: dict[str, Type]) -> Type | None:
    try:
        return clause.type or inference.look(clause.text, known, known).type
    except FeelError:
        return clause.type


def seen_in(text: Any, known: dict[str, Type], column: Type | None) -> inference.Seen:
    try:
        if isinstance(text, Tests):
            return inference.look_at_tests(text.node[0], column, known)
        return inference.look(text.text, known, text.reads | text.calls)
    except FeelError:
        return inference.Seen()


def _is_told(clause: Any) -> bool:
    """Whether `types` speaks of the cells of the column already."""
    return clause.type is not None and clause.type.kind not in ("Any", "list", "context")


# --- decision tables --------------------------------------------------------------------------
def of_table(table: Table) -> list[Problem]:
    try:
        return _of_table(table)
    except Exhausted:
        return [problem(table.id, "dmn.too-much", "The cells of the table reckon too much to be checked.", "warning")]


def _of_table(table: Table) -> list[Problem]:
    found = [*hit_policy(table), *types(table), *outputs(table)]
    if len(table.rules) > MOST_RULES:
        return [*found, _given_up(table)]
    if table.clauses:
        space = Space(table)
        found += [*never(table, space), *overlaps(table, space), *gaps(table, space), *unreachable(table, space)]
        found += [_given_up(table)] if space.patience.is_over else []
    return found


def _given_up(table: Table) -> Problem:
    sentence = "The table '%(table)s' has too many cases to look at all of them: gaps and unreachable rules may be missed."
    return problem(table.id, "dmn.too-much", sentence, "info", table=table.id)


def hit_policy(table: Table) -> Iterator[Problem]:
    if table.policy not in POLICIES:
        yield problem(table.id, "dmn.hit-policy", "There is no hit policy '%(policy)s'.", policy=table.policy)
    if table.policy in ("PRIORITY", "OUTPUT ORDER") and not any(output.values for output in table.outputs):
        yield problem(table.id, "dmn.hit-policy", "The hit policy %(policy)s needs output values in their order.",
                      mend="List the values of an output, the most important first.", policy=table.policy)  # fmt: skip
    if table.aggregation not in AGGREGATIONS:
        yield problem(table.id, "dmn.hit-policy", "There is no aggregation '%(name)s'.", name=table.aggregation)
    if table.aggregation and table.policy != "COLLECT":
        yield problem(table.id, "dmn.hit-policy", "Only COLLECT aggregates; %(policy)s does not.", "warning",
                      policy=table.policy)  # fmt: skip
    names_of = [output.name for output in table.outputs]
    if len(names_of) > 1 and (len(set(names_of)) < len(names_of) or "" in names_of):
        yield problem(table.id, "dmn.output", "Every output of a table with several has a name of its own.")


def types(table: Table) -> Iterator[Problem]:
    """Cells that test for a value which the type of their column cannot have."""
    run = checking()
    for clause in table.clauses:
        if clause.type is None or clause.type.kind in ("Any", "list", "context"):
            continue
        for rule, tests in enumerate(clause.tests):
            held = constants_in(tests.node[0], run) if tests else ()
            wrong = [one for one in held if one is not None and not fits(one, clause.type)]
            if wrong:
                yield problem(
                    table.rules[rule].id, "dmn.type",
                    "Rule %(rule)s tests '%(column)s', a %(type)s, for %(value)s.",
                    rule=rule + 1, column=clause.label or clause.text, type=clause.type, value=literal(wrong[0]),
                )  # fmt: skip


def fits(value: Any, kind: Any) -> bool:
    return kind_of(value) == kind.kind or conform(value, kind)[1] or "date" in kind.kind


def outputs(table: Table) -> Iterator[Problem]:
    """Constant results that are not of the type or not among the values of their output."""
    run = checking()
    for place, rule in enumerate(table.rules):
        for output, text, cell in zip(table.outputs, rule.texts, rule.outputs, strict=False):
            value = constant_of(cell, run) if text and text != "-" else None
            if value is None:
                continue
            if output.type is not None and not conform(value, output.type)[1]:
                yield problem(rule.id, "dmn.type", "Rule %(rule)s answers %(value)s, which is no %(type)s.",
                              rule=place + 1, value=text, type=output.type)  # fmt: skip
            elif output.values and contained(value, list(output.values)) is False:
                yield problem(rule.id, "dmn.output", "Rule %(rule)s answers %(value)s, which the output does not list.",
                              rule=place + 1, value=text)  # fmt: skip


def constant_of(cell: Any, run: Run) -> Any:
    """The value of a cell that reads nothing, else None."""
    made = getattr(cell, "__self__", None)
    if made is None or made.reads or made.calls:
        return None
    return made.run(Scope({}, None, run))


def never(table: Table, space: Space) -> Iterator[Problem]:
    for rule in range(space.rules):
        if space.is_empty(rule):
            yield problem(table.rules[rule].id, "dmn.unreachable", "No case can hit rule %(rule)s.", "warning",
                          rule=rule + 1)  # fmt: skip


def overlaps(table: Table, space: Space) -> list[Problem]:
    """Two rules of a UNIQUE table for one case, or of an ANY table that say different things."""
    if table.policy not in ("UNIQUE", "ANY"):
        return []
    found = []
    for one, other in combinations(range(space.rules), 2):
        if table.policy == "ANY" and table.rules[one].texts == table.rules[other].texts:
            continue
        case = space.overlap(one, other)
        if case is not None:
            found.append(_overlap(table, space, one, other, case))
        if len(found) == MOST_TOLD:
            break
    return found


def _overlap(table: Table, space: Space, one: int, other: int, case: tuple) -> Problem:
    sentence = "Rules %(one)s and %(other)s both hit, but only one may: %(case)s."
    if table.policy == "ANY":
        sentence = "Rules %(one)s and %(other)s both hit and say different things: %(case)s."
    severity = "error" if is_ordinary(case) else "warning"
    return problem(table.rules[other].id, "dmn.overlap", sentence, severity, one=one + 1, other=other + 1,
                   case=space.told(case) or "any case")  # fmt: skip


def unreachable(table: Table, space: Space) -> Iterator[Problem]:
    """Rules of a FIRST or PRIORITY table whose every case rules before it, or of a higher priority, take."""
    before = _before(table)
    for rule in range(space.rules) if before else ():
        if not _is_judged(space, rule) or space.is_empty(rule) or space.patience.is_over:
            continue
        masking = [one for one in range(space.rules) if before[one] < before[rule] and _is_judged(space, one)]
        if masking and space.uncovered(masking, rule) is None and not space.patience.is_over:
            takers = [one for one in masking if all(a.mask(one) & a.mask(rule) for a in space.axes)]
            said = ", ".join(str(one + 1) for one in takers[:MOST_TOLD])
            yield _masked(table, space, rule, masking, said)


def _masked(table: Table, space: Space, rule: int, masking: list[int], others: str) -> Problem:
    sentence, severity = "Rule %(rule)s is never reached: rules %(others)s take all its cases.", "warning"
    if space.uncovered(masking, rule, missing=True) is not None:
        sentence = "Rule %(rule)s is only reached when a value is missing: rules %(others)s take all its other cases."
        severity = "info" if all(held.mask(rule) == held.all for held in space.axes) else "warning"
    return problem(table.rules[rule].id, "dmn.unreachable", sentence, severity, rule=rule + 1, others=others)


def _before(table: Table) -> list[tuple]:
    """For each rule what decides which one answers, the lower the sooner; nothing where that is not known beforehand."""
    if table.policy == "FIRST":
        return [(rule,) for rule in range(len(table.rules))]
    if table.policy != "PRIORITY":
        return []
    run = checking()
    ranks = [
        tuple(_rank(constant_of(cell, run), output.values) for output, cell in zip(table.outputs, one.outputs, strict=False))
        for one in table.rules
    ]
    return [] if any(None in rank for rank in ranks) else [(*rank, place) for place, rank in enumerate(ranks)]


def _rank(value: Any, values: tuple[Any, ...]) -> int | None:
    if value is None:
        return None
    return next((place for place, one in enumerate(values) if contained(value, one) is True), len(values))


def _is_judged(space: Space, rule: int) -> bool:
    return all(held.passes[rule] is not None for held in space.axes)


def gaps(table: Table, space: Space) -> Iterator[Problem]:
    """A case that no rule hits, in a table that must answer one."""
    if table.policy not in ("UNIQUE", "ANY", "FIRST", "PRIORITY") or any(output.default for output in table.outputs):
        return
    case = space.uncovered(list(range(space.rules)))
    if case is not None:
        severity = "warning" if is_ordinary(case) else "info"
        yield problem(table.id, "dmn.gap", "No rule hits this case: %(case)s.", severity,
                      mend="Add a rule or a default output.", case=space.told(case) or "any case")  # fmt: skip


