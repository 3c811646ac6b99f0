"""Administration: people and what they may, departments, substitutes, and the state of the platform.

Accounts are opened, changed and closed here, passwords drawn anew and sessions ended. Memberships and
single permissions normally change by the process that has them approved (clause 2.2.2), to which each
page leads; a direct grant is for who may, with an end where there is one. Those who run the platform see
its versions, settings without secrets and what is due, send messages to cases and announce something.
"""

from __future__ import annotations

import json
import platform as machine
import secrets
from dataclasses import fields
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _

from engine import access, cases, datastores, jobs, notifications, people, runtime
from engine.errors import Invalid, NotAllowed, NotFound
from engine.policies import VERBS
from engine.tasks import Page
from webapp import migrations, render, session
from webapp.render import N_
from webapp.session import day, doing, reading

pages = Blueprint("administration", __name__)

#: page -> (words, permissions of which one opens it)
TABS = {
    "listed": (N_("People"), ("people:query",)),
    "departments": (N_("Departments"), ("people:query",)),
    "groups": (N_("Roles and permissions"), ("people:query",)),
    "substitutions": (N_("Substitutes"), ("people:query",)),
    "messages": (N_("Messages"), ("messages:enter",)),
    "announcements": (N_("Announcements"), ("platform:enter",)),
    "data_stores": (N_("Data stores"), ("platform:query",)),
    "state": (N_("State of the platform"), ("platform:query",)),
}
STATES = {"active": N_("Active accounts"), "ended": N_("Ended accounts"), "all": N_("All accounts")}
SIZE = 50
#: clause that says how a permission is changed: the process that carries it out is the normal way
CHANGE_OF_PERMISSION = "2.2.2"
#: without letters and digits that are mistaken for each other
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
#: libraries whose versions say what runs here
LIBRARIES = ("bizday", "SpiffWorkflow", "SQLAlchemy", "Flask", "lxml", "lark", "APScheduler", "chinesecalendar")
#: settings that no page shows
SECRETS = frozenset({"secret"})
MESSAGE_LIFE = (1, 30 * 24 * 60)


def _tabs() -> list[tuple[str, str]]:
    """(endpoint, words) of the pages that this person may open."""
    return [(name, words) for name, (words, needed) in TABS.items() if any(map(render.may, needed))]


def _page(template: str, **shown):
    return render_template(f"administration_{template}.html", sections=_tabs(), **shown)


# --- people -----------------------------------------------------------------------------------
@pages.get("/administration")
def listed():
    """People, for who may query them; others come to what they may see."""
    if not render.may("people:query"):
        return _first_open()
    asked = {name: request.args.get(name, "") for name in ("q", "state", "department", "group")}
    asked["state"] = asked["state"] if asked["state"] in STATES else "active"
    number = max(1, request.args.get("page", 1, type=int) or 1)
    with reading() as work:
        rows, total = people.search(
            work, asked["q"], state="" if asked["state"] == "all" else asked["state"],
            department_key=asked["department"], group_key=asked["group"], page=number, size=SIZE,
        )  # fmt: skip
        return _page(
            "people", found=Page(rows, total, number, SIZE, {}), asked=asked, states=STATES,
            departments=people.departments(work), groups=work.policies.access.groups, may_add=_why_not(work, "add"),
        )  # fmt: skip


def _first_open():
    """The first page of administration that this person may open."""
    others = [name for name, _words in _tabs()]
    if not others:
        raise NotAllowed("Your role does not allow this.")
    return redirect(url_for(f"administration.{others[0]}"))


def _why_not(work, verb: str, kind: str = "person"):
    return access.why_not(work, verb, kind, None)


@pages.get("/administration/people/new")
def new_person():
    with reading() as work:
        access.require(work, "add", "person", None)
        return _page("person_new", **_choices(work))


def _choices(work) -> dict[str, Any]:
    """What the fields of an account offer."""
    return {
        "departments": people.departments(work), "choices": people.find(work, "", 301), "kinds": people.KINDS,
        "locales": session.LANGUAGES,
    }  # fmt: skip


@pages.post("/administration/people")
def add_person():
    """Open an account with a password drawn at random, which is shown this one time."""
    password = _drawn()
    with doing() as work:
        person_id = people.add_person(
            work, request.form.get("login", ""), request.form.get("name", ""), **_details(work)
        )
        people.set_password(work, person_id, password)
        row = people.get(work, person_id)
    return _page("password", row=row, password=password)


