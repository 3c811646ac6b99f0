"""What people are told: notices on their page, and mails.

The log says what happened; `catch_up` reads on in each chain from where it stopped, turns records into
notices by `RULES` and plans their mails, all in one Work, so that no record is missed and none is told
twice. A chain's own number is the mark and not the clock, because a record may be committed after one
that was made later. Words come from policies/notifications.toml and are said in the reader's language.
Nobody is told what she did herself, and no verb ever calls this room; only a service of a model, which
names its readers itself, says something here with `tell`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, literal, or_, select, update

from engine import access, jobs, mailbox, people
from engine.errors import Conflict, Invalid, Misconfigured
from engine.policies import Notification
from engine.schema import announcement, candidate, chain, event, instance, job, notification, person, share, task
from engine.tasks import LIVE, Page

#: chains that are read on in one Work
BATCH = 100
#: an open task that more people than this could take is told to none of them: they see it in their inbox
FEW = 20
SHOWN = 200
#: parameters that are moments, and those whose value is a text of a model or policy
MOMENTS = frozenset({"due", "until", "since"})
WORDS = frozenset({"task", "element", "permission", "data_set", "sentence", "sentences", "title"})


def N_(text: str) -> str:
    """Marks a text for the catalogue; it is translated when it is said."""
    return text


FURTHER = N_("further notice")
SEVERAL = N_("%(count)s notices for you")
_PLACES = re.compile(r"%\((\w+)\)s")


# --- for pages ----------------------------------------------------------------------------------
def unread(work) -> list:
    """One's own notices that were not read yet, newest first, as rows; at most 200."""
    mine = notification.c.person_id == work.actor.id
    return work.all(
        select(notification).where(mine, notification.c.read_at.is_(None)).order_by(*_NEWEST).limit(SHOWN)
    )


def list_(work, *, page: int = 1, size: int = 50, only_unread: bool = False) -> Page:
    """One page of one's own notices, newest first.

    Rows are {"id", "at", "kind", "subject", "text", "link", "read_at"} in one's own language; `counts`
    has "unread".
    """
    where = [notification.c.person_id == work.actor.id]
    fresh = work.execute(_COUNT.where(*where, notification.c.read_at.is_(None))).scalar()
    if only_unread:
        where.append(notification.c.read_at.is_(None))
    rows = work.all(
        select(notification).where(*where).order_by(*_NEWEST).limit(size).offset((page - 1) * size)
    )
    shown = [_shown(work.platform, row, work.actor.locale) for row in rows]
    return Page(shown, work.execute(_COUNT.where(*where)).scalar(), page, size, {"unread": fresh})


def mark_read(work, ids: Iterable[str] | None = None) -> int:
    """Mark notices of one's own as read, all of them when no ids are given; returns how many were not yet."""
    where = [notification.c.person_id == work.actor.id, notification.c.read_at.is_(None)]
    if ids is not None:
        where.append(notification.c.id.in_(list(ids)))
    return work.execute(update(notification).where(*where).values(read_at=work.now)).rowcount


_NEWEST = (notification.c.at.desc(), notification.c.id.desc())
_COUNT = select(func.count()).select_from(notification)


# --- announcements ------------------------------------------------------------------------------
def announce(work, title: str, text: str, instance_id: str | None = None) -> str:
    """Put up a notice for everybody inside the house; returns its id. The log tells them. Raises Invalid."""
    access.require(work, "announce", "platform", None)
    title, text = title.strip(), text.strip()
    if not title or not text:
        raise Invalid("An announcement needs a title and a text.")
    new = {"id": work.new_id(), "at": work.now, "instance_id": instance_id, "title": title[:200], "text": text[:5000]}
    work.execute(insert(announcement), new)
    said = {"announcement": new["id"], "title": new["title"], "text": new["text"]}
    work.record("announcement.made", instance_id=instance_id, data=said)
    return new["id"]


