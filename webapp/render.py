"""How things are said and drawn on pages.

Sentences of the engine in the reader's language; moments in the calendar's zone; time limits as working
time left, with a colour; names for states, verbs and records of the log; and forms: what a browser posts
becomes plain answers here, and `choices` finds what their fields offer. Checking them is the engine's.
Everything that a template may call is installed as a filter or a global by `install`.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import current_app, g, request, url_for
from flask_babel import format_date, get_locale, gettext, ngettext
from flask_babel import gettext as _
from lxml import etree

from engine import notifications, people, xmlgate
from engine.errors import Problem, Refused
from webapp import session
from webapp.security import drawing


def N_(text: str) -> str:
    """Marks a text for the catalogue; it is translated when it is shown."""
    return text


# --- words ------------------------------------------------------------------------------------
STATES = {
    "active": N_("Running"), "suspended": N_("Suspended"), "completed": N_("Completed"),
    "cancelled": N_("Cancelled"), "failed": N_("Failed"), "open": N_("Waiting to be claimed"),
    "claimed": N_("In work"), "done": N_("Done"), "retired": N_("Retired"), "resolved": N_("Resolved"),
    "held": N_("On hold"), "planned": N_("Planned"), "running": N_("Running"), "stopped": N_("Stopped"),
    "signing": N_("To be signed"), "queued": N_("Not her turn yet"),
}  # fmt: skip
OUTCOMES = {
    "approve": N_("Approved"), "approved": N_("Approved"), "reject": N_("Rejected"), "rejected": N_("Rejected"),
    "refused": N_("Refused"), "return": N_("Returned"), "returned": N_("Returned"), "abstain": N_("Abstained"),
    "withdrawn": N_("Withdrawn"), "cancelled": N_("Cancelled"), "completed": N_("Completed"),
    "granted": N_("Granted"), "revoked": N_("Revoked"), "expired": N_("Expired"), "shared": N_("Shared"),
    "closed": N_("Closed"), "done": N_("Done"), "failed": N_("Failed"), "passed": N_("Passed"),
    "agree": N_("Agreed"), "disagree": N_("Not agreed"),
    "confirm": N_("Confirmed"), "confirmed": N_("Confirmed"), "pass": N_("Passed"), "fail": N_("Failed"),
}  # fmt: skip
#: outcomes that are drawn as a yes, and those drawn as a no
GOOD = frozenset({"approve", "approved", "granted", "shared", "confirm", "confirmed", "pass", "passed", "closed", "agree",
                  "completed", "done"})  # fmt: skip
BAD = frozenset({"reject", "rejected", "refused", "fail", "failed", "cancelled", "withdrawn", "revoked",
                 "disagree"})
VERBS = {
    "claim": N_("Claim"), "release": N_("Put back"), "transfer": N_("Transfer"), "delegate": N_("Delegate"),
    "hand_back": N_("Hand back"), "complete": N_("Complete"), "return": N_("Send back"), "urge": N_("Urge"),
    "copy": N_("Send a copy"), "add_signer": N_("Add signers"), "remove_signer": N_("Take signers out"),
    "answer": N_("Sign"),
    "withdraw": N_("Withdraw"), "cancel": N_("Cancel case"), "suspend": N_("Suspend"), "resume": N_("Resume"),
}  # fmt: skip
EVENTS = {
    "case.started": N_("started the case"), "case.completed": N_("The case was completed"),
    "case.cancelled": N_("cancelled the case"), "case.withdrawn": N_("withdrew the case"),
    "case.suspended": N_("suspended the case"), "case.resumed": N_("resumed the case"),
    "case.archived": N_("The case was archived"), "task.completed": N_("completed"),
    "task.returned": N_("sent back"), "task.claimed": N_("claimed"), "task.released": N_("put back"),
    "task.transferred": N_("transferred"), "task.delegated": N_("delegated"),
    "task.handed-back": N_("handed back"), "task.reminded": N_("A reminder was sent"),
    "task.escalated": N_("The time limit passed; superiors were told"),
    "task.reassigned": N_("Given to somebody else because it was late"), "task.urged": N_("urged"),
    "task.stuck": N_("Nobody could be found for the task"), "comment.added": N_("commented"),
    "document.attached": N_("attached a document"), "document.removed": N_("removed a document"),
    "incident.raised": N_("An incident occurred"), "incident.resolved": N_("settled an incident"),
    "token.moved": N_("moved the case by hand"), "variables.corrected": N_("corrected data by hand"),
    "decision.made": N_("A decision table was applied"), "share.issued": N_("Data was shared"),
    "share.used": N_("downloaded shared data"), "share.expired": N_("The sharing ended"),
    "share.revoked": N_("The sharing was revoked"), "permission.granted": N_("A permission was granted"),
    "permission.revoked": N_("A permission was revoked"), "membership.granted": N_("A membership was granted"),
    "membership.revoked": N_("A membership ended"), "case.migrated": N_("moved the case to another version"),
    "signer.added": N_("asked to sign"), "signer.removed": N_("no longer asks to sign"),
    "signer.answered": N_("signed"), "task.signed": N_("decided, to be signed by others"),
    "case.copied": N_("sent a copy"), "copy.read": N_("read the copy"),
    "batch.begun": N_("began an act on many cases"), "batch.stopped": N_("stopped an act on many cases"),
    "batch.resumed": N_("took up an act on many cases again"), "batch.ended": N_("An act on many cases ended"),
}  # fmt: skip
#: records that change what a model would have done by itself: shown as deviations
DEVIATIONS = frozenset({"task.returned", "token.moved", "variables.corrected", "case.migrated", "case.cancelled",
                        "task.reassigned", "incident.resolved", "signer.added",
                        "signer.removed"})  # fmt: skip
#: records that happen by themselves: whoever's step they followed is not their doer
IMPERSONAL = frozenset(kind for kind, words in EVENTS.items() if words[0].isupper())
KINDS = {
    "expression": N_("Expression"), "error": N_("Error"), "limit": N_("Limit"), "service": N_("Service call"),
    "timer": N_("Timer"), "job": N_("Job"), "sla": N_("Time limit"), "mail": N_("Mail"), "start": N_("Start by timer"),
    "publish": N_("Message"), "broadcast": N_("Signal"), "correlate": N_("Message"), "seal": N_("Sealing of the log"),
    "sweep": N_("Cleaning by policy"), "batch": N_("Act on many cases"),
    "message": N_("Message"), "signal": N_("Signal"), "call": N_("Call"), "incident": N_("Incident"),
    "condition": N_("Condition"), "user": N_("Task of a person"), "manual": N_("Manual task"),
    "adhoc": N_("Choice of what comes next"),
    "employee": N_("Employee"), "partner": N_("Partner"), "visitor": N_("Visitor"), "system": N_("Platform"),
    "public": N_("Public"), "internal": N_("Internal"), "confidential": N_("Confidential"), "secret": N_("Secret"),
    "query": N_("query"), "enter": N_("enter"), "modify": N_("modify"), "delete": N_("delete"),
    "read": N_("Read"), "write": N_("Write"), "admin": N_("Administer"),
    "in force": N_("In force"), "partly": N_("Partly in force"), "planned": N_("Planned"),
    "changed": N_("Changed"), "removed": N_("Removed"), "cut": N_("Cut"), "forged": N_("Forged"),
    "reordered": N_("Reordered"),
}  # fmt: skip


#: kinds of events as sentences about models name them; `say` looks them up like every parameter
EVENT_KINDS = (
    N_("message"), N_("signal"), N_("timer"), N_("error"), N_("escalation"), N_("compensation"), N_("cancel"),
    N_("terminate"), N_("link"), N_("conditional"),
)  # fmt: skip


def t(text: Any) -> str:
    """A text of a model, form or policy in the reader's language."""
    return gettext(str(text)) if text not in (None, "") else ""


