"""Forms: JSON Schema 2020-12 with a few keys of our own, read once and asked often.

`parse` turns a file into a frozen `Form` or names everything that is wrong with it: only keywords that stand
in `KEYWORDS` may be used, so that no schema can refer elsewhere, nest without end or make the server work
for it. `check` is what stands between what somebody posts and the variables of a case: it cuts the answers to
the fields of the form, types them, asks which of them are asked for (`x-when`), validates them and makes sure
that people, groups and documents exist and are hers to name; every refusal is a sentence beside its field.
`prefill` and `see` say what a form shows to whom. Our keys are `x-order`, `x-labels`, `x-widget`, `x-help`,
`x-placeholder`, `x-unit`, `x-source` (FEEL: the value at first), `x-when` (FEEL: asked for only then),
`x-classification`, `x-decision` (its answer is the outcome of the task) and `x-rules` (FEEL and a sentence).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker, SchemaError, ValidationError, validators
from sqlalchemy import false, or_, select

from engine import access, feel, people
from engine.errors import Invalid, Misconfigured, NotFound, Problem
from engine.policies import CLASSES
from engine.schema import content, document, instance
from engine.schema import form as form_table

DIALECT = "https://json-schema.org/draft/2020-12/schema"
LARGEST = 256 * 1024
#: classes of which the log keeps no value, and what stands there instead
CLASSIFIED = ("confidential", "secret")
HIDDEN = "•••"
DEEPEST = 8
MOST_FIELDS = 200
MOST_CHOICES = 500
LONGEST_TEXT = 4000
#: characters that an answer may have where the form says nothing, and items of a list
LONGEST_ANSWER, MOST_ITEMS = 20_000, 500
#: a number beyond this is a slip of the keyboard, and loses its last digits in a browser
LARGEST_NUMBER = 10**15
#: forms kept in memory
KEPT = 500

HEAD = frozenset({
    "$schema", "$id", "title", "description", "type", "additionalProperties", "required", "properties", "x-order",
    "x-rules",
})  # fmt: skip
KEYWORDS = frozenset({
    "type", "title", "description", "format", "enum", "const", "default", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems",
    "items", "x-labels", "x-widget", "x-help", "x-placeholder", "x-unit", "x-source", "x-when", "x-classification",
    "x-decision",
})  # fmt: skip
ITEM_KEYWORDS = frozenset({"type", "enum", "format", "minLength", "maxLength", "pattern", "minimum", "maximum"})
SCALARS = ("string", "number", "integer", "boolean")
FORMATS = ("date", "date-time", "email", "uri")
#: names that the platform gives every case or every answer itself
RESERVED = frozenset({"case", "starter", "completedBy", "loopCounter"})
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")

_TEXT, _LIST, _CHOICE = ("string",), ("array",), ("string", "number", "integer")
#: widget -> types of the fields that it draws
WIDGETS: dict[str, tuple[str, ...]] = {
    "text": _TEXT, "textarea": _TEXT, "date": _TEXT, "datetime": _TEXT, "person": _TEXT, "group": _TEXT,
    "resource": _TEXT, "data_set": _TEXT, "department": _TEXT, "number": ("number", "integer"),
    "money": ("number", "integer"), "checkbox": ("boolean",), "radio": _CHOICE, "select": _CHOICE,
    "checkboxes": _LIST, "people": _LIST, "fields": _LIST, "documents": _LIST,
    "readonly": (*SCALARS, "array"), "hidden": (*SCALARS, "array"),
}  # fmt: skip
#: widgets whose value is the platform's: what a browser says of it is not even read
NOT_ASKED = ("readonly", "hidden")


# --- what a form is -----------------------------------------------------------------------------
@dataclass(frozen=True)
class Field:
    """One field as pages draw it. Texts are English message ids."""

    name: str
    title: str
    #: string number integer boolean array
    type: str
    #: date date-time email uri, or None
    format: str | None = None
    #: (value, label) of each choice; of a list those of its items
    enum: tuple[tuple[Any, str], ...] = ()
    #: a key of WIDGETS
    widget: str = "text"
    help: str = ""
    placeholder: str = ""
    unit: str = ""
    required: bool = False
    default: Any = None
    #: FEEL over the variables of the case: what the field shows at first
    source: str | None = None
    #: FEEL over these and the answers: the field is asked for only when it is true
    when: str | None = None
    #: public internal confidential secret (clause 2.3.3)
    classification: str | None = None
    #: its JSON Schema
    schema: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Rule:
    """A rule across fields: when `when` is true, the answers are refused with `sentence`."""

    when: str
    sentence: str
    #: the field beside which the sentence stands; "" for the whole form
    field: str = ""


@dataclass(frozen=True)
class Form:
    """A form in one version. Shared by everyone; treat it as frozen all the way down."""

    #: "<process key>/<form>"
    key: str
    title: str
    description: str
    fields: tuple[Field, ...]
    #: the field whose answer is the outcome of the task; None when it decides nothing
    decision: str | None
    rules: tuple[Rule, ...]
    #: the JSON Schema as it was deployed
    schema: dict[str, Any] = field(compare=False, repr=False)

    def field(self, name: str) -> Field | None:
        return next((one for one in self.fields if one.name == name), None)


# --- finding ------------------------------------------------------------------------------------
def load(work, digest: str) -> Form:
    """The form that was deployed with these bytes. Raises NotFound."""
    known: dict[str, Form] = work.platform.cache.setdefault("forms", {})
    found = known.get(digest)
    if found is None:
        data = work.execute(select(content.c.bytes).where(content.c.digest == digest)).scalar()
        if data is None:
            raise NotFound("There is no such form.")
        key = work.execute(select(form_table.c.key).where(form_table.c.digest == digest).limit(1)).scalar()
        found = parse(bytes(data), key or digest)
        if len(known) >= KEPT:
            known.clear()
        known[digest] = found
    return found


def parse(data: bytes, key: str) -> Form:
    """The form that `data` (JSON in UTF-8) describes. Raises Invalid with every problem that was found."""
    raw = _read(data, key)
    problems = list(_problems(raw))
    if problems:
        raise Invalid("The form '%(form)s' cannot be used.", problems, form=key)
    fields = tuple(_field(name, raw["properties"][name], raw) for name in _order(raw))
    rules = tuple(Rule(one["when"], one["sentence"], one.get("field", "")) for one in raw.get("x-rules", ()))
    return Form(key, raw.get("title", key), raw.get("description", ""), fields, _decision(raw), rules, raw)


# --- asking -------------------------------------------------------------------------------------
def check(form: Form, answers: Any, *, context: Mapping[str, Any], work) -> dict[str, Any]:
    """The answers as variables: every field of the form that can be answered, null where there is no answer.

    `context` are the variables that the task sees. Texts become numbers, moments and truth values as a browser
    means them; a field that is not asked for is null whatever was said. Raises Invalid with a problem for each
    field (`where`) that is wrong.
    """
    if not isinstance(answers, Mapping):
        raise Invalid("The answers of a form are named by its fields.")
    run = _Run(work.now, work.calendar.zone)
    values, wrong = _typed(form, answers, run.zone)
    _keep_unseen(form, values, context, work, run)
    shown = _asked(form, context, values, run)
    problems: list[Problem] = []
    for one in _answerable(form):
        if one.name in shown:
            problems += [wrong[one.name]] if one.name in wrong else _field_problems(work, form, one, values, context)
        else:
            values[one.name] = None
    problems = problems or _broken_rules(form, context, values, run)
    if problems:
        raise Invalid("Please correct the fields that are named.", problems)
    return values | {one.name: _at_first(one, context, run) for one in form.fields if one.widget == "hidden"}


def asked(form: Form, said: Mapping[str, Any], *, now: datetime | None = None, zone: tzinfo | None = None) -> list[str]:
    """Names of the fields that are asked for, given the variables and answers so far (as they were posted)."""
    values, _ = _typed(form, said, zone)
    shown = _asked(form, said, values, _Run(now, zone))
    return [one.name for one in form.fields if one.name in shown]


def prefill(form: Form, seen: Mapping[str, Any], *, now: datetime | None = None,
            zone: tzinfo | None = None) -> dict[str, Any]:  # fmt: skip
    """What each field shows at first: its source over the variables `seen`, else its default; none for null."""
    run = _Run(now, zone)
    found = {one.name: _at_first(one, seen, run) for one in form.fields}
    return {name: value for name, value in found.items() if value is not None}


def classes(work, root_id: str) -> dict[str, str]:
    """Class of each variable that a form of a process of this case declares, called ones too; the strictest wins."""
    found: dict[str, str] = {}
    keys = select(instance.c.process_key).where(instance.c.root_id == root_id).distinct()
    of = or_(false(), *(form_table.c.key.like(f"{key}/%") for key in work.execute(keys).scalars()))
    for digest in work.execute(select(form_table.c.digest).where(of)).scalars():
        for one in load(work, digest).fields:
            kind = one.classification or "internal"
            found[one.name] = max(found.get(one.name, kind), kind, key=CLASSES.index)
    return found


def unclassified(work, root_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` as the log may keep them: of a classified one only that there was one."""
    known = classes(work, root_id)
    return {name: HIDDEN if known.get(name) in CLASSIFIED else value for name, value in values.items()}


