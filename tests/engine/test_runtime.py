"""The runtime's promises on both databases: one step, one transaction; messages, calls, repairs, crashes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from engine import history, jobs, people, repository, runtime, tasks
from engine.errors import Conflict, Invalid, NotAllowed, NotFound
from engine.schema import event, incident, instance, job, subscription, task, token
from tests.engine.rooms import BOTH
from tests.engine.small import HEAD, Room, flow, message, model, path, task_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=BOTH)
def room(request, tmp_path):
    database = ""
    if request.param == "postgresql":
        from tests.services import fresh_postgresql

        database = fresh_postgresql()
    one = Room(tmp_path / "var", database)
    yield one
    one.close()


@pytest.fixture
def sqlite_room(tmp_path):
    one = Room(tmp_path / "var")
    yield one
    one.close()


def rows(room: Room, statement) -> list:
    with room.platform.read(people.SYSTEM) as work:
        return list(work.all(statement))


def is_sound(room: Room) -> None:
    with room.platform.read(people.SYSTEM) as work:
        assert history.verify(work).faults == ()


# --- one step ---------------------------------------------------------------------------------------
def test_a_case_is_walked_from_its_start_to_its_end_and_the_log_is_sound(room):
    room.deploy(small=model(path(task_of("a"), task_of("b", "bert"), ids=("a", "b"))))
    case = room.start()
    assert set(room.open_tasks()) == {"a"}
    room.complete("a")
    room.complete("b", "bert")
    assert room.row(case)["state"] == "completed"
    assert rows(room, select(token).where(token.c.instance_id == case)) == []
    is_sound(room)


def test_of_two_people_who_complete_one_task_one_wins_and_the_other_is_told(room):
    room.deploy(small=model(path(task_of("a"), task_of("b"), ids=("a", "b"))))
    case, actor = room.start(), room.actor("anna")
    task_id, ready, said = room.open_tasks()["a"], threading.Barrier(2), []

    def complete() -> None:
        ready.wait()
        try:
            with room.platform.work(actor) as work:
                runtime.complete(work, task_id, {})
            said.append("won")
        except Conflict as conflict:
            said.append(str(conflict))

    both = [threading.Thread(target=complete) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert said.count("won") == 1
    (told,) = [one for one in said if one != "won"]
    assert "already done" in told or "moved on" in told or "just been changed" in told or "Somebody else" in told
    assert set(room.open_tasks()) == {"b"}
    done = select(func.count()).where(event.c.root_id == case, event.c.type == "task.completed")
    with room.platform.read(people.SYSTEM) as work:
        assert work.execute(done).scalar() == 1


def test_a_repeated_request_gets_the_first_answer_and_does_nothing_twice(room):
    room.deploy(small=model(path(task_of("a"), task_of("b"), ids=("a", "b"))))
    room.start()
    actor, task_id = room.actor("anna"), room.open_tasks()["a"]
    answers = []
    for _ in range(2):
        with room.platform.work(actor, key="once", fingerprint="f") as work:
            answers.append(work.answered or work.answer({"next": runtime.complete(work, task_id, {})["next"]}))
    assert answers[0] == answers[1] and answers[0]["next"]
    with pytest.raises(Conflict, match="idempotency key"), room.platform.work(actor, key="once", fingerprint="g"):
        pass


def test_what_fails_leaves_nothing_behind(room):
    room.deploy(small=model(path(task_of("a"), ids=("a",))))
    case, task_id = room.start(), room.open_tasks()["a"]
    before = rows(room, select(event).where(event.c.root_id == case))
    with pytest.raises(RuntimeError), room.platform.work(room.actor("anna")) as work:
        runtime.complete(work, task_id, {})
        raise RuntimeError("the disk is full")
    assert set(room.open_tasks()) == {"a"}
    assert len(rows(room, select(event).where(event.c.root_id == case))) == len(before)
    room.complete("a")
    assert room.row(case)["state"] == "completed"


def test_only_what_a_step_touched_is_written(sqlite_room):
    from sqlalchemy import event as listening

    room = sqlite_room
    body = path(task_of("a"), task_of("b"), task_of("c"), ids=("a", "b", "c"))
    room.deploy(small=model(body))
    room.start(variables={"large": "x" * 1000})
    room.complete("a")
    written = []
    listening.listen(room.platform.engine, "checkout", lambda raw, *_: raw.set_trace_callback(written.append))
    room.complete("b")
    tables = [one.split()[2] for one in written if one.startswith("INSERT")]
    assert "scope" not in tables and not [one for one in written if one.startswith("UPDATE scope")]
    assert [one.split()[1] for one in written if one.startswith("UPDATE")] == ["task", "instance"]


KILLED = """
import os, random, signal, sys
from pathlib import Path
from engine import history, people, runtime
from engine.assembly import open_platform
from engine.platform import Settings