def state_word(state: str | None) -> str:
    return t(STATES.get(state or "", state or ""))


def outcome_word(outcome: str | None) -> str:
    said = OUTCOMES.get(outcome or "")
    return t(said or (outcome or "").replace("_", " ").replace("-", " ").capitalize())


def kind_word(kind: str | None) -> str:
    return t(KINDS.get(kind or "", kind or ""))


#: records that name several persons
NAMES_MANY = frozenset({"case.copied", "signer.added", "signer.removed"})


def mentioned(timeline) -> set[str]:
    """Ids of people whom records of a timeline name in their data."""
    found = set()
    for row in timeline:
        data = row["data"] or {}
        found |= {data[key] for key in ("old", "new") if isinstance(data.get(key), str)}
        found.update(data["persons"] if row["type"] in NAMES_MANY else ())
    return found


def tone(outcome: str | None) -> str:
    """"good", "bad" or "plain": the colour of a stamp."""
    return "good" if outcome in GOOD else "bad" if outcome in BAD else "plain"


def drawn(data: bytes) -> bytes:
    """A model for the canvas: its names in the reader's language. The file itself stays as it was published."""
    root = xmlgate.read(data)
    for element in root.iter():
        name = element.get("name")
        if name and element.tag.rpartition("}")[2] not in UNDRAWN:
            element.set("name", t(" ".join(name.split())))
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