def announcements(work, limit: int = 20) -> list:
    """The newest announcements, newest first."""
    return work.all(select(announcement).order_by(announcement.c.at.desc(), announcement.c.id.desc()).limit(limit))


# --- saying something ---------------------------------------------------------------------------
def tell(work, to: Iterable[str | None], kind: str, params: dict[str, Any], link: str | None = None) -> int:
    """Tell people (ids or logins) something of a kind that policy knows; returns how many were told.

    For services of a model. Raises Misconfigured for an unknown kind.
    """
    if kind not in work.policies.notifications:
        raise Misconfigured("notifications.toml has no kind '%(kind)s'.", kind=kind)
    readers = dict.fromkeys(filter(None, (people.resolve(work, who) for who in to)))
    return _keep(work, [Notice(person_id, kind, params, link, work.now) for person_id in readers])


@dataclass(frozen=True)
class Notice:
    """One thing to tell one person."""

    person_id: str
    #: a key of policies/notifications.toml
    kind: str
    #: plain JSON; moments as ISO text
    params: dict[str, Any]
    #: path of the page to open
    link: str | None
    at: datetime


def _keep(work, notices: list[Notice]) -> int:
    """Write notices for those who can still read them, and plan their mails."""
    known = work.policies.notifications
    ids = {notice.person_id for notice in notices}
    readers = {row["id"]: row for row in work.all(select(person).where(person.c.id.in_(ids)))}
    count = 0
    for one in notices:
        reader = readers.get(one.person_id)
        if reader is None or one.kind not in known or not people.is_live(work, reader):
            continue
        row = {"id": work.new_id(), "person_id": one.person_id, "at": one.at, "kind": one.kind,
               "params": one.params, "link": one.link, "read_at": None}  # fmt: skip
        work.execute(insert(notification), row)
        count += 1
        if known[one.kind].mail and reader["email"]:
            _mail(work, row, known[one.kind])
    return count


def _mail(work, row, policy: Notification) -> None:
    """Plan the mail of a notice; what can wait joins the digest of the next working morning."""
    payload = {"person": row["person_id"], "notifications": [row["id"]]}
    if policy.digest:
        _join_digest(work, row, payload)
    else:
        jobs.schedule(work, "mail", work.now, payload=payload)


def _join_digest(work, row, payload: dict[str, Any]) -> None:
    """One job per reader and morning, named by both."""
    morning = _next_morning(work)
    key = f"{row['person_id'][:32]}{int(morning.timestamp()) // 3600:08x}"
    waiting = work.one(select(job.c.payload).where(job.c.id == key).with_for_update())
    if waiting is None:
        jobs.schedule(work, "mail", morning, payload=payload, id=key)
        return
    payload["notifications"] = [*waiting["payload"]["notifications"], row["id"]]
    work.execute(update(job).where(job.c.id == key).values(payload=payload))


def _next_morning(work) -> datetime:
    tomorrow = work.now.astimezone(work.calendar.zone).date() + timedelta(days=1)
    midnight = datetime.combine(tomorrow, datetime.min.time(), work.calendar.zone)
    return work.calendar.add(midnight, timedelta(0)).at


# --- reading the log ----------------------------------------------------------------------------
def catch_up(platform) -> int:
    """Tell people what the log has said since the last time; returns how many notices that made.

    Any number of workers may do so at once: each takes chains that no other is reading.
    """
    told = 0
    try:
        while _is_behind(platform):
            with platform.work(people.SYSTEM) as work:
                heads = _take(work)
                told += _keep(work, _notices(work, heads)) if heads else 0
            if not heads:
                break
    except Conflict:
        return told  # somebody else is writing: the next beat goes on from here
    return told


def _is_behind(platform) -> bool:
    """Whether any chain has records that nobody was told of; asked without keeping a writer waiting."""
    with platform.read(people.SYSTEM) as work:
        behind = (select(literal(1)).where(_untold(table)).limit(1) for table in (chain, instance))
        return any(work.execute(one).first() for one in behind)


