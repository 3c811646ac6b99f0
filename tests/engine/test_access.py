"""Who may see, claim and decide: by herself, as a substitute, for somebody else, and never twice in one case."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from engine import access, people, repository, runtime, tasks
from engine.errors import Conflict, Misconfigured, NotAllowed, NotFound
from engine.schema import instance, task
from tests.engine.rooms import actor, person, rows

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="https://bizday.example/test">"""


def human(element: str, group: str, separation: str) -> str:
    return f"""
  <bpmn:userTask id="{element}" name="{element.title()}"><bpmn:extensionElements>
    <zeebe:userTask /><zeebe:assignmentDefinition candidateGroups="{group}" />
    <zeebe:properties><zeebe:property name="bizday:separation" value="{separation}" /></zeebe:properties>
  </bpmn:extensionElements></bpmn:userTask>"""


def model(key: str, *steps: str, ids: tuple[str, ...]) -> bytes:
    """A process of human steps one after the other."""
    nodes = ("begin", *ids, "end")
    flows = "".join(
        f'<bpmn:sequenceFlow id="f{n}" sourceRef="{one}" targetRef="{two}" />'
        for n, (one, two) in enumerate(pairwise(nodes))
    )
    return f"""{HEAD}<bpmn:process id="{key}" name="{key}" isExecutable="true">
      <bpmn:startEvent id="begin" name="Begin" />{"".join(steps)}<bpmn:endEvent id="end" name="End" />{flows}
    </bpmn:process></bpmn:definitions>""".encode()


#: two decisions by finance: neither by the starter, the second not by who made the first
FOUR_EYES = model(
    "four_eyes",
    human("first", "finance", "not-starter"),
    human("second", "finance", "not-starter,not-previous=first"),
    ids=("first", "second"),
)
ABOUT = model("about", human("judge", "finance", "not-subject"), ids=("judge",))
OTHER = model("other", human("look", "finance", ""), ids=("look",))


@pytest.fixture
def room(platform):
    """anna works in sales under bert; fiona, frank and fritz decide in finance; paula is a partner."""
    with platform.work(people.SYSTEM) as work:
        people.add_department(work, "sales", "Sales")
        people.add_department(work, "office", "Office")
    made = {
        login: person(platform, login, "staff", *groups, department_key=department)
        for login, department, groups in (
            ("anna", "sales", ()), ("bert", "sales", ()), ("clara", "sales", ()), ("fiona", "office", ("finance",)),
            ("frank", "office", ("finance",)), ("fritz", "office", ("finance",)), ("uwe", "office", ("auditors",)),
            ("ada", "office", ("administrators",)),
        )
    }  # fmt: skip
    person(platform, "paula", "partners", kind="partner", ends_at=platform.clock.now + timedelta(days=90))
    with platform.work(people.SYSTEM) as work:
        people.change_department(work, "sales", head_id=made["bert"])
        repository.deploy(work, {"four_eyes.bpmn": FOUR_EYES, "about.bpmn": ABOUT, "other.bpmn": OTHER})
    return platform


def start(room, login: str = "anna", key: str = "four_eyes", acting_for: str | None = None, **answers) -> str:
    with room.work(actor(room, login, acting_for)) as work:
        return runtime.start(work, key, answers)["id"]


def open_task(room, case_id: str):
    waiting = select(task).where(task.c.root_id == case_id, task.c.state.in_(("open", "claimed")))
    return rows(room, waiting)[0]


def stand_in(room, absent: str, other: str, process_key: str | None = None) -> None:
    with room.work(people.SYSTEM) as work:
        people.substitute(
            work, people.resolve(work, absent), people.resolve(work, other), work.now,
            work.now + timedelta(days=5), process_key,
        )  # fmt: skip


def claim(room, task_id: str, login: str, acting_for: str | None = None) -> None:
    with room.work(actor(room, login, acting_for)) as work:
        tasks.claim(work, task_id)


def decide(room, case_id: str, login: str, acting_for: str | None = None) -> None:
    with room.work(actor(room, login, acting_for)) as work:
        runtime.complete(work, open_task(room, case_id)["id"], {})