#: what has a name that nobody sees on the canvas
UNDRAWN = frozenset({"message", "signal", "error", "escalation", "property", "header", "dataObject"})


# --- sentences --------------------------------------------------------------------------------
def say(refused: Refused | Problem, locale: str | None = None) -> str:
    """The sentence of a refusal or a problem in the reader's language, or in `locale`."""
    message = refused.message if isinstance(refused, Refused) else refused.sentence
    params = dict(refused.params)
    if locale:
        return session.platform().translate(locale, message, **{k: str(v) for k, v in params.items()})
    said = {name: t(value) if isinstance(value, str) and value else value for name, value in params.items()}
    return _filled(message, said)


def mend(problem: Problem) -> str:
    return _filled(problem.mend, dict(problem.params)) if problem.mend else ""


def _filled(message: str, params: dict[str, Any]) -> str:
    said = gettext(message)
    return said % params if params else said


def excerpt(problem: Problem) -> dict[str, str]:
    """The expression that a problem speaks of, cut at the place that it means; nothing when it speaks of none."""
    params = dict(problem.params)
    return marked(params["text"], int(params["at"])) if "text" in params and "at" in params else {}


#: signs of an expression that are shown before and behind the place that is meant
AROUND = 60
WORD = re.compile(r"\w+|\S")


def marked(text: str, at: int) -> dict[str, str]:
    """A text as what stands before the place, the word at it, and what stands behind."""
    if not text or not 0 <= at <= len(text):
        return {}
    found = WORD.match(text, at)
    end = found.end() if found else at
    before = ("…" if at > AROUND else "") + text[max(0, at - AROUND) : at]
    behind = text[end : end + AROUND] + ("…" if len(text) > end + AROUND else "")
    return {"before": before, "word": text[at:end], "behind": behind, "text": text}


def problems(refused: Refused) -> list[dict[str, str]]:
    """Each thing that is wrong, for scripts and the canvas."""
    return [
        {"where": p.where, "rule": p.rule, "severity": p.severity, "sentence": say(p), "mend": mend(p)} | excerpt(p)
        for p in refused.problems
    ]


def wants_json() -> bool:
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json" or request.is_json


