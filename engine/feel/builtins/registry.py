"""How a built-in is written down, and how a call finds the signature that fits.

`@builtin("substring(string: s, start position: n, length: n?)")` names the parameters and, by a letter, what they take;
a question mark lets the parameter away, an exclamation mark lets it be null, an asterisk takes all that follows.
Stacked decorators give one name several signatures, tried in the order they are written down, the first line first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.feel.moments import Date, DateTime, DaysTime, Time, YearsMonths
from engine.feel.values import UTC_MIDNIGHT, Function, Range


class Nothing(Exception):
    """The answer is null; the message says why."""

    def __init__(self, sentence: str, kind: str = "argument", /, **params: Any):
        super().__init__(sentence)
        self.sentence = sentence
        self.kind = kind
        self.params = params


#: letter -> the types that a parameter takes; "a" takes all
TAKES: dict[str, tuple[type, ...]] = {
    "s": (str,), "n": (Decimal,), "b": (bool,), "l": (list,), "c": (dict,), "d": (Date,), "t": (Time,),
    "m": (DateTime,), "D": (DaysTime, YearsMonths), "S": (DaysTime,), "r": (Range,), "f": (Function,),
    "x": (Date, DateTime), "y": (Date, DateTime, Time), "p": (Decimal, str, Date, Time, DateTime, DaysTime, YearsMonths),
    "q": (Decimal, DaysTime, YearsMonths),
}  # fmt: skip
CALLED = {
    "s": "text", "n": "number", "b": "boolean", "l": "list", "c": "context", "d": "date", "t": "time",
    "m": "date and time", "D": "duration", "S": "days and time duration", "r": "range", "f": "function",
    "x": "date or date and time", "y": "date or time", "p": "value with an order", "q": "number or duration",
}  # fmt: skip
PARAMETER = re.compile(r"\s*([^:]+):\s*(\w)([?!*]*)\s*")
MISSING = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    letter: str
    optional: bool
    nullable: bool
    variadic: bool


@dataclass(frozen=True, slots=True)
class Signature:
    parameters: tuple[Parameter, ...]
    body: Callable[..., Any]
    least: int
    most: int


class Builtin:
    """A function of the language with all its signatures."""

    def __init__(self, name: str):
        self.name = name
        self.signatures: list[Signature] = []

    def call(self, run, args: list) -> Any:
        """Raises Nothing when no signature fits."""
        reason: Nothing | None = None
        for signature in self.signatures:
            if signature.least <= len(args) <= signature.most:
                ready, reason = fit(self.name, signature, args)
                if reason is None:
                    return signature.body(run, *ready)
        raise reason or Nothing(
            "'%(function)s' is not called with %(count)s arguments.", "argument", function=self.name, count=len(args)
        )

    def call_named(self, run, given: dict[str, Any]) -> Any:
        reason: Nothing | None = None
        for signature in self.signatures:
            args = by_name(signature, given)
            if args is not None:
                ready, reason = fit(self.name, signature, args)
                if reason is None:
                    return signature.body(run, *ready)
        raise reason or Nothing(
            "'%(function)s' has other parameters: %(parameters)s.", "argument",
            function=self.name, parameters=self.parameters(),
        )  # fmt: skip

    def parameters(self) -> str:
        return " or ".join("(" + ", ".join(p.name for p in one.parameters) + ")" for one in self.signatures)


def by_name(signature: Signature, given: dict[str, Any]) -> list | None:
    """The values in the order of the parameters; None when the names are others."""
    known = {one.name for one in signature.parameters}
    if not given.keys() <= known:
        return None
    args = [given.get(one.name, MISSING) for one in signature.parameters]
    while args and args[-1] is MISSING:
        args.pop()
    if len(args) < signature.least:
        return None
    last = signature.parameters[-1] if signature.parameters else None
    if last and last.variadic and len(args) == len(signature.parameters) and isinstance(args[-1], list):
        args[-1:] = args[-1]
    return args


def fit(name: str, signature: Signature, args: list) -> tuple[list, Nothing | None]:
    """(the values as the parameters want them, None), or ([], why not)."""
    ready = []
    parameters = signature.parameters
    for place, arg in enumerate(args):
        wanted = parameters[min(place, len(parameters) - 1)]
        made = (None if wanted.optional else MISSING) if arg is MISSING else converted(arg, wanted)
        if made is MISSING:
            return [], misfit(name, wanted)
        ready.append(made)
    return ready, None


def misfit(name: str, wanted: Parameter) -> Nothing:
    return Nothing(
        "'%(function)s' takes a %(type)s as '%(parameter)s'.", "argument",
        function=name, type=CALLED.get(wanted.letter, "value"), parameter=wanted.name,
    )  # fmt: skip


def converted(arg: Any, wanted: Parameter) -> Any:
    letter = wanted.letter
    if letter == "a":
        return arg
    takes = TAKES[letter]
    if type(arg) in takes:
        return arg
    if arg is None:
        return None if wanted.nullable else MISSING
    if letter == "l":
        return [arg]
    if type(arg) is list and len(arg) == 1 and type(arg[0]) in takes:
        return arg[0]
    if letter == "m" and type(arg) is Date:
        return DateTime(arg, UTC_MIDNIGHT)
    return MISSING


BUILTINS: dict[str, Function] = {}
#: what Camunda 8 adds to the standard: whole functions and further ways to call one, as "name(parameter, parameter)"
ADDED: set[str] = set()


def builtin(*texts: str, added: bool = False) -> Callable[[Callable], Callable]:
    """Register a function `body(run, *values)` under the signatures."""

    def register(body: Callable) -> Callable:
        for text in texts:
            name, signature = _read(text, body)
            _named(name).signatures.append(signature)
            if added:
                ADDED.add(f"{name}({', '.join(one.name for one in signature.parameters)})")
        return body

    return register


def _named(name: str) -> Builtin:
    if name not in BUILTINS:
        BUILTINS[name] = Function(name, (), lambda _run, _args: None, builtin=Builtin(name))
    return BUILTINS[name].builtin


def _read(text: str, body: Callable) -> tuple[str, Signature]:
    name, _, inner = text.rstrip(")").partition("(")
    parameters = tuple(_parameter(part) for part in inner.split(",")) if inner.strip() else ()
    least = sum(not one.optional for one in parameters)
    most = 10**9 if parameters and parameters[-1].variadic else len(parameters)
    return name, Signature(parameters, body, least, most)


def _parameter(text: str) -> Parameter:
    found = PARAMETER.fullmatch(text)
    marks = found[3]
    return Parameter(found[1].strip(), found[2], "?" in marks, "!" in marks, "*" in marks)
