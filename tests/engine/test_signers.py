"""Added signers (加签) and taking them out again (减签): before and after an approval, and in a running vote."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from engine import cases, notifications, people, repository, runtime, tasks
from engine.errors import Conflict, Invalid, NotAllowed, NotFound
from engine.lint import inspect
from engine.schema import event, instance, job, task
from engine.worker import Worker
from tests.engine.rooms import actor, person, rows
from tests.engine.small import model, path

FORM = {
    "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "pay/decide", "title": "Decide", "type": "object",
    "additionalProperties": False, "required": ["decision", "opinion", "reason"],
    "x-order": ["decision", "opinion", "reason"],
    "properties": {
        "decision": {"type": "string", "title": "Decision", "enum": ["approve", "reject", "abstain"], "x-widget": "radio"},
        "opinion": {"type": "string", "title": "Opinion", "minLength": 2},
        "reason": {"type": "string", "title": "Reason", "minLength": 2},
    },
}  # fmt: skip
YES = {"decision": "approve", "opinion": "It is right.", "reason": "By the rule."}
NO = {"decision": "reject", "opinion": "It is wrong.", "reason": "Against the rule."}
NONE = {"decision": "abstain", "opinion": "No view.", "reason": "Not my field."}


def step(key: str, assign: str, *properties: tuple[str, str], loop: str = "", approval: bool = True) -> str:
    said = (*properties, *([("bizday:approval", "true")] if approval else []))
    listed = "".join(f'<zeebe:property name="{name}" value="{value}"/>' for name, value in said)
    return (
        f'<bpmn:userTask id="{key}" name="{key.title()}"><bpmn:extensionElements><zeebe:userTask/>'
        f'<zeebe:formDefinition formId="pay/decide"/><zeebe:assignmentDefinition {assign}/>'
        f"<zeebe:properties>{listed}</zeebe:properties></bpmn:extensionElements>{loop}</bpmn:userTask>"
    )


APART = ("bizday:separation", "not-starter,not-subject")
#: prepare, decide (an approval), confirm (not by who decided, or signed)
PAY = model(
    path(
        step("prepare", 'assignee="anna"', approval=False),
        step("decide", 'assignee="bert"', APART),
        step("confirm", 'candidateGroups="finance"', ("bizday:separation", "not-previous=decide"),
             ("bizday:addSigner", "none")),
        ids=("prepare", "decide", "confirm"),
    ),
    "pay",
)  # fmt: skip
ASKED = ("bizday:addSigner", "={id: person, weight: 1}")


def vote(how: str, condition: str) -> bytes:
    loop = (
        f'<bpmn:multiInstanceLoopCharacteristics isSequential="{how}"><bpmn:extensionElements><zeebe:loopCharacteristics '
        'inputCollection="=voters" inputElement="voter" outputCollection="votes" '
        'outputElement="={id: voter.id, weight: voter.weight, decision: decision}"/></bpmn:extensionElements>'
        f'<bpmn:completionCondition xsi:type="bpmn:tFormalExpression">={condition}</bpmn:completionCondition>'
        "</bpmn:multiInstanceLoopCharacteristics>"
    )
    return model(
        path(
            step("prepare", 'assignee="anna"', approval=False), step("vote", 'assignee="=voter.id"', APART, ASKED, loop=loop),
            step("after", 'assignee="anna"', approval=False), ids=("prepare", "vote", "after"),
        ),
        "ballot",
    )  # fmt: skip


#: certain as soon as half of the whole weight has approved or can no longer do so
HALF = (
    "{cast: votes[item != null], all: sum(voters.weight), "
    "yes: sum(concatenate([0], cast[item.decision = &quot;approve&quot;].weight)), "
    "no: sum(concatenate([0], cast[item.decision = &quot;reject&quot;].weight)), "
    "said: yes * 2 &gt;= all or no * 2 &gt; all}.said"
)


@pytest.fixture
def room(on_both):
    """anna starts, bert decides, clara, dora, emil and fritz may be asked; fiona is of finance; paula is a partner."""
    for login, *groups in (
        ("anna",), ("bert",), ("clara",), ("dora",), ("emil",), ("fritz",), ("fiona", "finance"), ("ada", "administrators"),
    ):  # fmt: skip
        person(on_both, login, "staff", *groups)
    person(on_both, "paula", "partners", kind="partner", ends_at=on_both.clock.now + timedelta(days=90))
    deploy(on_both, pay=PAY)
    return on_both


def deploy(room, **models: bytes) -> None:
    files = {f"{name}.bpmn": data for name, data in models.items()}
    with room.work(people.SYSTEM) as work:
        repository.deploy(work, files | {"pay/decide.json": json.dumps(FORM).encode()})


def id_of(room, login: str) -> str:
    with room.read(people.SYSTEM) as work:
        return people.by_login(work, login)["id"]


def login_of(room, person_id: str) -> str:
    with room.read(people.SYSTEM) as work:
        return people.get(work, person_id)["login"]


def begin(room, key: str = "pay", **variables) -> str:
    """A case of anna's, prepared, whose approval waits."""
    with room.work(actor(room, "anna")) as work:
        case_id = runtime.start(work, key, variables)["id"]
    complete(room, case_id, "anna", YES)
    return case_id