def see(form: Form, values: Mapping[str, Any], actor: people.Actor) -> dict[str, Any]:
    """The values of the form's fields, null for those of a class that she is not cleared for (clause 2.3.3).

    A field without a class is for whoever gets to see the form.
    """
    known = (one for one in form.fields if one.name in values)
    return {one.name: values[one.name] if _is_open_to(actor, one) else None for one in known}


def cut(form: Form, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Answers cut to the fields that can be answered, unchecked, for a draft; what no field could hold is left out."""
    known = {one.name for one in _answerable(form)}
    return {name: value for name, value in answers.items() if name in known and _is_small(value)}


# --- reading a file -----------------------------------------------------------------------------
def _read(data: bytes, key: str) -> Any:
    if len(data) > LARGEST:
        raise Invalid("The form '%(form)s' is larger than %(limit)s KB.", form=key, limit=LARGEST // 1024)
    try:
        raw = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid("The form '%(form)s' cannot be read as JSON.", form=key) from error
    if not isinstance(raw, dict) or _depth(raw) > DEEPEST:
        raise Invalid("The form '%(form)s' is not an object of JSON Schema, or nested too deeply.", form=key)
    return raw


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0) if isinstance(value, dict | list) else 0


def _order(raw: dict[str, Any]) -> list[str]:
    """The fields in the order of `x-order`; what it does not name comes after, as it stands."""
    return list(dict.fromkeys([*raw.get("x-order", ()), *raw["properties"]]))


def _field(name: str, schema: dict[str, Any], raw: dict[str, Any]) -> Field:
    labels = schema.get("x-labels", {})
    choices = schema.get("enum") or schema.get("items", {}).get("enum") or ()
    return Field(
        name=name, title=schema.get("title", name), type=schema["type"], format=schema.get("format"),
        enum=tuple((value, labels.get(str(value), str(value))) for value in choices),
        widget=schema.get("x-widget") or _usual_widget(schema),
        help=schema.get("x-help") or schema.get("description", ""), placeholder=schema.get("x-placeholder", ""),
        unit=schema.get("x-unit", ""), required=name in raw.get("required", ()), default=schema.get("default"),
        source=schema.get("x-source"), when=schema.get("x-when"), classification=schema.get("x-classification"),
        schema=schema,
    )  # fmt: skip


def _usual_widget(schema: dict[str, Any]) -> str:
    kind, shape = schema["type"], schema.get("format")
    if schema.get("enum"):
        return "select"
    by_type = {"boolean": "checkbox", "array": "checkboxes", "number": "number", "integer": "number"}
    return by_type.get(kind) or {"date": "date", "date-time": "datetime"}.get(shape, "text")


def _decision(raw: dict[str, Any]) -> str | None:
    """The field that is marked, else the choice that is called decision."""
    marked = next((name for name, schema in raw["properties"].items() if schema.get("x-decision")), None)
    return marked or ("decision" if raw["properties"].get("decision", {}).get("enum") else None)


# --- what is wrong with a file ------------------------------------------------------------------
def _problems(raw: dict[str, Any]) -> Iterator[Problem]:
    yield from _unknown(raw, HEAD, "")
    yield from _texts(raw, ("title", "description"), "")
    if raw.get("type") != "object" or raw.get("additionalProperties", False) is not False:
        yield _bad("", "type", "A form is an object without additional properties.")
    if raw.get("$schema", DIALECT) != DIALECT:
        yield _bad("", "dialect", "A form is written in JSON Schema 2020-12.")
    properties = raw.get("properties")
    if not isinstance(properties, dict) or not all(isinstance(one, dict) for one in properties.values()):
        yield _bad("", "properties", "The properties of a form are objects, one for each field.")
        return
    if len(properties) > MOST_FIELDS:
        yield _bad("", "too-many", "A form has at most %(limit)s fields.", limit=MOST_FIELDS)
        return
    for name, schema in properties.items():
        yield from _wrong_in_field(name, schema)
    yield from _wrong_lists(raw, properties)
    yield from _wrong_rules(raw.get("x-rules", []), properties)
    if sum(bool(schema.get("x-decision")) for schema in properties.values()) > 1:
        yield _bad("", "decisions", "Only one field of a form can be its decision.")


def _bad(where: str, rule: str, sentence: str, **params: Any) -> Problem:
    return Problem(where, f"form.{rule}", sentence, params=tuple((name, str(value)) for name, value in params.items()))


def _unknown(found: dict[str, Any], known: frozenset[str], where: str) -> Iterator[Problem]:
    for keyword in sorted(found.keys() - known):
        yield _bad(where, "keyword", "'%(keyword)s' is not a keyword that forms may use.", keyword=keyword[:60])


def _texts(found: dict[str, Any], names: Iterable[str], where: str) -> Iterator[Problem]:
    for name in names:
        if name in found and not (isinstance(found[name], str) and len(found[name]) <= LONGEST_TEXT):
            yield _bad(where, "text", "'%(keyword)s' must be a text of reasonable length.", keyword=name)


def _wrong_in_field(name: str, schema: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with one field; when its keywords are, nothing else is looked at."""
    if not NAME.fullmatch(name) or name in RESERVED:
        yield _bad(name[:60], "name", "A field cannot be called '%(name)s'.", name=name[:60])
    keywords = [*_unknown(schema, KEYWORDS, name), *_wrong_type(name, schema)]
    yield from keywords
    if keywords:
        return
    yield from _texts(schema, ("title", "description", "x-help", "x-placeholder", "x-unit"), name)
    yield from _wrong_schema(name, schema)
    yield from _wrong_choices(name, schema)
    yield from _wrong_widget(name, schema)
    for keyword in ("x-source", "x-when"):
        if keyword in schema:
            yield from _wrong_feel(name, schema[keyword])


def _wrong_type(name: str, schema: dict[str, Any]) -> Iterator[Problem]:
    if schema.get("type") not in (*SCALARS, "array"):
        yield _bad(name, "type", "A field is a string, number, integer, boolean or array of these.")
    elif schema["type"] == "array":
        items = schema.get("items")
        if not isinstance(items, dict) or items.get("type") not in SCALARS:
            yield _bad(name, "items", "The items of a list are strings, numbers, integers or booleans.")
        else:
            yield from _unknown(items, ITEM_KEYWORDS, name)
    elif "items" in schema:
        yield _bad(name, "items", "Only a list has items.")


def _wrong_schema(name: str, schema: dict[str, Any]) -> Iterator[Problem]:
    """What the library says of the schema itself, and whether what is offered at first would pass."""
    try:
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        keyword = str(error.absolute_path[0]) if error.absolute_path else "type"
        yield _bad(name, "schema", "'%(keyword)s' has a value that JSON Schema does not allow.", keyword=keyword)
        return
    for one in (schema, schema.get("items", {})):
        if "format" in one and one["format"] not in FORMATS:
            yield _bad(name, "format", "The formats are %(known)s.", known=", ".join(FORMATS))
        if "pattern" in one and feel.evaluate("matches(t, p)", {"t": "", "p": one["pattern"]}) is None:
            yield _bad(name, "pattern", "'pattern' is not a regular expression that can be used here.")
    if "default" in schema and not _validator(schema).is_valid(schema["default"]):
        yield _bad(name, "default", "The default is not an answer that the field allows.")


def _wrong_choices(name: str, schema: dict[str, Any]) -> Iterator[Problem]:
    labels = schema.get("x-labels", {})
    choices = schema.get("enum") or (schema.get("items") or {}).get("enum")
    if choices is not None and (len(choices) > MOST_CHOICES or any(isinstance(c, dict | list) for c in choices)):
        yield _bad(name, "choices", "The choices are at most %(limit)s texts or numbers.", limit=MOST_CHOICES)
    elif not isinstance(labels, dict) or not all(isinstance(label, str) for label in labels.values()):
        yield _bad(name, "labels", "'x-labels' gives each choice a text.")
    elif set(labels) - set(map(str, choices or ())):
        yield _bad(name, "labels", "'x-labels' names a choice that is not offered.")


def _wrong_widget(name: str, schema: dict[str, Any]) -> Iterator[Problem]:
    widget = schema.get("x-widget")
    if "x-widget" in schema and (not isinstance(widget, str) or schema["type"] not in WIDGETS.get(widget, ())):
        yield _bad(name, "widget", "'x-widget' must be one that draws this type of field.")
    if widget in ("radio", "select") and not schema.get("enum"):
        yield _bad(name, "widget", "A field to choose from needs 'enum'.")
    if schema.get("x-classification", "public") not in CLASSES:
        yield _bad(name, "class", "The classes are %(known)s.", known=", ".join(CLASSES))
    if schema.get("x-decision", False) is not False and not (schema["x-decision"] is True and schema.get("enum")):
        yield _bad(name, "decision", "The decision of a form is a field to choose from.")


def _wrong_lists(raw: dict[str, Any], properties: dict[str, Any]) -> Iterator[Problem]:
    for keyword in ("required", "x-order"):
        names = raw.get(keyword, [])
        if not isinstance(names, list) or not all(isinstance(one, str) and one in properties for one in names):
            yield _bad("", keyword, "'%(keyword)s' must list fields of the form.", keyword=keyword)
        elif len(set(names)) != len(names):
            yield _bad("", keyword, "'%(keyword)s' names a field twice.", keyword=keyword)
        elif keyword == "required":
            for name in names:
                if properties[name].get("x-widget") in NOT_ASKED:
                    yield _bad(name, "required", "A field that is only shown cannot be required.")


def _wrong_rules(rules: Any, properties: dict[str, Any]) -> Iterator[Problem]:
    if not isinstance(rules, list) or len(rules) > MOST_FIELDS or not all(isinstance(one, dict) for one in rules):
        yield _bad("", "rules", "'x-rules' is a list of objects with 'when' and 'sentence'.")
        return
    for one in rules:
        yield from _unknown(one, frozenset({"when", "sentence", "field"}), "")
        yield from _texts({"sentence": None} | one, ("sentence",), "")
        yield from _wrong_feel("", one.get("when"))
        if "field" in one and (not isinstance(one["field"], str) or one["field"] not in properties):
            yield _bad("", "rules", "A rule stands beside a field that the form does not have.")


def _wrong_feel(where: str, text: Any) -> Iterator[Problem]:
    try:
        feel.compile(text if isinstance(text, str) else "")
    except feel.FeelError as error:
        yield _bad(where, "expression", "This cannot be read as a FEEL expression (%(why)s).", why=error.message)


# --- which fields are asked for -----------------------------------------------------------------
class _Run:
    """One moment and one budget for all expressions of a form, so that many small ones cannot add up."""

    def __init__(self, now: datetime | None, zone: tzinfo | None):
        self.now, self.zone = now, zone
        self._budget = feel.Budget(steps=500_000, seconds=2.0)

    def ask(self, text: str, variables: Mapping[str, Any]) -> Any:
        try:
            return feel.compile(text).evaluate(variables, now=self.now, zone=self.zone, budget=self._budget)
        except feel.Exhausted as error:
            raise Misconfigured("An expression of the form takes too long: %(text)s", text=text[:200]) from error


def _answerable(form: Form) -> Iterator[Field]:
    return (one for one in form.fields if one.widget not in NOT_ASKED)


def _asked(form: Form, context: Mapping[str, Any], values: Mapping[str, Any], run: _Run) -> set[str]:
    """Field by field in the order of the form: what is not asked for counts as unanswered for those that follow."""
    known = {**context, **values}
    shown: set[str] = set()
    for one in form.fields:
        if one.when is None or run.ask(one.when, known) is True:
            shown.add(one.name)
        elif one.name in values:
            known[one.name] = None
    return shown


def _is_open_to(actor: people.Actor, one: Field) -> bool:
    return one.classification is None or access.cleared(actor, one.classification)


def _at_first(one: Field, seen: Mapping[str, Any], run: _Run) -> Any:
    found = run.ask(one.source, seen) if one.source else None
    if found is None or isinstance(found, feel.Function):  # the name of a function where no variable has it
        return one.default
    return feel.to_json(found)


def _keep_unseen(form: Form, values: dict[str, Any], context: Mapping[str, Any], work, run: _Run) -> None:
    """What a person may not see was not shown to her: her silence about it changes nothing."""
    for one in _answerable(form):
        if one.source and values[one.name] is None and not _is_open_to(work.actor, one):
            values[one.name] = _at_first(one, context, run)


# --- from text to values ------------------------------------------------------------------------
class _Wrong(Exception):
    """An answer that cannot be taken: a rule's name, a sentence and its parameters."""

    def __init__(self, rule: str, sentence: str, **params: Any):
        super().__init__(sentence)
        self.rule, self.sentence, self.params = rule, sentence, params

    def beside(self, one: Field) -> Problem:
        return _bad(one.name, self.rule, self.sentence, field=one.title, **self.params)


def _typed(form: Form, answers: Mapping[str, Any], zone: tzinfo | None) -> tuple[dict[str, Any], dict[str, Problem]]:
    """field -> value for every field that can be answered, and what is wrong with those that are no such value."""
    values: dict[str, Any] = {}
    wrong: dict[str, Problem] = {}
    for one in _answerable(form):
        values[one.name] = None
        try:
            values[one.name] = _value(one, answers.get(one.name), zone)
        except _Wrong as error:
            wrong[one.name] = error.beside(one)
    return values, wrong


def _value(one: Field, said: Any, zone: tzinfo | None) -> Any:
    if one.type == "array":
        return _items(one, said)
    if said is None or (isinstance(said, str) and not said.strip()):
        return None
    value = _TYPED[one.type](said)
    if one.format in _MOMENTS and isinstance(value, str):
        return _MOMENTS[one.format](value.strip(), zone)
    return value if one.widget == "textarea" or not isinstance(value, str) else value.strip()


def _items(one: Field, said: Any) -> list | None:
    """A list; a single value stands for a list of one, as a browser posts it."""
    items = [said] if isinstance(said, str | int | float) else said
    if items is None:
        return None
    if not isinstance(items, list | tuple) or len(items) > MOST_ITEMS:
        raise _Wrong("type", "'%(field)s' takes a list of at most %(limit)s values.", limit=MOST_ITEMS)
    kind = _TYPED[one.schema["items"]["type"]]
    return [kind(item) for item in items if item is not None and item != ""] or None


def _to_text(said: Any) -> str:
    if not isinstance(said, str):
        raise _Wrong("type", "'%(field)s' must be a text.")
    if len(said) > LONGEST_ANSWER:
        raise _Wrong("length", "'%(field)s' has more than %(limit)s characters.", limit=LONGEST_ANSWER)
    if "\0" in said or any("\ud800" <= sign <= "\udfff" for sign in said):
        raise _Wrong("characters", "'%(field)s' has characters that cannot be kept.")
    return said.replace("\r\n", "\n").replace("\r", "\n")


_NUMBER = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,3})?")
_NO_NUMBER = "'%(field)s' must be a number, such as 1200.50."