def _drawn() -> str:
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(3))


def _details(work) -> dict[str, Any]:
    """The fields of an account as `people` wants them."""
    said = {name: request.form.get(name, "").strip() or None for name in ("email", "phone", "department_key")}
    manager, ends = request.form.get("manager_id", "").strip(), request.form.get("ends_at", "").strip()
    return said | {
        "kind": request.form.get("kind", ""), "locale": request.form.get("locale", ""),
        "manager_id": session.find_person(work, manager) if manager else None,
        "ends_at": day(ends, end=True) if ends else None,
    }  # fmt: skip


@pages.get("/administration/people/<person_id>")
def person(person_id: str):
    with reading() as work:
        access.require(work, "see", "organisation", None)
        row = _someone(work, person_id)
        changes = _why_not(work, "change")
        return _page(
            "person", row=row, live=people.is_live(work, row), rights=people.rights(work, person_id),
            access=work.policies.access, verbs=VERBS, manager=people.manager_of(work, person_id),
            names=people.names(work, {row["manager_id"], people.manager_of(work, person_id)} - {None}),
            substitutions=people.substitutions(work, person_id), why_not_change=changes,
            why_not_grant=_why_not_grant(work, person_id), why_not_close=_why_not(work, "deactivate"),
            change_process=_change_process(work), **_choices(work), **_account(work, person_id, changes),
        )  # fmt: skip


def _account(work, person_id: str, why_not) -> dict[str, Any]:
    """Sessions, tokens and lock of an account, for who may change people."""
    if why_not:
        return {"sessions": [], "tokens": [], "locked": None}
    return {
        "sessions": people.sessions(work, person_id), "tokens": people.tokens(work, person_id),
        "locked": people.locked_until(work, person_id),
    }  # fmt: skip


def _why_not_grant(work, person_id: str):
    """Nobody changes her own rights, whatever her role."""
    if person_id in (g.actor.id, g.actor.for_id):
        return NotAllowed("Nobody changes her own permissions; ask for them.")
    return _why_not(work, "grant")


def _change_process(work) -> str | None:
    """The process by which a permission is asked for and approved, as the policies name it."""
    return next((key for key, one in work.policies.processes.items() if CHANGE_OF_PERMISSION in one.clauses), None)


def _someone(work, person_id: str):
    row = people.get(work, person_id)
    if row is None:
        raise NotFound("There is no such person.")
    return row


@pages.post("/administration/people/<person_id>")
def change_person(person_id: str):
    with doing() as work:
        people.change_person(work, person_id, name=request.form.get("name", ""), **_details(work))
    return _back(person_id, _("The account was changed."))


def _back(person_id: str, sentence: str):
    flash(sentence, "done")
    return redirect(url_for("administration.person", person_id=person_id), 303)


@pages.post("/administration/people/<person_id>/password")
def reset_password(person_id: str):
    """Draw a new password, shown this one time; every session of the person ends."""
    password = _drawn()
    with doing() as work:
        people.set_password(work, person_id, password)
        row = people.get(work, person_id)
    return _page("password", row=row, password=password)


@pages.post("/administration/people/<person_id>/deactivate")
def deactivate(person_id: str):
    if person_id == g.actor.id:
        raise Invalid("Nobody closes her own account.")
    with doing() as work:
        people.deactivate(work, person_id)
    return _back(person_id, _("The account was closed; its sessions and tokens have ended."))


@pages.post("/administration/people/<person_id>/activate")
def activate(person_id: str):
    with doing() as work:
        people.change_person(work, person_id, active=True)
    return _back(person_id, _("The account is open again."))


@pages.post("/administration/people/<person_id>/unlock")
def unlock(person_id: str):
    with doing() as work:
        people.unlock(work, person_id)
    return _back(person_id, _("The account is no longer locked."))


@pages.post("/administration/people/<person_id>/sessions/end")
def end_sessions(person_id: str):
    """End one session, or all of them when none is named."""
    named = request.form.get("session", "")
    with doing() as work:
        if named:
            people.end_session(work, named)
        else:
            people.end_sessions(work, person_id)
    return _back(person_id, _("The session has ended.") if named else _("All sessions have ended."))


@pages.post("/administration/people/<person_id>/tokens/<token_id>/revoke")
def revoke_token(person_id: str, token_id: str):
    with doing() as work:
        people.revoke_token(work, token_id)
    return _back(person_id, _("The token was revoked."))