def mine(room, case_id: str, login: str):
    """The task of the case that waits for her."""
    held = (task.c.root_id == case_id, task.c.state == "claimed", task.c.assignee_id == id_of(room, login))
    (row,) = rows(room, select(task).where(*held))
    return row


def state_of(room, task_id: str) -> str:
    return rows(room, select(task.c.state).where(task.c.id == task_id))[0]["state"]


def waiting(room, case_id: str) -> dict[str, str]:
    """login -> element of what waits for people now."""
    live = select(task).where(task.c.root_id == case_id, task.c.state.in_(("open", "claimed")))
    return {login_of(room, row["assignee_id"]) if row["assignee_id"] else "": row["element_id"] for row in rows(room, live)}


def complete(room, case_id: str, login: str, answers: dict, acting_for: str | None = None) -> None:
    row = mine(room, case_id, acting_for or login)
    with room.work(actor(room, login, acting_for)) as work:
        runtime.complete(work, row["id"], answers)


def add(room, task_id: str, by: str, *to: str, when: str = "before", in_turn: bool = False, reason: str = "I want to be sure."):
    with room.work(actor(room, by)) as work:
        runtime.add_signers(work, task_id, [id_of(room, one) for one in to], reason, when, in_turn)


def remove(room, task_id: str, by: str, *whom: str, reason: str = "Not needed.") -> None:
    with room.work(actor(room, by)) as work:
        runtime.remove_signers(work, task_id, [id_of(room, one) for one in whom], reason)


def answer(room, case_id: str, login: str, agrees: bool = True, reason: str = "I looked.", acting_for: str | None = None):
    row = mine(room, case_id, acting_for or login)
    with room.work(actor(room, login, acting_for)) as work:
        return runtime.answer_signer(work, row["id"], agrees, reason)


def said(room, case_id: str, *types: str) -> list:
    told = select(event).where(event.c.root_id == case_id, event.c.type.in_(types))
    return rows(room, told.order_by(event.c.seq))


def listed(room, task_id: str) -> list[tuple]:
    with room.read(people.SYSTEM) as work:
        found = runtime.signers_of(work, tasks.find(work, task_id))
    return [(login_of(room, one["person_id"]), one["state"], one["outcome"]) for one in found]


def stand_in(room, absent: str, other: str) -> None:
    with room.work(people.SYSTEM) as work:
        people.substitute(work, id_of(room, absent), id_of(room, other), work.now, work.now + timedelta(days=5), None)


def told(room, login: str) -> list[str]:
    notifications.catch_up(room)
    with room.read(actor(room, login)) as work:
        return [row["kind"] for row in reversed(notifications.list_(work).rows)]