def _to_number(said: Any) -> int | float:
    if isinstance(said, str):
        if not _NUMBER.fullmatch(said.strip()):
            raise _Wrong("type", _NO_NUMBER)
        said = float(said) if set(said) & set(".eE") else int(said)
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise _Wrong("type", _NO_NUMBER)
    if abs(said) > LARGEST_NUMBER:
        raise _Wrong("maximum", "'%(field)s' is too large a number.")
    return said


def _to_integer(said: Any) -> int:
    number = _to_number(said)
    if number != int(number):
        raise _Wrong("type", "'%(field)s' must be a whole number.")
    return int(number)


#: what stands for yes and no in a browser, a spreadsheet and by hand
_TRUTH = {"true": True, "1": True, "on": True, "yes": True, "是": True,
          "false": False, "0": False, "off": False, "no": False, "否": False}  # fmt: skip


def _to_truth(said: Any) -> bool:
    found = said if isinstance(said, bool) else _TRUTH.get(str(said).strip().lower())
    if found is None:
        raise _Wrong("type", "'%(field)s' is answered with yes or no.")
    return found


_TYPED = {"string": _to_text, "number": _to_number, "integer": _to_integer, "boolean": _to_truth}


def _to_day(said: str, zone: tzinfo | None) -> str:
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", said):
            raise ValueError(said)
        return date.fromisoformat(said).isoformat()
    except ValueError:
        raise _Wrong("format", "'%(field)s' must be a day, such as 2026-03-02.") from None


