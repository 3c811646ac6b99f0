"""Compliance: the regulation clause by clause with live evidence, the log, and the measures of chapter 7.

A clause stands here with who answers for it, how the platform carries it out and what of that ran lately.
A case is proved in one page: its chain, whether it went where its model leads, what people changed by
hand, and the clauses that it fulfilled. The whole log is verified with one button and a clear verdict,
sealed with another, and searched by who, what and when, cut to what the reader may see. Policies are
shown as they are in force.
"""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from engine import access, cases, evidence, history, indicators, people, repository, sharing
from engine.cases import harmless
from engine.errors import Invalid, NotAllowed, NotFound
from webapp import render
from webapp.render import N_
from webapp.session import day, doing, now, platform, reading

pages = Blueprint("compliance", __name__)

#: page -> (words, permission that opens it)
TABS = {
    "listed": (N_("Regulation"), "policies:query"), "dashboard": (N_("Indicators"), "reports:query"),
    "log": (N_("Verify and seal"), "log:query"), "trail": (N_("Audit trail"), "log:query"),
    "policies": (N_("Policies"), "policies:query"),
}  # fmt: skip
#: records of the platform that no case shows; those of cases have their words in `render`
RECORDS = {
    "person.added": N_("opened an account"), "person.changed": N_("changed an account"),
    "person.deactivated": N_("closed an account"), "person.locked": N_("An account was locked"),
    "person.unlocked": N_("unlocked an account"), "person.signed-in": N_("signed in"),
    "person.signed-out": N_("signed out"), "password.changed": N_("A password was changed"),
    "session.ended": N_("ended a session"), "sign-in.failed": N_("A sign-in was refused"),
    "sign-in.alerted": N_("signed in from a second place"), "token.issued": N_("issued a token"),
    "token.revoked": N_("revoked a token"), "substitution.added": N_("named a substitute"),
    "substitution.ended": N_("ended a substitution"), "department.added": N_("added a department"),
    "department.changed": N_("changed a department"), "deployment.made": N_("published files"),
    "definition.deployed": N_("published a version"), "definition.retired": N_("retired a version"),
    "definition.activated": N_("activated a version"), "message.published": N_("sent a message"),
    "field.read": N_("read classified fields"), "log.sealed": N_("The log was sealed"),
    "log.verified": N_("verified the log"), "records.swept": N_("Expired records were cleaned away"),
    "announcement.made": N_("announced"), "job.retried": N_("tried a job again"),
    "element.activated": N_("A step was entered"), "element.completed": N_("A step was done"),
    "element.cancelled": N_("A step was cancelled"), "flow.taken": N_("An arrow was taken"),
    "data.stored": N_("A data store was written"),
    "task.created": N_("A task appeared"), "error.thrown": N_("An error was thrown"),
    "document.opened": N_("opened a document"), "permission.granted": N_("granted a permission"),
    "permission.revoked": N_("took a permission back"), "membership.granted": N_("granted a role"),
    "membership.revoked": N_("took a role back"),
}  # fmt: skip
#: what one may look for: a subject of records, or some of them
SUBJECTS = {
    "case.": N_("Cases"), "task.": N_("Tasks"), "element.": N_("Steps"), "flow.": N_("Arrows taken"),
    "decision.": N_("Decision tables"), "document.": N_("Documents"), "comment.": N_("Comments"),
    "incident.": N_("Incidents"), "variables.": N_("Corrections of data"), "token.": N_("Moves by hand and tokens"),
    "field.": N_("Reads of classified fields"), "person.": N_("Accounts"), "sign-in.": N_("Refused sign-ins"),
    "session.": N_("Sessions"), "membership.": N_("Memberships"), "permission.": N_("Permissions"),
    "substitution.": N_("Substitutions"), "share.": N_("Shared data"), "deployment.": N_("Deployments"),
    "definition.": N_("Versions"), "message.": N_("Messages"), "log.": N_("The log itself"),
}  # fmt: skip
FAULTS = {
    "changed": N_("The record is not what was written."), "removed": N_("A record is missing here."),
    "cut": N_("The chain ends before its end: later records are gone."),
    "forged": N_("The end of the chain was not signed by the platform."),
    "reordered": N_("The records do not stand in the order in which they were written."),
}  # fmt: skip
#: what of a record's data the trail does not repeat: values that may be classified
VALUES_STAY = frozenset({"variables.corrected"})
#: length of a period of the indicators, in days; 0 is the whole time of the calendar year
PERIODS = {"30": N_("Last 30 days"), "90": N_("Last 90 days"), "365": N_("Last 365 days")}
ROWS, CSV_ROWS = 50, 5000