#: where the heads of chains stand: table, column with the chain's name, column with its last number
_CHAINS = ((chain, chain.c.stream, chain.c.seq), (instance, instance.c.id, instance.c.log_seq))


def _untold(table):
    return (table.c.seq if table is chain else table.c.log_seq) > table.c.told_seq


def _take(work) -> dict[str, int]:
    """Chains to read on, each with the number of the last record told; their marks move to their ends."""
    found: dict[str, int] = {}
    for table, name, seq in _CHAINS:
        heads = work.execute(
            select(name, seq, table.c.told_seq)
            .where(_untold(table))
            .order_by(name)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        ).all()
        if heads:
            work.execute(
                update(table).where(name == bindparam("of")).values(told_seq=bindparam("to")),
                [{"of": stream, "to": end} for stream, end, _ in heads],
            )
        found |= {stream: told for stream, _, told in heads}
    return found


def _notices(work, heads: dict[str, int]) -> list[Notice]:
    new = or_(*(and_(event.c.stream == stream, event.c.seq > told) for stream, told in heads.items()))
    rows = work.all(
        select(event).where(new, event.c.type.in_(RULES)).order_by(event.c.at, event.c.stream, event.c.seq)
    )
    known = _known(work, rows)
    found = {}
    for row in rows:
        for one in RULES[row["type"]](work, known, row):
            if _is_news(known, row, one):
                found[one.person_id, one.kind, one.link, row["stream"], row["seq"]] = one
    return list(found.values())


def _is_news(known: Known, row, one: Notice) -> bool:
    """Not what she did herself, and not what came with her account in the moment in which it was opened."""
    if one.person_id == row["actor_id"] and one.kind not in TO_HERSELF:
        return False
    return one.kind not in WITH_ACCOUNT or known.opened.get(one.person_id) != row["at"]


@dataclass(frozen=True)
class Known:
    """What the records of a batch speak of, read at once."""

    tasks: dict[str, Any]
    cases: dict[str, Any]
    #: id of a person -> her name, and when her account was opened
    names: dict[str, str]
    opened: dict[str, datetime]


def _known(work, rows: list) -> Known:
    tasks = _by_id(work, task, {row["task_id"] for row in rows})
    cases = _by_id(work, instance, {row["root_id"] for row in rows})
    persons = {row["actor_id"] for row in rows} | {row["assignee_id"] for row in tasks.values()}
    for row in rows:
        persons |= {row["data"].get(name) for name in ("old", "assignee", "person", "person_id")}
    found = _by_id(work, person, {one for one in persons if isinstance(one, str)})
    names = {people.SYSTEM.id: people.SYSTEM.name} | {key: row["name"] for key, row in found.items()}
    return Known(tasks, cases, names, {key: row["created_at"] for key, row in found.items()})


def _by_id(work, table, ids: set) -> dict[str, Any]:
    wanted = ids - {None}
    return {row["id"]: row for row in work.all(select(table).where(table.c.id.in_(wanted)))} if wanted else {}


# --- rules: (work, known, record) -> notices ------------------------------------------------------
Rule = Callable[[Any, Known, Any], Iterable[Notice]]


def _params(known: Known, row, **more) -> dict[str, Any]:
    """What every text may speak of: the case, the task, who did it and why."""
    case, one = known.cases.get(row["root_id"]), known.tasks.get(row["task_id"])
    said = {"person": known.names.get(row["actor_id"], ""), "reason": row["reason"] or ""}
    if case is not None:
        said |= {"number": case["number"], "title": case["title"]}
    if one is not None:
        said |= {"task": one["name"], "due": _iso(one["due_at"])}
    return said | more


def _say(known: Known, row, kind: str, to: Iterable[str | None], link: str | None, **more) -> list[Notice]:
    params = _params(known, row, **more)
    return [Notice(one, kind, params, link, row["at"]) for one in dict.fromkeys(to) if one]