def _to_moment(said: str, zone: tzinfo | None) -> str:
    """ISO 8601 with an offset; without one the calendar's zone is meant."""
    try:
        if not re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", said):
            raise ValueError(said)
        read = datetime.fromisoformat(said)
    except ValueError:
        raise _Wrong("format", "'%(field)s' must be a day and a time, such as 2026-03-02T09:30.") from None
    return (read if read.tzinfo or zone is None else read.replace(tzinfo=zone)).isoformat()


_MOMENTS = {"date": _to_day, "date-time": _to_moment}


def _is_small(value: Any) -> bool:
    """Whether a field could hold this at all: a plain value of reasonable length, or a list of such."""
    if isinstance(value, list):
        return len(value) <= MOST_ITEMS and all(not isinstance(one, list) and _is_small(one) for one in value)
    if isinstance(value, str):
        return len(value) <= LONGEST_ANSWER
    return value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))


# --- whether a value is allowed -----------------------------------------------------------------
def _field_problems(work, form: Form, one: Field, values: dict[str, Any], context: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with one answer: that it is missing, against the schema, or names what is not there."""
    value = values[one.name]
    if value is None:
        return [_Wrong("required", "'%(field)s' is required.").beside(one)] if one.required else []
    problems = [_told(one, error) for error in _validator(one.schema).iter_errors(value)]
    if not problems and one.widget in _EXISTS:
        try:
            values[one.name] = _EXISTS[one.widget](work, value, _Around(form, values, context))
        except _Wrong as error:
            problems.append(error.beside(one))
    return problems


def _pattern(validator, pattern: str, value: Any, schema) -> Iterator[ValidationError]:
    """In FEEL's machine instead of Python's, which a pattern can hang."""
    if isinstance(value, str) and feel.evaluate("matches(t, p)", {"t": value, "p": pattern}) is not True:
        yield ValidationError("does not match")


def _multiple(validator, step: float, value: Any, schema) -> Iterator[ValidationError]:
    """In decimal numbers, because 0.07 is a multiple of 0.01."""
    if validator.is_type(value, "number") and Decimal(str(value)) % Decimal(str(step)):
        yield ValidationError("is no multiple")


_Validator = validators.extend(Draft202012Validator, {"pattern": _pattern, "multipleOf": _multiple})
_formats = FormatChecker(formats=())


@_formats.checks("email")
def _is_email(value: Any) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"[^@\s<>]{1,64}@[^@\s<>.]+(\.[^@\s<>.]+)+", value) is not None


@_formats.checks("uri", ValueError)
def _is_address(value: Any) -> bool:
    """Only what a browser opens as a page: no address can carry a script."""
    parts = urlsplit(value) if isinstance(value, str) else None
    return parts is None or (parts.scheme in ("http", "https") and bool(parts.netloc) and not re.search(r"\s", value))


def _validator(schema: Mapping[str, Any]):
    return _Validator(schema, format_checker=_formats)


#: keyword of JSON Schema -> what a person is told
SENTENCES = {
    "enum": "'%(field)s' must be one of the choices that are offered.",
    "minLength": "'%(field)s' needs at least %(limit)s characters.",
    "maxLength": "'%(field)s' may have at most %(limit)s characters.",
    "minimum": "'%(field)s' must be at least %(limit)s.",
    "maximum": "'%(field)s' must be at most %(limit)s.",
    "exclusiveMinimum": "'%(field)s' must be more than %(limit)s.",
    "exclusiveMaximum": "'%(field)s' must be less than %(limit)s.",
    "multipleOf": "'%(field)s' must be a multiple of %(limit)s.",
    "minItems": "'%(field)s' needs at least %(limit)s of them.",
    "maxItems": "'%(field)s' takes at most %(limit)s of them.",
    "uniqueItems": "'%(field)s' names something twice.",
    "pattern": "'%(field)s' is not written as it should be.",
    "type": "'%(field)s' has a value of the wrong kind.",
    "const": "'%(field)s' must be %(limit)s.",
}
TICKED = "'%(field)s' must be ticked."
FORMAT_SENTENCES = {
    "email": "'%(field)s' must be a mail address.",
    "uri": "'%(field)s' must be an address that begins with https:// or http://.",
}


def _told(one: Field, error: ValidationError) -> Problem:
    """The library's error as a sentence for a person."""
    keyword, limit = str(error.validator), error.validator_value
    if keyword == "const" and limit is True:
        return _Wrong("const", TICKED).beside(one)
    if keyword == "format":
        return _Wrong("format", FORMAT_SENTENCES.get(limit, SENTENCES["pattern"])).beside(one)
    sentence = SENTENCES.get(keyword, SENTENCES["type"])
    return _Wrong(keyword, sentence, **({"limit": limit} if "%(limit)s" in sentence else {})).beside(one)


def _broken_rules(form: Form, context: Mapping[str, Any], values: dict[str, Any], run: _Run) -> list[Problem]:
    known = {**context, **values}
    return [Problem(one.field, "form.rule", one.sentence) for one in form.rules if run.ask(one.when, known) is True]


# --- whether what is named is there -------------------------------------------------------------
@dataclass(frozen=True)
class _Around:
    """What stands around a field while it is checked."""

    form: Form
    values: Mapping[str, Any]
    context: Mapping[str, Any]


def _person(work, value: str, around: _Around) -> str:
    """The id of a person who is named by id or login and has not left."""
    row = people.get(work, people.resolve(work, value))
    if row is None or not people.is_live(work, row):
        raise _Wrong("person", "'%(field)s' names somebody who is not here.")
    return row["id"]


def _people(work, value: list, around: _Around) -> list[str]:
    return list(dict.fromkeys(_person(work, one, around) for one in value))


def _one_of(known, value: str) -> str:
    if value not in known:
        raise _Wrong("choice", SENTENCES["enum"])
    return value


def _group(work, value: str, around: _Around) -> str:
    return _one_of(work.policies.access.groups, value)


def _resource(work, value: str, around: _Around) -> str:
    return _one_of(work.policies.access.resources, value)


def _data_set(work, value: str, around: _Around) -> str:
    return _one_of(work.policies.data_sets, value)


def _department(work, value: str, around: _Around) -> str:
    return _one_of({row["key"] for row in people.departments(work)}, value)


def _fields(work, value: list, around: _Around) -> list[str]:
    """Fields of the data set that the same form asks for."""
    chosen = next((around.values[one.name] for one in _answerable(around.form) if one.widget == "data_set"), None)
    data_set = work.policies.data_sets.get(chosen)
    if data_set is not None and not set(value) <= set(data_set.fields):
        raise _Wrong("fields", "'%(field)s' names a field that the data set does not have.")
    return value


def _documents(work, value: list, around: _Around) -> list[str]:
    """Papers of this case that this person may see; before there is a case, those of her own drafts."""
    rows = {row["id"]: row for row in work.all(select(document).where(document.c.id.in_(value)))}
    case = around.context.get("case")
    root_id = case.get("id") if isinstance(case, Mapping) else None
    for one in value:
        row = rows.get(one)
        if row is None or row["removed_at"] is not None or not _may_name(work, row, root_id):
            raise _Wrong("documents", "'%(field)s' names a document that is not there.")
    return list(dict.fromkeys(value))


def _may_name(work, row, root_id: str | None) -> bool:
    return row["root_id"] == root_id and access.may(work, "see", row, "document")


#: widget -> (work, value, around) -> the value as it is kept; raises _Wrong
_EXISTS = {
    "person": _person, "people": _people, "group": _group, "resource": _resource, "data_set": _data_set,
    "department": _department, "fields": _fields, "documents": _documents,
}  # fmt: skip