settings = Settings(var=Path(sys.argv[1]), secret="a secret for tests that nobody else uses")
platform = open_platform(settings)
with platform.read(people.SYSTEM) as work:
    actor = people.actor(work, people.by_login(work, "anna")["id"])
append = history.append

def append_and_die(work, records):
    append(work, records)
    os.kill(os.getpid(), signal.SIGKILL)

history.append = append_and_die
with platform.work(actor) as work:
    runtime.complete(work, sys.argv[2], {})
"""


def test_a_process_that_is_killed_between_the_step_and_its_commit_loses_and_doubles_nothing(sqlite_room, tmp_path):
    room = sqlite_room
    room.deploy(small=model(path(task_of("a"), task_of("b"), ids=("a", "b"))))
    case, task_id = room.start(), room.open_tasks()["a"]
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED), "utf-8")
    ended = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "var"), task_id],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert set(room.open_tasks()) == {"a"}
    room.complete("a")
    assert set(room.open_tasks()) == {"b"}
    completed = select(event).where(event.c.root_id == case, event.c.type == "task.completed")
    assert len(rows(room, completed)) == 1
    is_sound(room)


# --- what waits -------------------------------------------------------------------------------------
WAITS = path(
    '<bpmn:intermediateCatchEvent id="c" name="c"><bpmn:messageEventDefinition messageRef="m"/></bpmn:intermediateCatchEvent>',
    ids=("c",),
)


def publish(room: Room, name: str, key: str | None, variables=None, **more) -> dict:
    with room.platform.work(people.SYSTEM) as work:
        said = runtime.publish(work, name, key, variables or {}, **more)
    room.beat()
    return said


def test_a_message_reaches_the_case_with_its_key_and_no_other(room):
    room.deploy(small=model(WAITS, roots=message("m", "paid")))
    first, second = room.start(variables={"key": "1"}), room.start(variables={"key": "2"})
    assert publish(room, "paid", "2", {"amount": 5})["correlated"] == [second]
    assert room.row(second)["state"] == "completed" and room.variables(second)["amount"] == 5
    assert room.row(first)["state"] == "active"
    assert len(rows(room, select(subscription))) == 1


def test_a_message_that_came_too_early_waits_for_its_receiver_until_its_time_is_over(room):
    room.deploy(small=model(WAITS, roots=message("m", "paid")))
    publish(room, "paid", "1", ttl=timedelta(hours=2))
    publish(room, "paid", "2", ttl=timedelta(hours=2))
    early = room.start(variables={"key": "1"})
    room.beat()
    assert room.row(early)["state"] == "completed"
    room.platform.clock.move(hours=3)
    late = room.start(variables={"key": "2"})
    room.beat()
    assert room.row(late)["state"] == "active"


def test_a_message_with_the_sender_s_own_id_counts_once(room):
    room.deploy(small=model(WAITS, roots=message("m", "paid")))
    case = room.start(variables={"key": "1"})
    assert publish(room, "paid", "9", message_id="x")["message"]
    assert publish(room, "paid", "1", message_id="x") == {"message": None, "correlated": []}
    assert room.row(case)["state"] == "active"


def test_a_message_starts_a_process_and_a_new_version_replaces_the_start_of_the_old(room):
    start = (
        '<bpmn:startEvent id="s" name="s"><bpmn:messageEventDefinition messageRef="m"/></bpmn:startEvent>'
        '<bpmn:endEvent id="e" name="e"/>' + task_of("a") + flow("s", "a") + flow("a", "e")
    )
    room.deploy(small=model(start, roots=message("m", "order")))
    room.deploy(small=model(start.replace('name="a"', 'name="again"'), roots=message("m", "order")))
    said = publish(room, "order", None, {"kind": "purchase"})
    assert len(said["correlated"]) == 1
    assert room.variables(said["correlated"][0])["kind"] == "purchase"
    assert [row["name"] for row in rows(room, select(task))] == ["again"]


def test_a_signal_reaches_every_case_that_waits_and_its_own(room):
    signal_root = '<bpmn:signal id="g" name="all clear"/>'
    waits = path(
        '<bpmn:intermediateCatchEvent id="c" name="c"><bpmn:signalEventDefinition signalRef="g"/></bpmn:intermediateCatchEvent>',
        ids=("c",),
    )
    throws = path(
        '<bpmn:intermediateThrowEvent id="t" name="t"><bpmn:signalEventDefinition signalRef="g"/></bpmn:intermediateThrowEvent>',
        ids=("t",),
    )
    room.deploy(waits=model(waits, "waits", signal_root), throws=model(throws, "throws", signal_root))
    waiting = [room.start("waits") for _ in range(3)]
    room.start("throws")
    room.beat()
    assert {room.row(one)["state"] for one in waiting} == {"completed"}


def test_a_timer_that_no_longer_waits_is_dropped_quietly(room):
    late = (
        '<bpmn:boundaryEvent id="late" name="late" attachedToRef="a"><bpmn:timerEventDefinition>'
        "<bpmn:timeDuration>PT2H</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:boundaryEvent>"
        '<bpmn:endEvent id="told" name="told"/>' + flow("late", "told")
    )
    room.deploy(small=model(path(task_of("a"), late, ids=("a",))))
    done, overdue = room.start(), room.start()
    room.complete("a", root_id=done)
    room.beat(hours=3)
    assert room.row(done)["state"] == "completed"
    assert [row["data"]["ends"] for row in rows(room, select(event).where(
        event.c.root_id == overdue, event.c.type == "case.completed"))] == [["told"]]  # fmt: skip
    open_jobs = select(job).where(job.c.kind == "timer", job.c.state == "open")
    assert rows(room, open_jobs) == []


# --- calls ------------------------------------------------------------------------------------------
def call(key: str = "called", more: str = "") -> str:
    return (
        f'<bpmn:callActivity id="call" name="call"><bpmn:extensionElements>'
        f'<zeebe:calledElement processId="{key}" propagateAllChildVariables="true"/></bpmn:extensionElements></bpmn:callActivity>{more}'
    )


def test_a_called_process_runs_in_an_instance_of_its_own_and_hands_back_what_it_made(room):
    room.deploy(small=model(path(call(), ids=("call",))), called=model(path(task_of("a"), ids=("a",)), "called"))
    case = room.start(variables={"amount": 3})
    (child,) = rows(room, select(instance).where(instance.c.parent_id == case))
    assert room.variables(child["id"])["amount"] == 3 and child["root_id"] == case
    room.complete("a")
    assert room.row(case)["state"] == "completed"


def test_cancelling_a_case_ends_what_it_called(room):
    room.deploy(small=model(path(call(), ids=("call",))), called=model(path(task_of("a"), ids=("a",)), "called"))
    case = room.start()
    with room.platform.work(room.actor("ada")) as work:
        runtime.cancel(work, case, "It is no longer needed.")
    states = {row["state"] for row in rows(room, select(instance))}
    assert states == {"cancelled"} and not room.open_tasks()


ERROR = '<bpmn:error id="err" errorCode="broken"/>'
CATCHES = (
    '<bpmn:boundaryEvent id="caught" name="caught" attachedToRef="call"><bpmn:errorEventDefinition errorRef="err"/>'
    '</bpmn:boundaryEvent><bpmn:endEvent id="mended" name="mended"/>' + flow("caught", "mended")
)
BREAKS = (
    '<bpmn:startEvent id="s" name="s"/>' + task_of("a")
    + '<bpmn:endEvent id="e" name="e"><bpmn:errorEventDefinition errorRef="err"/></bpmn:endEvent>'
    + flow("s", "a") + flow("a", "e")
)  # fmt: skip


def test_a_called_process_that_is_cancelled_by_hand_leaves_its_caller_with_an_incident_and_not_waiting(room):
    room.deploy(small=model(path(call(), ids=("call",))), called=model(path(task_of("a"), ids=("a",)), "called"))
    case = room.start()
    (child,) = rows(room, select(instance).where(instance.c.parent_id == case))
    with room.platform.work(people.SYSTEM) as work:
        runtime.cancel(work, child["id"], "It was called by mistake.")
    (found,) = rows(room, select(incident).where(incident.c.instance_id == case))
    assert (found["element_id"], found["state"]) == ("call", "open")
    with room.platform.work(people.SYSTEM) as work:
        runtime.resolve(work, found["id"], "skip", "We do without.")
    assert room.row(case)["state"] == "completed"
    is_sound(room)


def test_an_error_that_the_called_does_not_catch_is_caught_by_its_caller(room):
    room.deploy(small=model(path(call(more=CATCHES), ids=("call",)), roots=ERROR), called=model(BREAKS, "called", ERROR))
    case = room.start()
    room.complete("a")
    assert room.row(case)["state"] == "completed"
    assert rows(room, select(incident)) == []


def test_an_error_that_nobody_catches_is_an_incident_and_never_a_success(room):
    room.deploy(small=model(path(call(), ids=("call",))), called=model(BREAKS, "called", ERROR))
    case = room.start()
    room.complete("a")
    assert room.row(case)["state"] == "active"
    (found,) = rows(room, select(incident))
    assert (found["kind"], found["element_id"]) == ("error", "e")


def test_a_process_that_calls_itself_for_ever_becomes_an_incident(room):
    room.deploy(small=model(path(call("small"), ids=("call",))))
    room.start()
    (found,) = rows(room, select(incident).where(incident.c.state == "open"))
    assert "deeper" in found["message"]


# --- repairs ----------------------------------------------------------------------------------------
GATE = (
    '<bpmn:startEvent id="s" name="s"/><bpmn:exclusiveGateway id="g" name="Large?" default="g-e"/>'
    '<bpmn:endEvent id="e" name="e"/>' + task_of("a") + flow("s", "g") + flow("g", "a", "=amount &gt; 10") + flow("g", "e")
    + flow("a", "e")
)  # fmt: skip


def test_a_condition_that_is_null_is_an_incident_that_names_its_element_and_goes_on_when_mended(room):
    room.deploy(small=model(GATE))
    case = room.start()
    (found,) = rows(room, select(incident))
    assert found["element_id"] == "g" and "amount" in found["message"]
    ada = room.actor("ada")
    with room.platform.work(ada) as work:
        runtime.set_variables(work, case, 0, {"amount": 20}, "It was forgotten.")
    with room.platform.work(ada) as work:
        runtime.resolve(work, found["id"], "retry", "The amount is there now.")
    assert set(room.open_tasks()) == {"a"}
    assert {row["state"] for row in rows(room, select(incident))} == {"resolved"}
    corrected = rows(room, select(event).where(event.c.type == "variables.corrected"))
    assert corrected[0]["data"] == {"scope": 0, "old": {"amount": None}, "new": {"amount": 20}}


def test_repairs_are_not_for_everyone_and_want_a_reason(room):
    room.deploy(small=model(GATE))
    case = room.start()
    (found,) = rows(room, select(incident))
    with pytest.raises((NotAllowed, NotFound)), room.platform.work(room.actor("bert")) as work:
        runtime.resolve(work, found["id"], "retry", "I want to.")
    with pytest.raises(Invalid, match="say why"), room.platform.work(room.actor("ada")) as work:
        runtime.set_variables(work, case, 0, {"amount": 1}, "  ")


def test_a_limit_that_is_met_rolls_the_step_back_and_leaves_an_incident(room):
    endless = (
        '<bpmn:startEvent id="s" name="s"/>' + task_of("a")
        + '<bpmn:exclusiveGateway id="g" name="g"/><bpmn:exclusiveGateway id="h" name="h" default="h-g"/><bpmn:endEvent id="e" name="e"/>'
        + flow("s", "a") + flow("a", "g") + flow("g", "h") + flow("h", "g") + flow("h", "e", "=1 = 2")
    )  # fmt: skip
    room.deploy(small=model(endless))
    case = room.start()
    with pytest.raises(Conflict, match="limit"):
        room.complete("a")
    assert set(room.open_tasks()) == {"a"}
    (found,) = rows(room, select(incident))
    assert (found["instance_id"], found["kind"]) == (case, "limit")
    is_sound(room)


def test_returning_a_case_opens_the_earlier_step_again_and_closes_what_followed(room):
    room.deploy(small=model(path(task_of("a"), task_of("b", "bert"), ids=("a", "b"))))
    case = room.start()
    room.complete("a")
    with room.platform.work(room.actor("bert")) as work:
        runtime.send_back(work, room.open_tasks()["b"], "a", "The figures are missing.")
    assert set(room.open_tasks()) == {"a"}
    (told,) = rows(room, select(event).where(event.c.root_id == case, event.c.type == "task.returned"))
    assert (told["reason"], told["data"]) == ("The figures are missing.", {"to": "a", "name": "a"})


def ways_back(room: Room, element: str) -> list[str]:
    with room.platform.read(people.SYSTEM) as work:
        return [one["element_id"] for one in runtime.returnable(work, tasks.find(work, room.open_tasks()[element]))]


def test_only_steps_from_which_the_case_came_are_offered_to_return_to(room):
    """A step of a parallel branch was done too, but this branch did not come from there."""
    fork = '<bpmn:parallelGateway id="fork"/><bpmn:parallelGateway id="join"/>'
    flows = "".join(flow(*one) for one in (
        ("s", "a"), ("a", "fork"), ("fork", "b"), ("fork", "c"), ("b", "join"), ("c", "x"), ("x", "join"), ("join", "e"),
    ))  # fmt: skip
    ends = '<bpmn:startEvent id="s" name="s"/><bpmn:endEvent id="e" name="e"/>'
    room.deploy(small=model(ends + fork + "".join(task_of(one) for one in "abcx") + flows))
    room.start()
    for one in "abc":
        room.complete(one)
    assert ways_back(room, "x") == ["a", "c"]
    with pytest.raises(Conflict), room.platform.work(room.actor("anna")) as work:
        runtime.send_back(work, room.open_tasks()["x"], "b", "Wrong branch.")
    with room.platform.work(room.actor("anna")) as work:
        runtime.send_back(work, room.open_tasks()["x"], "a", "All anew.")
    assert set(room.open_tasks()) == {"a"}


def test_a_called_process_may_return_to_a_step_of_its_caller_and_ends_then(room):
    room.deploy(
        small=model(path(task_of("a"), call(), ids=("a", "call"))),
        called=model(path(task_of("b"), task_of("c", "bert"), ids=("b", "c")), "called"),
    )
    case = room.start()
    room.complete("a")
    room.complete("b")
    assert ways_back(room, "c") == ["b", "a"]
    with room.platform.work(room.actor("bert")) as work:
        runtime.send_back(work, room.open_tasks()["c"], "a", "The figures are missing.")
    assert set(room.open_tasks()) == {"a"}
    (child,) = rows(room, select(instance).where(instance.c.parent_id == case))
    assert child["state"] == "cancelled" and room.row(case)["state"] == "active"
    room.complete("a")
    assert set(room.open_tasks()) == {"b"}
    is_sound(room)


def test_a_step_inside_a_sub_process_that_is_over_is_returned_to_by_entering_the_sub_process_anew(room):
    inner = (
        '<bpmn:subProcess id="sub" name="sub"><bpmn:startEvent id="i" name="i"/>' + task_of("a") + task_of("b")
        + '<bpmn:endEvent id="o" name="o"/>' + flow("i", "a") + flow("a", "b") + flow("b", "o") + "</bpmn:subProcess>"
    )  # fmt: skip
    room.deploy(small=model(path(inner, task_of("c"), ids=("sub", "c"))))
    room.start()
    for one in "ab":
        room.complete(one)
    assert ways_back(room, "c") == ["a", "b"]
    with room.platform.work(room.actor("anna")) as work:
        runtime.send_back(work, room.open_tasks()["c"], "b", "Again.")
    assert set(room.open_tasks()) == {"a"}
    is_sound(room)


def test_one_vote_of_many_that_is_sent_back_takes_all_of_them_back(room):
    votes = task_of("v", more='<bpmn:multiInstanceLoopCharacteristics><bpmn:loopCardinality>3</bpmn:loopCardinality>'
                              "</bpmn:multiInstanceLoopCharacteristics>")  # fmt: skip
    room.deploy(small=model(path(task_of("a"), votes, ids=("a", "v"))))
    case = room.start()
    room.complete("a")
    room.complete("v")
    assert ways_back(room, "v") == ["a"]
    with room.platform.work(room.actor("anna")) as work:
        runtime.send_back(work, room.open_tasks()["v"], "a", "Again.")
    assert set(room.open_tasks()) == {"a"}
    live = select(task).where(task.c.root_id == case, task.c.state.in_(("open", "claimed")))
    assert len(rows(room, live)) == 1
    is_sound(room)


def test_a_suspended_case_rests_and_its_timers_fire_once_when_it_goes_on(room):
    timer = (
        '<bpmn:intermediateCatchEvent id="t" name="t"><bpmn:timerEventDefinition><bpmn:timeDuration>PT1H</bpmn:timeDuration>'
        "</bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>"
    )
    room.deploy(small=model(path(timer, task_of("a"), ids=("t", "a"))))
    case, ada = room.start(), room.actor("ada")
    with room.platform.work(ada) as work:
        runtime.suspend(work, case, "Wait for the auditor.")
    room.beat(hours=5)
    assert not room.open_tasks()
    with room.platform.work(ada) as work:
        runtime.resume(work, case, "The auditor agrees.")
    room.beat()
    assert set(room.open_tasks()) == {"a"}


PAUSE = (
    '<bpmn:intermediateCatchEvent id="t" name="t"><bpmn:timerEventDefinition><bpmn:timeDuration>PT1H</bpmn:timeDuration>'
    "</bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>"
)


def moved(room: Room, case: str, element: str) -> None:
    """Ada puts the case's only token before `element`."""
    with room.platform.work(room.actor("ada")) as work:
        (token_,) = [wait.token for wait in runtime.load(work, case).execution.waits.values() if wait.kind != "incident"]
        runtime.move(work, case, token_, element, "It stood in the wrong place.")