def _page(template: str, **shown):
    sections = [(name, words) for name, (words, needed) in TABS.items() if render.may(needed)]
    return render_template(f"compliance_{template}.html", sections=sections, **shown)


# --- the regulation ---------------------------------------------------------------------------
@pages.get("/compliance")
def listed():
    """Every clause by chapter with its state; readers without policies come to what they may see."""
    if not render.may("policies:query"):
        return _first_open()
    asked = {"q": request.args.get("q", "").strip(), "state": request.args.get("state", "")}
    with reading() as work:
        access.require(work, "see", "policy", None)
        clauses = [one for one in work.policies.regulation if _fits(one, asked)]
        return _page(
            "regulation", chapters=[(name, list(some)) for name, some in groupby(clauses, key=lambda c: c.chapter)],
            asked=asked, counts=_states(work.policies.regulation), groups=work.policies.access.groups,
            version=work.policies.versions.get("regulation.toml"),
        )  # fmt: skip


def _first_open():
    others = [name for name, (_words, needed) in TABS.items() if render.may(needed)]
    if not others:
        raise NotAllowed("Your role does not allow this.")
    return redirect(url_for(f"compliance.{others[0]}"))


def _fits(clause, asked: dict[str, str]) -> bool:
    said = f"{clause.id} {render.t(clause.text)} {render.t(clause.how)} {clause.text}".lower()
    return asked["q"].lower() in said and asked["state"] in ("", clause.state)


def _states(clauses) -> dict[str, int]:
    return {state: sum(one.state == state for one in clauses) for state in ("in force", "partly", "planned")}


@pages.get("/compliance/<clause_id>")
def clause(clause_id: str):
    """One clause with its live evidence."""
    with reading() as work:
        found = evidence.clause(work, clause_id)
        order = [one.id for one in work.policies.regulation]
        at = order.index(clause_id)
        return _page(
            "clause", found=found, clause=found.clause, owner=evidence.owner_name(work, found.clause),
            owners=evidence.owners(work, found.clause), kept=_kept(work, clause_id),
            before=order[at - 1] if at else None, after=order[at + 1] if at + 1 < len(order) else None,
        )  # fmt: skip


def _kept(work, clause_id: str) -> dict[str, list]:
    """Indicators and retention rules that name this clause."""
    rules = work.policies
    return {
        "indicators": [one for one in rules.indicators.values() if one.clause == clause_id],
        "retention": [one for one in rules.retention.values() if one.clause == clause_id],
    }


# --- policies ---------------------------------------------------------------------------------
@pages.get("/compliance/policies")
def policies():
    with reading() as work:
        access.require(work, "see", "policy", None)
        files = [evidence.policy(work, name) for name in work.policies.versions]
        clauses: dict[str, list[str]] = {}
        for one in work.policies.regulation:
            for name in one.control["policies"]:
                clauses.setdefault(name, []).append(one.id)
    return _page("policies", files=files, clauses=clauses)


@pages.get("/compliance/policies/<name>")
def policy(name: str):
    with reading() as work:
        return _page("policy", file=evidence.policy(work, name))


# --- a case, proved ---------------------------------------------------------------------------
@pages.get("/compliance/cases")
def find_case():
    """From a case's number to its proof."""
    with reading() as work:
        row = cases.by_number(work, request.args.get("number", "").strip())
    return redirect(url_for("compliance.case", case_id=row["root_id"]))