#: kind of element -> what the list of steps calls it
ELEMENTS = {
    "StartEvent": N_("Start event"), "EndEvent": N_("End event"), "UserTask": N_("Task"), "ServiceTask": N_("Service"),
    "BusinessRuleTask": N_("Decision table"), "ScriptTask": N_("Calculation"), "ManualTask": N_("Manual step"),
    "SendTask": N_("Send"), "ReceiveTask": N_("Receive"), "CallActivity": N_("Called process"), "SubProcess": N_("Part"),
    "ExclusiveGateway": N_("Either"), "ParallelGateway": N_("All of"), "InclusiveGateway": N_("Some of"),
    "ComplexGateway": N_("As many as needed"), "EventBasedGateway": N_("Whichever comes first"),
    "BoundaryEvent": N_("While there"), "IntermediateCatchEvent": N_("Wait for"),
    "IntermediateThrowEvent": N_("Intermediate event"), "AdHocSubProcess": N_("Any of"),
    "Transaction": N_("Part"), "Task": N_("Step"),
}  # fmt: skip


def words() -> dict[str, str]:
    """The sentences that scripts show; %(name)s places are filled in by them."""
    return {
        "saved": gettext("Saved %(seconds)s s ago"), "saved_minutes": gettext("Saved %(minutes)s min ago"),
        "saving": _("Saving…"), "not_saved": _("Not saved: no connection"), "confirm": _("Continue"),
        "cancel": _("Cancel"), "close": _("Close"), "help": _("Keyboard"), "go_to": _("Go to…"),
        "keys_search": _("Search"), "keys_help": _("This help"), "keys_next": _("Next in the list"),
        "keys_previous": _("Previous in the list"), "keys_open": _("Open"), "keys_claim": _("Claim"),
        "keys_goto": _("Go to a page, a task or a case"), "running_here": gettext("%(count)s here now"),
        "done": _("done"), "incident": _("Incident"), "problem": _("Problem"), "outline": _("Steps as a list"),
        "zoom_in": _("Zoom in"), "zoom_out": _("Zoom out"), "fit": _("Fit to window"), "copied": _("Copied"),
        "nothing_found": _("Nothing found"), "table": _("Numbers as a table"),
        "no_diagram": _("The diagram cannot be shown."), "choose_files": _("Drop files here or choose them"),
        "sound": _("No problems found."), "try_it": _("Try this expression"),
        "added": _("added"), "changed": _("changed"), "removed": _("removed"),
        "moved": _("moved"),
    } | {f"kind_{kind}": t(word) for kind, word in ELEMENTS.items()}  # fmt: skip


def event_word(row) -> str:
    return t(EVENTS.get(row["type"], row["type"]))


# --- moments and working time -----------------------------------------------------------------
def local(moment: datetime) -> datetime:
    return moment.astimezone(session.platform().calendar.zone)


def moment(value: datetime | None) -> str:
    """As short as can be: the time today, the day this year, else all of it."""
    if value is None:
        return ""
    here, now = local(value), local(session.platform().clock())
    if here.date() == now.date():
        return here.strftime("%H:%M")
    return here.strftime("%m-%d %H:%M" if here.year == now.year else "%Y-%m-%d %H:%M")


def full(value: datetime | None) -> str:
    return local(value).strftime("%Y-%m-%d %H:%M:%S %Z") if value else ""


