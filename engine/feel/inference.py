"""What can be known of an expression without running it: the type of its value, and what in it is null for every case.

`look(text, names)` reads a text against the types of the variables that it may speak of; a type that nobody knows is None
and nothing is said about what hangs on it. Whether two types go together is asked of the operators themselves, with one
sample value of each type, so that nothing here can differ from what runs. A finding is a `Diagnosis` as the evaluation
would write it down, with the place in the text. Nothing is evaluated with values of a case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from engine.feel import operators
from engine.feel.builtins import BUILTINS
from engine.feel.builtins.registry import CALLED, TAKES, Parameter, Signature, by_name
from engine.feel.errors import Diagnosis
from engine.feel.grammar import Node, parse
from engine.feel.lexer import Names
from engine.feel.moments import Date, DateTime, DaysTime, Time, YearsMonths
from engine.feel.properties import property_of
from engine.feel.types import Type
from engine.feel.values import UTC_MIDNIGHT, kind_of, read_literal

Known = Mapping[str, "Type | None"]

#: one value of each type; functions and ranges have too many faces to stand for all
SAMPLES: dict[str, Any] = {
    "number": Decimal(2), "string": "a", "boolean": True, "date": Date(2026, 3, 2), "time": Time(9, 30, 0),
    "date and time": DateTime(Date(2026, 3, 2), UTC_MIDNIGHT), "days and time duration": DaysTime(10**9),
    "years and months duration": YearsMonths(1), "list": [], "context": {},
}  # fmt: skip
BOOLEAN, NUMBER, STRING = Type("boolean"), Type("number"), Type("string")
NULL = Type("Null")
#: what an evaluation calls the type of null
CALLS = {"Null": "null"}


@dataclass
class Seen:
    """What was seen in one text."""

    #: type of its value, None when nobody can tell
    type: Type | None = None
    #: what is null whatever the case, in the order of the text
    findings: list[Diagnosis] = field(default_factory=list)
    #: name of a variable or function -> where it first stands
    places: dict[str, int] = field(default_factory=dict)


def look(text: str, known: Known, names: Iterable[str] = ()) -> Seen:
    """The type of an expression and what cannot work in it. Raises FeelError."""
    reader = Reader()
    reader.seen.type = reader.type(_tree(text, frozenset(names)), dict(known))
    return reader.seen


def look_at_tests(node: Node, column: Type | None, known: Known) -> Seen:
    """The same for the tree of a cell whose column has that type."""
    reader = Reader()
    if node.kind != "any_value":
        for test in node.parts[0].parts:
            reader.test(test, column, {**known, "?": column})
    return reader.seen


@lru_cache(maxsize=2000)
def _tree(text: str, names: frozenset[str]) -> Node:
    return parse(text, Names([*BUILTINS, "time offset", "start included", "end included", *names]))


def told(kind: Type | None) -> str:
    """The simple name of a type, "" when it is not known."""
    return "" if kind is None or kind.kind in ("Any", "named", "function", "range") else kind.kind


def sample(kind: Type | None) -> Any:
    """A value of the type; None when it is not known or null."""
    return SAMPLES.get(told(kind))


class Reader:
    """Walks one tree and writes down what cannot work."""

    def __init__(self) -> None:
        self.seen = Seen()

    def say(self, kind: str, sentence: str, at: int, /, **params: Any) -> None:
        said = Diagnosis(kind, sentence, at, tuple((name, CALLS.get(value, str(value))) for name, value in params.items()))
        if said not in self.seen.findings:
            self.seen.findings.append(said)

    def type(self, node: Node, known: dict) -> Type | None:
        return _TYPES.get(node.kind, _unknown)(self, node, known)

    def all(self, nodes: Iterable[Any], known: dict) -> list[Type | None]:
        return [self.type(one, known) for one in nodes if isinstance(one, Node)]

    def wants_truth(self, kind: Type | None, sign: str, at: int) -> None:
        if told(kind) not in ("", "boolean", "Null"):
            self.say("type", "'%(operator)s' asks for true or false, not for a %(type)s.", at, operator=sign, type=kind.kind)

    # --- comparing ---
    def compare(self, sign: str, one: Type | None, other: Type | None, at: int) -> None:
        if not _compares(sign, one, other):
            sentence = "A %(one)s and a %(other)s cannot be compared by '%(operator)s'."
            self.say("type", sentence, at, one=told(one), other=told(other), operator=sign)

    def test(self, node: Node, value: Type | None, known: dict) -> None:
        """One unary test against a value of that type."""
        if node.kind in ("half", "half_range"):
            half = node if node.kind == "half" else node.parts[0]
            self.compare(half.parts[0][1], value, self.type(half.parts[1], known), node.at)
        elif node.kind == "range":
            span = self.type(node, known)
            if span is not None and span.item is not None and told(value) != "list":
                self.compare("<=", span.item, value, node.at)
        elif node.kind in CONSTANTS:
            self.compare("=", value, self.type(node, known), node.at)
        else:
            self.type(node, known)


CONSTANTS = ("number", "string", "at", "true", "false")


def _compares(sign: str, one: Type | None, other: Type | None) -> bool:
    kinds = told(one), told(other)
    if "" in kinds or (sign in ("=", "!=") and "Null" in kinds) or ("list" in kinds and sign in ("=", "!=")):
        return True
    return operators.COMPARISONS[sign](sample(one), sample(other)) is not None


def _unknown(self: Reader, node: Node, known: dict) -> Type | None:
    self.all(node.parts, known)
    return None


# --- names and paths --------------------------------------------------------------------------
def _name(self: Reader, node: Node, known: dict) -> Type | None:
    name = node.parts[0][1]
    self.seen.places.setdefault(name, node.at)
    return known.get(name)


def _path(self: Reader, node: Node, known: dict) -> Type | None:
    return _step(self, self.type(node.parts[0], known), node.parts[1], node.at)


def _step(self: Reader, source: Type | None, name: str, at: int) -> Type | None:
    kind = told(source)
    if kind == "list":
        item = source.item and _step(self, source.item, name, at)
        return Type("list", item=item) if item else Type("list")
    if kind == "context":
        return dict(source.parts).get(name)
    if kind in ("", "Null"):
        return None
    value, exists = property_of(sample(source), name)
    if not exists:
        self.say("property", "A %(type)s has no property '%(name)s'.", at, type=kind, name=name)
    return _type_of(value) if exists else None


def _type_of(value: Any) -> Type | None:
    kind = kind_of(value)
    return Type(kind) if kind in SAMPLES else None


def _filter(self: Reader, node: Node, known: dict) -> Type | None:
    source, test = node.parts
    held = self.type(source, known)
    item = held.item if told(held) == "list" else None if told(held) == "" else held
    said = self.type(test, _inside(item, known))
    if told(said) not in ("", "boolean", "number", "Null"):
        self.say("type", "A filter asks for true, false or a position, not for a %(type)s.", test.at, type=said.kind)
    if told(said) == "number":
        return item
    return Type("list", item=item) if told(said) == "boolean" else None


def _inside(item: Type | None, known: dict) -> dict:
    """In a filter a name may be an entry of the item, so only what cannot be one keeps its type."""
    if told(item) == "context":
        return {**dict(item.parts), "item": item}
    return {**(known if told(item) else {}), "item": item}


# --- logic and arithmetic ---------------------------------------------------------------------
def _connected(sign: str) -> Callable[[Reader, Node, dict], Type]:
    def walk(self: Reader, node: Node, known: dict) -> Type:
        for part in node.parts:
            self.wants_truth(self.type(part, known), sign, part.at)
        return BOOLEAN

    return walk


def _if(self: Reader, node: Node, known: dict) -> Type | None:
    test, yes, no = self.all(node.parts, known)
    if told(test) not in ("", "boolean", "Null"):
        self.say("type", "The condition of 'if' is neither true nor false.", node.at)
    return common([yes, no])


def common(kinds: list[Type | None]) -> Type | None:
    """The type that all have (null apart), else None."""
    found = [one for one in kinds if one is None or one.kind != "Null"]
    same = found and all(one is not None and told(one) == told(found[0]) for one in found)
    if not same or not told(found[0]):
        return None
    return found[0] if all(one == found[0] for one in found) else Type(found[0].kind)


def _comparison(self: Reader, node: Node, known: dict) -> Type:
    left, sign, right = node.parts
    self.compare(sign[1], self.type(left, known), self.type(right, known), left.at)
    return BOOLEAN


def _between(self: Reader, node: Node, known: dict) -> Type:
    value, low, high = self.all(node.parts, known)
    self.compare("<=", low, value, node.at)
    self.compare("<=", value, high, node.at)
    return BOOLEAN


def _in(self: Reader, node: Node, known: dict) -> Type:
    value = self.type(node.parts[0], known)
    tests = node.parts[1]
    for one in tests.parts if tests.kind == "bracket" else (tests,):
        self.test(one, value, known)
    return BOOLEAN


def _chain(self: Reader, node: Node, known: dict) -> Type | None:
    value = self.type(node.parts[0], known)
    for sign, part in zip(node.parts[1::2], node.parts[2::2], strict=True):
        value = _reckoned(self, sign, value, self.type(part, known))
    return value


def _reckoned(self: Reader, sign: tuple, one: Type | None, other: Type | None) -> Type | None:
    if not told(one) or not told(other):
        return None
    made = operators.ARITHMETIC[sign[1]](sample(one), sample(other))
    if made is None:
        sentence = "'%(operator)s' does not work on a %(one)s and a %(other)s."
        self.say("type", sentence, sign[2], operator=sign[1], one=told(one), other=told(other))
    return _type_of(made)


def _negation(self: Reader, node: Node, known: dict) -> Type | None:
    value = self.type(node.parts[1], known)
    if told(value) and operators.opposite(sample(value)) is None:
        self.say("type", "A %(type)s has no opposite.", node.at, type=told(value))
    return value


# --- lists, contexts, ranges, loops -----------------------------------------------------------
def _list(self: Reader, node: Node, known: dict) -> Type:
    item = common(self.all(node.parts, known))
    return Type("list", item=item) if item else Type("list")


def _context(self: Reader, node: Node, known: dict) -> Type:
    inner, parts = dict(known), {}
    for entry in node.parts:
        name = entry.parts[0][1]
        if entry.parts[1].kind == "function":
            inner[name] = None
        inner[name] = self.type(entry.parts[1], inner)
        if inner[name] is not None:
            parts[name] = inner[name]
    return Type("context", parts=tuple(parts.items()))


def _range(self: Reader, node: Node, known: dict) -> Type:
    low, high = self.all(node.parts[:2], known)
    if told(low) and told(high) and "Null" not in (told(low), told(high)) and not _compares("<=", low, high):
        self.say("type", "No range goes from a %(one)s to a %(other)s.", node.at, one=told(low), other=told(high))
    return Type("range", item=common([low, high]))


def _turned(self: Reader, iterators: Node, known: dict) -> dict:
    """What is known where the names of the iterators are bound."""
    inner = {**known, "partial": Type("list")}
    for one in iterators.parts:
        name, low, high = one.parts
        source = self.type(low, inner)
        if high is not None:
            self.type(high, inner)
        held = source is not None and (source.kind in ("list", "range"))
        inner[name] = source.item if held else source
    return inner


def _for(self: Reader, node: Node, known: dict) -> Type:
    item = self.type(node.parts[1], _turned(self, node.parts[0], known))
    return Type("list", item=item) if item else Type("list")


def _quantified(self: Reader, node: Node, known: dict) -> Type:
    said = self.type(node.parts[1], _turned(self, node.parts[0], known))
    self.wants_truth(said, "satisfies", node.parts[1].at)
    return BOOLEAN


# --- functions --------------------------------------------------------------------------------
def _function(self: Reader, node: Node, known: dict) -> Type | None:
    declared = node.parts[0].parts if node.parts[0] is not None else ()
    kinds = {one.parts[0]: one.parts[1] if told(one.parts[1]) else None for one in declared}
    self.type(node.parts[1], {**known, **kinds})
    return None


def _call(self: Reader, node: Node, known: dict) -> Type | None:
    target, given = node.parts
    if target.kind != "name" or target.parts[0][1] not in BUILTINS or target.parts[0][1] in known:
        self.type(target, known)
        self.all((given,) if given is not None else (), known)
        return None
    name = target.parts[0][1]
    self.seen.places.setdefault(name, target.at)
    if given is not None and given.kind == "named_arguments":
        args = {one.parts[0][1]: self.type(one.parts[1], known) for one in given.parts}
        _fits_by_name(self, name, args, target.at)
        return _result(name, list(args.values()))
    args = self.all(given.parts, known) if given is not None else []
    _fits(self, name, args, target.at)
    return _result(name, args)


def _fits(self: Reader, name: str, args: list[Type | None], at: int) -> None:
    signatures = [one for one in BUILTINS[name].builtin.signatures if one.least <= len(args) <= one.most]
    if not signatures:
        sentence = "'%(function)s' is not called with %(count)s arguments."
        self.say("argument", sentence, at, function=name, count=len(args))
    else:
        _one_takes(self, name, signatures, [args] * len(signatures), at)


def _fits_by_name(self: Reader, name: str, args: dict[str, Type | None], at: int) -> None:
    pairs = [(one, by_name(one, args)) for one in BUILTINS[name].builtin.signatures]
    fitting = [(one, given) for one, given in pairs if given is not None]
    if not fitting:
        parameters = BUILTINS[name].builtin.parameters()
        self.say("argument", "'%(function)s' has other parameters: %(parameters)s.", at, function=name, parameters=parameters)
    else:
        _one_takes(self, name, [one for one, _ in fitting], [given for _, given in fitting], at)


def _one_takes(self: Reader, name: str, signatures: list[Signature], given: list[list], at: int) -> None:
    wrong = None
    for signature, args in zip(signatures, given, strict=True):
        wrong = _misfit(signature, args)
        if wrong is None:
            return
    self.say("argument", "'%(function)s' takes a %(type)s as '%(parameter)s'.", at, function=name,
             type=CALLED.get(wrong.letter, "value"), parameter=wrong.name)  # fmt: skip


def _misfit(signature: Signature, args: list) -> Parameter | None:
    """The first parameter that cannot take what is given."""
    for place, kind in enumerate(args):
        wanted = signature.parameters[min(place, len(signature.parameters) - 1)]
        if not _takes(wanted, kind):
            return wanted
    return None


def _takes(wanted: Parameter, kind: Any) -> bool:
    """Lists of one item become it, so a list may fit everywhere; one value becomes a list of one."""
    said = told(kind) if isinstance(kind, Type) else ""
    if wanted.letter in ("a", "l") or said in ("", "list") or (said == "Null" and wanted.nullable):
        return True
    takes = TAKES[wanted.letter]
    return type(SAMPLES.get(said)) in takes or (wanted.letter == "m" and said == "date")


def _named_results(kind: Type, names: str) -> dict[str, Type]:
    return dict.fromkeys((name.strip() for name in names.split(",")), kind)


#: what built-ins answer, where that does not hang on what they are given
RESULTS: dict[str, Type] = {
    **_named_results(NUMBER, "count, floor, ceiling, decimal, modulo, sqrt, log, exp, string length, number, sum, product,"
                             "day of year, week of year, round up, round down, round half up, round half down"),
    **_named_results(STRING, "upper case, lower case, substring, substring before, substring after, replace, string, trim,"
                             "string join, day of week, month of year, to json"),
    **_named_results(BOOLEAN, "contains, starts with, ends with, matches, list contains, is empty, is defined, all, any,"
                              "odd, even, is, before, after, meets, met by, overlaps, overlaps before, overlaps after,"
                              "finishes, finished by, includes, during, starts, started by, coincides, not"),
    **_named_results(Type("date"), "date, today"),
    **_named_results(Type("date and time"), "date and time, now"),
    **_named_results(Type("time"), "time"),
    **_named_results(Type("years and months duration"), "years and months duration"),
    **_named_results(Type("list", item=STRING), "split, extract"),
    **_named_results(Type("list", item=NUMBER), "index of"),
    **_named_results(Type("context"), "context, context put, context merge"),
}  # fmt: skip
#: functions whose list holds what the list that they are given holds
SAME_ITEMS = ("sort", "reverse", "sublist", "distinct values", "duplicate values", "remove")


def _result(name: str, args: list[Type | None]) -> Type | None:
    if name in SAME_ITEMS and args and told(args[0]) == "list":
        return args[0]
    if name == "abs" and args:
        return args[0] if told(args[0]) in ("number", "days and time duration", "years and months duration") else None
    if name == "sum":
        item = args[0].item if len(args) == 1 and told(args[0]) == "list" else None
        return NUMBER if told(item) == "number" else None
    return RESULTS.get(name)


def _at(_self: Reader, node: Node, _known: dict) -> Type | None:
    return _type_of(read_literal(node.parts[0][1]))


def _always(kind: Type) -> Callable[[Reader, Node, dict], Type]:
    return lambda _self, _node, _known: kind


def _instance_of(self: Reader, node: Node, known: dict) -> Type:
    self.type(node.parts[0], known)
    return BOOLEAN


_TYPES: dict[str, Callable[[Reader, Node, dict], Type | None]] = {
    "number": _always(NUMBER), "string": _always(STRING), "true": _always(BOOLEAN), "false": _always(BOOLEAN),
    "null": _always(NULL), "at": _at, "name": _name, "path": _path, "filter": _filter,
    "disjunction": _connected("or"), "conjunction": _connected("and"), "if_": _if, "comparison": _comparison,
    "between": _between, "in_": _in, "in_test": _comparison, "chain": _chain, "negation": _negation, "list": _list,
    "context": _context, "range": _range, "for_": _for, "some": _quantified, "every": _quantified,
    "function": _function, "call": _call, "instance_of": _instance_of,
}  # fmt: skip
