"""The policies of the customer, read from policies/*.toml into frozen values.

What differs between customers and may change without a programmer stands in ten small files: working
hours, time limits, who may do what, the clauses of the regulation and their controls, what may be
shared, kept, measured, said and called. `load` reads them all when the platform opens. A wrong file
stops the start with one sentence that names the file, the line, the key and what is expected, and what
one file says about another (a group, a process, a clause) must exist there. A missing optional file is
an empty section. The version of each file is the beginning of its digest; pages and archives show it.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine import feel
from engine.errors import Misconfigured

CLASSES = ("public", "internal", "confidential", "secret")
VERBS = ("query", "enter", "modify", "delete")
REQUIRED = ("calendar", "access")
OPTIONAL = ("sla", "regulation", "sharing", "notifications", "retention", "indicators", "processes", "services")


# --- what the files become ----------------------------------------------------------------------
@dataclass(frozen=True)
class CalendarPolicy:
    """Working hours, and where the public holidays come from (clause 3.2.2)."""

    zone: ZoneInfo
    #: the working hours of a day, in order, each (from, to)
    hours: tuple[tuple[time, time], ...]
    #: days of the week without work, Monday is 1
    weekend: tuple[int, ...]
    #: "china": the published holidays and make-up days; "none": only what this file says
    public_holidays: str = "china"
    extra_holidays: frozenset[date] = frozenset()
    extra_workdays: frozenset[date] = frozenset()
    #: (month, day) of holidays that fall on the same date each year, for years not yet published
    fixed_holidays: tuple[tuple[int, int], ...] = ()
    #: Qingming moves between 4 and 5 April; for years not yet published it is computed
    qingming: bool = True

    @property
    def day(self) -> timedelta:
        """How long a working day is."""
        spans = (_minutes(end) - _minutes(start) for start, end in self.hours)
        return timedelta(minutes=sum(spans))


@dataclass(frozen=True)
class Sla:
    """The time limit of a human task, in working time (clause 3.2.2)."""

    working: timedelta = timedelta(hours=16)
    #: share of `working` after which its holder is reminded
    remind_at: float = 0.75
    #: "manager", "head" or a group: who is told when the time is over
    escalate_to: str = "manager"
    #: "reassign", "decide" or "none": what happens `grace` after that
    last_act: str = "reassign"
    #: the answers given by policy when `last_act` is "decide"
    decide: Mapping[str, Any] = field(default_factory=dict)
    reassign_to: str | None = "manager"
    grace: timedelta = timedelta(hours=8)


@dataclass(frozen=True)
class Group:
    """A group is a role too: what its members may do (clause 2.2.1)."""

    key: str
    name: str
    #: "resource:verb" with a verb of VERBS
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True)
class AccessPolicy:
    """Roles, what they may, which of them nobody may hold together, and who may read which class of field."""

    groups: Mapping[str, Group]
    #: key of a resource -> its name
    resources: Mapping[str, str]
    #: (group, group, why nobody may hold both)
    separation: tuple[tuple[str, str, str], ...] = ()
    #: groups, resources and "resource:verb" pairs whose grant needs the security officer
    high_risk: tuple[str, ...] = ()
    #: group -> classes of fields that its members may read
    clearance: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def conflicts(self, groups: Iterable[str]) -> list[str]:
        """Why these groups may not be held together: one sentence for each forbidden pair among them."""
        held = set(groups)
        return [why for first, second, why in self.separation if first in held and second in held]

    def is_high_risk(self, *, group: str | None = None, resource: str | None = None, verb: str | None = None) -> bool:
        """Whether granting this role or permission is named as high risk."""
        return any(one in self.high_risk for one in (group, resource, f"{resource}:{verb}") if one)


@dataclass(frozen=True)
class Clause:
    """One clause of the regulation and the control by which the platform carries it out."""

    id: str
    chapter: str
    #: what the clause asks for, in our own words
    text: str
    #: group that answers for it (clause 5.1.2)
    owner: str
    #: how the platform carries it out, in one or two sentences
    how: str
    #: "in force", "partly" or "planned": an honest word for the compliance officer
    state: str
    #: processes (keys), elements ("process:element"), policies (file names) and pages (endpoints or paths)
    control: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class DataField:
    """A field of a data set that may be asked for by name."""

    name: str
    column: str
    label: str
    classification: str


@dataclass(frozen=True)
class DataSet:
    """Data that may be shared on approval (clause 4.3.3)."""

    key: str
    name: str
    table: str
    #: group key or login of who decides about it
    owner: str
    fields: Mapping[str, DataField]
    #: column -> value that rows must have to belong to it
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Notification:
    """The words of one kind of message to a person; %(name)s parameters are filled in by its sender."""

    kind: str
    subject: str
    text: str
    #: whether a mail goes out beside the notice on the page
    mail: bool = True
    #: whether it waits for the daily digest instead
    digest: bool = False


@dataclass(frozen=True)
class Retention:
    """How long one kind of record is kept, counted from a moment in the row (clauses 4.2.3, 6.1.3)."""

    key: str
    name: str
    table: str
    #: column with the moment from which the days count; rows in which it is empty are kept
    since: str
    days: int
    #: "delete" by itself, or "dispose": listed for a decision and deleted only after it
    act: str
    #: column -> values, all of which must fit
    where: Mapping[str, tuple[Any, ...]]
    clause: str
    why: str


@dataclass(frozen=True)
class Indicator:
    """One measure of chapter 7: a formula over counted facts, a unit and a target."""

    key: str
    name: str
    clause: str
    #: FEEL over the facts that `engine.indicators` counts; null when there is nothing to measure
    formula: str
    unit: str
    target: float
    #: "higher" or "lower" is better
    better: str
    why: str
    #: the facts that the formula reads
    facts: tuple[str, ...]


@dataclass(frozen=True)
class ProcessPolicy:
    """What the platform must know of a process besides its model."""

    key: str
    name: str
    owner: str
    #: "case": people start it; "part": only called
    kind: str
    #: groups whose members may start it
    groups: tuple[str, ...]
    #: decision whose hits are start conditions that are not met (clause 3.1.1)
    start_decision: str | None
    number_prefix: str
    irreversible_after: tuple[str, ...]
    #: FEEL: who may confirm the closing besides the starter
    person_in_charge: str
    #: FEEL: the title of a case
    title: str
    clauses: tuple[str, ...]


@dataclass(frozen=True)
class Services:
    """What service tasks may call over HTTP: nothing that is not listed here."""

    hosts: tuple[str, ...] = ()
    timeout: timedelta = timedelta(seconds=20)
    max_bytes: int = 1_000_000


@dataclass(frozen=True)
class Policies:
    """Everything that policies/*.toml say."""

    calendar: CalendarPolicy
    access: AccessPolicy
    #: (process key, element id) -> Sla; ("default", "") is the row for the rest
    sla: Mapping[tuple[str, str], Sla]
    regulation: tuple[Clause, ...]
    data_sets: Mapping[str, DataSet]
    notifications: Mapping[str, Notification]
    retention: Mapping[str, Retention]
    indicators: Mapping[str, Indicator]
    processes: Mapping[str, ProcessPolicy]
    services: Services
    #: file name -> beginning of its SHA-256
    versions: Mapping[str, str]

    def sla_of(self, process_key: str, element_id: str) -> Sla:
        """The time limit of a task; a task without a row of its own has the default one."""
        return self.sla.get((process_key, element_id)) or self.sla[DEFAULT]

    def clause(self, clause_id: str) -> Clause | None:
        return next((one for one in self.regulation if one.id == clause_id), None)


DEFAULT = ("default", "")


# --- reading ------------------------------------------------------------------------------------
def load(folder: Path) -> Policies:
    """Every policy of `folder`. Raises Misconfigured for the first thing that is wrong."""
    files = {name: _file(folder / f"{name}.toml", name in REQUIRED) for name in (*REQUIRED, *OPTIONAL)}
    calendar = _calendar(files["calendar"])
    found = Policies(
        calendar=calendar,
        access=_access(files["access"]),
        sla=_sla(files["sla"], calendar),
        regulation=_regulation(files["regulation"]),
        data_sets={one.key: _data_set(one) for one in files["sharing"].tables()},
        notifications={one.key: _notification(one) for one in files["notifications"].tables()},
        retention={one.key: _retention(one) for one in files["retention"].tables()},
        indicators={one.key: _indicator(one) for one in files["indicators"].tables()},
        processes={one.key: _process(one) for one in files["processes"].tables()},
        services=_services(files["services"]),
        versions={f"{name}.toml": one.version for name, one in files.items() if one.version},
    )
    _cross_check(found, files)
    return found


class Reader:
    """A table of a policy file that knows where it stands, so that each refusal can say so.

    Each `take` checks one key and strikes it off; `done` refuses what nobody asked for.
    """

    def __init__(self, file: str, source: str, path: tuple[str, ...], values: dict[str, Any], version: str = ""):
        self.file, self.source, self.path, self.version = file, source, path, version
        self._values = values
        self._left = set(values)

    @property
    def key(self) -> str:
        return self.path[-1] if self.path else ""

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def take(self, key: str, check: Callable[[Any], Any], expected: str, *default: Any) -> Any:
        """The checked value of `key`; `check` raises ValueError, TypeError or KeyError for a wrong one."""
        self._left.discard(key)
        if key not in self._values:
            if default:
                return default[0]
            raise self.wrong(key, expected, "nothing")
        try:
            return check(self._values[key])
        except (ValueError, TypeError, KeyError, feel.FeelError) as error:
            raise self.wrong(key, expected, repr(self._values[key])) from error

    def tables(self) -> list[Reader]:
        """The tables below this one that nobody took yet, in the order of the file."""
        names = [name for name in self._values if name in self._left]
        return [self.table(name) for name in names]

    def table(self, key: str) -> Reader:
        values = self.take(key, _a(dict), "a table", {})
        return Reader(self.file, self.source, (*self.path, key), values)

    def rows(self, key: str) -> list[Reader]:
        """An array of tables."""
        values = self.take(key, _list_of(_a(dict)), "an array of tables", [])
        return [Reader(self.file, self.source, (*self.path, f"{key} {n}"), row) for n, row in enumerate(values, 1)]

    def done(self) -> None:
        for key in sorted(self._left):
            raise self.wrong(key, "no such key", repr(self._values[key]))

    def wrong(self, key: str, expected: str, found: str) -> Misconfigured:
        return Misconfigured(
            "%(file)s, line %(line)s: '%(key)s' must be %(expected)s, not %(found)s.",
            file=self.file, line=self._line(key), key=".".join((*self.path, key)), expected=expected, found=found[:80],
        )  # fmt: skip

    def _line(self, key: str) -> int:
        return _line_of(self.source, self.path, key)


def _file(path: Path, required: bool) -> Reader:
    if not path.exists():
        if required:
            raise Misconfigured("The policy file %(file)s is missing.", file=path.name)
        return Reader(path.name, "", (), {})
    data = path.read_bytes()
    try:
        values = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured("%(file)s is not TOML: %(why)s.", file=path.name, why=str(error)) from error
    return Reader(path.name, data.decode("utf-8"), (), values, hashlib.sha256(data).hexdigest()[:12])


def _line_of(source: str, path: tuple[str, ...], key: str) -> int:
    """The line on which `key` of the table `path` stands; TOML's parser does not tell, so it is looked up."""
    lines = source.splitlines()
    start = _header(lines, path)
    for number, line in enumerate(lines[start:], start + 1):
        if re.match(rf"\s*\"?{re.escape(key)}\"?\s*=", line):
            return number
        if number > start + 1 and line.startswith("["):
            break
    return max(start, 1)


def _header(lines: list[str], path: tuple[str, ...]) -> int:
    """The line of the innermost header of `path`; the n-th one of an array of tables, or an inline table's own."""
    for depth in range(len(path), 0, -1):
        name, _, count = path[depth - 1].partition(" ")
        dotted = re.escape(".".join((*path[: depth - 1], name)))
        at = [n for n, line in enumerate(lines, 1) if re.match(rf"\[\[?\s*{dotted}\s*\]\]?", line)]
        if at:
            return _inline(lines, at[min(int(count or 1), len(at)) - 1], path[depth:])
    return _inline(lines, 0, path)


def _inline(lines: list[str], header: int, path: tuple[str, ...]) -> int:
    """The line below `header` on which an inline table begins: what has no header of its own."""
    if not path:
        return header
    for number, line in enumerate(lines[header:], header + 1):
        if line.startswith("["):
            break
        if re.match(rf"\s*\"?{re.escape(path[0])}\"?\s*=", line):
            return number
    return header


# --- one function per file ----------------------------------------------------------------------
def _calendar(one: Reader) -> CalendarPolicy:
    policy = CalendarPolicy(
        zone=one.take("zone", _zone, "a time zone such as \"Asia/Shanghai\""),
        hours=one.take("hours", _hours, "pairs of times in order, such as [[\"09:00\", \"12:00\"]]"),
        weekend=one.take("weekend", _list_of(_between(1, 7)), "days of the week from 1 (Monday) to 7", (6, 7)),
        public_holidays=one.take("public_holidays", _one_of("china", "none"), '"china" or "none"', "china"),
        extra_holidays=frozenset(one.take("extra_holidays", _list_of(_day), "a list of dates", ())),
        extra_workdays=frozenset(one.take("extra_workdays", _list_of(_day), "a list of dates", ())),
        fixed_holidays=one.take("fixed_holidays", _list_of(_month_day), 'a list of "month-day"', ()),
        qingming=one.take("qingming", _a(bool), "true or false", True),
    )
    one.done()
    for day in sorted(policy.extra_holidays & policy.extra_workdays):
        raise one.wrong("extra_workdays", "days that are not holidays too", day.isoformat())
    return policy


def _access(one: Reader) -> AccessPolicy:
    resources = {r.key: r.take("name", _text, "a name") for r in one.table("resources").tables()}
    groups = {g.key: _group(g, resources) for g in one.table("groups").tables()}
    policy = AccessPolicy(
        groups=groups,
        resources=resources,
        separation=tuple(_separation(row, groups) for row in one.rows("separation")),
        high_risk=one.take("high_risk", _list_of(_text), "a list of groups, resources or permissions", ()),
        clearance=_clearance(one.table("clearance"), groups),
    )
    one.done()
    for name in policy.high_risk:
        if name not in groups and name not in resources:
            _permission(one, "high_risk", name, resources)
    return policy


def _group(one: Reader, resources: Mapping[str, str]) -> Group:
    said = one.take("permissions", _list_of(_text), "a list of \"resource:verb\"", ())
    group = Group(one.key, one.take("name", _text, "a name"), tuple(dict.fromkeys(
        permission for text in said for permission in _permission(one, "permissions", text, resources)
    )))  # fmt: skip
    one.done()
    return group


def _permission(one: Reader, key: str, text: str, resources: Mapping[str, str]) -> list[str]:
    """ "cases:query" as it stands; "cases:*" stands for all four verbs."""
    resource, _, verb = text.partition(":")
    if resource not in resources or verb not in (*VERBS, "*"):
        expected = 'made of "resource:verb" with known resources and the verbs query, enter, modify, delete'
        raise one.wrong(key, expected, text)
    return [f"{resource}:{each}" for each in (VERBS if verb == "*" else (verb,))]


def _separation(one: Reader, groups: Mapping[str, Group]) -> tuple[str, str, str]:
    pair = one.take("groups", _list_of(_in(groups)), "two keys of groups")
    if len(set(pair)) != 2:
        raise one.wrong("groups", "two different groups", repr(pair))
    why = one.take("why", _text, "a sentence")
    one.done()
    return pair[0], pair[1], why


def _clearance(one: Reader, groups: Mapping[str, Group]) -> dict[str, tuple[str, ...]]:
    expected = "classes of fields: public, internal, confidential, secret"
    found = {}
    for key in list(one._values):
        if key not in groups:
            raise one.wrong(key, "the key of a group", key)
        found[key] = one.take(key, _list_of(_one_of(*CLASSES)), expected)
    return found


def _sla(one: Reader, calendar: CalendarPolicy) -> dict[tuple[str, str], Sla]:
    found = {DEFAULT: _limit(one.table("default"), calendar) if "default" in one else Sla()}
    for process in one.tables():
        for element in process.tables():
            found[process.key, element.key] = _limit(element, calendar)
    return found


def _limit(one: Reader, calendar: CalendarPolicy) -> Sla:
    span = _span(calendar.day)
    limit = Sla(
        working=one.take("working", span, 'a length of working time such as "16h", "30m" or "2d"'),
        remind_at=one.take("remind_at", _share, "a share between 0 and 1", 0.75),
        escalate_to=one.take("escalate_to", _text, '"manager", "head" or a group', "manager"),
        last_act=one.take("last_act", _one_of("reassign", "decide", "none"), '"reassign", "decide" or "none"', "none"),
        decide=one.take("decide", _a(dict), "a table of answers", {}),
        reassign_to=one.take("reassign_to", _text, '"manager", "head" or a group', None),
        grace=one.take("grace", span, 'a length of working time such as "8h"', timedelta(hours=8)),
    )
    one.done()
    if limit.last_act == "decide" and not limit.decide:
        raise one.wrong("decide", "a table of answers when last_act is decide", "nothing")
    return limit


CONTROLS = ("processes", "elements", "policies", "pages")


def _regulation(one: Reader) -> tuple[Clause, ...]:
    clauses = tuple(_clause(row) for row in one.rows("clause"))
    one.done()
    seen: set[str] = set()
    for clause in clauses:
        if clause.id in seen:
            raise one.wrong("clause", "named once", clause.id)
        seen.add(clause.id)
    return clauses


def _clause(one: Reader) -> Clause:
    states = ("in force", "partly", "planned")
    clause = Clause(
        id=one.take("id", _text, 'a number such as "3.2.1"'),
        chapter=one.take("chapter", _text, "the name of the chapter"),
        text=one.take("text", _text, "a sentence"),
        owner=one.take("owner", _text, "the key of a group"),
        how=one.take("how", _text, "a sentence"),
        state=one.take("state", _one_of(*states), '"in force", "partly" or "planned"', "in force"),
        control={name: one.take(name, _list_of(_text), "a list of texts", ()) for name in CONTROLS},
    )
    one.done()
    return clause


def _data_set(one: Reader) -> DataSet:
    fields = {f.key: _data_field(f) for f in one.table("fields").tables()}
    data_set = DataSet(
        key=one.key,
        name=one.take("name", _text, "a name"),
        table=one.take("table", _name, "the name of a table"),
        owner=one.take("owner", _text, "the key of a group or a login"),
        fields=fields,
        where=one.take("where", _a(dict), "a table of columns and values", {}),
    )
    one.done()
    if not fields:
        raise one.wrong("fields", "a table of at least one field", "nothing")
    return data_set


def _data_field(one: Reader) -> DataField:
    found = DataField(
        name=one.key,
        column=one.take("column", _name, "the name of a column", one.key),
        label=one.take("label", _text, "a name"),
        classification=one.take("classification", _one_of(*CLASSES), "one of " + ", ".join(CLASSES)),
    )
    one.done()
    return found


def _notification(one: Reader) -> Notification:
    found = Notification(
        kind=one.key,
        subject=one.take("subject", _text, "a sentence"),
        text=one.take("text", _text, "a sentence"),
        mail=one.take("mail", _a(bool), "true or false", True),
        digest=one.take("digest", _a(bool), "true or false", False),
    )
    one.done()
    return found


def _retention(one: Reader) -> Retention:
    found = Retention(
        key=one.key,
        name=one.take("name", _text, "a name"),
        table=one.take("table", _name, "the name of a table"),
        since=one.take("since", _name, "the name of a column with a moment"),
        days=one.take("days", _between(1, 36_600), "a number of days"),
        act=one.take("act", _one_of("delete", "dispose"), '"delete" or "dispose"'),
        where=one.take("where", _columns, "a table of columns, each with a list of values", {}),
        clause=one.take("clause", _text, "the number of a clause"),
        why=one.take("why", _text, "a sentence"),
    )
    one.done()
    return found


def _indicator(one: Reader) -> Indicator:
    formula = one.take("formula", _expression, "a FEEL expression")
    found = Indicator(
        key=one.key,
        name=one.take("name", _text, "a name"),
        clause=one.take("clause", _text, "the number of a clause"),
        formula=formula,
        unit=one.take("unit", str, "a unit", ""),
        target=one.take("target", _number, "a number"),
        better=one.take("better", _one_of("higher", "lower"), '"higher" or "lower"'),
        why=one.take("why", _text, "a sentence", ""),
        facts=tuple(sorted(feel.compile(formula).reads)),
    )
    one.done()
    return found


def _process(one: Reader) -> ProcessPolicy:
    found = ProcessPolicy(
        key=one.key,
        name=one.take("name", _text, "a name", one.key),
        owner=one.take("owner", _text, "the key of a group"),
        kind=one.take("kind", _one_of("case", "part"), '"case" or "part"', "case"),
        groups=one.take("start", _list_of(_text), "a list of groups", ()),
        start_decision=one.take("start_decision", _text, "the id of a decision", None),
        number_prefix=one.take("number_prefix", _prefix, "one to four capital letters", "C"),
        irreversible_after=one.take("irreversible_after", _list_of(_text), "a list of element ids", ()),
        person_in_charge=one.take("person_in_charge", _expression, "a FEEL expression", "null"),
        title=one.take("title", _expression, "a FEEL expression", "null"),
        clauses=one.take("clauses", _list_of(_text), "a list of clauses", ()),
    )
    one.done()
    return found


def _services(one: Reader) -> Services:
    http = one.table("http")
    seconds = http.take("timeout_seconds", _between(1, 300), "a number of seconds", 20)
    found = Services(
        hosts=http.take("hosts", _list_of(_host), "a list of host names", ()),
        timeout=timedelta(seconds=seconds),
        max_bytes=http.take("max_bytes", _between(1, 100_000_000), "a number of bytes", 1_000_000),
    )
    http.done()
    one.done()
    return found


# --- what one file says about another -----------------------------------------------------------
def _cross_check(found: Policies, files: Mapping[str, Reader]) -> None:
    groups = found.access.groups.keys()
    for where, name in _named_groups(found):
        if name not in groups:
            raise _unknown(files, where, name, "a group of access.toml")
    clauses = {clause.id for clause in found.regulation}
    for where, name in _named_clauses(found):
        if clauses and name not in clauses:
            raise _unknown(files, where, name, "a clause of regulation.toml")
    for where, name in _named_processes(found):
        if found.processes and name not in found.processes:
            raise _unknown(files, where, name, "a process of processes.toml")


def _unknown(files: Mapping[str, Reader], where: tuple[str, str, tuple], name: str, what: str) -> Misconfigured:
    file, key, path = where
    one = files[file]
    return Reader(one.file, one.source, path, {}).wrong(key, what, repr(name))


def _named_groups(found: Policies):
    above = ("manager", "head")
    for process in found.processes.values():
        yield ("processes", "owner", (process.key,)), process.owner
        for group in process.groups:
            yield ("processes", "start", (process.key,)), group
    for (process_key, element_id), sla in found.sla.items():
        path = (process_key, element_id) if element_id else (process_key,)
        for key, group in (("escalate_to", sla.escalate_to), ("reassign_to", sla.reassign_to)):
            if group and group not in above:
                yield ("sla", key, path), group
    for number, clause in enumerate(found.regulation, 1):
        yield ("regulation", "owner", (f"clause {number}",)), clause.owner


def _named_clauses(found: Policies):
    for process in found.processes.values():
        for clause in process.clauses:
            yield ("processes", "clauses", (process.key,)), clause
    for kind in ("retention", "indicators"):
        for one in getattr(found, kind).values():
            yield (kind, "clause", (one.key,)), one.clause


def _named_processes(found: Policies):
    for number, clause in enumerate(found.regulation, 1):
        for process in clause.control["processes"]:
            yield ("regulation", "processes", (f"clause {number}",)), process
        for element in clause.control["elements"]:
            yield ("regulation", "elements", (f"clause {number}",)), element.partition(":")[0]
    for process_key, element_id in found.sla:
        if element_id:
            yield ("sla", "", (process_key,)), process_key


# --- what a value may be ------------------------------------------------------------------------
def _a(kind: type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(value)
        return value

    return check


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(value)
    return value.strip()


def _name(value: Any) -> str:
    """A name of a table or column: nothing else ever reaches SQL from a policy."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", value):
        raise ValueError(value)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return value


def _list_of(check: Callable[[Any], Any]) -> Callable[[Any], tuple]:
    return lambda value: tuple(check(one) for one in _a(list)(value))


def _one_of(*known: str) -> Callable[[Any], str]:
    return lambda value: known[known.index(value)]


def _in(known: Mapping[str, Any]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in known:
            raise KeyError(value)
        return value

    return check


def _between(least: int, most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(value)
        return value

    return check


def _share(value: Any) -> float:
    if not 0 < _number(value) <= 1:
        raise ValueError(value)
    return float(value)


def _zone(value: Any) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except ZoneInfoNotFoundError as error:
        raise ValueError(value) from error


def _hours(value: Any) -> tuple[tuple[time, time], ...]:
    spans = tuple((time.fromisoformat(start), time.fromisoformat(end)) for start, end in value)
    edges = [edge for span in spans for edge in span]
    if not spans or edges != sorted(set(edges)):
        raise ValueError(value)
    return spans


def _minutes(moment: time) -> int:
    return moment.hour * 60 + moment.minute


def _day(value: Any) -> date:
    return value if type(value) is date else date.fromisoformat(value)


def _month_day(value: Any) -> tuple[int, int]:
    month, day = (int(part) for part in value.split("-"))
    date(2024, month, day)
    return month, day


_SPAN = re.compile(r"(?=\d)(?:(\d+(?:\.\d+)?)d)?\s*(?:(\d+(?:\.\d+)?)h)?\s*(?:(\d+)m)?")


def _span(day: timedelta) -> Callable[[Any], timedelta]:
    """A reader of working time: "2d", "16h", "30m", "1d 4h"; a day is as long as the calendar's."""

    def check(value: Any) -> timedelta:
        match = _SPAN.fullmatch(value.strip())
        if match is None:
            raise ValueError(value)
        days, hours, minutes = (float(part or 0) for part in match.groups())
        return day * days + timedelta(hours=hours, minutes=minutes)

    return check


def _columns(value: Any) -> dict[str, tuple[Any, ...]]:
    return {_name(key): tuple(_a(list)(values)) for key, values in _a(dict)(value).items()}


def _expression(value: Any) -> str:
    feel.compile(_text(value))
    return value.strip()


def _prefix(value: Any) -> str:
    if not re.fullmatch(r"[A-Z]{1,4}", value):
        raise ValueError(value)
    return value


def _host(value: Any) -> str:
    if not re.fullmatch(r"[a-z0-9.-]+(:\d+)?", value):
        raise ValueError(value)
    return value
