"""What the service tasks of the project's processes call.

Each handler reads what its step gives it, calls one verb of a room and answers what the model asks for; none
knows which process it serves. Grants and shares are recorded with the case that brought them, and what has
become impossible since it was approved comes back as the business error `separation`, which models catch.
All but one act on the platform itself and so within the worker's Work. `bizday.http` speaks to other
systems: only to hosts that policies/services.toml lists, at an address that was resolved and looked at before,
without following redirects, for a limited time and size.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import socket
import ssl
import time
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, insert, select

from engine import access, archive, feel, history, notifications, people, runtime, sharing
from engine.errors import Invalid, Misconfigured, NotFound
from engine.schema import announcement, comment, document, event, incident, instance, task
from engine.services import BpmnError, Context, service
from engine.tasks import LIVE

#: error code for what is no longer allowed when it is to be done
SEPARATION = "separation"
#: property of user tasks that approve something
APPROVAL = "bizday:approval"

NOT_OURS = "A permission is asked for oneself or for somebody who reports to oneself."
HELD_ALREADY = "She holds this role already, without an end."
PAST = "The end date lies in the past."


# --- who does it --------------------------------------------------------------------------------
@service("bizday.assign-least-loaded", within=True)
def assign_least_loaded(work, variables: dict[str, Any], context: Context) -> dict[str, Any]:
    """{group} -> {assignee}: the member with the fewest open tasks, or null (clause 3.3.1)."""
    return {"assignee": people.least_loaded(work, _group(work, variables.get("group")))}


@service("bizday.resolve-voters", within=True)
def resolve_voters(work, variables: dict[str, Any], context: Context) -> dict[str, Any]:
    """{role, person, exclude} -> {voters: [{id, weight}]}, in the order of their logins (clause 3.2.1).

    The role is "manager" or "department_head" of the person, or a group. The input is not called `starter`: it would
    hide the variable of that name from the inputs and outputs that follow it.
    """
    role, asker = variables.get("role"), people.get(work, variables.get("person"))
    excluded = set(variables.get("exclude") or ())
    if role in ("manager", "department_head"):
        found = [_above(work, role, asker)] if asker else []
    else:
        found = [row["id"] for row in people.members(work, _group(work, role))] if role else []
    return {"voters": [{"id": one, "weight": 1} for one in found if one and one not in excluded]}


def _above(work, role: str, asker) -> str | None:
    if role == "manager":
        return people.manager_of(work, asker["id"])
    return people.head_of(work, asker["department_key"])


def _group(work, key: Any) -> str:
    if key not in work.policies.access.groups:
        raise Misconfigured("There is no group '%(group)s'.", group=str(key))
    return key


# --- permissions --------------------------------------------------------------------------------
@service("bizday.check-separation", within=True)
def check_separation(work, variables: dict[str, Any], context: Context) -> dict[str, Any]:
    """Whether a change of permission may be asked for (clauses 2.2.1, 2.2.2, 5.2.3).

    {person, action, subject, what, group, resource, verb} -> {separation: {allowed, conflicts, high_risk}} where
    conflicts are sentences.
    """
    return {"separation": _separation(work, variables)}


def _separation(work, asked: dict[str, Any]) -> dict[str, Any]:
    asker, subject = asked.get("person"), asked.get("subject")
    conflicts = []
    if not subject or (subject != asker and not (asker and people.subordinate(work, asker, subject))):
        conflicts.append(NOT_OURS)
    if _is_role(asked) and asked.get("action") != "revoke":
        conflicts += _role_conflicts(work, subject, asked.get("group"))
    return {"allowed": not conflicts, "conflicts": conflicts, "high_risk": _is_high_risk(work, asked)}


def _is_role(asked: dict[str, Any]) -> bool:
    return asked.get("what") == "group"


def _is_high_risk(work, asked: dict[str, Any]) -> bool:
    if _is_role(asked):
        return work.policies.access.is_high_risk(group=asked.get("group"))
    return work.policies.access.is_high_risk(resource=asked.get("resource"), verb=asked.get("verb"))


def _role_conflicts(work, subject: str, group: str) -> list[str]:
    """Why she cannot be given the role: others that she holds, or that the end of this grant would take it away."""
    held = {row["group_key"]: row for row in people.rights(work, subject)["memberships"]}
    for_good = group in held and held[group]["until"] is None
    return [*people.conflicts_of(work, subject, group), *([HELD_ALREADY] if for_good else [])]


@service("bizday.grant-permission", within=True)
def grant_permission(work, variables: dict[str, Any], context: Context) -> dict[str, Any]:
    """{subject, what, group, resource, verb, until} -> {grant: {subject, what, until}} (clause 2.2.2).

    `until` is the last day on which it holds. Raises the business error `separation`, with the sentences in
    {separation}, when it has become impossible since it was asked for.
    """
    subject, until = variables.get("subject"), _end_of_day(work, variables.get("until"))
    _refuse_impossible(work, variables, until)
    if _is_role(variables):
        people.join(work, subject, variables["group"], until, context.instance_id)
    else:
        people.grant(work, subject, variables["resource"], variables["verb"], until, context.instance_id)
    said = {"subject": subject, "what": variables.get("what"), "until": until.isoformat() if until else None}
    return {"grant": said}


def _refuse_impossible(work, asked: dict[str, Any], until: datetime | None) -> None:
    row = people.get(work, asked.get("subject"))
    if row is None or not people.is_live(work, row):
        sentences = ["The account has ended."]
    else:
        sentences = _role_conflicts(work, row["id"], asked.get("group")) if _is_role(asked) else []
    if until is not None and until <= work.now:
        sentences = [*sentences, PAST]
    if sentences:
        found = {"allowed": False, "conflicts": sentences, "high_risk": _is_high_risk(work, asked)}
        raise BpmnError(SEPARATION, " ".join(sentences), {"separation": found})


def _end_of_day(work, day: str | None) -> datetime | None:
    """The moment at which that day is over, in the zone of the calendar."""
    if not day:
        return None
    try:
        return feel.moment(f"{day[:10]}T00:00:00", work.calendar.zone) + timedelta(days=1)
    except feel.FeelError as error:
        raise Invalid("'%(text)s' is no date.", text=day[:40]) from error


@service("bizday.revoke-permission", within=True)
def revoke_permission(work, variables: dict[str, Any], context: Context) -> None:
    """{subject, what, group, resource, verb}: take it back, unless a later case has granted it anew (clause 2.2.2)."""
    rows = _held(work, variables)
    if _granted_anew(work, rows, context):
        return
    subject, case = variables["subject"], context.instance_id
    if _is_role(variables):
        said, had = {"group": variables["group"]}, people.leave(work, subject, variables["group"], case)
    else:
        said = {name: variables[name] for name in ("resource", "verb")}
        had = people.revoke(work, subject, said["resource"], said["verb"], case)
    if rows and not had:  # its own end was reached in the same moment: the log tells of it all the same
        kind = "membership" if _is_role(variables) else "permission"
        work.record(f"{kind}.revoked", instance_id=case, root_id=context.root_id, data={"person": subject, **said})


def _held(work, asked: dict[str, Any]) -> list:
    """The row of what is to be taken back, also when its own end is over; empty when there is none."""
    rights = people.rights(work, asked["subject"])
    if _is_role(asked):
        return [row for row in rights["memberships"] if row["group_key"] == asked["group"]]
    wanted = (asked["resource"], asked["verb"])
    return [row for row in rights["permissions"] if (row["resource"], row["verb"]) == wanted]


def _granted_anew(work, rows: list, context: Context) -> bool:
    """Whether this case granted it and another case has done so since: then the other one takes it back."""
    if all(row["instance_id"] == context.instance_id for row in rows):
        return False
    types = ("membership.granted", "permission.granted")
    return bool(history.events(work, instance_id=context.instance_id, types=types, limit=1))


# --- sharing ------------------------------------------------------------------------------------
@service("bizday.classify-fields", within=True)
def classify_fields(work, variables: dict[str, Any], context: Context) -> dict[str, Any]:
    """{data_set, fields, recipient} -> {classification: {highest, unknown, classes, owner_person, owner_group,
    recipient_kind}} (clause 4.3.3)."""
    found = sharing.classify(work, variables.get("data_set"), variables.get("fields") or [], variables.get("recipient"))
    return {"classification": {**vars(found), "unknown": list(found.unknown)}}


@service("bizday.issue-share", within=True)
def issue_share(work, variables: dict[str, Any], context: Context) -> dict[str, Any]:
    """{data_set, fields, purpose, recipient, max_uses, until} -> {share: {id, expires_at, max_uses}}; ISO moments."""
    row = sharing.issue(
        work, instance_id=context.instance_id, data_set=variables.get("data_set"), fields=variables.get("fields") or [],
        purpose=variables.get("purpose") or "", recipient=variables.get("recipient"),
        max_uses=int(variables.get("max_uses") or 0), expires_at=_moment(work, variables.get("until")),
    )  # fmt: skip
    expires_at = row["expires_at"].astimezone(work.calendar.zone).isoformat()
    return {"share": {"id": row["id"], "expires_at": expires_at, "max_uses": row["max_uses"]}}


def _moment(work, text: Any) -> datetime:
    try:
        return feel.moment(text, work.calendar.zone)
    except feel.FeelError as error:
        raise Invalid("'%(text)s' is no moment.", text=str(text)[:40]) from error


@service("bizday.expire-share", within=True)
def expire_share(work, variables: dict[str, Any], context: Context) -> None:
    """{share}: its time is over."""
    sharing.expire(work, _own_share(work, variables["share"], context)["id"])


@service("bizday.revoke-share", within=True)
def revoke_share(work, variables: dict[str, Any], context: Context) -> None:
    """{share, reason}: end it before its time; without a share whatever the case has issued, which may be nothing."""
    if variables.get("share"):
        _own_share(work, variables["share"], context)
    for row in sharing.of_case(work, context.instance_id):
        sharing.revoke(work, row["id"], variables.get("reason") or "")


def _own_share(work, share_id: str, context: Context):
    row = sharing.find(work, share_id)
    if row["instance_id"] != context.instance_id:
        raise NotFound("There is no such share.")
    return row


# --- telling ------------------------------------------------------------------------------------
@service("bizday.notify", within=True)
def notify(work, variables: dict[str, Any], context: Context) -> None:
    """{to, kind, params}: tell people (ids or logins, one or a list) something of a kind that policy knows."""
    to = variables.get("to") or []
    params = variables.get("params") or {}
    readers = [to] if isinstance(to, str) else to
    notifications.tell(work, readers, variables.get("kind"), params, f"/cases/{context.root_id}")


@service("bizday.announce", within=True)
def announce(work, variables: dict[str, Any], context: Context) -> dict[str, Any]:
    """{title, text} -> {announcement: {id, at}}: for everybody, on the first page and as a notice."""
    access.require(work, "announce", "platform", None)
    title, text = (str(variables.get(name) or "").strip() for name in ("title", "text"))
    if not title:
        raise Invalid("An announcement needs a title.")
    row = {"id": work.new_id(), "at": work.now, "instance_id": context.instance_id, "title": title, "text": text}
    work.execute(insert(announcement), row)
    said = {"announcement": row["id"], "title": title, "text": text}
    work.record("announcement.made", instance_id=context.instance_id, root_id=context.root_id, data=said)
    return {"announcement": {"id": row["id"], "at": work.now.isoformat()}}


# --- closing ------------------------------------------------------------------------------------
@service("bizday.closing-facts", within=True)
def closing_facts(work, variables: dict[str, Any], context: Context) -> dict[str, Any]:
    """{outcome} -> {facts}: what is still open in the case, as numbers, and its person in charge (clause 3.4.1)."""
    case = work.one(select(instance).where(instance.c.id == context.root_id))
    charge = _person_in_charge(work, case)
    return {
        "facts": {
            "outcome": variables.get("outcome"),
            "open_tasks": _count(work, task, task.c.root_id == case["id"], task.c.state.in_(LIVE)),
            "approvals_open": _approvals_without_words(work, case["id"]),
            "documents_open": _papers_left_over(work, case["id"]),
            "comments_unanswered": _comments_unanswered(work, case["id"], {case["started_by"], charge}),
            "incidents_open": _count(work, incident, incident.c.root_id == case["id"], incident.c.state == "open"),
            "person_in_charge": charge,
        }
    }


def _count(work, table, *where) -> int:
    return work.execute(select(func.count()).select_from(table).where(*where)).scalar()


def _person_in_charge(work, case) -> str | None:
    """Who policy says is in charge, from the variables of the case."""
    policy = work.policies.processes.get(case["process_key"])
    if policy is None:
        return None
    variables = runtime.load(work, case["id"]).execution.variables()
    said = feel.compile(policy.person_in_charge).evaluate(variables, now=work.now, zone=work.calendar.zone)
    row = people.get(work, people.resolve(work, said)) if isinstance(said, str) else None
    return row["id"] if row is not None and people.is_live(work, row) else None


def _approvals_without_words(work, root_id: str) -> int:
    """Approvals that were given without an opinion or a reason (clause 3.2.3)."""
    done = work.all(
        select(task.c.definition_id, task.c.element_id, event.c.data, event.c.reason)
        .join(task, task.c.id == event.c.task_id)
        .where(event.c.root_id == root_id, event.c.type == "task.completed")
    )
    silent = [row for row in done if not (row["data"].get("opinion") and row["reason"])]
    return sum(_is_approval(work, row) for row in silent)


def _is_approval(work, row) -> bool:
    element = work.platform.element(work, row["definition_id"], row["element_id"])
    return element is not None and element.properties.get(APPROVAL) == "true"


def _papers_left_over(work, root_id: str) -> int:
    """Papers that were put into the form of a task which then nobody completed."""
    left = select(task.c.id).where(task.c.root_id == root_id, task.c.state == "cancelled")
    return _count(
        work, document, document.c.root_id == root_id, document.c.removed_at.is_(None), document.c.field.is_not(None),
        document.c.task_id.in_(left),
    )  # fmt: skip


def _comments_unanswered(work, root_id: str, closing: set[str | None]) -> int:
    """Comments to those who close the case after which nobody else has said anything."""
    said = select(comment.c.by_id).where(comment.c.root_id == root_id).order_by(comment.c.at, comment.c.id)
    authors = list(work.execute(said).scalars())
    count = 0
    for author in reversed(authors):
        if author != authors[-1]:
            break
        count += author not in closing
    return count


@service("bizday.archive", within=True)
def archive_case(work, variables: dict[str, Any], context: Context) -> dict[str, Any]:
    """{outcome, closing} -> {archive: {case, digest, at}}: the archive record of the whole case (clause 3.4.3)."""
    row = archive.keep(work, context.root_id, outcome=variables.get("outcome"), closing=variables.get("closing"))
    return {"archive": {"case": context.root_id, "digest": row["digest"], "at": row["at"].isoformat()}}


# --- other systems ------------------------------------------------------------------------------
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
#: headers that the platform sets itself
OURS = frozenset({
    "host", "content-length", "content-type", "transfer-encoding", "connection", "idempotency-key", "user-agent",
    "accept", "accept-encoding", "expect", "upgrade", "te", "trailer",
})  # fmt: skip


@service("bizday.http")
def call_http(variables: dict[str, Any], context: Context) -> dict[str, Any]:
    """{method, url, headers, body} -> {response: {status, body}}; JSON goes out, JSON or text comes back.

    Raises the business error `http-<status>` for an answer of 400 to 499, what is worth another try for one of
    500 and more, and Invalid for a host that is not listed, a redirect or an answer that is too large.
    """
    method = str(variables.get("method") or "GET").upper()
    if method not in METHODS:
        raise Invalid("'%(method)s' is no method of HTTP that can be used.", method=method[:20])
    with _Call(str(variables.get("url") or ""), context.policies.services) as call:
        status, data, is_json = call.ask(method, variables.get("body"), variables.get("headers") or {}, context.key)
    body = json.loads(data) if is_json and data.strip() else data.decode("utf-8", "replace")
    if 300 <= status < 400:
        raise Invalid("The service answered with a redirect, which is not followed.")
    if 400 <= status < 500:
        raise BpmnError(f"http-{status}", f"The service answered with status {status}.", {"response": body})
    if status >= 500:
        raise OSError(f"the service answered with status {status}")
    return {"response": {"status": status, "body": body}}


class _Call:
    """One connection to a listed host, at the very address that was looked at: a name cannot change under way."""

    def __init__(self, url: str, policy):
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError as error:
            raise Invalid("The address of the service cannot be read.") from error
        self.host = (parts.hostname or "").lower()
        if parts.scheme not in ("http", "https") or not self.host or parts.username or re.search(r"[\s\x00-\x1f]", url):
            raise Invalid("The address of the service cannot be read.")
        listed = f"{self.host}:{port}" if port else self.host
        if listed not in policy.hosts:
            raise Invalid("The host '%(host)s' is not listed in services.toml.", host=listed)
        self.secure = parts.scheme == "https"
        self.port = port or (443 if self.secure else 80)
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.listed, self.policy, self.connection = listed, policy, None

    def __enter__(self) -> _Call:
        timeout = self.policy.timeout.total_seconds()
        plain = socket.create_connection((self._address(), self.port), timeout)
        context = ssl.create_default_context() if self.secure else None
        try:
            wrapped = context.wrap_socket(plain, server_hostname=self.host) if context else plain
        except OSError:
            plain.close()
            raise
        self.connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        self.connection.sock = wrapped
        return self

    def __exit__(self, *error) -> None:
        if self.connection is not None:
            self.connection.close()

    def ask(self, method: str, body: Any, headers: dict[str, Any], key: str) -> tuple[int, bytes, bool]:
        """(status, body, whether it is JSON)."""
        given = {str(name): str(value) for name, value in headers.items() if str(name).lower() not in OURS}
        sent = json.dumps(body, ensure_ascii=False).encode() if body is not None else None
        given |= {"Host": self.listed, "Accept": "application/json", "Idempotency-Key": key, "User-Agent": "bizday",
                  "Connection": "close"}  # fmt: skip
        given |= {"Content-Type": "application/json"} if sent is not None else {}
        try:
            self.connection.request(method, self.target, sent, given)
        except ValueError as error:
            raise Invalid("A header or the address of the call has signs that HTTP does not allow.") from error
        answer = self.connection.getresponse()
        return answer.status, self._read(answer), "json" in (answer.getheader("Content-Type") or "")

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        """All of the answer, unless it is too large or trickles on for longer than one may take."""
        data, deadline = b"", time.monotonic() + self.policy.timeout.total_seconds()
        while chunk := answer.read1(64 * 1024):
            data += chunk
            if len(data) > self.policy.max_bytes:
                raise Invalid("The service answered with more than %(limit)s bytes.", limit=self.policy.max_bytes)
            if time.monotonic() > deadline:
                raise TimeoutError("the answer of the service took too long")
        return data

    def _address(self) -> str:
        """The address of the host. A name must not lead back to this machine or to a link's own services."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(one[4][0] for one in found))
        for one in addresses:
            at = ipaddress.ip_address(one.partition("%")[0])
            at = getattr(at, "ipv4_mapped", None) or at
            own = at.is_loopback or at.is_link_local or at.is_multicast or at.is_unspecified or at.is_reserved
            if own and one != self.host:
                raise Invalid("The host '%(host)s' leads to an address that is not called.", host=self.host)
        return addresses[0]