# --- before ---------------------------------------------------------------------------------------
def test_who_decides_waits_for_those_whom_she_asked_and_decides_after_them(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara", "dora")
    assert waiting(room, case_id) == {"bert": "decide", "clara": "decide", "dora": "decide"}
    for verb in (lambda work: runtime.complete(work, bert, YES), lambda work: runtime.send_back(work, bert, "prepare", "No.")):
        with pytest.raises(Conflict, match="waits for the signers"), room.work(actor(room, "bert")) as work:
            verb(work)
    answer(room, case_id, "clara")
    with pytest.raises(Conflict, match="waits for the signers"):
        complete(room, case_id, "bert", YES)
    answer(room, case_id, "dora", agrees=False, reason="Too dear.")
    assert listed(room, bert) == [("clara", "completed", "agree"), ("dora", "completed", "disagree")]
    complete(room, case_id, "bert", YES)
    assert waiting(room, case_id) == {"": "confirm"}
    assert [row["reason"] for row in said(room, case_id, "signer.answered")] == ["I looked.", "Too dear."]
    assert told(room, "clara") == ["signer_asked"]
    assert told(room, "bert") == ["task_assigned", "signer_agreed", "signer_disagreed"]


def test_in_turn_each_is_asked_when_the_one_before_her_has_answered(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara", "dora", "emil", in_turn=True)
    for login in ("clara", "dora", "emil"):
        assert waiting(room, case_id) == {"bert": "decide", login: "decide"}
        answer(room, case_id, login)
    assert waiting(room, case_id) == {"bert": "decide"}
    assert told(room, "emil") == ["signer_asked"]


def test_an_added_task_is_due_with_the_approval_and_its_lateness_is_told_above(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")
    add(room, bert["id"], "bert", "clara")
    clara = mine(room, case_id, "clara")
    assert clara["due_at"] == bert["due_at"] is not None
    (limit,) = rows(room, select(job).where(job.c.task_id == clara["id"]))
    assert (limit["due_at"], limit["payload"]) == (bert["due_at"], {"act": "escalate"})
    room.clock.now = bert["due_at"] + timedelta(minutes=1)
    Worker(room, "test").beat()
    assert clara["id"] in {row["task_id"] for row in said(room, case_id, "task.escalated")}


def test_a_request_is_taken_back_but_what_was_answered_stands(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara", "dora", in_turn=True)
    answer(room, case_id, "clara", agrees=False, reason="Too dear.")
    with pytest.raises(Conflict, match="Clara has answered already"):
        remove(room, bert, "bert", "clara")
    with pytest.raises(Conflict, match="never added"):
        remove(room, bert, "bert", "emil")
    remove(room, bert, "bert", "dora")
    assert listed(room, bert) == [("clara", "completed", "disagree"), ("dora", "cancelled", None)]
    complete(room, case_id, "bert", YES)
    assert [row["data"]["persons"] for row in said(room, case_id, "signer.removed")] == [[id_of(room, "dora")]]
    assert told(room, "dora") == ["signer_asked", "signer_removed"]


def test_taking_out_whose_turn_it_is_asks_the_next(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara", "dora", in_turn=True)
    remove(room, bert, "bert", "clara")
    assert waiting(room, case_id) == {"bert": "decide", "dora": "decide"}


# --- after ----------------------------------------------------------------------------------------
def test_a_decision_is_kept_until_all_who_sign_after_her_agree(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara", "dora", when="after")
    assert waiting(room, case_id) == {"bert": "decide"}
    with pytest.raises(Invalid):
        complete(room, case_id, "bert", {"decision": "approve"})
    complete(room, case_id, "bert", YES)
    assert state_of(room, bert) == "signing"
    assert waiting(room, case_id) == {"clara": "decide", "dora": "decide"}
    answer(room, case_id, "dora")
    assert not said(room, case_id, "task.completed")[1:]
    answer(room, case_id, "clara")
    assert waiting(room, case_id) == {"": "confirm"}
    (_, done) = said(room, case_id, "task.completed")
    assert (done["actor_id"], done["task_id"], done["data"]["opinion"]) == (id_of(room, "bert"), bert, "It is right.")
    with room.read(people.SYSTEM) as work:
        assert runtime.load(work, case_id).execution.variables()["completedBy"] == id_of(room, "bert")


def test_the_first_who_does_not_agree_brings_the_decision_back_with_its_answers(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara", "dora", when="after", in_turn=True)
    complete(room, case_id, "bert", YES)
    assert waiting(room, case_id) == {"clara": "decide"}
    answer(room, case_id, "clara", agrees=False, reason="Too dear.")
    row = mine(room, case_id, "bert")
    assert (row["id"], row["draft"], row["outcome"]) == (bert, YES, None)
    assert waiting(room, case_id) == {"bert": "decide"}
    complete(room, case_id, "bert", NO)
    assert waiting(room, case_id) == {"": "confirm"}
    assert [row["data"]["outcome"] for row in said(room, case_id, "task.signed", "task.completed")] == [
        "approve", "approve", "reject",
    ]  # fmt: skip


def test_when_the_last_who_was_to_sign_is_taken_out_the_decision_counts(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara", "dora", when="after")
    complete(room, case_id, "bert", YES)
    answer(room, case_id, "clara")
    remove(room, bert, "bert", "dora")
    assert waiting(room, case_id) == {"": "confirm"}


def test_before_and_after_may_both_be_asked(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara")
    add(room, bert, "bert", "dora", when="after")
    answer(room, case_id, "clara")
    complete(room, case_id, "bert", YES)
    assert waiting(room, case_id) == {"dora": "decide"}
    answer(room, case_id, "dora")
    assert waiting(room, case_id) == {"": "confirm"}


def test_the_last_two_who_sign_at_once_do_not_both_leave_the_case_to_the_other(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara", "dora", when="after")
    complete(room, case_id, "bert", YES)
    clara, dora = mine(room, case_id, "clara")["id"], mine(room, case_id, "dora")["id"]
    met = []

    def second() -> None:
        try:
            answer(room, case_id, "dora")
        except Conflict as why:
            met.append(why)

    other = threading.Thread(target=second)
    with room.work(actor(room, "clara")) as work:
        runtime.answer_signer(work, clara, True, "I looked.")
        other.start()
        other.join(0.5)  # she has begun, and waits for the first to end
    other.join(20)
    if met:  # on PostgreSQL she is told to look again, and does
        assert state_of(room, dora) == "claimed"
        answer(room, case_id, "dora")
    assert waiting(room, case_id) == {"": "confirm"}


# --- who may, and who may not -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("to", "kind", "why"),
    [
        ("anna", NotAllowed, "started the case"), ("bert", NotAllowed, "two voices"), ("paula", Invalid, "no employee"),
        ("emil", NotAllowed, "about that person"),
    ],
)  # fmt: skip
def test_nobody_is_added_who_is_kept_apart_or_has_a_voice(room, to, kind, why):
    case_id = begin(room, subject=id_of(room, "emil"))
    with pytest.raises(kind, match=why):
        add(room, mine(room, case_id, "bert")["id"], "bert", "clara", to)
    assert waiting(room, case_id) == {"bert": "decide"}


def test_nobody_is_added_twice_nor_after_she_answered(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara")
    with pytest.raises(NotAllowed, match="two voices"):
        add(room, bert, "bert", "clara")
    answer(room, case_id, "clara")
    with pytest.raises(NotAllowed, match="two voices"):
        add(room, bert, "bert", "clara", when="after")


def test_a_reason_a_person_and_a_known_way_are_needed(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    for more in ({"reason": " "}, {"when": "next"}):
        with pytest.raises(Invalid):
            add(room, bert, "bert", "clara", **more)
    with pytest.raises(Invalid, match="who is to sign"):
        add(room, bert, "bert")
    with pytest.raises(NotFound), room.work(actor(room, "bert")) as work:
        runtime.add_signers(work, bert, ["nobody"], "Why not.", "before")
    add(room, bert, "bert", "clara")
    with pytest.raises(Invalid, match="say why"):
        answer(room, case_id, "clara", reason=" ")


def test_only_the_holder_adds_and_takes_out_and_only_the_signer_answers(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    with pytest.raises(NotAllowed, match="Only who holds"):
        add(room, bert, "anna", "clara")
    add(room, bert, "bert", "clara")
    clara = mine(room, case_id, "clara")["id"]
    with pytest.raises(NotAllowed, match="Nobody asked you"), room.work(actor(room, "bert")) as work:
        runtime.answer_signer(work, clara, True, "I do it for her.")
    with pytest.raises(Conflict, match="agree or disagree"):
        add(room, clara, "clara", "dora")
    for verb in (
        lambda work: runtime.complete(work, clara, {}), lambda work: tasks.delegate(work, clara, id_of(room, "dora"), "You."),
        lambda work: runtime.send_back(work, clara, "prepare", "No."), lambda work: tasks.release(work, clara),
    ):  # fmt: skip
        with pytest.raises(Conflict, match="agree or disagree"), room.work(actor(room, "clara")) as work:
            verb(work)


def test_who_is_no_approver_or_whose_model_forbids_it_adds_nobody_and_is_told_why(room):
    with room.work(actor(room, "anna")) as work:
        case_id = runtime.start(work, "pay", {})["id"]
    with pytest.raises(Conflict, match="is no approval"):
        add(room, mine(room, case_id, "anna")["id"], "anna", "clara")
    complete(room, case_id, "anna", YES)
    complete(room, case_id, "bert", YES)
    (row,) = rows(room, select(task).where(task.c.root_id == case_id, task.c.state == "open"))
    with room.work(actor(room, "fiona")) as work:
        tasks.claim(work, row["id"])
    with pytest.raises(Conflict, match="allows no added signers"):
        add(room, row["id"], "fiona", "clara")


def test_who_signed_does_not_make_the_second_decision(room):
    with room.work(people.SYSTEM) as work:
        people.join(work, id_of(room, "clara"), "finance")
    case_id = begin(room)
    add(room, mine(room, case_id, "bert")["id"], "bert", "clara")
    answer(room, case_id, "clara")
    complete(room, case_id, "bert", YES)
    (row,) = rows(room, select(task).where(task.c.root_id == case_id, task.c.state == "open"))
    with pytest.raises(NotAllowed, match="decided in this case before"), room.work(actor(room, "clara")) as work:
        tasks.claim(work, row["id"])


def test_a_substitute_signs_for_her_but_nobody_signs_what_she_asked_for_herself(room):
    case_id = begin(room)
    add(room, mine(room, case_id, "bert")["id"], "bert", "clara", "dora")
    stand_in(room, "clara", "bert")
    stand_in(room, "dora", "fritz")
    with pytest.raises(NotAllowed, match="asked others to sign"):
        answer(room, case_id, "bert", acting_for="clara")
    answer(room, case_id, "fritz", acting_for="dora")
    (row,) = said(room, case_id, "signer.answered")
    assert (row["actor_id"], row["for_id"]) == (id_of(room, "fritz"), id_of(room, "dora"))


def test_whoever_signed_as_a_substitute_does_not_decide_for_the_holder_too(room):
    case_id = begin(room)
    add(room, mine(room, case_id, "bert")["id"], "bert", "clara")
    stand_in(room, "clara", "fritz")
    stand_in(room, "bert", "fritz")
    answer(room, case_id, "fritz", acting_for="clara")
    with pytest.raises(NotAllowed, match="already decided at this level"):
        complete(room, case_id, "fritz", YES, acting_for="bert")


def test_an_added_signature_may_be_passed_on_but_not_to_somebody_with_a_voice(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara", "dora")
    clara = mine(room, case_id, "clara")["id"]
    for other in ("bert", "dora", "anna"):
        with pytest.raises(NotAllowed), room.work(actor(room, "clara")) as work:
            tasks.transfer(work, clara, id_of(room, other), "You know better.")
    with room.work(actor(room, "clara")) as work:
        tasks.transfer(work, clara, id_of(room, "emil"), "He knows better.")
    answer(room, case_id, "emil")
    with pytest.raises(NotAllowed, match="two voices"), room.work(actor(room, "bert")) as work:
        tasks.transfer(work, bert, id_of(room, "dora"), "You decide.")


def test_a_second_round_of_the_same_step_begins_with_fresh_voices(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara")
    answer(room, case_id, "clara", agrees=False)
    with room.work(actor(room, "bert")) as work:
        runtime.send_back(work, bert, "prepare", "Prepare it better.")
    complete(room, case_id, "anna", YES)
    again = mine(room, case_id, "bert")["id"]
    add(room, again, "bert", "clara", when="after")
    complete(room, case_id, "bert", YES)
    answer(room, case_id, "clara")
    assert waiting(room, case_id) == {"": "confirm"}


# --- what ends or rests it ----------------------------------------------------------------------------
@pytest.mark.parametrize("when", ["before", "after"])
def test_whatever_ends_the_approval_ends_the_added_tasks(room, when):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara", "dora", when=when, in_turn=True)
    if when == "after":
        complete(room, case_id, "bert", YES)
    with room.work(actor(room, "anna")) as work:
        runtime.withdraw(work, case_id, "Not needed.")
    states = rows(room, select(task.c.state).where(task.c.root_id == case_id, task.c.element_id == "decide"))
    assert [row["state"] for row in states] == ["cancelled"] * 3


def test_returning_the_approval_drops_those_who_were_to_sign_after_it(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara", when="after")
    with room.work(actor(room, "bert")) as work:
        runtime.send_back(work, bert, "prepare", "Prepare it better.")
    assert waiting(room, case_id) == {"anna": "prepare"}
    assert listed(room, bert) == [("clara", "cancelled", None)]


def test_a_suspended_case_takes_no_signers_and_no_answers(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara")
    with room.work(actor(room, "ada")) as work:
        runtime.suspend(work, case_id, "An inquiry.")
    for verb in (
        lambda: add(room, bert, "bert", "dora"), lambda: remove(room, bert, "bert", "clara"),
        lambda: answer(room, case_id, "clara"),
    ):  # fmt: skip
        with pytest.raises(Conflict, match="suspended"):
            verb()


def test_when_time_has_run_out_policy_decides_without_the_signers(room):
    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara")
    with room.work(people.SYSTEM) as work:
        runtime.complete(work, bert, NO)
    assert waiting(room, case_id) == {"": "confirm"}


def test_the_log_of_it_is_whole_and_the_timeline_tells_it(room):
    from engine import history

    case_id = begin(room)
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "clara", when="after")
    complete(room, case_id, "bert", YES)
    answer(room, case_id, "clara")
    with room.read(actor(room, "clara")) as work:
        assert not history.verify(work, case_id).faults
        types = [row["type"] for row in cases.timeline(work, case_id)]
    assert [one for one in types if one.startswith("signer")] == ["signer.added", "signer.answered"]
    assert "task.signed" in types


# --- in a vote --------------------------------------------------------------------------------------
def begin_vote(room, how: str, *voters: str, condition: str = HALF, **weights) -> str:
    deploy(room, ballot=vote("true" if how == "turn" else "false", condition))
    return begin(room, "ballot", voters=[{"id": id_of(room, one), "weight": weights.get(one, 1)} for one in voters])


def numbers(room, case_id: str) -> tuple:
    """The collection's length and the counters of the running vote: instances, active, completed, terminated."""
    with room.read(people.SYSTEM) as work:
        run = runtime.load(work, case_id).execution
        token = next(iter(run.waits))
        seen = run.visible(token)
    names = ("numberOfInstances", "numberOfActiveInstances", "numberOfCompletedInstances", "numberOfTerminatedInstances")
    return (len(seen["voters"]), len(seen["votes"]), *(seen[name] for name in names))


def votes(room, case_id: str) -> list:
    with room.read(people.SYSTEM) as work:
        found = runtime.load(work, case_id).execution.variables()["votes"]
    return [(login_of(room, one["id"]), one["decision"]) if one else None for one in found]


def forget(room) -> None:
    """What is in memory is lost: the next step reads rows."""
    assert room.cache.pop("store") is not None


@pytest.mark.parametrize("loaded", [False, True], ids=["in memory", "read again"])
def test_an_added_voter_counts_in_the_running_vote(room, loaded):
    case_id = begin_vote(room, "together", "bert", "clara")
    add(room, mine(room, case_id, "bert")["id"], "bert", "dora", "emil", when="too")
    if loaded:
        forget(room)
    assert waiting(room, case_id) == dict.fromkeys(("bert", "clara", "dora", "emil"), "vote")
    assert numbers(room, case_id) == (4, 4, 4, 4, 0, 0)
    complete(room, case_id, "bert", YES)  # of two it would have been half
    assert waiting(room, case_id) == dict.fromkeys(("clara", "dora", "emil"), "vote")
    complete(room, case_id, "dora", YES)
    assert waiting(room, case_id) == {"anna": "after"}
    assert votes(room, case_id) == [("bert", "approve"), None, ("dora", "approve"), None]


@pytest.mark.parametrize("loaded", [False, True], ids=["in memory", "read again"])
def test_a_voter_who_was_added_and_has_not_voted_is_taken_out_and_places_close_up(room, loaded):
    case_id = begin_vote(room, "together", "bert", "clara", "fritz")
    add(room, mine(room, case_id, "bert")["id"], "bert", "dora", "emil", when="too")
    complete(room, case_id, "emil", NO)
    if loaded:
        forget(room)
    remove(room, mine(room, case_id, "bert")["id"], "bert", "dora")
    assert numbers(room, case_id) == (4, 4, 4, 3, 1, 0)
    if loaded:
        forget(room)
    complete(room, case_id, "bert", NO)
    complete(room, case_id, "clara", NO)
    assert waiting(room, case_id) == {"anna": "after"}
    assert votes(room, case_id) == [("bert", "reject"), ("clara", "reject"), None, ("emil", "reject")]


def test_taking_a_voter_out_asks_again_whether_what_was_said_is_enough(room):
    case_id = begin_vote(room, "together", "bert", "clara", bert=2)
    clara = mine(room, case_id, "clara")["id"]
    add(room, clara, "clara", "dora", "emil", when="too")
    add(room, clara, "clara", "fritz", when="too")
    complete(room, case_id, "bert", YES)  # 2 of 6
    assert "clara" in waiting(room, case_id)
    remove(room, clara, "clara", "dora", "emil")  # 2 of 4
    assert waiting(room, case_id) == {"anna": "after"}
    assert votes(room, case_id)[0] == ("bert", "approve")


def test_a_vote_of_shares_with_a_reject_does_not_end_for_an_added_voter_too_early(room):
    case_id = begin_vote(room, "together", "bert", "clara", "dora")
    add(room, mine(room, case_id, "clara")["id"], "clara", "emil", when="too")
    complete(room, case_id, "bert", NO)
    complete(room, case_id, "dora", NO)  # of three it would be lost; of four it is not yet
    assert waiting(room, case_id) == dict.fromkeys(("clara", "emil"), "vote")
    complete(room, case_id, "emil", YES)
    complete(room, case_id, "clara", YES)
    assert waiting(room, case_id) == {"anna": "after"}


@pytest.mark.parametrize("loaded", [False, True], ids=["in memory", "read again"])
@pytest.mark.parametrize(("when", "order"), [("next", ("dora", "emil", "clara")), ("last", ("clara", "dora", "emil"))])
def test_in_turn_added_voters_come_next_or_last(room, when, order, loaded):
    case_id = begin_vote(room, "turn", "bert", "clara", condition="false")
    add(room, mine(room, case_id, "bert")["id"], "bert", "dora", "emil", when=when)
    assert numbers(room, case_id) == (4, 4, 4, 1, 0, 0)
    for login in ("bert", *order):
        if loaded:
            forget(room)
        assert waiting(room, case_id) == {login: "vote"}
        complete(room, case_id, login, YES)
    assert waiting(room, case_id) == {"anna": "after"}
    assert votes(room, case_id) == [(one, "approve") for one in ("bert", *order)]


@pytest.mark.parametrize("loaded", [False, True], ids=["in memory", "read again"])
def test_in_turn_a_voter_is_taken_out_before_and_during_her_turn(room, loaded):
    case_id = begin_vote(room, "turn", "bert", "clara", condition="false")
    add(room, mine(room, case_id, "bert")["id"], "bert", "dora", "emil", when="next")
    remove(room, mine(room, case_id, "bert")["id"], "bert", "emil")
    assert numbers(room, case_id) == (3, 3, 3, 1, 0, 0)
    complete(room, case_id, "bert", YES)
    if loaded:
        forget(room)
    dora = mine(room, case_id, "dora")
    remove(room, dora["id"], "ada", "dora")
    assert state_of(room, dora["id"]) == "cancelled"
    assert waiting(room, case_id) == {"clara": "vote"}
    assert numbers(room, case_id) == (2, 2, 2, 1, 1, 0)
    complete(room, case_id, "clara", NO)
    assert votes(room, case_id) == [("bert", "approve"), ("clara", "reject")]


def test_in_turn_the_vote_ends_when_the_last_one_is_taken_out(room):
    case_id = begin_vote(room, "turn", "bert", condition="false")
    add(room, mine(room, case_id, "bert")["id"], "bert", "dora", when="last")
    complete(room, case_id, "bert", YES)
    remove(room, mine(room, case_id, "dora")["id"], "ada", "dora")
    assert waiting(room, case_id) == {"anna": "after"}
    assert votes(room, case_id) == [("bert", "approve")]


def test_nobody_is_added_who_votes_already_has_voted_or_is_still_to_come(room):
    case_id = begin_vote(room, "turn", "bert", "clara", "dora", condition="false")
    complete(room, case_id, "bert", YES)
    clara = mine(room, case_id, "clara")["id"]
    for login in ("bert", "clara", "dora"):
        with pytest.raises(NotAllowed, match="two voices"):
            add(room, clara, "clara", login, when="last")
    with pytest.raises(NotAllowed, match="started the case"):
        add(room, clara, "clara", "anna", when="last")
    with pytest.raises(Invalid, match="comes last, next"):
        add(room, clara, "clara", "emil", when="before")


def test_an_added_voter_is_taken_out_by_who_added_her_and_a_voter_of_the_model_by_nobody(room):
    case_id = begin_vote(room, "together", "bert", "clara", "fritz", condition="false")
    add(room, mine(room, case_id, "bert")["id"], "bert", "dora", when="too")
    clara = mine(room, case_id, "clara")["id"]
    for login in ("dora", "fritz"):
        with pytest.raises(Conflict, match="never added by you"):
            remove(room, clara, "clara", login)
    complete(room, case_id, "dora", YES)
    with pytest.raises(Conflict, match="answered already"):
        remove(room, mine(room, case_id, "bert")["id"], "bert", "dora")


def test_where_voters_were_added_nobody_votes_twice_as_a_substitute(room):
    case_id = begin_vote(room, "together", "bert", "clara", condition="false")
    add(room, mine(room, case_id, "bert")["id"], "bert", "dora", when="too")
    stand_in(room, "dora", "clara")
    complete(room, case_id, "clara", YES)
    with pytest.raises(NotAllowed, match="already decided at this level"):
        complete(room, case_id, "clara", YES, acting_for="dora")


def test_a_case_that_returns_into_a_vote_asks_the_added_voter_again(room):
    case_id = begin_vote(room, "together", "bert", "clara", condition="false")
    add(room, mine(room, case_id, "bert")["id"], "bert", "dora", when="too")
    for login in ("bert", "clara", "dora"):
        complete(room, case_id, login, YES)
    with room.work(actor(room, "anna")) as work:
        runtime.send_back(work, mine_id(work, case_id), "vote", "Once more.")
    assert waiting(room, case_id) == dict.fromkeys(("bert", "clara", "dora"), "vote")
    assert numbers(room, case_id) == (3, 3, 3, 3, 0, 0)
    add(room, mine(room, case_id, "clara")["id"], "clara", "emil", when="too")
    for login in ("bert", "clara", "dora", "emil"):
        complete(room, case_id, login, NO)
    assert votes(room, case_id) == [(one, "reject") for one in ("bert", "clara", "dora", "emil")]


def mine_id(work, case_id: str) -> str:
    return tasks.next_for(work, case_id)


def test_a_vote_goes_back_to_an_earlier_step_and_its_added_voters_with_it(room):
    case_id = begin_vote(room, "turn", "bert", "clara", condition="false")
    bert = mine(room, case_id, "bert")["id"]
    add(room, bert, "bert", "dora", when="next")
    with room.work(actor(room, "bert")) as work:
        runtime.send_back(work, bert, "prepare", "Prepare it better.")
    assert waiting(room, case_id) == {"anna": "prepare"}
    complete(room, case_id, "anna", YES)
    for login in ("bert", "dora", "clara"):
        complete(room, case_id, login, YES)
    assert rows(room, select(instance.c.state).where(instance.c.id == case_id))[0]["state"] == "active"
    assert waiting(room, case_id) == {"anna": "after"}


def test_a_vote_whose_model_says_nothing_of_added_voters_takes_none(room):
    data = vote("false", "false").replace(b'<zeebe:property name="bizday:addSigner" value="={id: person, weight: 1}"/>', b"")
    deploy(room, ballot=data)
    case_id = begin(room, "ballot", voters=[{"id": id_of(room, "bert"), "weight": 1}])
    with pytest.raises(Conflict, match="does not say what an added voter"):
        add(room, mine(room, case_id, "bert")["id"], "bert", "clara", when="too")


def found(data: bytes) -> dict[str, str]:
    return {problem.rule: str(problem) for problem in inspect(data).problems}


def test_lint_knows_where_voters_can_be_added():
    good = vote("false", "false")
    assert "task.add-signer" not in found(good)
    assert "no vote" in found(PAY.replace(b'value="none"', b'value="={id: person}"'))["task.add-signer"]
    assert "one variable" in found(good.replace(b'"=voters"', b'"=voters[weight &gt; 0]"'))["task.add-signer"]
    near = good.replace(b"voter.", b"persona.").replace(b'"voter"', b'"persona"')
    assert "'person'" not in problems(near)
    assert "'person'" in problems(near.replace(b"id: persona.id", b"id: person.id"))  # given to the property alone
    assert "'vote'" in problems(good.replace(b"weight: 1}", b"weight: vote}"))


def problems(data: bytes) -> str:
    return " ".join(str(one) for one in inspect(data).problems)