def _of_task(kind: str, readers: Callable, holder: str = "assignee") -> Rule:
    """A rule that speaks of the record's task to `readers(work, known, row)`."""

    def rule(work, known: Known, row) -> list[Notice]:
        held = known.names.get(row["data"].get(holder) or "", "—")
        return _say(known, row, kind, readers(work, known, row), f"/tasks/{row['task_id']}", holder=held)

    return rule


def _of_case(kind: str, readers: Callable) -> Rule:
    """A rule that speaks of the record's case, told once for the case and not again for what it called."""

    def rule(work, known: Known, row) -> list[Notice]:
        if row["stream"] != row["root_id"]:
            return []
        return _say(known, row, kind, readers(work, known, row), f"/cases/{row['root_id']}")

    return rule


def _all_of(*rules: Rule) -> Rule:
    return lambda work, known, row: [one for rule in rules for one in rule(work, known, row)]


def _data(name: str) -> Callable:
    """Readers that the record names itself: one person or a list of them."""

    def readers(work, known: Known, row) -> list:
        said = row["data"].get(name)
        return said if isinstance(said, list) else [said]

    return readers


def _starter(work, known: Known, row) -> list:
    case = known.cases.get(row["root_id"])
    return [case["started_by"]] if case else []


def _holder_or_able(work, known: Known, row) -> list:
    """Who holds the task; while nobody does, those who may claim it, unless they are many."""
    one = known.tasks.get(row["task_id"])
    if one is None or one["state"] not in LIVE:
        return []
    if one["assignee_id"]:
        return [one["assignee_id"]]
    able: list[str] = []
    for asked in work.all(select(candidate).where(candidate.c.task_id == one["id"])):
        group = asked["kind"] == "group"
        able += [member["id"] for member in people.members(work, asked["ref"])] if group else [asked["ref"]]
    return able if len(set(able)) <= FEW else []


def _offered(work, known: Known, row) -> list:
    """Persons whom the model names one by one; groups see it in their inbox."""
    if row["data"].get("assignee"):
        return []
    return [people.resolve(work, who) for who in row["data"].get("users") or ()]


def _held_then(work, known: Known, row) -> list:
    """Who held a task of the case at the moment when it was stopped."""
    stopped = (task.c.state == "cancelled", task.c.closed_at == row["at"])
    held = select(task.c.assignee_id).where(task.c.root_id == row["root_id"], *stopped)
    return list(work.execute(held).scalars())


def _menders(work, known: Known, row) -> list:
    """Those whose role allows to settle incidents."""
    if "menders" not in work.memory:
        groups = work.policies.access.groups.values()
        roles = [one.key for one in groups if "incidents:modify" in one.permissions]
        work.memory["menders"] = [member["id"] for key in roles for member in people.members(work, key)]
    return work.memory["menders"]


def _in_case(work, known: Known, row) -> list:
    """The starter and those who hold a task of the case."""
    held = select(task.c.assignee_id).where(task.c.root_id == row["root_id"], task.c.state.in_(LIVE))
    return [*_starter(work, known, row), *work.execute(held).scalars()]


def _done(work, known: Known, row) -> list[Notice]:
    """A decision is told to the starter; one that sends the case back in other words."""
    outcome = row["data"].get("outcome")
    if not outcome:
        return []
    return (_sent_back if outcome == "return" else _decided)(work, known, row)


def _case_of_task(kind: str) -> Rule:
    def rule(work, known: Known, row) -> list[Notice]:
        return _say(known, row, kind, _starter(work, known, row), f"/cases/{row['root_id']}")

    return rule


_sent_back, _decided = _case_of_task("case_returned"), _case_of_task("task_decided")


def _commented(work, known: Known, row) -> list[Notice]:
    link, said = f"/cases/{row['root_id']}", row["data"].get("text", "")[:300]
    return _say(known, row, "comment_added", _in_case(work, known, row), link, comment=said)


def _copied(work, known: Known, row) -> list[Notice]:
    kind = "case_copied_by_model" if row["data"].get("by_model") else "case_copied"
    return _say(known, row, kind, row["data"].get("persons") or (), f"/cases/{row['root_id']}")


