"""The types of FEEL: what `instance of` asks and what a typed variable takes.

A `Type` is a frozen tree: a simple name, or list, range, context and function with their parts; a model adds its own
named types with allowed values. `is_instance` is the question of 10.3.2.13; `conform` is the implicit conversion of
10.3.2.9.4: a list of one to its item, an item to a list of one, a date to a date and time; what does not fit is null.
`scan_type` reads a type in a text and says where it ends. No expression is evaluated here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.feel.errors import FeelError
from engine.feel.values import UTC_MIDNIGHT, Date, DateTime, Function, Range, kind_of

SIMPLE = (
    "years and months duration", "days and time duration", "date and time", "boolean", "number", "string",
    "date", "time", "Any", "Null", "list", "range", "context", "function",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Type:
    #: one of SIMPLE, or "named" for a name that the model must know
    kind: str
    name: str = ""
    #: of a list or range: the type of its items
    item: Type | None = None
    #: of a context: its entries; of a function: its parameters (names are "")
    parts: tuple[tuple[str, Type], ...] = ()
    #: of a function
    result: Type | None = None
    #: whether the value is one of those allowed; None when all are
    allows: Callable[[Any], bool] | None = None
    #: the same question for `instance of`, which looks at the structure alone
    base: Type | None = None

    def __str__(self) -> str:
        return self.name or (f"{self.kind}<{self.item}>" if self.item else self.kind)


ANY = Type("Any")
#: what xsd and older models call them
ALIASES = {
    "dateTime": "date and time", "dayTimeDuration": "days and time duration", "any": "Any",
    "yearMonthDuration": "years and months duration", "dateAndTime": "date and time",
    "daysAndTimeDuration": "days and time duration", "yearsAndMonthsDuration": "years and months duration",
    "integer": "number", "long": "number", "double": "number", "decimal": "number",
}  # fmt: skip


def simple(name: str) -> Type | None:
    """A type of the language by its name, or None."""
    name = " ".join(name.split())
    name = ALIASES.get(name, name)
    return Type(name) if name in SIMPLE else None


def is_instance(value: Any, kind: Type, strict: bool = False) -> bool:
    """Whether the value is of that type. null is of none. `strict` asks for allowed values too."""
    if value is None:
        return kind.kind == "Null"
    if strict and kind.allows and not kind.allows(value):
        return False
    if kind.kind == "Any":
        return True
    return kind.kind == kind_of(value) and _parts_fit(value, kind, strict)


def _parts_fit(value: Any, kind: Type, strict: bool) -> bool:
    if isinstance(value, list):
        return not kind.item or all(_fits(one, kind.item, strict) for one in value)
    if isinstance(value, dict):
        return all(name in value and _fits(value[name], part, strict) for name, part in kind.parts)
    if isinstance(value, Range):
        return not kind.item or all(_fits(end, kind.item, strict) for end in (value.low, value.high))
    if isinstance(value, Function):
        return _function_fits(value, kind)
    return True


def _fits(value: Any, kind: Type, strict: bool) -> bool:
    return value is None or is_instance(value, kind, strict)


def _function_fits(value: Function, kind: Type) -> bool:
    """Parameters may take more and the result be narrower than asked (10.3.2.9.2)."""
    if kind.result is None:
        return True
    given = [one or ANY for one in value.types] or [ANY] * len(value.parameters)
    if len(given) != len(kind.parts):
        return False
    wanted = [part for _, part in kind.parts]
    takes = all(is_narrower(asked, has) for asked, has in zip(wanted, given, strict=True))
    return takes and is_narrower(value.result or ANY, kind.result)


def may_fit(value: Function, kind: Type) -> bool:
    """Whether a function can stand where one of that type is due: what its text leaves open may be anything."""
    if kind.result is None or value.builtin is not None:
        return True
    if len(value.parameters) != len(kind.parts):
        return False
    pairs = zip(value.types, kind.parts, strict=False)
    takes = all(has is None or is_narrower(asked, has) for has, (_, asked) in pairs)
    return takes and (value.result is None or is_narrower(value.result, kind.result))


def is_narrower(one: Type, other: Type) -> bool:
    """Whether every value of `one` is a value of `other`."""
    if other.kind == "Any" or one.kind == "Null":
        return True
    if one.kind != other.kind:
        return False
    if one.kind in ("list", "range"):
        return is_narrower(one.item or ANY, other.item or ANY)
    if one.kind == "context":
        has = dict(one.parts)
        return all(name in has and is_narrower(has[name], part) for name, part in other.parts)
    return one.kind != "function" or _function_narrower(one, other)


def _function_narrower(one: Type, other: Type) -> bool:
    if other.result is None:
        return True
    if one.result is None or len(one.parts) != len(other.parts):
        return False
    pairs = zip(one.parts, other.parts, strict=True)
    return is_narrower(one.result, other.result) and all(is_narrower(b, a) for (_, a), (_, b) in pairs)


def conform(value: Any, kind: Type | None) -> tuple[Any, bool]:
    """(the value as that type, whether it fits). What does not fit is null."""
    if kind is None or (kind.kind == "Any" and not kind.allows) or value is None:
        return value, True
    if is_instance(value, kind, True):
        return value, True
    if isinstance(value, Function):
        return (value, True) if kind.kind == "function" and may_fit(value, kind) else (None, False)
    made = _converted(value, kind)
    return (made, True) if made is not None and is_instance(made, kind, True) else (None, False)


def _converted(value: Any, kind: Type) -> Any:
    if isinstance(value, Date) and kind.kind == "date and time":
        return DateTime(value, UTC_MIDNIGHT)
    if kind.kind == "list":
        return _as_list(value, kind.item or ANY)
    if isinstance(value, list) and len(value) == 1 and not isinstance(value[0], list):
        return conform(value[0], kind)[0]
    return None


def _as_list(value: Any, item: Type) -> list:
    """A list of one around the value, or the list that stands alone in it; dates in a list become what its items are."""
    if not isinstance(value, list):
        return [conform(value, item)[0]] if _dates(item) else [value]
    if _dates(item):
        return [conform(one, item)[0] for one in value]
    return value[0] if len(value) == 1 and isinstance(value[0], list) else [value]


def _dates(kind: Type) -> bool:
    return kind.kind == "date and time"


# --- reading ----------------------------------------------------------------------------------
WORD = re.compile(r"\s*([^\W\d]\w*)")
NAMED = re.compile(
    r"\s*([^\W\d][\w']*(?:\s*\.\s*[^\W\d][\w']*)*"
    r"(?:[ \t]+(?!(?:and|or|then|else|return|satisfies|in|between|instance)\b)\w+)*)"
)
GENERIC = re.compile(r"\s*(list|range|context|function)\s*<")
WHOLE = [(name, re.compile(r"\s*" + r"\s+".join(name.split()) + r"(?!\w)")) for name in SIMPLE]


def scan_type(text: str, position: int, deep: int = 0) -> tuple[Type, int]:
    """Read a type at `position`: (the type, where it ends). Raises FeelError."""
    if deep > 30:
        raise FeelError("A type is nested too deeply.", position, text)
    found = GENERIC.match(text, position)
    if found:
        return _SCANS[found[1]](text, found.end(), deep + 1)
    for name, pattern in WHOLE:
        found = pattern.match(text, position)
        if found:
            return Type(name), found.end()
    found = NAMED.match(text, position)
    if not found:
        raise FeelError("A type is expected here.", position, text)
    return Type("named", re.sub(r"\s*\.\s*", ".", " ".join(found[1].split()))), found.end()


def _expect(text: str, position: int, sign: str) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    if not text.startswith(sign, position):
        raise FeelError("'%(operator)s' is expected here.", position, text, operator=sign)
    return position + len(sign)


def _sees(text: str, position: int, sign: str) -> int:
    """Where the text goes on after the sign, or 0 when something else stands here."""
    try:
        return _expect(text, position, sign)
    except FeelError:
        return 0


def _scan_item(kind: str):
    def scan(text: str, position: int, deep: int) -> tuple[Type, int]:
        if _sees(text, position, ">"):
            return Type(kind), _expect(text, position, ">")
        item, position = scan_type(text, position, deep)
        return Type(kind, item=item), _expect(text, position, ">")

    return scan


def _scan_context(text: str, position: int, deep: int) -> tuple[Type, int]:
    parts = []
    while not (end := _sees(text, position, ">")):
        if parts:
            position = _expect(text, position, ",")
        colon = text.find(":", position)
        if colon < 0:
            raise FeelError("A context type names its entries.", position, text)
        name = " ".join(text[position:colon].split())
        part, position = scan_type(text, colon + 1, deep)
        parts.append((name, part))
    return Type("context", parts=tuple(parts)), end


def _scan_function(text: str, position: int, deep: int) -> tuple[Type, int]:
    parts = []
    while not (end := _sees(text, position, ">")):
        if parts:
            position = _expect(text, position, ",")
        part, position = scan_type(text, position, deep)
        parts.append(("", part))
    result, position = scan_type(text, _expect(text, end, "->"), deep)
    return Type("function", parts=tuple(parts), result=result), position


_SCANS = {
    "list": _scan_item("list"),
    "range": _scan_item("range"),
    "context": _scan_context,
    "function": _scan_function,
}


def resolve(kind: Type, known: Callable[[str], Type | None]) -> Type | None:
    """The type with all names of the model put in; None when one is unknown."""
    if kind.kind == "named":
        return known(kind.name)
    item = resolve(kind.item, known) if kind.item else None
    result = resolve(kind.result, known) if kind.result else None
    parts = tuple((name, resolve(part, known)) for name, part in kind.parts)
    lost = (kind.item and not item) or (kind.result and not result) or any(part is None for _, part in parts)
    return None if lost else Type(kind.kind, kind.name, item, parts, result, kind.allows)