def test_what_a_repair_makes_due_in_a_suspended_case_waits_until_it_goes_on(room):
    room.deploy(small=model(path(task_of("a"), PAUSE, task_of("b"), ids=("a", "t", "b"))))
    case, ada = room.start(), room.actor("ada")
    with room.platform.work(ada) as work:
        runtime.suspend(work, case, "Wait for the auditor.")
    moved(room, case, "t")
    room.beat(hours=5)
    assert {one["state"] for one in rows(room, select(job).where(job.c.kind == "timer"))} == {"held"}
    with room.platform.work(ada) as work:
        runtime.resume(work, case, "The auditor agrees.")
    room.beat()
    assert set(room.open_tasks()) == {"b"}


def test_what_was_due_where_a_suspended_case_stood_is_not_done_when_it_goes_on_elsewhere(room):
    room.deploy(small=model(path(PAUSE, task_of("a"), ids=("t", "a"))))
    case, ada = room.start(), room.actor("ada")
    with room.platform.work(ada) as work:
        runtime.suspend(work, case, "Wait for the auditor.")
    moved(room, case, "a")
    assert {one["state"] for one in rows(room, select(job).where(job.c.kind == "timer"))} == {"cancelled"}


def test_a_suspended_case_that_a_repair_brings_to_its_end_has_ended(room):
    room.deploy(small=model(path(task_of("a"), ids=("a",))))
    case = room.start()
    with room.platform.work(room.actor("ada")) as work:
        runtime.suspend(work, case, "Wait for the auditor.")
    moved(room, case, "e")
    assert room.row(case)["state"] == "completed"
    is_sound(room)