# --- roles and permissions --------------------------------------------------------------------
def _until() -> datetime | None:
    said = request.form.get("until", "").strip()
    return day(said, end=True) if said else None


def _reason() -> str:
    said = request.form.get("reason", "").strip()
    if not said:
        raise Invalid("Give a reason; it stands in the log.")
    return said


@pages.post("/administration/people/<person_id>/groups")
def join(person_id: str):
    with doing(reason=_reason()) as work:
        people.join(work, person_id, request.form.get("group", ""), _until())
    return _back(person_id, _("The role was granted."))


@pages.post("/administration/people/<person_id>/groups/end")
def leave(person_id: str):
    with doing(reason=_reason()) as work:
        people.leave(work, person_id, request.form.get("group", ""))
    return _back(person_id, _("The role was taken back."))


@pages.post("/administration/people/<person_id>/permissions")
def grant(person_id: str):
    with doing(reason=_reason()) as work:
        people.grant(work, person_id, request.form.get("resource", ""), request.form.get("verb", ""), _until())
    return _back(person_id, _("The permission was granted."))


@pages.post("/administration/people/<person_id>/permissions/end")
def revoke(person_id: str):
    with doing(reason=_reason()) as work:
        people.revoke(work, person_id, request.form.get("resource", ""), request.form.get("verb", ""))
    return _back(person_id, _("The permission was taken back."))


@pages.get("/administration/groups")
def groups():
    """What each role may, who holds it and until when, and which roles nobody may hold together."""
    with reading() as work:
        held = people.held(work)
        members: dict[str, list] = {}
        for row in held["memberships"]:
            members.setdefault(row["group_key"], []).append(row)
        return _page(
            "groups", access=work.policies.access, members=members, single=held["permissions"],
            version=work.policies.versions.get("access.toml"), change_process=_change_process(work),
        )  # fmt: skip


# --- departments ------------------------------------------------------------------------------
@pages.get("/administration/departments")
def departments():
    with reading() as work:
        access.require(work, "see", "organisation", None)
        return _page(
            "departments", rows=_tree(people.departments(work)), choices=people.find(work, "", 301),
            why_not=_why_not(work, "change", "organisation"),
        )  # fmt: skip


def _tree(rows: list) -> list[tuple[int, Any]]:
    """(depth, row): each department below the one above it."""
    below: dict[str | None, list] = {}
    known = {row["key"] for row in rows}
    for row in rows:
        below.setdefault(row["parent_key"] if row["parent_key"] in known else None, []).append(row)

    def walk(parent: str | None, depth: int):
        for row in below.get(parent, ()):
            yield depth, row
            yield from walk(row["key"], depth + 1)

    return list(walk(None, 0))


@pages.post("/administration/departments")
def add_department():
    key, name = request.form.get("key", "").strip(), request.form.get("name", "").strip()
    if not name:
        raise Invalid("A department needs a name.")
    with doing() as work:
        people.add_department(work, key, name, **_placed(work))
    flash(_("The department was added."), "done")
    return redirect(url_for("administration.departments"), 303)


def _placed(work) -> dict[str, Any]:
    """Who heads a department, and which one is above it."""
    head = request.form.get("head_id", "").strip()
    return {
        "head_id": session.find_person(work, head) if head else None,
        "parent_key": request.form.get("parent_key", "").strip() or None,
    }


@pages.post("/administration/departments/<key>")
def change_department(key: str):
    name = request.form.get("name", "").strip()
    if not name:
        raise Invalid("A department needs a name.")
    with doing() as work:
        people.change_department(work, key, name=name, **_placed(work))
    flash(_("The department was changed."), "done")
    return redirect(url_for("administration.departments"), 303)


# --- substitutes ------------------------------------------------------------------------------
@pages.get("/administration/substitutions")
def substitutions():
    with reading() as work:
        return _page(
            "substitutions", rows=people.all_substitutions(work), choices=people.find(work, "", 301),
            processes=work.policies.processes, may_arrange=render.may("people:modify"),
        )  # fmt: skip


