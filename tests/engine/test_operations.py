"""What operators do to running cases, on both databases: moving to another version, returning, resting."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from engine import batches, cases, history, people, repository, runtime, tasks
from engine.bpmn import timers
from engine.errors import Conflict, Invalid
from engine.schema import candidate, event, incident, instance, job, subscription, task
from tests.engine.rooms import BOTH, MONDAY
from tests.engine.small import Room, flow, message, model, path, task_of


@pytest.fixture(params=BOTH)
def room(request, tmp_path):
    database = ""
    if request.param == "postgresql":
        from tests.services import fresh_postgresql

        database = fresh_postgresql()
    one = Room(tmp_path / "var", database)
    yield one
    one.close()


def rows(room: Room, statement) -> list:
    with room.platform.read(people.SYSTEM) as work:
        return list(work.all(statement))


def by(room: Room, who: str, verb, *args, **more):
    with room.platform.work(room.actor(who)) as work:
        return verb(work, *args, **more)


def rest(room: Room, case: str) -> None:
    by(room, "ada", runtime.suspend, case, "Wait for the auditor.")


def go_on(room: Room, case: str) -> None:
    by(room, "ada", runtime.resume, case, "The auditor agrees.")


def migrate(room: Room, case: str, mapping=None, key: str = "small") -> None:
    with room.platform.work(room.actor("ada")) as work:
        newest = repository.latest(work, key)["id"]
        runtime.migrate(work, case, newest, "The new rule holds for old cases too.", mapping)


def misfits(room: Room, case: str, mapping=None) -> list[tuple[str, str]]:
    with room.platform.read(room.actor("ada")) as work:
        found = runtime.misfits(work, case, repository.latest(work, "small")["id"], mapping)
    return [(one.where, str(one)) for one in found]


def live(case: str):
    return select(task).where(task.c.root_id == case, task.c.state.in_(("open", "claimed"))).order_by(task.c.token)


def is_sound(room: Room) -> None:
    with room.platform.read(people.SYSTEM) as work:
        assert history.verify(work).faults == ()


def timer(key: str, said: str, *, kind: str = "timeDuration", boundary: str = "", working: bool = False) -> str:
    more = (
        '<bpmn:extensionElements><zeebe:properties><zeebe:property name="bizday:time" value="working"/></zeebe:properties>'
        "</bpmn:extensionElements>"
    ) if working else ""  # fmt: skip
    element = "boundaryEvent" if boundary else "intermediateCatchEvent"
    host = f' attachedToRef="{boundary}" cancelActivity="false"' if boundary else ""
    return (
        f'<bpmn:{element} id="{key}" name="{key}"{host}>{more}<bpmn:timerEventDefinition>'
        f"<bpmn:{kind}>{said}</bpmn:{kind}></bpmn:timerEventDefinition></bpmn:{element}>"
    )


def caught(key: str, of: str) -> str:
    return (
        f'<bpmn:intermediateCatchEvent id="{key}" name="{key}"><bpmn:messageEventDefinition messageRef="{of}"/>'
        "</bpmn:intermediateCatchEvent>"
    )


# --- moving to another version ------------------------------------------------------------------------
def for_either(key: str) -> str:
    return (
        f'<bpmn:userTask id="{key}" name="{key}"><bpmn:extensionElements>'
        '<zeebe:assignmentDefinition candidateUsers="anna, bert"/></bpmn:extensionElements></bpmn:userTask>'
    )


def test_a_task_that_moves_along_keeps_who_may_do_it_who_does_it_and_her_draft(room):
    room.deploy(small=model(path(for_either("a"), ids=("a",))))
    claimed, left = room.start(), room.start()
    (mine,), (other,) = rows(room, live(claimed)), rows(room, live(left))
    by(room, "anna", tasks.claim, mine["id"])
    by(room, "anna", tasks.save_draft, mine["id"], {"note": "half"})
    before = {one["id"]: one for one in rows(room, select(task))}
    candidates = select(candidate).order_by(candidate.c.task_id, candidate.c.kind, candidate.c.ref)
    could = rows(room, candidates)
    room.deploy(small=model(path(for_either("z"), task_of("b"), ids=("z", "b"))))
    for case in (claimed, left):
        assert misfits(room, case) == [("a", "The new version has no 'a' for 'a'.")]
        migrate(room, case, {"a": "z"})
    assert rows(room, candidates) == could
    for one in rows(room, select(task)):
        kept = {key: value for key, value in before[one["id"]].items() if key not in ("element_id", "name", "definition_id")}
        assert {key: one[key] for key in kept} == kept and one["element_id"] == "z"
    by(room, "bert", tasks.claim, other["id"])
    by(room, "anna", runtime.complete, mine["id"], {})
    assert [one["element_id"] for one in rows(room, live(claimed))] == ["b"]
    is_sound(room)


@pytest.mark.parametrize("working", [False, True])
def test_timers_keep_the_moment_at_which_they_are_due(room, working):
    def drawn(task_key: str, event: str, said: str) -> bytes:
        body = path(task_of(task_key), task_of("b", "bert"), ids=(task_key, "b"))
        late = timer(event, said, boundary=task_key, working=working) + '<bpmn:endEvent id="told"/>' + flow(event, "told")
        return model(body + late)

    room.deploy(small=drawn("a", "late", "PT20H"))
    case = room.start()
    (before,) = rows(room, select(job).where(job.c.kind == "timer"))
    calendar_day = timedelta(hours=20)
    assert (before["due_at"] - room.platform.clock() > calendar_day) == working
    room.beat(hours=1)
    room.deploy(small=drawn("z", "later", "PT2H"))
    migrate(room, case, {"a": "z", "late": "later"})
    (after,) = rows(room, select(job).where(job.c.kind == "timer"))
    assert (after["id"], after["due_at"], after["state"]) == (before["id"], before["due_at"], "open")
    assert after["element_id"] == "later"
    room.platform.clock.now = before["due_at"] - timedelta(minutes=1)
    room.beat()
    assert rows(room, select(job).where(job.c.kind == "timer"))[0]["state"] == "open"
    room.beat(minutes=2)
    fired = rows(room, select(event).where(event.c.root_id == case, event.c.element_id == "told"))
    assert fired and [one["element_id"] for one in rows(room, live(case))] == ["z"]
    is_sound(room)


def test_an_open_incident_moves_along_and_is_settled_in_the_new_version(room):
    def drawn(key: str, expression: str) -> bytes:
        gateway = '<bpmn:exclusiveGateway id="' + key + '" name="Which" default="y"/>'
        ends = '<bpmn:startEvent id="s" name="s"/><bpmn:endEvent id="e" name="e"/>'
        default = f'<bpmn:sequenceFlow id="y" sourceRef="{key}" targetRef="e"/>'
        return model(ends + gateway + task_of("a") + flow("s", key) + flow(key, "a", expression) + default + flow("a", "e"))

    room.deploy(small=drawn("g", "=amount &gt; 5"))
    case = room.start()
    (raised,) = rows(room, select(incident))
    room.deploy(small=drawn("h", "=true"))
    assert [where for where, _ in misfits(room, case)] == ["g"]
    migrate(room, case, {"g": "h"})
    (kept,) = rows(room, select(incident))
    assert (kept["id"], kept["state"], kept["element_id"]) == (raised["id"], "open", "h")
    by(room, "ada", runtime.resolve, kept["id"], "retry", "The new version knows the way.")
    assert [one["element_id"] for one in rows(room, live(case))] == ["a"]
    assert rows(room, select(incident))[0]["state"] == "resolved"
    is_sound(room)


def listening(name: str, key: str = "c") -> bytes:
    return model(path(caught(key, "m"), task_of("a"), ids=(key, "a")), roots=message("m", name))


def publish(room: Room, name: str, **more) -> list[str]:
    with room.platform.work(people.SYSTEM) as work:
        return runtime.publish(work, name, "k", {}, **more)["correlated"]


def test_a_message_is_waited_for_under_its_new_name_and_that_is_said_beforehand(room):
    room.deploy(small=listening("Old"))
    case = room.start(variables={"key": "k"})
    room.deploy(small=listening("New", "other"))
    with room.platform.read(room.actor("ada")) as work:
        newest = repository.latest(work, "small")["id"]
        (said,) = runtime.changes_told(work, [case], room.row(case)["definition_id"], newest, {"c": "other"})[case]
    assert (said.where, said.severity) == ("c", "info")
    assert str(said) == "'c' waits for message 'Old' now and for 'New' afterwards; one that is called 'Old' no longer reaches it."
    migrate(room, case, {"c": "other"})
    (wanted,) = rows(room, select(subscription).where(subscription.c.instance_id == case))
    assert (wanted["name"], wanted["correlation_key"], wanted["element_id"]) == ("New", "k", "other")
    assert publish(room, "Old") == [] and publish(room, "New") == [case]
    assert [one["element_id"] for one in rows(room, live(case))] == ["a"]


def test_a_message_of_the_same_name_goes_on_being_waited_for_and_nothing_is_told(room):
    room.deploy(small=listening("Go"))
    case = room.start(variables={"key": "k"})
    room.deploy(small=listening("Go", "other"))
    with room.platform.read(room.actor("ada")) as work:
        newest = repository.latest(work, "small")["id"]
        assert runtime.changes_told(work, [case], room.row(case)["definition_id"], newest, {"c": "other"}) == {}
    migrate(room, case, {"c": "other"})
    (wanted,) = rows(room, select(subscription).where(subscription.c.instance_id == case))
    assert wanted["element_id"] == "other" and publish(room, "Go") == [case]


CALL = (
    '<bpmn:callActivity id="{0}" name="{0}"><bpmn:extensionElements><zeebe:calledElement processId="called"/>'
    "</bpmn:extensionElements></bpmn:callActivity>"
)


def test_what_a_call_activity_called_goes_on_and_hands_back_to_the_new_version(room):
    room.deploy(
        small=model(path(CALL.format("call"), ids=("call",))),
        called=model(path(task_of("inner"), ids=("inner",)), "called"),
    )
    case = room.start()
    (child,) = rows(room, select(instance).where(instance.c.parent_id == case))
    room.deploy(small=model(path(CALL.format("other"), task_of("b"), ids=("other", "b"))))
    migrate(room, case, {"call": "other"})
    assert rows(room, select(instance).where(instance.c.parent_id == case)) == [child]
    room.complete("inner")
    assert [one["element_id"] for one in rows(room, live(case))] == ["b"]
    room.complete("b")
    assert room.row(case)["state"] == "completed"
    is_sound(room)


def test_each_element_that_has_no_place_is_named_with_its_reason(room):
    fork = '<bpmn:parallelGateway id="fork"/>'
    ends = '<bpmn:startEvent id="s" name="s"/><bpmn:endEvent id="e" name="e"/>'

    def drawn(*three: str) -> bytes:
        flows = flow("s", "fork") + "".join(flow("fork", f"{one}") + flow(one, "e") for one in "abc" if f'id="{one}"' in "".join(three))
        return model(ends + fork + "".join(three) + flows)

    room.deploy(small=drawn(task_of("a"), task_of("b"), task_of("c")))
    case = room.start()
    many = "<bpmn:multiInstanceLoopCharacteristics><bpmn:loopCardinality>2</bpmn:loopCardinality></bpmn:multiInstanceLoopCharacteristics>"
    room.deploy(small=drawn(task_of("b", more=many), task_of("c")))
    assert misfits(room, case) == [
        ("a", "The new version has no 'a' for 'a'."), ("b", "'b' is of another kind than 'b'."),
    ]  # fmt: skip
    before = room.row(case)
    with pytest.raises(Invalid) as refused:
        migrate(room, case)
    assert [one.where for one in refused.value.problems] == ["a", "b"]
    assert room.row(case) == before and len(rows(room, live(case))) == 3


def test_thousands_move_by_a_batch_and_those_that_do_not_fit_are_named(room):
    room.deploy(small=model(path(task_of("a"), task_of("gone"), ids=("a", "gone"))))
    ids = [room.start() for _ in range(150)]  # more than one portion
    ahead = ids[::50]
    for case in ahead:
        room.complete("a", root_id=case)
    room.deploy(small=model(path(task_of("z", "bert"), ids=("z",))))
    with room.platform.work(room.actor("ada")) as work:
        newest = repository.latest(work, "small")["id"]
        batch_id = batches.begin(work, "migrate", ids, "The law changed.", definition_id=newest, mapping={"a": "z"})
    room.beat()
    with room.platform.read(room.actor("ada")) as work:
        one = batches.one(work, batch_id)
        refused = batches.items(work, batch_id, "refused")
    assert (one["state"], one["done"], one["refused"]) == ("done", 147, 3)
    assert [item["instance_id"] for item in refused] == ahead
    assert {problem.where for item in refused for problem in item["why"].problems} == {"gone"}
    moved = rows(room, select(instance.c.id).where(instance.c.definition_id == newest))
    assert {one["id"] for one in moved} == set(ids) - set(ahead)
    is_sound(room)


# --- returning to an earlier step ------------------------------------------------------------------------
def send_back(room: Room, element: str, to: str, who: str = "anna") -> None:
    by(room, who, runtime.send_back, room.open_tasks()[element], to, "Once more.")


def test_what_was_done_is_compensated_when_the_case_returns_before_it(room):
    undone = (
        '<bpmn:boundaryEvent id="undo" attachedToRef="pay"><bpmn:compensateEventDefinition/></bpmn:boundaryEvent>'
        '<bpmn:scriptTask id="refund" name="refund" isForCompensation="true"><bpmn:extensionElements>'
        '<zeebe:script expression="=&quot;refunded &quot; + payment" resultVariable="told"/></bpmn:extensionElements></bpmn:scriptTask>'
        '<bpmn:association id="as" sourceRef="undo" targetRef="refund" associationDirection="One"/>'
    )
    pay = (
        '<bpmn:scriptTask id="pay" name="pay"><bpmn:extensionElements><zeebe:script expression="=&quot;100&quot;" '
        'resultVariable="payment"/></bpmn:extensionElements></bpmn:scriptTask>'
    )
    room.deploy(small=model(path(task_of("a"), pay, task_of("b"), ids=("a", "pay", "b")) + undone))
    case = room.start()
    room.complete("a")
    send_back(room, "b", "a")
    assert room.variables(case)["told"] == "refunded 100" and set(room.open_tasks()) == {"a"}
    room.complete("a")
    room.complete("b")
    refunds = select(event).where(event.c.root_id == case, event.c.type == "element.completed", event.c.element_id == "refund")
    assert len(rows(room, refunds)) == 1 and room.row(case)["state"] == "completed"
    is_sound(room)


def test_returning_into_a_vote_that_is_over_asks_everybody_anew(room):
    vote = (
        '<bpmn:userTask id="v" name="v"><bpmn:extensionElements><zeebe:assignmentDefinition assignee="=who"/>'
        '</bpmn:extensionElements><bpmn:multiInstanceLoopCharacteristics><bpmn:extensionElements>'
        '<zeebe:loopCharacteristics inputCollection="=[&quot;anna&quot;, &quot;bert&quot;]" inputElement="who"/>'
        "</bpmn:extensionElements></bpmn:multiInstanceLoopCharacteristics></bpmn:userTask>"
    )
    room.deploy(small=model(path(vote, task_of("c"), ids=("v", "c"))))
    case = room.start()
    first = {one["assignee_id"]: one["id"] for one in rows(room, live(case))}
    for who in ("anna", "bert"):
        by(room, who, runtime.complete, first[room.ids[who]], {})
    send_back(room, "c", "v")
    again = {one["assignee_id"]: one["id"] for one in rows(room, live(case))}
    assert again.keys() == first.keys() == {room.ids["anna"], room.ids["bert"]}
    assert not set(again.values()) & set(first.values())
    for who in ("anna", "bert"):
        by(room, who, runtime.complete, again[room.ids[who]], {})
    assert [one["element_id"] for one in rows(room, live(case))] == ["c"]
    room.complete("c")
    assert room.row(case)["state"] == "completed"
    is_sound(room)


def test_returning_within_one_branch_leaves_the_other_as_it_is(room):
    fork = '<bpmn:parallelGateway id="fork"/><bpmn:parallelGateway id="join"/>'
    ends = '<bpmn:startEvent id="s" name="s"/><bpmn:endEvent id="e" name="e"/>'
    ways = (("s", "fork"), ("fork", "a"), ("a", "b"), ("b", "join"), ("fork", "c"), ("c", "join"), ("join", "e"))
    room.deploy(small=model(ends + fork + "".join(task_of(one) for one in "abc") + "".join(flow(*one) for one in ways)))
    case = room.start()
    other = room.open_tasks()["c"]
    by(room, "anna", tasks.save_draft, other, {})
    before = room.find_task(other)
    room.complete("a")
    send_back(room, "b", "a")
    assert set(room.open_tasks()) == {"a", "c"} and room.find_task(other) == before
    for one in "acb":
        room.complete(one)
    assert room.row(case)["state"] == "completed"
    is_sound(room)


# --- resting -----------------------------------------------------------------------------------------
def test_nobody_can_act_on_a_task_of_a_case_that_rests_and_is_told_why(room):
    room.deploy(small=model(path(for_either("a"), task_of("b"), ids=("a", "b"))))
    case = room.start()
    (one,) = rows(room, live(case))
    rest(room, case)
    acts = [
        (tasks.claim,), (runtime.complete, {}), (tasks.save_draft, {}), (runtime.send_back, "a", "No."),
        (tasks.transfer, room.ids["bert"], "You."), (tasks.delegate, room.ids["bert"], "You."),
    ]  # fmt: skip
    for verb, *args in acts:
        with pytest.raises(Conflict):
            by(room, "anna", verb, one["id"], *args)
    with pytest.raises(Conflict, match="The case is suspended"):
        by(room, "anna", tasks.claim, one["id"])
    assert rows(room, live(case)) == [one]
    go_on(room, case)
    by(room, "anna", tasks.claim, one["id"])
    rest(room, case)
    for verb, *args in acts[1:]:
        with pytest.raises(Conflict, match="The case is suspended"):
            by(room, "anna", verb, one["id"], *args)
    go_on(room, case)
    by(room, "anna", runtime.complete, one["id"], {})
    assert set(room.open_tasks()) == {"b"}


def fired(room: Room, case: str) -> list[str]:
    what = select(event.c.element_id).where(event.c.root_id == case, event.c.type == "element.completed")
    return [one["element_id"] for one in rows(room, what.order_by(event.c.seq)) if one["element_id"].startswith("t")]


def test_timers_that_came_due_while_a_case_rested_fire_in_their_order_and_once(room):
    late = "".join(
        timer(key, said, boundary="a") + f'<bpmn:endEvent id="end-{key}"/>' + flow(key, f"end-{key}")
        for key, said in (("t3", "PT3H"), ("t1", "PT1H"), ("t2", "PT2H"), ("t9", "PT90H"))
    )
    room.deploy(small=model(path(task_of("a"), ids=("a",)) + late))
    case = room.start()
    rest(room, case)
    room.beat(hours=10)
    assert fired(room, case) == []
    go_on(room, case)
    room.beat()
    room.beat()
    assert fired(room, case) == ["t1", "t2", "t3"]
    is_sound(room)


def test_a_cycle_that_came_due_many_times_while_a_case_rested_fires_once_and_goes_on_in_step(room):
    late = timer("t", "R/PT1H", kind="timeCycle", boundary="a") + '<bpmn:endEvent id="end"/>' + flow("t", "end")
    room.deploy(small=model(path(task_of("a"), ids=("a",)) + late))
    case, began = room.start(), room.platform.clock()
    rest(room, case)
    room.beat(hours=5, minutes=30)
    go_on(room, case)
    room.beat()
    assert fired(room, case) == ["t"]
    (next_one,) = rows(room, select(job).where(job.c.kind == "timer", job.c.state == "open"))
    assert next_one["due_at"] == began + timedelta(hours=6)
    room.beat(minutes=31)
    assert fired(room, case) == ["t", "t"]
    is_sound(room)


def test_a_message_and_a_timer_that_came_to_a_resting_case_are_both_taken_when_it_goes_on(room):
    fork = '<bpmn:parallelGateway id="fork"/><bpmn:parallelGateway id="join"/>'
    ends = '<bpmn:startEvent id="s" name="s"/><bpmn:endEvent id="e" name="e"/>'
    ways = (("s", "fork"), ("fork", "c"), ("fork", "t"), ("c", "join"), ("t", "join"), ("join", "a"), ("a", "e"))
    body = ends + fork + caught("c", "m") + timer("t", "PT1H") + task_of("a") + "".join(flow(*one) for one in ways)
    room.deploy(small=model(body, roots=message("m", "Go")))
    case = room.start(variables={"key": "k"})
    rest(room, case)
    assert publish(room, "Go") == [case] and publish(room, "Go") == []
    room.beat(hours=2)
    assert rows(room, live(case)) == []
    go_on(room, case)
    room.beat()
    assert [one["element_id"] for one in rows(room, live(case))] == ["a"]
    is_sound(room)


@pytest.mark.parametrize(("left", "every", "hours", "due", "then"), [
    (None, "PT1H", 5.5, "2026-03-02T07:30:00+00:00", None),
    (None, "PT1H", 5, "2026-03-02T07:30:00+00:00", None),      # due this very moment: that has happened too
    (9, "PT1H", 5.5, "2026-03-02T07:30:00+00:00", 3),          # of nine, six have passed
    (6, "PT1H", 5.5, None, None),                              # the last of them has passed with the others
    (None, "P1M", 24 * 70, "2026-06-02T01:30:00+00:00", None),
    (None, "0 0 9 * * *", 24 * 10, "2026-03-13T01:00:00+00:00", None),
    (None, "PT1S", 24 * 400, "2027-04-06T01:30:01+00:00", None),
])  # fmt: skip
def test_a_cycle_goes_on_at_its_first_moment_that_has_not_passed(left, every, hours, due, then):
    found = timers.again({"left": left, "every": every}, MONDAY, MONDAY + timedelta(hours=hours), ZoneInfo("Asia/Shanghai"))
    if due is None:
        assert found is None
    else:
        at, memo = found
        assert (at.isoformat(), memo) == (due, {"left": then, "every": every})


def test_a_case_stands_once_where_it_has_several_tokens(room):
    many = (
        '<bpmn:multiInstanceLoopCharacteristics><bpmn:extensionElements><zeebe:loopCharacteristics inputCollection="=[1, 2, 3]" '
        'inputElement="one"/></bpmn:extensionElements></bpmn:multiInstanceLoopCharacteristics>'
    )
    room.deploy(small=model(path(task_of("vote", more=many), ids=("vote",))))
    room.start()
    room.start()
    with room.platform.read(people.SYSTEM) as work:
        assert cases.standing(work, repository.latest(work, "small")["id"]) == {"vote": 2}