@pages.get("/compliance/cases/<case_id>")
def case(case_id: str):
    """The proof of a case: chain, conformance, what was done by hand, clauses."""
    with reading() as work:
        root = cases.one(work, cases.one(work, case_id)["root_id"])
        report = evidence.verify_case(work, root["id"])
        checked = evidence.conformance(work, root["id"])
        elements = {one.instance["id"]: _element_names(work, one.instance) for one in checked}
        return _page(
            "case", case=root, report=report, checked=checked, faults=_faults(work, report), elements=elements,
            fulfilled=evidence.fulfilled(work, root["id"]), verdict=_verdict(checked),
        )  # fmt: skip


def _element_names(work, row) -> dict[str, str]:
    elements = repository.process(work, row["definition_id"]).elements
    return {key: one.name or key for key, one in elements.items()}


def _verdict(checked) -> str:
    """The worst of all its instances."""
    found = {one.verdict for one in checked}
    return next(word for word in ("deviates", "by hand", "conforms") if word in found)


# --- the log ----------------------------------------------------------------------------------
@pages.get("/compliance/log")
def log():
    with reading() as work:
        return _page("log", **_log(work), report=None, faults=[])


def _log(work) -> dict[str, Any]:
    return {
        "done": evidence.verifications(work), "why_not_seal": access.why_not(work, "seal", "platform", None),
        "traced": None, "mark": "",
    }  # fmt: skip


@pages.post("/compliance/log/verify")
def verify():
    """Walk every chain, or those of one case, and say what was found; that it was done is recorded."""
    number = request.form.get("number", "").strip()
    with reading() as work:  # walking takes a while and must keep no writer waiting
        access.require(work, "verify", "platform", None)
        root = cases.by_number(work, number)["root_id"] if number else None
        report = evidence.verify_case(work, root) if root else history.verify(work)
        faults = _faults(work, report)
    with doing() as work:
        evidence.verified(work, report, number or history.PLATFORM)
    with reading() as work:
        return _page("log", **_log(work), report=report, faults=faults, number=number)


def _faults(work, report) -> list[dict[str, Any]]:
    """Each fault with the case that it is in."""
    rows = evidence.numbers(work, {fault.stream for fault in report.faults})
    return [
        {"fault": one, "case": rows.get(one.stream), "sentence": render.t(FAULTS.get(one.kind, one.sentence))}
        for one in report.faults[:200]
    ]


@pages.post("/compliance/log/seal")
def seal():
    with doing() as work:
        access.require(work, "seal", "platform", None)
        sealed = history.seal(work)
    flash(_("The log was sealed: %(count)s chains, digest %(digest)s. Keep the digest outside the platform.",
            count=sealed["streams"], digest=sealed["digest"]), "done")  # fmt: skip
    return redirect(url_for("compliance.log"), 303)


@pages.post("/compliance/log/trace")
def trace():
    """Who took a file that turned up elsewhere: its mark tells."""
    mark = request.form.get("mark", "").strip()
    with reading() as work:
        row, use = sharing.trace(work, mark)
        names = people.names(work, {row["recipient_id"]})
        traced = {"share": row, "use": use, "person": names.get(row["recipient_id"], "–"),
                  "case": evidence.numbers(work, {row["instance_id"]}).get(row["instance_id"])}  # fmt: skip
        return _page("log", **(_log(work) | {"traced": traced, "mark": mark}), report=None, faults=[])


@pages.get("/compliance/trail")
def trail():
    """Who did what when, cut to what the reader may see."""
    number = max(1, request.args.get("page", 1, type=int) or 1)
    with reading() as work:
        said = {name: request.args.get(name, "").strip() for name in ("who", "what", "number", "since", "until")}
        problem, asked = None, evidence.Asked()
        try:
            asked = _asked(work, said)
        except (Invalid, NotFound) as refused:
            problem = refused
        found = evidence.trail(work, asked, page=number, size=ROWS)
        return _page(
            "trail", found=found, asked=said, problem=problem, subjects=SUBJECTS, records=RECORDS,
            choices=people.find(work, "", 301), said_of=_words, values_stay=VALUES_STAY, shown_record=_record,
            names=people.names(work, {row["data"]["person"] for row in found.rows if row["data"].get("person")}),
        )  # fmt: skip


