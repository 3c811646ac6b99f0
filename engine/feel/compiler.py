"""Turns the tree of an expression into closures.

Each kind of node has one small function that makes a closure; a closure takes the `Scope` it runs in and answers a
value. A scope is a mapping and the scope around it; the outermost holds the variables as plain JSON, which become FEEL
when they are read. What an evaluation needs besides (the moment, the zone, the budget, the notes on what became null)
is its `Run`. No Python is generated and none is reachable from a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from engine.feel import operators
from engine.feel.builtins import BUILTINS, Nothing
from engine.feel.errors import Budget, Diagnosis, Exhausted, FeelError
from engine.feel.grammar import Node
from engine.feel.moments import Date, from_days
from engine.feel.properties import property_of
from engine.feel.types import Type, conform, is_instance, resolve
from engine.feel.values import Function, Range, contained, kind_of, lift, number, order, read_literal, same

Closure = Callable[["Scope"], Any]
#: more notes than these are not kept
MOST_NOTES = 50


class Run:
    """One evaluation: the moment it happens, what it may use, and why something became null."""

    __slots__ = ("budget", "notes", "now", "zone")

    def __init__(self, now: datetime | None = None, zone: tzinfo | None = None, budget: Budget | None = None):
        self.now = now
        self.zone = zone
        self.budget = budget or Budget()
        self.notes: list[Diagnosis] = []

    def note(self, kind: str, sentence: str, at: int = -1, /, **params: Any) -> None:
        """Write down why something is null. Answers None, so that it can be returned."""
        if len(self.notes) < MOST_NOTES:
            said = tuple((name, str(value)) for name, value in params.items())
            self.notes.append(Diagnosis(kind, sentence, at, said))

    def moment(self) -> datetime:
        """Now, as told; without a clock of the caller, that of the machine."""
        now = self.now or datetime.now(UTC)
        return now.astimezone(self.zone) if self.zone and now.tzinfo else now

    def call(self, function: Any, args: list, at: int = -1) -> Any:
        return invoke(self, function, args, at)


class Scope:
    """Names that can be read: `here`, then those of the scope `up`. `raw` says that they are plain JSON."""

    __slots__ = ("here", "raw", "run", "up")

    def __init__(self, here: Mapping[str, Any], up: Scope | None, run: Run, raw: bool = False):
        self.here = here
        self.up = up
        self.run = run
        self.raw = raw


class Compiler:
    """Makes the closures of one tree and notes which names it reads and calls."""

    def __init__(self, text: str, types: Callable[[str], Type | None] | None = None):
        self.text = text
        self.types = types or (lambda _name: None)
        self.reads: set[str] = set()
        #: read only inside filters, where they may be entries of the items
        self.perhaps: set[str] = set()
        self.calls: set[str] = set()
        #: names bound around the current node
        self.bound: list[set[str]] = []
        self.filters = 0

    def make(self, node: Node) -> Closure:
        return _MAKERS[node.kind](self, node)

    # --- names ---
    def is_bound(self, name: str) -> bool:
        return any(name in names for names in self.bound)

    def read(self, name: str) -> None:
        if name in BUILTINS or self.is_bound(name):
            return
        (self.perhaps if self.filters else self.reads).add(name)

    def inside(self, names: set[str], node: Node) -> Closure:
        """The closure of a node in which more names are bound."""
        self.bound.append(names)
        try:
            return self.make(node)
        finally:
            self.bound.pop()

    def bad(self, sentence: str, node: Node, **params: Any) -> FeelError:
        return FeelError(sentence, node.at, self.text, **params)


# --- constants --------------------------------------------------------------------------------
def constant(value: Any) -> Closure:
    def said(_scope: Scope) -> Any:
        return value

    said.value = value
    return said


def is_constant(closure: Closure) -> bool:
    return hasattr(closure, "value")


def _number(self: Compiler, node: Node) -> Closure:
    value = number(node.parts[0][1])
    if value is None:
        raise self.bad("The number is too large.", node)
    return constant(value)


def _string(_self: Compiler, node: Node) -> Closure:
    return constant(node.parts[0][1])


def _at(_self: Compiler, node: Node) -> Closure:
    text = node.parts[0][1]
    value = read_literal(text)
    if value is not None:
        return constant(value)
    return _nothing("value", '@"%(text)s" is no date, time or duration.', node.at, text=text[:60])


def _nothing(kind: str, sentence: str, at: int, /, **params: Any) -> Closure:
    return lambda scope: scope.run.note(kind, sentence, at, **params)


# --- names and paths --------------------------------------------------------------------------
def _name(self: Compiler, node: Node) -> Closure:
    name = node.parts[0][1]
    self.read(name)
    builtin = BUILTINS.get(name)
    at = node.at

    def read(scope: Scope) -> Any:
        around: Scope | None = scope
        while around is not None:
            here = around.here
            if name in here:
                return lift(here[name]) if around.raw else here[name]
            around = around.up
        if builtin is not None:
            return builtin
        return scope.run.note("unknown-variable", "There is no variable '%(name)s'.", at, name=name)

    read.variable = name
    return read


def find(scope: Scope, name: str) -> tuple[Any, bool]:
    """(the value as it stands, whether it is plain JSON); KeyError when nobody knows the name."""
    around: Scope | None = scope
    while around is not None:
        if name in around.here:
            return around.here[name], around.raw
        around = around.up
    raise KeyError(name)


def _path(self: Compiler, node: Node) -> Closure:
    source, name = node.parts
    steps = [(name, node.at)]
    while source.kind == "path":
        steps.insert(0, (source.parts[1], source.at))
        source = source.parts[0]
    inner = self.make(source)
    if source.kind == "name":
        return _named_path(inner, source.parts[0][1], steps)

    def walk(scope: Scope) -> Any:
        value = inner(scope)
        for step, at in steps:
            value = step_into(value, step, scope.run, at)
        return value

    return walk


def _named_path(inner: Closure, first: str, steps: list[tuple[str, int]]) -> Closure:
    """A path that begins at a variable: plain JSON is walked as it is and only its end becomes FEEL."""

    def walk(scope: Scope) -> Any:
        try:
            value, raw = find(scope, first)
        except KeyError:
            value, raw = inner(scope), False
        for step, at in steps:
            if raw and type(value) is not dict:
                value, raw = lift(value), False
            value = step_into(value, step, scope.run, at)
        return lift(value) if raw else value

    return walk


def step_into(value: Any, name: str, run: Run, at: int) -> Any:
    """`value.name`: an entry of a context, a property of a value, or the same of each item of a list."""
    if isinstance(value, dict):
        if name in value:
            return value[name]
        return run.note("property", "The context has no entry '%(name)s'.", at, name=name)
    if isinstance(value, list):
        run.budget.spend(len(value))
        return [step_into(one, name, run, at) for one in value]
    if isinstance(value, Mapping):
        return lift(value[name]) if name in value else run.note("property", "There is no '%(name)s'.", at, name=name)
    found, known = property_of(value, name)
    if known:
        return found
    return run.note("property", "A %(type)s has no property '%(name)s'.", at, type=kind_of(value), name=name)


def _filter(self: Compiler, node: Node) -> Closure:
    source, test = node.parts
    inner = self.make(source)
    if test.kind == "number" or (test.kind == "negation" and test.parts[1].kind == "number"):
        return _index(inner, self.make(test)(None), node.at)
    self.filters += 1
    chosen = self.inside({"item"}, test)
    self.filters -= 1

    def pick(scope: Scope) -> Any:
        return filtered(inner(scope), chosen, scope, node.at)

    return pick


def _index(inner: Closure, position: Decimal, at: int) -> Closure:
    return lambda scope: at_index(inner(scope), position, scope.run, at)


def as_list(value: Any) -> list:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def at_index(value: Any, position: Decimal, run: Run, at: int) -> Any:
    """The item at a position from 1, or from the end when negative."""
    held = as_list(value)
    if position != position.to_integral_value() or not 1 <= abs(position) <= len(held):
        return run.note("index", "The list of %(count)s has no item %(position)s.", at, count=len(held), position=position)
    place = int(position)
    return held[place - 1 if place > 0 else place]


def filtered(value: Any, test: Closure, scope: Scope, at: int) -> Any:
    """The items for which the test is true; when the test is a number, the item at that position."""
    run = scope.run
    held = as_list(value)
    if not held:
        quiet = Run(run.now, run.zone, run.budget)
        said = test(Scope(scope.here, scope.up, quiet, scope.raw))
        return at_index(held, said, run, at) if isinstance(said, Decimal) else []
    run.budget.spend(len(held))
    kept = []
    for one in held:
        said = test(item_scope(one, scope))
        if said is True:
            kept.append(one)
        elif isinstance(said, Decimal):
            return at_index(held, said, run, at)
    return kept


def item_scope(one: Any, scope: Scope) -> Scope:
    """Inside a filter the entries of the item are names, and so is `item`."""
    around = Scope({"item": one}, scope, scope.run)
    return Scope(one, around, scope.run) if isinstance(one, dict) else around


# --- logic ------------------------------------------------------------------------------------
def _connected(stops: bool):
    """and stops at false, or at true; what is neither counts as null."""

    def make(self: Compiler, node: Node) -> Closure:
        parts = [self.make(part) for part in node.parts]

        def decide(scope: Scope) -> bool | None:
            unknown = False
            for part in parts:
                said = part(scope)
                if said is stops:
                    return stops
                if said is not (not stops):
                    unknown = True
            return None if unknown else not stops

        return decide

    return make


def _if(self: Compiler, node: Node) -> Closure:
    test, yes, no = (self.make(part) for part in node.parts)

    def choose(scope: Scope) -> Any:
        return chosen(test(scope), yes, no, scope, node.at)

    return choose


def chosen(said: Any, yes: Closure, no: Closure, scope: Scope, at: int = -1) -> Any:
    """The one branch for true, the other for false and null; null when the condition is no boolean at all."""
    if said is True:
        return yes(scope)
    if said is False or said is None:
        return no(scope)
    return scope.run.note("type", "The condition of 'if' is neither true nor false.", at)


def _comparison(self: Compiler, node: Node) -> Closure:
    left, sign, right = node.parts
    return _compared(self.make(left), sign[1], self.make(right), node.at)


def _compared(left: Closure, sign: str, right: Closure, at: int) -> Closure:
    compare = operators.COMPARISONS[sign]

    def decide(scope: Scope) -> bool | None:
        one, other = left(scope), right(scope)
        said = compare(one, other)
        if said is None:
            cannot_compare(scope.run, sign, one, other, at)
        return said

    return decide


def cannot_compare(run: Run, sign: str, one: Any, other: Any, at: int) -> None:
    sentence = "A %(one)s and a %(other)s cannot be compared by '%(operator)s'."
    run.note("type", sentence, at, one=kind_of(one), other=kind_of(other), operator=sign)


def _between(self: Compiler, node: Node) -> Closure:
    value, low, high = (self.make(part) for part in node.parts)

    def decide(scope: Scope) -> bool | None:
        said, least, most = value(scope), low(scope), high(scope)
        above, below = operators.at_most(least, said), operators.at_most(said, most)
        if above is False or below is False:
            return False
        if above is None or below is None:
            return scope.run.note("type", "'between' compares values of one type.", node.at)
        return True

    return decide


def _in(self: Compiler, node: Node) -> Closure:
    value, tests = node.parts
    inner = self.make(value)
    if tests.kind == "half_range":
        tests = tests.parts[0]
    chosen = [self.test(one) for one in (tests.parts if tests.kind == "bracket" else (tests,))]

    def decide(scope: Scope) -> bool | None:
        return any_of(chosen, inner(scope), scope)

    return decide


def any_of(tests: list, value: Any, scope: Scope) -> bool | None:
    """True when one test holds, null when none can tell, else false."""
    told = False
    for test in tests:
        said = test(value, scope)
        if said is True:
            return True
        told = told or said is False
    return False if told else None


def _in_test(self: Compiler, node: Node) -> Closure:
    value, sign, bound = node.parts
    return _compared(self.make(value), sign[1], self.make(bound), node.at)


# --- arithmetic -------------------------------------------------------------------------------
def _chain(self: Compiler, node: Node) -> Closure:
    first = self.make(node.parts[0])
    rest = [
        (operators.ARITHMETIC[sign[1]], sign[1], self.make(part), sign[2])
        for sign, part in zip(node.parts[1::2], node.parts[2::2], strict=True)
    ]

    def reckon(scope: Scope) -> Any:
        value = first(scope)
        for action, sign, part, at in rest:
            other = part(scope)
            made = action(value, other)
            if made is None:
                return _cannot(scope.run, sign, value, other, at)
            value = made
        if type(value) is str:
            scope.run.budget.room(len(value))
        return value

    return reckon


def _cannot(run: Run, sign: str, one: Any, other: Any, at: int) -> None:
    if sign == "/" and isinstance(other, Decimal) and other == 0:
        return run.note("value", "Nothing can be divided by zero.", at)
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return run.note("value", "The number is too large, or is none.", at)
    sentence = "'%(operator)s' does not work on a %(one)s and a %(other)s."
    return run.note("type", sentence, at, operator=sign, one=kind_of(one), other=kind_of(other))


def _negation(self: Compiler, node: Node) -> Closure:
    inner = self.make(node.parts[1])
    if is_constant(inner) and operators.opposite(inner.value) is not None:
        return constant(operators.opposite(inner.value))

    def reckon(scope: Scope) -> Any:
        value = inner(scope)
        made = operators.opposite(value)
        return scope.run.note("type", "A %(type)s has no opposite.", node.at, type=kind_of(value)) if made is None else made

    return reckon


# --- lists, contexts, ranges ------------------------------------------------------------------
def _list(self: Compiler, node: Node) -> Closure:
    parts = [self.make(part) for part in node.parts]
    if all(is_constant(part) for part in parts):
        values = [part.value for part in parts]
        return constant(values)
    return lambda scope: [part(scope) for part in parts]


def _context(self: Compiler, node: Node) -> Closure:
    names: set[str] = set()
    self.bound.append(names)
    entries = []
    for entry in node.parts:
        key = entry.parts[0][1]
        if entry.parts[1].kind == "function":
            names.add(key)
        entries.append((key, self.make(entry.parts[1])))
        names.add(key)
    self.bound.pop()
    if len({key for key, _ in entries}) < len(entries):
        return _nothing("value", "The context has two entries of one name.", node.at)

    def gather(scope: Scope) -> dict:
        made: dict[str, Any] = {}
        inner = Scope(made, scope, scope.run)
        for key, entry in entries:
            made[key] = named(entry(inner), key)
        return made

    return gather


def named(value: Any, name: str) -> Any:
    """A function without a name takes that of the entry it stands in."""
    if isinstance(value, Function) and not value.name:
        return Function(name, value.parameters, value.body, value.types, value.result)
    return value


def _range(self: Compiler, node: Node) -> Closure:
    low, high, low_closed, high_closed = node.parts
    least, most = self.make(low), self.make(high)

    def span(scope: Scope) -> Range | None:
        return make_range(least(scope), most(scope), low_closed, high_closed, scope.run, node.at)

    return span


def make_range(low: Any, high: Any, low_closed: bool, high_closed: bool, run: Run, at: int) -> Range | None:
    if low is not None and high is not None and (type(low) is not type(high) or order(low, high) is None):
        return run.note("type", "No range goes from a %(one)s to a %(other)s.", at, one=kind_of(low), other=kind_of(high))
    return Range(low, high, low_closed, high_closed)


def _half_range(self: Compiler, node: Node) -> Closure:
    """`(< 10)` as a value: a range that is open to one side."""
    sign, part = node.parts[0].parts
    inner = self.make(part)

    def span(scope: Scope) -> Range:
        return half_range(sign[1], inner(scope))

    return span


def half_range(sign: str, value: Any) -> Range:
    if sign in ("=", "!="):
        return Range(value, value, sign == "=", sign == "=", sign)
    if sign[0] == "<":
        return Range(None, value, False, sign == "<=", sign)
    return Range(value, None, sign == ">=", False, sign)


def _half(self: Compiler, node: Node) -> Closure:
    return _half_range(self, Node("half_range", (node,), node.at))


def _bracket(self: Compiler, node: Node) -> Closure:
    raise self.bad("Several values in brackets only stand after 'in'.", node)


# --- loops ------------------------------------------------------------------------------------
def _iterators(self: Compiler, node: Node, names: set[str]) -> list[tuple[str, Closure, Closure | None, int]]:
    found = []
    for one in node.parts:
        name, low, high = one.parts
        found.append((name, self.make(low), self.make(high) if high is not None else None, one.at))
        names.add(name)
    return found


def turns(iterators: list, scope: Scope, place: int = 0):
    """Every scope in which the names of the iterators are bound, the last one turning fastest."""
    if place == len(iterators):
        yield scope
        return
    name, low, high, at = iterators[place]
    for one in domain(low(scope), high and high(scope), high is not None, scope.run, at):
        scope.run.budget.spend()
        yield from turns(iterators, Scope({name: one}, scope, scope.run), place + 1)


def domain(low: Any, high: Any, pair: bool, run: Run, at: int):
    """What an iterator runs over: the items of a list, the whole numbers or days of a range, or one value."""
    if pair:
        return _steps(low, high, at)
    if isinstance(low, Range):
        if order(low.low, low.high) not in (-1, 0):
            raise Nothing("An iteration over a range needs two ends, the lower one first.")
        found = _steps(low.low, low.high, at)
        return (one for one in found if low.holds(one))
    if low is None:
        raise Nothing("There is nothing to iterate over.")
    return as_list(low)


def _steps(low: Any, high: Any, at: int):
    if isinstance(low, Date) and isinstance(high, Date):
        return (from_days(day) for day in _between_whole(low.days, high.days))
    if isinstance(low, Decimal) and isinstance(high, Decimal) and low == low.to_integral_value():
        if abs(low) > 10**15 or abs(high) > 10**15:
            raise Exhausted("An iteration runs over too many numbers.", at)
        return (Decimal(one) for one in _between_whole(int(low), int(high)))
    raise Nothing("An iteration runs over whole numbers or dates.")


def _between_whole(low: int, high: int) -> range:
    return range(low, high + 1) if low <= high else range(low, high - 1, -1)


def or_nothing(action: Callable[[Scope], Any], at: int) -> Closure:
    """The action, with `Nothing` turned into null and a note."""

    def careful(scope: Scope) -> Any:
        try:
            return action(scope)
        except Nothing as reason:
            return scope.run.note(reason.kind, reason.sentence, at, **reason.params)

    return careful


def _for(self: Compiler, node: Node) -> Closure:
    names: set[str] = {"partial"}
    self.bound.append(names)
    iterators = _iterators(self, node.parts[0], names)
    body = self.make(node.parts[1])
    self.bound.pop()

    keeps = speaks_of(node, "partial")

    def collect(scope: Scope) -> list:
        here: dict[str, Any] = {"partial": []}
        return gathered(map(body, turns(iterators, Scope(here, scope, scope.run))), here, keeps, scope.run)

    return or_nothing(collect, node.at)


def gathered(results: Iterable[Any], here: dict[str, Any], keeps: bool, run: Run) -> list:
    """The results of a loop. When its body reads `partial`, that is a list of its own for every turn: a result may keep it."""
    made: list[Any] = []
    for one in results:
        made.append(one)
        run.budget.room(len(made))
        if keeps:
            run.budget.spend(len(made) // 100)
            here["partial"] = list(made)
    return made


def _quantified(stops: bool):
    def make(self: Compiler, node: Node) -> Closure:
        names: set[str] = set()
        self.bound.append(names)
        iterators = _iterators(self, node.parts[0], names)
        test = self.make(node.parts[1])
        self.bound.pop()

        def decide(scope: Scope) -> bool | None:
            return quantify((test(inner) for inner in turns(iterators, scope)), stops)

        return or_nothing(decide, node.at)

    return make


def quantify(said, stops: bool) -> bool | None:
    unknown = False
    for one in said:
        if one is stops:
            return stops
        unknown = unknown or one is not (not stops)
    return None if unknown else not stops


# --- functions --------------------------------------------------------------------------------
def _function(self: Compiler, node: Node) -> Closure:
    parameters, types = _parameters(self, node)
    body = self.inside(set(parameters), node.parts[1])
    return lambda scope: Function("", parameters, body_of(body, parameters, scope), types)


def _parameters(self: Compiler, node: Node) -> tuple[tuple[str, ...], tuple[Type | None, ...]]:
    declared = node.parts[0].parts if node.parts[0] is not None else ()
    names = tuple(one.parts[0] for one in declared)
    return names, tuple(one.parts[1] and self.known_type(one.parts[1], one) for one in declared)


def body_of(body: Closure, parameters: tuple[str, ...], scope: Scope) -> Callable[[Run, list], Any]:
    """What a call does: the parameters are bound in the scope in which the function was made."""

    def run_body(run: Run, args: list) -> Any:
        around = scope if scope.run is run else Scope(scope.here, scope.up, run, scope.raw)
        return body(Scope(dict(zip(parameters, args, strict=True)), around, run))

    return run_body


def _external(_self: Compiler, node: Node) -> Closure:
    declared = node.parts[0].parts if node.parts[0] is not None else ()
    return constant(external(tuple(one.parts[0] for one in declared)))


def external(parameters: tuple[str, ...]) -> Function:
    """A function of another language: it can be spoken of, but answers null."""

    def refuse(run: Run, _args: list) -> None:
        return run.note("external", "Functions of other languages are not called here.")

    return Function("external", parameters, refuse)


def _call(self: Compiler, node: Node) -> Closure:
    target, given = node.parts
    if target.kind == "name":
        name = target.parts[0][1]
        if not self.is_bound(name):
            self.calls.add(name)
        function = _called(name, target.at)
    else:
        function = self.make(target)
    if given is not None and given.kind == "named_arguments":
        return _call_named(self, function, given, node.at)
    parts = [self.make(part) for part in given.parts] if given is not None else []

    def call(scope: Scope) -> Any:
        return invoke(scope.run, function(scope), [part(scope) for part in parts], node.at)

    return call


def _called(name: str, at: int) -> Closure:
    """The function of that name; a variable that is none does not hide a built-in."""
    builtin = BUILTINS.get(name)

    def look(scope: Scope) -> Any:
        try:
            found, _raw = find(scope, name)
        except KeyError:
            found = None
        if isinstance(found, Function) or (found is not None and builtin is None):
            return found
        if builtin is not None:
            return builtin
        return scope.run.note("unknown-function", "There is no function '%(name)s'.", at, name=name)

    return look


def _call_named(self: Compiler, function: Closure, given: Node, at: int) -> Closure:
    parts = [(one.parts[0][1], self.make(one.parts[1])) for one in given.parts]

    def call(scope: Scope) -> Any:
        return invoke_named(scope.run, function(scope), [(name, part(scope)) for name, part in parts], at)

    return call


def invoke(run: Run, function: Any, args: list, at: int = -1) -> Any:
    """Call a function with values in the order of its parameters."""
    if not isinstance(function, Function):
        if function is None:
            return None
        return run.note("type", "A %(type)s cannot be called.", at, type=kind_of(function))
    if function.builtin is not None:
        return _careful(run, lambda: function.builtin.call(run, args), at)
    if len(args) != len(function.parameters):
        sentence = "'%(function)s' takes %(count)s arguments."
        return run.note("argument", sentence, at, function=function.name, count=len(function.parameters))
    return _apply(run, function, args, at)


def invoke_named(run: Run, function: Any, given: list[tuple[str, Any]], at: int = -1) -> Any:
    """Call a function with values by the names of its parameters."""
    if not isinstance(function, Function):
        return invoke(run, function, [], at)
    named_args = dict(given)
    if function.builtin is not None:
        return _careful(run, lambda: function.builtin.call_named(run, named_args), at)
    if len(given) != len(named_args) or named_args.keys() != set(function.parameters):
        sentence = "'%(function)s' has other parameters: %(parameters)s."
        return run.note("argument", sentence, at, function=function.name, parameters=", ".join(function.parameters))
    return _apply(run, function, [named_args[name] for name in function.parameters], at)


def _careful(run: Run, action: Callable[[], Any], at: int) -> Any:
    run.budget.spend()
    try:
        return action()
    except Nothing as reason:
        return run.note(reason.kind, reason.sentence, at, **reason.params)


def _apply(run: Run, function: Function, args: list, at: int) -> Any:
    if function.types:
        args = [typed(run, arg, kind, at) for arg, kind in zip(args, function.types, strict=True)]
        if any(arg is MISFIT for arg in args):
            return None
    run.budget.enter()
    try:
        return typed_result(run, function.body(run, args), function.result, at)
    finally:
        run.budget.leave()


class _Misfit:
    __slots__ = ()


MISFIT = _Misfit()


def typed(run: Run, value: Any, kind: Type | None, at: int = -1) -> Any:
    """The value as the type of a parameter, or MISFIT."""
    made, fits = conform(value, kind)
    if not fits:
        run.note("type", "A %(type)s is no %(wanted)s.", at, type=kind_of(value), wanted=kind)
        return MISFIT
    return made


def typed_result(run: Run, value: Any, kind: Type | None, at: int = -1) -> Any:
    """The value as that type; null with a note when it is none."""
    if kind is None:
        return value
    made = typed(run, value, kind, at)
    return None if made is MISFIT else made


# --- types ------------------------------------------------------------------------------------
def _known_type(self: Compiler, kind: Type, node: Node) -> Type | None:
    found = resolve(kind, self.types)
    if found is None:
        raise self.bad("There is no type '%(type)s'.", node, type=kind)
    return found


Compiler.known_type = _known_type


def _instance_of(self: Compiler, node: Node) -> Closure:
    inner = self.make(node.parts[0])
    kind = self.known_type(node.parts[1][1], node)
    return lambda scope: is_instance(inner(scope), kind)


# --- unary tests ------------------------------------------------------------------------------
#: a cell of these kinds says by itself whether it holds
SAYS_ITSELF = {
    "comparison", "disjunction", "conjunction", "between", "in_", "in_test", "some", "every", "instance_of",
}  # fmt: skip


def _test(self: Compiler, node: Node) -> Callable[[Any, Scope], bool | None]:
    """One unary test: takes the value and the scope and says whether the value passes."""
    if node.kind in ("half", "half_range"):
        half = node if node.kind == "half" else node.parts[0]
        compare = operators.COMPARISONS[half.parts[0][1]]
        bound = self.make(half.parts[1])
        return lambda value, scope: compare(value, bound(scope))
    inner = self.make(node)
    if is_constant(inner):
        held = inner.value
        return lambda value, _scope: contained(value, held)
    if speaks_of(node, "?"):
        return lambda _value, scope: _truth(inner(scope))
    if node.kind in SAYS_ITSELF:
        return lambda value, scope: _held(value, inner(scope))
    return lambda value, scope: contained(value, inner(scope))


Compiler.test = _test


def _truth(said: Any) -> bool | None:
    return said if isinstance(said, bool) else None


def _held(value: Any, said: Any) -> bool | None:
    """A condition about other variables; only a boolean value is compared with what it says."""
    return same(value, said) if isinstance(value, bool) else _truth(said)


def speaks_of(part: Any, name: str) -> bool:
    """Whether a name is read in a node."""
    if isinstance(part, Node):
        return (part.kind == "name" and part.parts[0][1] == name) or any(speaks_of(one, name) for one in part.parts)
    return False


def make_tests(self: Compiler, node: Node, negate: bool) -> Callable[[Any, Scope], bool | None]:
    """All unary tests of a cell as one."""
    if node.kind == "any_value":
        return lambda _value, _scope: True
    self.bound.append({"?"})
    tests = [self.test(one) for one in node.parts[0].parts]
    self.bound.pop()
    if len(tests) == 1 and not negate:
        return tests[0]

    def decide(value: Any, scope: Scope) -> bool | None:
        said = any_of(tests, value, scope)
        return said if not negate else (None if said is None else not said)

    return decide


_MAKERS: dict[str, Callable[[Compiler, Node], Closure]] = {
    "number": _number,
    "string": _string,
    "at": _at,
    "true": lambda _self, _node: constant(True),
    "false": lambda _self, _node: constant(False),
    "null": lambda _self, _node: constant(None),
    "name": _name,
    "path": _path,
    "filter": _filter,
    "disjunction": _connected(True),
    "conjunction": _connected(False),
    "if_": _if,
    "comparison": _comparison,
    "between": _between,
    "in_": _in,
    "in_test": _in_test,
    "chain": _chain,
    "negation": _negation,
    "list": _list,
    "context": _context,
    "range": _range,
    "half_range": _half_range,
    "half": _half,
    "bracket": _bracket,
    "for_": _for,
    "some": _quantified(True),
    "every": _quantified(False),
    "function": _function,
    "external": _external,
    "call": _call,
    "instance_of": _instance_of,
}