def refused(room, case_id: str, login: str, acting_for: str | None = None) -> str:
    """The sentence with which she is kept from both claiming and completing what waits."""
    task_id = open_task(room, case_id)["id"]
    said = set()
    for verb in (lambda work: tasks.claim(work, task_id), lambda work: runtime.complete(work, task_id, {})):
        with pytest.raises((NotAllowed, NotFound)) as caught, room.work(actor(room, login, acting_for)) as work:
            verb(work)
        said.add(str(caught.value))
    assert len(said) == 1
    return said.pop()


def sees(room, case_id: str, login: str, acting_for: str | None = None) -> bool:
    """By the rule and by the list, which may never disagree."""
    with room.read(actor(room, login, acting_for)) as work:
        row = work.one(select(instance).where(instance.c.id == case_id))
        by_rule = access.may(work, "see", row, "instance")
        listed = select(instance.c.id).where(instance.c.id == case_id, access.visible_instances(work))
        assert by_rule == (work.execute(listed).first() is not None)
        waiting = select(task).where(task.c.root_id == case_id)
        for one in work.all(waiting):
            by_list = work.execute(select(task.c.id).where(task.c.id == one["id"], access.visible_tasks(work)))
            assert access.may(work, "see", one, "task") == (by_list.first() is not None) == by_rule
    return by_rule


# --- seeing -------------------------------------------------------------------------------------
def test_a_case_is_seen_by_who_has_to_do_with_it_and_nobody_else(room):
    case_id = start(room)
    seen = {login for login in ("anna", "bert", "clara", "fiona", "frank", "uwe", "ada", "paula")
            if sees(room, case_id, login)}  # fmt: skip
    assert seen == {"anna", "bert", "fiona", "frank", "uwe", "ada"}


def test_who_might_have_done_it_sees_it_only_while_it_waits_for_her(room):
    case_id = start(room)
    claim(room, open_task(room, case_id)["id"], "fiona")
    decide(room, case_id, "fiona")
    claim(room, open_task(room, case_id)["id"], "frank")
    decide(room, case_id, "frank")
    assert sees(room, case_id, "fiona") and sees(room, case_id, "frank")
    assert not sees(room, case_id, "fritz")


def test_somebody_elses_task_is_not_there_for_who_may_not_see_it(room):
    task_id = open_task(room, start(room))["id"]
    for login in ("clara", "paula"):
        with pytest.raises(NotFound), room.read(actor(room, login)) as work:
            tasks.get(work, task_id)
        with pytest.raises(NotFound), room.work(actor(room, login)) as work:
            tasks.claim(work, task_id)


def test_a_substitute_sees_the_cases_of_the_absent_and_for_one_process_only_those(room):
    case_id, other = start(room), start(room, key="other")
    stand_in(room, "bert", "clara", "other")
    assert sees(room, other, "clara", "bert")
    assert not sees(room, case_id, "clara", "bert")
    stand_in(room, "bert", "clara")
    assert sees(room, case_id, "clara", "bert")
    assert not sees(room, case_id, "clara")


def test_who_loses_the_role_loses_the_sight_of_what_waited_for_it(room):
    case_id = start(room)
    with room.work(people.SYSTEM) as work:
        people.leave(work, people.resolve(work, "frank"), "finance")
    assert not sees(room, case_id, "frank")


# --- claiming and completing --------------------------------------------------------------------
def test_only_who_is_asked_may_claim(room):
    case_id = start(room)
    assert "may claim" in refused_to_claim(room, case_id, "bert")
    assert "may claim" in refused_to_claim(room, case_id, "ada")
    claim(room, open_task(room, case_id)["id"], "fiona")
    with pytest.raises(Conflict, match="already claimed"):
        claim(room, open_task(room, case_id)["id"], "frank")


def refused_to_claim(room, case_id: str, login: str) -> str:
    with pytest.raises(NotAllowed) as caught:
        claim(room, open_task(room, case_id)["id"], login)
    return str(caught.value)


def test_what_somebody_holds_is_nobody_elses_to_complete(room):
    case_id = start(room)
    claim(room, open_task(room, case_id)["id"], "fiona")
    with pytest.raises(NotAllowed, match="not yours"):
        decide(room, case_id, "frank")


# --- separation of duties -----------------------------------------------------------------------
def test_nobody_decides_on_her_own_request_whatever_her_role(room):
    assert "own request" in refused(room, start(room, "fiona"), "fiona")