def test_a_case_moves_to_another_version_with_its_draft_and_its_time_limit(room):
    room.deploy(small=model(path(task_of("a"), ids=("a",))))
    case, task_id = room.start(), room.open_tasks()["a"]
    due = room.find_task(task_id)["due_at"]
    with room.platform.work(room.actor("anna")) as work:
        tasks.save_draft(work, task_id, {})
    room.deploy(small=model(path(task_of("a"), task_of("b"), ids=("a", "b")).replace('name="a"', 'name="Anew"')))
    with room.platform.work(room.actor("ada")) as work:
        newest = repository.latest(work, "small")["id"]
        assert runtime.misfits(work, case, newest) == []
        runtime.migrate(work, case, newest, "The new rule holds for old cases too.")
    kept = room.find_task(task_id)
    assert (kept["name"], kept["due_at"], kept["draft"], kept["state"]) == ("Anew", due, {}, "claimed")
    room.complete("a")
    assert set(room.open_tasks()) == {"b"}
    is_sound(room)


def test_what_cannot_be_moved_is_said_beforehand_and_nothing_is_changed(room):
    room.deploy(small=model(path(task_of("a"), ids=("a",))))
    case = room.start()
    room.deploy(small=model(path(task_of("z"), ids=("z",))))
    with room.platform.work(room.actor("ada")) as work:
        newest = repository.latest(work, "small")["id"]
        assert [one.where for one in runtime.misfits(work, case, newest)] == ["a"]
    with pytest.raises(Invalid), room.platform.work(room.actor("ada")) as work:
        runtime.migrate(work, case, newest, "Try it.")
    assert room.row(case)["definition_id"] != newest and set(room.open_tasks()) == {"a"}