def _asked(work, said: dict[str, str]) -> evidence.Asked:
    who = people.resolve(work, said["who"]) if said["who"] else None
    if said["who"] and who is None:
        raise NotFound("There is no such person.")
    return evidence.Asked(
        who, said["what"], cases.by_number(work, said["number"])["root_id"] if said["number"] else None,
        day(said["since"]) if said["since"] else None, day(said["until"], end=True) if said["until"] else None,
    )  # fmt: skip


def _words(row) -> str:
    """What a record says, in words."""
    kind = row["type"]
    return render.t(RECORDS.get(kind) or render.EVENTS.get(kind, kind))


def _record(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1)


@pages.get("/compliance/trail.csv")
def trail_csv():
    """The same as a file, at most 5000 records; cells that would be formulas are made harmless."""
    with reading() as work:
        said = {name: request.args.get(name, "").strip() for name in ("who", "what", "number", "since", "until")}
        found = evidence.trail(work, _asked(work, said), size=CSV_ROWS)
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(("at", "type", "actor", "for", "case", "element", "task", "reason", "chain", "record", "mac"))
    for row in found.rows:
        cells = (row["actor_name"], row["for_name"], row["number"], row["element_id"], row["task_name"], row["reason"])
        line = (row["at"].isoformat(), row["type"], *cells, row["stream"], row["seq"], row["mac"])
        lines.writerow([harmless(cell or "") for cell in line])
    head = {"Content-Disposition": 'attachment; filename="trail.csv"'}
    return Response("\ufeff" + out.getvalue(), mimetype="text/csv", headers=head)


# --- indicators -------------------------------------------------------------------------------
@pages.get("/compliance/indicators")
def dashboard():
    """The measures of chapter 7 for a period, beside the period before it, for the company or one department."""
    asked = {"period": request.args.get("period", "30"), "department": request.args.get("department", "")}
    asked["period"] = asked["period"] if asked["period"] in PERIODS else "30"
    length = timedelta(days=int(asked["period"]))
    until = now() + timedelta(seconds=1)
    with reading() as work:
        of = {"department": asked["department"] or None}
        measures = indicators.measure(work, until - length, until, **of)
        before = indicators.measure(work, until - 2 * length, until - length, **of)
        series = indicators.series(work, _months(until), **of)
        return _page(
            "indicators", asked=asked, periods=PERIODS, departments=people.departments(work),
            rows=list(zip(measures, before, zip(*series, strict=True), strict=True)),
            months=[start for start, _end in _months(until)], since=until - length,
            version=work.policies.versions.get("indicators.toml"), spark=_spark,
        )  # fmt: skip


def _spark(values: list[float | None], target: float) -> dict[str, Any]:
    """A line over time in a box of 100 x 30: its dots, the pieces between them, and how high the target lies."""
    known = [value for value in values if value is not None]
    low, high = min(*known, target), max(*known, target)
    reach = (high - low) or 1
    step = 100 / max(1, len(values) - 1)
    dots = [
        None if value is None else (round(at * step, 1), round(27 - 24 * (value - low) / reach, 1))
        for at, value in enumerate(values)
    ]
    lines = [(one, two) for one, two in pairwise(dots) if one and two]
    return {"dots": [dot for dot in dots if dot], "lines": lines, "target": round(27 - 24 * (target - low) / reach, 1)}


def _months(until: datetime, count: int = 6) -> list[tuple[datetime, datetime]]:
    """The last calendar months, this one so far included, oldest first."""
    zone = platform().calendar.zone
    start = until.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found = [(start, until)]
    while len(found) < count:
        end, start = start, (start - timedelta(days=1)).replace(day=1)
        found.append((start, end))
    return found[::-1]