@pages.post("/administration/substitutions")
def substitute():
    """Name a substitute for somebody: for who may change people or is above her."""
    with doing() as work:
        absent = session.find_person(work, request.form.get("absent", ""))
        other = session.find_person(work, request.form.get("substitute", ""))
        starts, ends = day(request.form.get("from", "")), day(request.form.get("until", ""), end=True)
        people.substitute(work, absent, other, starts, ends, request.form.get("process_key") or None)
    flash(_("The substitution was noted."), "done")
    return redirect(url_for("administration.substitutions"), 303)


# --- messages to cases ------------------------------------------------------------------------
@pages.get("/administration/messages")
def messages():
    with reading() as work:
        access.require(work, "publish", "platform", None)
    return _page("messages", said={}, reached=None, key=None)


@pages.post("/administration/messages")
def publish():
    """Send a message to the case that waits for it, or a signal to all that listen."""
    said = {name: request.form.get(name, "").strip() for name in ("kind", "name", "key", "variables", "minutes")}
    if not said["name"]:
        raise Invalid("Give the name of the message.")
    variables, minutes = variables_of(said["variables"]), _minutes(said["minutes"])
    with doing(once=True) as work:
        access.require(work, "publish", "platform", None)
        ids = work.answered if work.answered is not None else work.answer(_sent(work, said, variables, minutes))
    with reading() as work:
        reached = [cases.one(work, one) for one in ids] if render.may("cases:query") else ids
    return _page("messages", said=said, reached=reached, key=said["key"])


def _sent(work, said: dict[str, str], variables: dict, minutes: int) -> list[str]:
    if said["kind"] == "signal":
        return runtime.broadcast(work, said["name"], variables)
    sent = runtime.publish(work, said["name"], said["key"] or None, variables, ttl=timedelta(minutes=minutes))
    return sent["correlated"]


def variables_of(text: str) -> dict[str, Any]:
    """Variables as a person writes them down: a JSON object, none when it is empty. Raises Invalid."""
    try:
        read = json.loads(text or "{}")
    except ValueError as error:
        raise Invalid("The variables must be a JSON object, such as {\"amount\": 5}.") from error
    if not isinstance(read, dict):
        raise Invalid("The variables must be a JSON object, such as {\"amount\": 5}.")
    return read


def _minutes(text: str) -> int:
    least, most = MESSAGE_LIFE
    if not text.isdigit() or not least <= int(text) <= most:
        raise Invalid("A message waits between %(least)s and %(most)s minutes.", least=least, most=most)
    return int(text)


# --- data stores ------------------------------------------------------------------------------
@pages.get("/administration/data-stores")
def data_stores():
    with reading() as work:
        return _page("data_stores", rows=datastores.all_of(work))


# --- announcements ----------------------------------------------------------------------------
@pages.get("/administration/announcements")
def announcements():
    with reading() as work:
        access.require(work, "announce", "platform", None)
        return _page("announcements", rows=notifications.announcements(work))


@pages.post("/administration/announcements")
def announce():
    with doing() as work:
        notifications.announce(work, request.form.get("title", ""), request.form.get("text", ""))
    flash(_("It was announced; everybody inside will be told."), "done")
    return redirect(url_for("administration.announcements"), 303)


# --- the state of the platform ----------------------------------------------------------------
@pages.get("/administration/platform")
def state():
    with reading() as work:
        access.require(work, "see", "platform", None)
        return _page(
            "platform", counts=cases.counts(work), waiting=jobs.waiting(work), next_due=jobs.next_due(work),
            troubled=jobs.troubled(work) if render.may("jobs:query") else [], policies=work.policies.versions,
            settings=_settings(work.platform.settings), versions=_versions(),
            current=migrations.is_current(work.platform), may_retry=_why_not(work, "retry", "job"),
        )  # fmt: skip


def _versions() -> list[tuple[str, str]]:
    return [("Python", machine.python_version()), *((name, _version(name)) for name in LIBRARIES)]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "–"


def _settings(settings) -> list[tuple[str, str]]:
    """Every setting but the secret ones; addresses without their passwords."""
    shown = {one.name: str(getattr(settings, one.name)) for one in fields(settings) if one.name not in SECRETS}
    shown["database"] = settings.url.render_as_string(hide_password=True)
    shown["smtp_url"] = _without_password(settings.smtp_url)
    return sorted(shown.items())


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    if not parts.hostname:
        return ""
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


@pages.post("/administration/jobs/<job_id>/retry")
def retry(job_id: str):
    with doing() as work:
        jobs.open_again(work, job_id)
    flash(_("It will be tried again."), "done")
    return redirect(url_for("administration.state"), 303)