def span(length: timedelta) -> str:
    """A length of working time in the largest units that matter: 2 d 3 h, 45 min."""
    calendar = session.platform().calendar
    day = int(calendar.hours_per_day.total_seconds() // 60) or 1440
    minutes = abs(int(length.total_seconds() // 60))
    days, rest = divmod(minutes, day)
    hours, left = divmod(rest, 60)
    if days:
        return _("%(days)s d %(hours)s h", days=days, hours=hours) if hours else _("%(days)s d", days=days)
    if hours:
        return _("%(hours)s h %(minutes)s min", hours=hours, minutes=left) if left else _("%(hours)s h", hours=hours)
    return _("%(minutes)s min", minutes=left)


@dataclass(frozen=True)
class Due:
    """A time limit as it is shown: how urgent, in words, and how much of it is used (0 to 100)."""

    level: str
    text: str
    used: int
    at: datetime
    provisional: bool = False


def due(row) -> Due | None:
    """The time limit of a task's row, in working time; None when it has none or the task is over."""
    at, now = row["due_at"], session.platform().clock()
    if at is None or row.get("state") in ("completed", "cancelled"):
        return None
    left = session.platform().calendar.between(now, at)
    whole = row.get("working_minutes") or 0
    used = 100 if at <= now else max(0, min(100, 100 - round(left.total_seconds() / 60 / whole * 100))) if whole else 0
    soon = used >= 75 or (row.get("remind_at") is not None and row["remind_at"] <= now)
    level = "late" if at <= now else "soon" if soon else "fine"
    text = _("%(span)s over", span=span(left)) if at <= now else _("%(span)s left", span=span(left))
    return Due(level, text, used, at, bool(row.get("provisional")))


def today() -> dict[str, Any]:
    """The day on which the platform runs: its date and whether it is a working day."""
    platform = session.platform()
    now = local(platform.clock())
    return {
        "date": format_date(now.date(), "full"),
        "day": now.day, "working": platform.calendar.is_working_day(now.date()),
    }  # fmt: skip


def size(count: int) -> str:
    return f"{max(1, round(count / 1024))} KB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.1f} MB"


# --- values -----------------------------------------------------------------------------------
def shown(value: Any) -> str:
    """A variable for people: lists and contexts as JSON, nothing as a dash."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


def as_json(value: Any) -> str:
    """A value as a person may type it again."""
    return json.dumps(value, ensure_ascii=False)


def shown_field(field, value: Any, choices) -> str:
    """A form's value for people: the label of what was chosen, the name of a person, a moment in words."""
    if value in (None, "", []):
        return "–"
    if isinstance(value, list):
        return ", ".join(shown_field(field, one, choices) for one in value)
    labels = {str(key): label for key, label in field.enum or ()}
    if str(value) in labels:
        return t(labels[str(value)])
    if field.widget in ("person", "people"):
        return choices.name(value)
    if field.widget in ("group", "department", "data_set", "resource", "fields"):
        return t(choices.label(field.widget, value))
    if field.format == "date-time" and isinstance(value, str):
        return moment(_parsed(value)) or value
    if field.widget == "readonly" and isinstance(value, str):
        return "\n".join(t(line) for line in value.split("\n"))  # sentences of decision tables, a line each
    return shown(value)


def _parsed(text: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=session.platform().calendar.zone)


def input_value(field, value: Any) -> Any:
    """A value as an input of its kind wants it."""
    if field.format == "date-time" and isinstance(value, str) and (read := _parsed(value)):
        return local(read).strftime("%Y-%m-%dT%H:%M")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return "" if value is None else value


# --- forms ------------------------------------------------------------------------------------
READ_ONLY = ("readonly", "hidden")


def answers(form, given, zone) -> dict[str, Any]:
    """What a browser posted as answers: only the form's fields, empty ones left out."""
    found: dict[str, Any] = {}
    for field in form.fields:
        if field.widget in READ_ONLY:
            continue
        value = _answer(field, given, zone)
        if value is not None:
            found[field.name] = value
    return found


def _answer(field, given, zone) -> Any:
    if field.type == "boolean":
        said = given.get(field.name)
        return None if said in (None, "") else said not in ("false", "0")
    if field.type == "array":
        return [one for one in given.getlist(field.name) if one.strip()] or None
    text = next((one for one in given.getlist(field.name) if one.strip()), "")
    if not text:
        return None
    if field.format == "date-time":
        return _with_zone(text, zone)
    return text if field.widget == "textarea" else text.strip()


def _with_zone(text: str, zone) -> str:
    """A browser's local date and time means the calendar's zone."""
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        return text
    return (read if read.tzinfo else read.replace(tzinfo=zone)).isoformat()


class Choices:
    """What the fields of a form offer, asked of the engine only when a field of that kind is drawn."""

    def __init__(self, work):
        self._work = work
        self._names: dict[str, str] = {}
        self._people: list | None = None

    @property
    def people(self) -> list:
        if self._people is None:
            self._people = people.find(self._work, "", 301)
        return self._people

    def name(self, person_id: str) -> str:
        if person_id not in self._names:
            row = people.get(self._work, person_id)
            self._names[person_id] = row["name"] if row else person_id
        return self._names[person_id]

    def options(self, widget: str) -> list[tuple[str, str]]:
        """(value, English label) of a choice."""
        rules = self._work.policies
        if widget == "group":
            return [(key, one.name) for key, one in rules.access.groups.items()]
        if widget == "resource":
            return list(rules.access.resources.items())
        if widget == "data_set":
            return [(key, one.name) for key, one in rules.data_sets.items()]
        if widget == "department":
            return [(one["key"], one["name"]) for one in people.departments(self._work)]
        if widget == "fields":
            return [(one.name, one.label) for each in self.data_fields() for one in each.fields.values()]
        return []

    def label(self, widget: str, value: str) -> str:
        return dict(self.options(widget)).get(value, value)

    def data_fields(self) -> list:
        """Every data set with its fields, for the choice of fields."""
        return list(self._work.policies.data_sets.values())


def by_field(found: tuple[Problem, ...] | list[Problem]) -> dict[str, str]:
    """field -> the first sentence about it."""
    sentences: dict[str, str] = {}
    for one in found:
        sentences.setdefault(one.where, say(one))
    return sentences


# --- what templates may call ------------------------------------------------------------------
@dataclass
class Chrome:
    """What stands around every page of a signed-in person."""

    unread: int
    stands_in_for: list
    acting: str | None


def chrome() -> Chrome | None:
    """Counts and names around the page, read once per page that is drawn."""
    if g.get("actor") is None:
        return None
    if "chrome" not in g:
        with session.reading() as work:
            actor = g.actor
            acting = people.get(work, actor.for_id)["name"] if actor.for_id else None
            g.chrome = Chrome(len(notifications.unread(work)), list(people.acting_for(work, actor.id)), acting)
    return g.chrome


def may(permission: str) -> bool:
    """Whether a role of the person allows "resource:verb": pages leave out what she cannot use."""
    actor = g.get("actor")
    return actor is not None and actor.may(permission)


@lru_cache(maxsize=64)
def _version(folder: str, name: str, changed: float) -> str:
    return hashlib.sha256((Path(folder) / name).read_bytes()).hexdigest()[:12]


def asset(name: str) -> str:
    """The address of a static file with its version, so that browsers may keep it."""
    path = Path(current_app.static_folder) / name
    if not path.exists():
        return url_for("static", filename=name)
    return url_for("static", filename=name, v=_version(current_app.static_folder, name, path.stat().st_mtime))


def has_page(endpoint: str) -> bool:
    """Whether this installation has that page: the navigation leaves out what is not there."""
    return endpoint in current_app.view_functions


def html_lang() -> str:
    return "en" if str(get_locale()).startswith("en") else "zh-CN"


def link_of(query: dict[str, Any]) -> str:
    """This list's address with some of its parameters changed; empty ones are left out."""
    kept = {**request.args.to_dict(), **query}
    said = {name: value for name, value in kept.items() if value not in (None, "", False)}
    return f"{request.path}?{urlencode(said)}" if said else request.path


def install(app) -> None:
    app.jinja_env.filters.update(
        t=t, moment=moment, full=full, span=span, due=due, size=size, shown=shown, as_json=as_json, state=state_word,
        outcome=outcome_word, kind=kind_word, tone=tone, event=event_word, say=say, mend=mend, excerpt=excerpt,
        input_value=input_value,
    )  # fmt: skip
    app.jinja_env.globals.update(
        _=gettext, gettext=gettext, ngettext=ngettext, chrome=chrome, may=may, asset=asset, html_lang=html_lang,
        has_page=has_page, words=words, today=today, link_of=link_of, drawing=drawing, new_key=session.new_key,
        now=session.now, LANGUAGES=session.LANGUAGES, VERBS=VERBS, DEVIATIONS=DEVIATIONS, IMPERSONAL=IMPERSONAL,
        shown_field=shown_field, date=date,
    )  # fmt: skip
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