def test_a_person_picks_what_comes_next_in_an_ad_hoc_sub_process(room):
    ad_hoc = (
        '<bpmn:adHocSubProcess id="h" name="h"><bpmn:extensionElements><zeebe:assignmentDefinition assignee="anna"/>'
        f"</bpmn:extensionElements>{task_of('x')}{task_of('y')}</bpmn:adHocSubProcess>"
    )
    room.deploy(small=model(path(ad_hoc, ids=("h",))))
    case, anna = room.start(), room.actor("anna")
    with pytest.raises(Invalid, match="Choose"), room.platform.work(anna) as work:
        runtime.complete(work, room.open_tasks()["h"], {"activities": ["nonsense"]})
    with room.platform.work(anna) as work:
        runtime.complete(work, room.open_tasks()["h"], {"activities": ["y"]})
    assert set(room.open_tasks()) == {"h", "y"}
    room.complete("y")
    with room.platform.work(anna) as work:
        runtime.complete(work, room.open_tasks()["h"], {"done": True})
    assert room.row(case)["state"] == "completed"


def test_an_instance_of_ten_thousand_variables_is_refused_not_hung(room):
    room.deploy(small=model(path(task_of("a"), ids=("a",))))
    with pytest.raises(Conflict, match="limit"):
        room.start(variables={"many": [0] * 300_000})
    assert rows(room, select(job).where(job.c.kind == "timer")) == []


def test_jobs_of_a_case_are_shown_with_it(room):
    room.deploy(small=model(path(task_of("a"), ids=("a",))))
    case = room.start()
    with room.platform.read(people.SYSTEM) as work:
        assert {one["kind"] for one in jobs.of_instance(work, case)} == {"sla"}
    assert HEAD.startswith("<bpmn:definitions")
