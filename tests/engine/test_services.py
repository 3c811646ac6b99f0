"""What service tasks call: found by name alone, given what their step says, and done with the verbs of the rooms.

The project's processes are walked on the real runtime; the HTTP service speaks to a server of the test's own.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from lxml import etree
from sqlalchemy import insert, select, update

from engine import handlers, people, runtime, services, sharing, tasks
from engine.errors import Invalid, Misconfigured, NotFound
from engine.policies import Services
from engine.schema import announcement, document, incident, membership, notification, permission, share, task
from engine.services import BpmnError
from tests.processes.walk import BACK, CLOCK, HOME, MESSAGE, NO, YES, Walk

ROLE = {
    "subject": "anna", "action": "grant", "what": "group", "group": "finance", "until": "2026-03-10",
    "purpose": "I help out in finance.",
}  # fmt: skip
SHARING = {
    "data_set": "staff_directory", "fields": ["name", "email"], "purpose": "Invitations to the open day.",
    "recipient": "paula", "days": 5, "max_uses": 2,
}  # fmt: skip


def context(platform, instance_id="i" * 32, **change) -> services.Context:
    given = {"instance_id": instance_id, "root_id": instance_id, "token": 1, "element_id": "it", "key": f"{instance_id}:1",
             "headers": {}, "settings": platform.settings, "policies": platform.policies}  # fmt: skip
    return services.Context(**given | change)


def call(platform, type_: str, variables: dict, instance_id: str = "i" * 32):
    handler = services.find(type_)
    with platform.work(people.SYSTEM) as work:
        return handler.call(work, variables, context(platform, instance_id))


def ids(platform, *logins: str) -> list[str]:
    with platform.read(people.SYSTEM) as work:
        return [people.resolve(work, login) for login in logins]


def groups(platform, login: str) -> frozenset[str]:
    with platform.read(people.SYSTEM) as work:
        return people.groups_of(work, people.resolve(work, login))


# --- the registry -------------------------------------------------------------------------------
def test_only_what_was_registered_can_be_called():
    assert services.find("bizday.archive").within
    assert not services.find("bizday.http").within
    for name in ("os.system", "engine.people.join", "", None, "bizday.archive "):
        with pytest.raises(NotFound):
            services.find(name)


def test_two_handlers_cannot_have_one_name():
    with pytest.raises(Misconfigured):
        services.service("bizday.archive")(print)
    assert services.find("bizday.archive").call is handlers.archive_case


def test_every_service_of_every_process_is_there():
    named = {
        one.get("type")
        for file in (HOME / "processes").glob("*/*.bpmn")
        for one in etree.parse(str(file)).iter("{*}taskDefinition")
    }
    assert len(named) > 10
    assert named <= services.known()


# --- who does it --------------------------------------------------------------------------------
def voters(platform, role, starter="anna", exclude=()):
    starter_id, *excluded = ids(platform, starter, *exclude)
    found = call(platform, "bizday.resolve-voters", {"role": role, "person": starter_id, "exclude": excluded})["voters"]
    return [one["id"] for one in found]


def test_a_role_becomes_persons_and_never_those_excluded(demo):
    assert voters(demo, "finance") == ids(demo, "fiona", "frank")
    assert voters(demo, "finance", "fiona", ["fiona"]) == ids(demo, "frank")
    assert voters(demo, "manager") == voters(demo, "department_head") == ids(demo, "bert")
    assert voters(demo, "department_head", "bert", ["bert"]) == []
    assert voters(demo, None) == []
    with pytest.raises(Misconfigured):
        voters(demo, "no_such_group")


def test_neither_starter_nor_the_weight_of_her_head_is_lost_on_the_way(demo):
    asked = {"subject": "Chairs", "kind": "other", "risk": "low", "amount": 20_000, "summary": "Twelve chairs."}
    walk = Walk(demo).start("hanna", "multi_level_approval", asked)  # who is the head of her department herself
    assert walk.holders("vote_together") | walk.holders("vote_in_turn") == {"eva"}
    walk = Walk(demo).start("emil", "multi_level_approval", asked | {"kind": "service", "amount": 1_000_000})
    walk.step("eva", "vote_together", YES)  # as his manager; now the executives, whose head counts twice
    assert scope_of(walk, "voters") == [{"id": walk.id_of("eva"), "weight": 2}]


def scope_of(walk: Walk, name: str):
    """The innermost value of a variable, wherever the case stands."""
    with walk.platform.read(people.SYSTEM) as work:
        scopes = runtime.load(work, walk.id).execution.state().scopes
    return [one.variables[name] for one in scopes if one.variables.get(name)][-1]


def test_who_has_left_does_not_vote(demo):
    with demo.work(people.SYSTEM) as work:
        people.deactivate(work, people.resolve(work, "fiona"))
    assert voters(demo, "finance") == ids(demo, "frank")


def test_work_goes_to_whoever_has_least_of_it(demo):
    first = call(demo, "bizday.assign-least-loaded", {"group": "finance"})["assignee"]
    assert first in ids(demo, "fiona", "frank")
    with pytest.raises(Misconfigured):
        call(demo, "bizday.assign-least-loaded", {"group": "nobody"})


# --- permissions --------------------------------------------------------------------------------
def separation(platform, starter="anna", subject=None, **change):
    starter_id, subject_id = ids(platform, starter, subject or starter)
    asked = {"person": starter_id, "subject": subject_id, "action": "grant", "what": "group", "group": "finance"}
    return call(platform, "bizday.check-separation", asked | change)["separation"]


def test_one_asks_for_oneself_and_for_those_below(demo):
    assert separation(demo) == {"allowed": True, "conflicts": [], "high_risk": False}
    assert separation(demo, "bert", "anna")["allowed"]
    assert separation(demo, "anna", "bert")["conflicts"] == [handlers.NOT_OURS]


def test_roles_that_exclude_each_other_are_named(demo):
    found = separation(demo, "ada", group="auditors")
    assert found["conflicts"] == ["Who runs the accounts must not audit them."]
    assert separation(demo, "ada", group="auditors", action="revoke")["allowed"]
    assert separation(demo, "fiona")["conflicts"] == [handlers.HELD_ALREADY]


def test_high_risk_is_what_policy_names(demo):
    assert separation(demo, group="operators")["high_risk"]
    one = {"what": "permission", "group": None}
    assert separation(demo, **one, resource="cases", verb="delete")["high_risk"]
    assert not separation(demo, **one, resource="cases", verb="query")["high_risk"]


def test_a_role_is_granted_with_its_case_and_taken_back_by_the_timer(demo):
    walk = Walk(demo).start("anna", "permission_change", ROLE)
    walk.step("bert", "decide_department", YES)
    assert "finance" in groups(demo, "anna")
    (row,) = [r for r in walk._all(select(membership)) if r["instance_id"] == walk.id]
    assert row["until"].isoformat() == "2026-03-10T16:00:00+00:00"  # the end of that day in Shanghai
    walk.step(CLOCK, "", {"days": 8, "hours": 14})
    assert "finance" in groups(demo, "anna")
    walk.step(CLOCK, "", {"minutes": 31})
    assert "finance" not in groups(demo, "anna")
    assert [e["type"] for e in walk.events("membership.granted", "membership.revoked")] == [
        "membership.granted", "membership.revoked",
    ]  # fmt: skip
    assert not [r for r in walk._all(select(membership)) if r["instance_id"] == walk.id]


def test_a_single_permission_is_granted_and_taken_back_early(demo):
    asked = ROLE | {"what": "permission", "resource": "reports", "verb": "query"}
    walk = Walk(demo).start("anna", "permission_change", asked)
    walk.step("bert", "decide_department", YES)
    assert walk.actor("anna").may("reports:query")
    walk.step(MESSAGE, "permission.revoke", {})
    assert not walk.actor("anna").may("reports:query")
    assert walk._all(select(permission)) == []
    assert walk.events("permission.revoked")


def test_a_conflict_that_arose_since_is_refused_at_the_grant_and_told(demo):
    walk = Walk(demo).start("anna", "permission_change", ROLE | {"until": None})
    with demo.work(people.SYSTEM) as work:
        people.join(work, people.resolve(work, "anna"), "auditors")
    walk.step("bert", "decide_department", YES)
    assert "finance" not in groups(demo, "anna")
    assert not walk.troubles()
    assert walk.variables()["outcome"] == "refused"
    (notice,) = walk._all(select(notification).where(notification.c.kind == "permission_refused"))
    assert notice["params"]["sentences"] == ["Who handles money must not audit it."]


def test_what_would_already_be_over_is_not_granted(demo):
    (anna,) = ids(demo, "anna")
    with pytest.raises(BpmnError) as caught:
        call(demo, "bizday.grant-permission", ROLE | {"subject": anna, "until": "2026-03-01"})
    assert (caught.value.code, str(caught.value)) == ("separation", handlers.PAST)
    assert caught.value.variables["separation"]["conflicts"] == [handlers.PAST]


def test_the_end_of_an_older_case_does_not_take_what_a_newer_one_granted(demo):
    first = Walk(demo).start("anna", "permission_change", ROLE)
    first.step("bert", "decide_department", YES)
    second = Walk(demo).start("anna", "permission_change", ROLE | {"until": "2026-04-10"})
    second.step("bert", "decide_department", YES)
    second.step(CLOCK, "", {"days": 10})
    assert "finance" in groups(demo, "anna")
    second.step(CLOCK, "", {"days": 40})
    assert "finance" not in groups(demo, "anna")
    assert not first.troubles() + second.troubles()


def test_taking_away_takes_what_was_given_otherwise(demo):
    walk = Walk(demo).start("hanna", "permission_change", ROLE | {"subject": "fiona", "action": "revoke"})
    walk.step("eva", "decide_department", YES)
    assert "finance" not in groups(demo, "fiona")
    assert walk.variables()["outcome"] == "revoked"


# --- sharing ------------------------------------------------------------------------------------
def a_share(platform) -> Walk:
    walk = Walk(platform).start("anna", "data_sharing_request", SHARING)
    return walk.through([("dora", "decide_owner", YES), ("sara", "decide_security", YES), ("lena", "decide_legal", YES)])


def test_a_request_ends_in_a_share_that_the_timer_ends(demo):
    walk = a_share(demo)
    row = walk._one(select(share))
    assert (row["instance_id"], row["fields"], row["max_uses"]) == (walk.id, ["name", "email"], 2)
    assert row["expires_at"] == demo.clock() + timedelta(days=5)
    assert walk.row()["irreversible"]
    walk.step(CLOCK, "", {"days": 5})
    assert walk._one(select(share))["ended_why"] == "expired"
    assert walk.variables()["outcome"] == "expired"
    kinds = {one["kind"] for one in walk._all(select(notification).where(notification.c.person_id == row["recipient_id"]))}
    assert {"share_issued", "share_expired"} <= kinds


def test_a_revocation_ends_the_share_at_once(demo):
    walk = a_share(demo)
    walk.step(MESSAGE, "share.revoke", {"revoke_reason": "It was passed on."})
    assert walk._one(select(share))["ended_why"] == "revoked"
    assert walk.events("share.revoked")[0]["reason"] == "It was passed on."
    assert walk.variables()["outcome"] == "revoked"


def test_a_revocation_before_anything_was_issued_revokes_nothing(demo):
    walk = Walk(demo).start("anna", "data_sharing_request", SHARING)
    walk.step(MESSAGE, "share.revoke", {})
    assert not walk.troubles()
    assert walk._all(select(share)) == []


def test_a_case_ends_no_share_of_another(demo):
    walk = a_share(demo)
    row = walk._one(select(share))
    for type_ in ("bizday.expire-share", "bizday.revoke-share"):
        with pytest.raises(NotFound):
            call(demo, type_, {"share": row["id"], "reason": ""}, "e" * 32)
    with demo.read(people.SYSTEM) as work:
        assert sharing.find(work, row["id"])["ended_at"] is None


# --- telling ------------------------------------------------------------------------------------
def test_only_a_kind_that_policy_knows_is_told_and_only_to_people(demo):
    anna, bert = ids(demo, "anna", "bert")
    params = {"number": "C-1", "percent": 50, "report": "Half of it."}
    call(demo, "bizday.notify", {"to": [anna, "bert", None, "nobody"], "kind": "progress_reported", "params": params})
    with demo.read(people.SYSTEM) as work:
        told = work.all(select(notification).where(notification.c.kind == "progress_reported"))
    assert {one["person_id"] for one in told} == {anna, bert}
    assert {one["link"] for one in told} == {f"/cases/{'i' * 32}"}
    with pytest.raises(Misconfigured):
        call(demo, "bizday.notify", {"to": anna, "kind": "anything", "params": {}})


def test_an_announcement_is_kept_and_told_to_the_house(demo, beat):
    walk = Walk(demo).start("anna", "permission_change", ROLE)
    found = call(demo, "bizday.announce", {"title": "Upgraded to 2.4", "text": "It is faster."}, walk.id)
    beat()
    row = walk._one(select(announcement))
    assert (row["id"], row["title"], row["instance_id"]) == (found["announcement"]["id"], "Upgraded to 2.4", walk.id)
    told = walk._all(select(notification).where(notification.c.kind == "announcement"))
    assert {one["person_id"] for one in told} == set(ids(demo, "anna", "eva", "uwe")) | {one["person_id"] for one in told}
    assert len(told) == 25
    with pytest.raises(Invalid):
        call(demo, "bizday.announce", {"title": " ", "text": ""}, walk.id)


# --- closing ------------------------------------------------------------------------------------
def facts(platform, case_id: str) -> dict:
    return call(platform, "bizday.closing-facts", {"outcome": "done"}, case_id)["facts"]


def comment(walk: Walk, login: str, text: str) -> None:
    walk.platform.clock.move(minutes=1)
    with walk.platform.work(walk.actor(login)) as work:
        tasks.add_comment(work, runtime.load(work, walk.id).row, text)


def test_what_is_still_open_is_counted_over_the_whole_case(demo):
    walk = Walk(demo).start("anna", "permission_change", ROLE)
    found = facts(demo, walk.id)
    assert found.pop("person_in_charge") == walk.id_of("bert")
    assert found == {
        "outcome": "done", "open_tasks": 1, "approvals_open": 0, "documents_open": 0, "comments_unanswered": 0,
        "incidents_open": 0,
    }  # fmt: skip
    with demo.work(people.SYSTEM) as work:
        runtime.raise_incident(work, walk.id, "service", "It did not work.")
    assert facts(demo, walk.id)["incidents_open"] == 1
    with demo.work(people.SYSTEM) as work:
        work.execute(update(incident).values(state="resolved"))
    assert facts(demo, walk.id)["incidents_open"] == 0


def test_a_comment_waits_for_an_answer_unless_it_is_from_who_closes(demo):
    walk = Walk(demo).start("anna", "permission_change", ROLE)
    comment(walk, "anna", "By the way.")
    assert facts(demo, walk.id)["comments_unanswered"] == 0  # she closes the case herself
    comment(walk, "eva", "Why is this needed?")
    comment(walk, "eva", "And until when?")
    assert facts(demo, walk.id)["comments_unanswered"] == 2
    comment(walk, "anna", "Until March.")
    assert facts(demo, walk.id)["comments_unanswered"] == 0


def test_a_decision_without_a_word_stands_out(demo):
    walk = Walk(demo).start("anna", "permission_change", ROLE)
    walk.step("bert", "decide_department", BACK)
    assert facts(demo, walk.id)["approvals_open"] == 0
    row = walk._one(select(task).where(task.c.element_id == "decide_department"))
    with demo.work(people.SYSTEM) as work:
        work.record("task.completed", data={"opinion": "", "outcome": "approve"}, **tasks.place(row))
    assert facts(demo, walk.id)["approvals_open"] == 1


def test_papers_in_a_task_that_nobody_finished_are_left_over(demo):
    walk = Walk(demo).start("anna", "permission_change", ROLE)
    (row,) = walk.open_tasks()
    with demo.work(people.SYSTEM) as work:
        work.execute(insert(document), {
            "id": "d1", "instance_id": walk.id, "root_id": walk.id, "task_id": row["id"], "field": "papers", "name": "a",
            "type": "text/plain", "size": 1, "digest": "0", "by_id": walk.id_of("bert"), "at": work.now,
        })  # fmt: skip
    assert facts(demo, walk.id)["documents_open"] == 0
    with demo.work(people.SYSTEM) as work:
        work.execute(update(task).where(task.c.id == row["id"]).values(state="cancelled"))
    assert facts(demo, walk.id)["documents_open"] == 1


def test_a_refused_request_is_closed_and_archived(demo):
    walk = Walk(demo).start("anna", "permission_change", ROLE)
    walk.step("bert", "decide_department", NO)
    walk.step("anna", "confirm_closing", YES)
    walk.ended("refused")
    (archived,) = walk.events("case.archived")
    assert (archived["stream"], archived["data"]["decisions"]) == (walk.id, 2)


# --- other systems ------------------------------------------------------------------------------
class Answers(BaseHTTPRequestHandler):
    """A server that answers by path and remembers what it was asked."""

    asked: list

    def answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        self.server.asked.append((self.command, self.path, dict(self.headers), self.rfile.read(size)))
        status, kind, body = PAGES[self.path.partition("?")[0]]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status == 302:
            self.send_header("Location", "/ok")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *args):
        """Silence."""


PAGES = {
    "/ok": (200, "application/json", b'{"rate": 7.1}'), "/text": (200, "text/plain", b"plain"),
    "/moved": (302, "text/plain", b""), "/wrong": (404, "application/json", b'{"why": "unknown"}'),
    "/broken": (503, "text/plain", b"later"), "/large": (200, "text/plain", b"x" * 5000),
    "/empty": (204, "application/json", b""),
}  # fmt: skip


@contextmanager
def server(handler=Answers):
    running = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    running.asked = []
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        running.server_close()
        thread.join(5)


@pytest.fixture
def other():
    with server() as running:
        yield running


def ask(platform, port: int, path: str = "/ok", hosts: tuple = (), host: str = "127.0.0.1", **variables):
    listed = Services(hosts or (f"{host}:{port}",), timedelta(seconds=2), 1000)
    around = context(platform, policies=replace(platform.policies, services=listed))
    return services.find("bizday.http").call({"url": f"http://{host}:{port}{path}", **variables}, around)


def test_json_goes_out_and_comes_back_with_the_key_of_the_step(platform, other):
    port = other.server_address[1]
    found = ask(platform, port, "/ok?day=1", method="POST", body={"amount": 5}, headers={"X-Part": "a", "Host": "evil"})
    assert found == {"response": {"status": 200, "body": {"rate": 7.1}}}
    ((method, path, headers, body),) = other.asked
    assert (method, path, json.loads(body)) == ("POST", "/ok?day=1", {"amount": 5})
    assert headers["Host"] == f"127.0.0.1:{port}"
    assert (headers["X-Part"], headers["Idempotency-Key"]) == ("a", f"{'i' * 32}:1")
    assert ask(platform, port, "/text")["response"]["body"] == "plain"


def test_an_answer_that_blames_the_caller_is_for_the_model_to_catch(platform, other):
    with pytest.raises(BpmnError) as caught:
        ask(platform, other.server_address[1], "/wrong")
    assert (caught.value.code, caught.value.variables) == ("http-404", {"response": {"why": "unknown"}})


def test_an_answer_that_blames_the_server_is_worth_another_try(platform, other):
    with pytest.raises(OSError, match="503"):
        ask(platform, other.server_address[1], "/broken")


def test_redirects_are_not_followed(platform, other):
    with pytest.raises(Invalid, match="redirect"):
        ask(platform, other.server_address[1], "/moved")
    assert [path for _, path, _, _ in other.asked] == ["/moved"]


def test_an_answer_that_is_too_large_is_refused(platform, other):
    with pytest.raises(Invalid, match="1000 bytes"):
        ask(platform, other.server_address[1], "/large")


def test_only_listed_hosts_are_called(platform, other):
    port = other.server_address[1]
    for hosts in ((f"127.0.0.1:{port + 1}",), ("127.0.0.1",), ("example.org",)):
        with pytest.raises(Invalid, match="not listed"):
            ask(platform, port, hosts=hosts)
    for url in ("file:///etc/passwd", "gopher://127.0.0.1/", "http://", "", f"http://a@127.0.0.1:{port}/",
                f"http://127.0.0.1:{port}/a\r\nX: y", "http://127.0.0.1:99999/"):  # fmt: skip
        with pytest.raises(Invalid):
            ask(platform, port, url=url)
    assert other.asked == []


def test_a_listed_name_must_not_lead_back_to_this_machine(platform, other):
    with pytest.raises(Invalid, match="leads to an address"):
        ask(platform, other.server_address[1], host="localhost")
    assert other.asked == []


def test_a_header_cannot_smuggle_another(platform, other):
    with pytest.raises(Invalid):
        ask(platform, other.server_address[1], headers={"X-Part": "a\r\nX-Other: b"})
    with pytest.raises(Invalid, match="method"):
        ask(platform, other.server_address[1], method="CONNECT")


class Trickles(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.2)
        except OSError:
            return

    def log_message(self, *args):
        """Silence."""


def test_an_answer_that_trickles_on_is_left(platform):
    with server(Trickles) as running:
        begun = time.monotonic()
        with pytest.raises(OSError):
            ask(platform, running.server_address[1], "/")
        assert time.monotonic() - begun < 6