def test_nobody_decides_on_her_own_request_through_a_substitute(room):
    """Frank might decide for himself, but not in the name of who started it."""
    case_id = start(room, "fiona")
    stand_in(room, "fiona", "frank")
    assert "own request" in refused(room, case_id, "frank", "fiona")
    claim(room, open_task(room, case_id)["id"], "frank")


def test_nobody_decides_on_her_own_request_as_somebody_elses_substitute(room):
    case_id = start(room, "fiona")
    stand_in(room, "frank", "fiona")
    assert "own request" in refused(room, case_id, "fiona", "frank")


def test_who_started_it_in_anothers_name_is_kept_from_it_as_well(room):
    stand_in(room, "fiona", "frank")
    case_id = start(room, "frank", acting_for="fiona")
    assert rows(room, select(instance.c.started_by))[0]["started_by"] == actor(room, "fiona").id
    assert "own request" in refused(room, case_id, "frank")
    assert "own request" in refused(room, case_id, "fiona")
    claim(room, open_task(room, case_id)["id"], "fritz")


def test_the_second_decision_is_somebody_elses(room):
    case_id = start(room)
    decide(room, case_id, "fiona")
    assert "before" in refused(room, case_id, "fiona")
    decide(room, case_id, "frank")
    assert rows(room, select(instance.c.state))[0]["state"] == "completed"


def test_the_second_decision_is_not_made_in_the_name_of_who_made_the_first(room):
    case_id = start(room)
    decide(room, case_id, "fiona")
    stand_in(room, "fiona", "frank")
    assert "before" in refused(room, case_id, "frank", "fiona")


def test_who_made_the_first_for_somebody_makes_the_second_neither_for_herself_nor_for_another(room):
    stand_in(room, "fiona", "frank")
    stand_in(room, "fritz", "frank")
    case_id = start(room)
    decide(room, case_id, "frank", "fiona")
    for acting_for in (None, "fiona", "fritz"):
        assert "before" in refused(room, case_id, "frank", acting_for)
    assert "before" in refused(room, case_id, "fiona")
    decide(room, case_id, "fritz")


def test_who_worked_on_it_as_a_delegate_is_no_second_pair_of_eyes(room):
    case_id = start(room)
    task_id = open_task(room, case_id)["id"]
    claim(room, task_id, "fiona")
    with room.work(actor(room, "fiona")) as work:
        tasks.delegate(work, task_id, people.resolve(work, "frank"), "Please check the figures.")
    with room.work(actor(room, "frank")) as work:
        tasks.hand_back(work, task_id, "They fit.")
    decide(room, case_id, "fiona")
    assert "before" in refused(room, case_id, "frank")
    assert "before" in refused(room, case_id, "fiona")
    decide(room, case_id, "fritz")


def test_a_task_is_not_passed_on_to_who_is_kept_from_it(room):
    case_id = start(room, "fiona")
    task_id = open_task(room, case_id)["id"]
    claim(room, task_id, "frank")
    me = actor(room, "frank")
    for verb in (tasks.transfer, tasks.delegate):
        with pytest.raises(NotAllowed, match="started the case"), room.work(me) as work:
            verb(work, task_id, people.resolve(work, "fiona"), "You know it best.")


def test_passing_on_to_an_outsider_does_not_open_the_first_decider_a_way_back(room):
    case_id = start(room)
    decide(room, case_id, "fiona")
    task_id = open_task(room, case_id)["id"]
    claim(room, task_id, "frank")
    with pytest.raises(NotAllowed, match="decided in this case before"), room.work(actor(room, "frank")) as work:
        tasks.transfer(work, task_id, people.resolve(work, "fiona"), "You know it best.")
    with room.work(actor(room, "frank")) as work:
        tasks.transfer(work, task_id, people.resolve(work, "fritz"), "I am away.")
    decide(room, case_id, "fritz")


def test_an_administrator_passes_tasks_on_but_not_to_who_is_kept_from_them(room):
    case_id = start(room, "fiona")
    task_id = open_task(room, case_id)["id"]
    with room.work(actor(room, "ada")) as work:
        with pytest.raises(NotAllowed):
            tasks.transfer(work, task_id, people.resolve(work, "fiona"), "Take it.")
        tasks.transfer(work, task_id, people.resolve(work, "frank"), "Take it.")
    decide(room, case_id, "frank")