def _answered(work, known: Known, row) -> list[Notice]:
    kind = "signer_agreed" if row["data"]["outcome"] == "agree" else "signer_disagreed"
    return _say(known, row, kind, [row["data"]["asked_by"]], f"/tasks/{row['data']['parent']}")


def _failed(work, known: Known, row) -> list[Notice]:
    said = {"element": row["element_id"] or "", "sentence": row["data"].get("sentence", "")}
    return _say(known, row, "incident_raised", _menders(work, known, row), f"/cases/{row['root_id']}", **said)


def _granted(kind: str) -> Rule:
    def rule(work, known: Known, row) -> list[Notice]:
        data, access = row["data"], work.policies.access
        if data.get("group"):
            group = access.groups.get(data["group"])
            what: Any = group.name if group else data["group"]
        else:
            what = [access.resources.get(data.get("resource"), ""), data.get("verb", "")]
        return _say(known, row, kind, [data.get("person")], "/me", permission=what, until=data.get("until"))

    return rule


def _of_share(kind: str) -> Rule:
    def rule(work, known: Known, row) -> list[Notice]:
        issued = work.all(select(share).where(share.c.instance_id == row["stream"]))
        return [one for each in issued for one in _say(
            known, row, kind, [each["recipient_id"]], f"/cases/{row['root_id']}", data_set=each["data_set"],
        )]  # fmt: skip

    return rule


def _of_account(kind: str, *names: str) -> Rule:
    """Something about the person's own account, told to her alone."""

    def rule(work, known: Known, row) -> list[Notice]:
        said = {name: row["data"].get(name) or "" for name in names}
        return _say(known, row, kind, [row["data"].get("person")], "/me", **said)

    return rule


def _substituted(work, known: Known, row) -> list[Notice]:
    data = row["data"]
    said = {"absent": known.names.get(data.get("person_id"), "")}
    said |= {"since": data.get("starts_at"), "until": data.get("ends_at")}
    return _say(known, row, "substitute_named", [data.get("substitute_id")], "/inbox", **said)


def _announced(work, known: Known, row) -> list[Notice]:
    """Everybody inside the house is told; the page shows it to the others."""
    inside = select(person.c.id).where(person.c.kind == "employee", person.c.active)
    said = {"title": row["data"].get("title") or "", "news": row["data"].get("text") or ""}
    return _say(known, row, "announcement", work.execute(inside).scalars(), "/notifications", **said)


#: what is told to a person although she did it herself: it may have been somebody else in her name
TO_HERSELF = frozenset({"account_locked", "sign_in_elsewhere", "password_changed"})

#: what a new account comes with
WITH_ACCOUNT = frozenset({"permission_granted", "password_changed"})

#: type of record -> whom it tells what
RULES: dict[str, Rule] = {
    "task.created": _all_of(_of_task("task_assigned", _data("assignee")), _of_task("task_offered", _offered)),
    "task.transferred": _of_task("task_transferred", _data("new")),
    "task.delegated": _of_task("task_delegated", _data("new")),
    "task.handed-back": _of_task("task_handed_back", _data("new")),
    "task.reminded": _of_task("task_reminder", _holder_or_able),
    "task.escalated": _all_of(
        _of_task("task_escalated", _data("to")), _of_task("task_overdue", _data("assignee"))
    ),
    "task.reassigned": _all_of(
        _of_task("task_reassigned", _data("new"), "old"), _of_task("task_taken_away", _data("old"), "old")
    ),
    "task.stuck": _of_task("task_stuck", _menders),
    "task.urged": _of_task("task_urged", _holder_or_able),
    "task.completed": _done,
    "task.returned": _sent_back,
    "case.completed": _of_case("case_completed", _starter),
    "case.cancelled": _of_case("case_cancelled", lambda *a: [*_starter(*a), *_held_then(*a)]),
    "case.withdrawn": _of_case("case_withdrawn", _held_then),
    "case.suspended": _of_case("case_suspended", _starter),
    "case.resumed": _of_case("case_resumed", _starter),
    "signer.asked": _of_task("signer_asked", _data("assignee")),
    "signer.removed": _of_task("signer_removed", _data("persons")),
    "signer.answered": _answered,
    "comment.added": _commented,
    "case.copied": _copied,
    "incident.raised": _failed,
    "membership.granted": _granted("permission_granted"),
    "permission.granted": _granted("permission_granted"),
    "membership.revoked": _granted("permission_revoked"),
    "permission.revoked": _granted("permission_revoked"),
    "share.expired": _of_share("share_expired"),
    "person.locked": _of_account("account_locked", "until"),
    "password.changed": _of_account("password_changed"),
    "sign-in.alerted": _of_account("sign_in_elsewhere", "address"),
    "substitution.added": _substituted,
    "announcement.made": _announced,
}