def test_nobody_judges_about_herself(room):
    with room.read(people.SYSTEM) as work:
        frank = people.resolve(work, "frank")
    case_id = start(room, key="about", subject=frank)
    stand_in(room, "frank", "fritz")
    assert "about you" in refused(room, case_id, "frank")
    assert "about you" in refused(room, case_id, "fritz", "frank")
    decide(room, case_id, "fiona")


def test_a_subject_may_be_several(room):
    with room.read(people.SYSTEM) as work:
        about = [people.resolve(work, login) for login in ("frank", "fritz")]
    case_id = start(room, key="about", subject=about)
    refused(room, case_id, "frank")
    refused(room, case_id, "fritz")
    decide(room, case_id, "fiona")


# --- substitutes --------------------------------------------------------------------------------
def test_a_substitute_claims_in_the_name_of_the_absent(room):
    case_id = start(room)
    stand_in(room, "fiona", "clara")
    claim(room, open_task(room, case_id)["id"], "clara", "fiona")
    row = open_task(room, case_id)
    assert row["assignee_id"] == actor(room, "fiona").id
    decide(room, case_id, "clara", "fiona")
    done = rows(room, select(task).where(task.c.element_id == "first"))[0]
    assert (done["closed_by"], done["closed_for"]) == (actor(room, "clara").id, actor(room, "fiona").id)


def test_a_substitute_for_another_process_does_nothing_in_this_one(room):
    case_id = start(room)
    stand_in(room, "fiona", "clara", "other")
    with pytest.raises((NotAllowed, NotFound)):
        claim(room, open_task(room, case_id)["id"], "clara", "fiona")


def test_a_substitute_does_not_take_over_the_rights_of_the_absent_to_administer(room):
    case_id = start(room)
    stand_in(room, "ada", "clara")
    with pytest.raises((NotAllowed, NotFound)), room.work(actor(room, "clara", "ada")) as work:
        runtime.cancel(work, case_id, "It is no longer needed.")


# --- cases --------------------------------------------------------------------------------------
def test_only_the_starter_withdraws_and_only_a_role_ends_cases_of_others(room):
    case_id = start(room)
    for login, verb in (("bert", runtime.withdraw), ("fiona", runtime.cancel), ("anna", runtime.cancel)):
        with pytest.raises(NotAllowed), room.work(actor(room, login)) as work:
            verb(work, case_id, "It is no longer needed.")
    with room.work(actor(room, "anna")) as work:
        runtime.withdraw(work, case_id, "It is no longer needed.")
    assert rows(room, select(instance.c.outcome))[0]["outcome"] == "withdrawn"


def test_a_partner_starts_nothing_that_policy_does_not_name(room):
    with pytest.raises(NotAllowed):
        start(room, "paula")


# --- the rules themselves -----------------------------------------------------------------------
def test_a_verb_without_a_rule_is_a_mistake_of_ours_and_not_a_yes(room):
    with room.read(actor(room, "anna")) as work, pytest.raises(LookupError):
        access.may(work, "juggle", {"form_digest": None})


def test_every_sentence_of_the_rules_is_one_for_a_person(room):
    for conditions, sentence in access.RULES.values():
        assert conditions
        assert sentence.endswith(".") and sentence[0].isupper()


def test_a_word_of_separation_that_nobody_knows_stops_the_task_and_not_the_rule(room):
    """Lint refuses it at deployment; one that came in otherwise must not let everybody through."""
    case_id = start(room)
    with room.read(people.SYSTEM) as work:
        row = tasks.find(work, open_task(room, case_id)["id"])

    element = SimpleNamespace(properties={access.SEPARATION: "not-anybody"})
    room.lend("element", lambda work, definition_id, element_id: element)
    with pytest.raises(Misconfigured, match="not-anybody"), room.read(actor(room, "fiona")) as work:
        access.require(work, "claim", "task", row)


def test_classified_fields_are_read_by_who_is_cleared_for_them(room):
    assert access.cleared(actor(room, "uwe"), "confidential")
    assert not access.cleared(actor(room, "anna"), "confidential")
    assert access.cleared(actor(room, "anna"), None)
    assert not access.cleared(actor(room, "paula"), "internal")
    assert access.cleared(people.SYSTEM, "secret")