# --- saying it in the reader's language -----------------------------------------------------------
def words(platform, row, locale: str) -> tuple[str, str]:
    """Subject and text of a notice in the language of `locale`.

    Of a kind that policy no longer knows there is only its name.
    """
    policy = platform.policies.notifications.get(row["kind"])
    if policy is None:
        return row["kind"], ""
    names = set(_PLACES.findall(policy.subject + policy.text))
    params = {name: _worded(platform, name, row["params"].get(name), locale) for name in names}
    subject = platform.translate(locale, policy.subject, **params)
    return " ".join(subject.split()), platform.translate(locale, policy.text, **params).strip()


def _worded(platform, name: str, value: Any, locale: str) -> str:
    if name in MOMENTS:
        return _moment(platform, value) if value else platform.translate(locale, FURTHER)
    if name == "data_set" and value in platform.policies.data_sets:
        value = platform.policies.data_sets[value].name
    if name in WORDS:
        parts = value if isinstance(value, list) else [value]
        return " ".join(platform.translate(locale, str(part)) for part in parts if part)
    return "" if value is None else str(value)


def _moment(platform, value: str) -> str:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return value
    return at.astimezone(platform.calendar.zone).strftime("%Y-%m-%d %H:%M") if at.tzinfo else value


def _shown(platform, row, locale: str) -> dict[str, Any]:
    subject, text = words(platform, row, locale)
    kept = {name: row[name] for name in ("id", "at", "kind", "link", "read_at")}
    return kept | {"subject": subject, "text": text}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


# --- mail ---------------------------------------------------------------------------------------
def send(platform, payload: dict[str, Any]) -> bool:
    """Mail the notices that `payload` names to their reader; False when there is nothing left to say.

    What she has read meanwhile is left out. A repeat of the same job makes the same Message-ID and file.
    """
    with platform.read(people.SYSTEM) as work:
        reader = people.get(work, payload["person"])
        wanted = notification.c.id.in_(payload["notifications"])
        rows = work.all(
            select(notification).where(wanted, notification.c.read_at.is_(None)).order_by(notification.c.at)
        )
        if reader is None or not rows or not reader["email"] or not people.is_live(work, reader):
            return False
    mailbox.post(platform.settings, _letter(platform, reader, rows, payload["notifications"][0]))
    return True


def _letter(platform, reader, rows: list, name: str) -> EmailMessage:
    said = [(*words(platform, row, reader["locale"]), row["link"]) for row in rows]
    count = platform.translate(reader["locale"], SEVERAL, count=len(said))
    letter = EmailMessage()
    letter["Subject"] = said[0][0] if len(said) == 1 else count
    letter["From"], letter["To"] = platform.settings.mail_from, reader["email"]
    letter["Message-ID"] = f"<{name}@bizday>"
    parts = ((subject, text, _address(platform, link)) for subject, text, link in said)
    letter.set_content("\n\n".join("\n".join(filter(None, part)) for part in parts) + "\n")
    return letter


def _address(platform, link: str | None) -> str:
    return f"{platform.settings.address}{link}" if link else ""
