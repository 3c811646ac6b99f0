"""Every kind of element as BPMN 2.0 (chapter 13) and Camunda 8's rules for variables say that it runs.

Each model stands inline beside what is asserted of it. `Case` saves and loads the instance after every
step, so each test holds for a running and for a stored instance. The first part keeps what SpiffWorkflow
3.2.0 gets wrong without saying so, one test or more for each; the others go through the standard's kinds.
"""

from __future__ import annotations

import builtins
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from engine import bpmn, dmn, feel
from engine.errors import Conflict, Invalid, NotFound
from tests.models.case import MONDAY, SHANGHAI, Case, World, process_of, refusals
from tests.models.xml import (
    CANCEL,
    TERMINATE,
    association,
    boundary,
    call,
    catch,
    compensation,
    conditional,
    element,
    end,
    error,
    escalation,
    event_sub,
    exclusive,
    expression,
    flow,
    inclusive,
    inputs,
    link,
    loop,
    message,
    model,
    multi,
    outputs,
    parallel,
    path,
    race,
    receive,
    rule,
    script,
    send,
    service,
    signal,
    start,
    sub,
    task,
    throw,
    timer,
    user,
)  # fmt: skip


def line(*parts: str, ids: tuple[str, ...]) -> bytes:
    """A model with start and end whose elements stand in a row."""
    return model(start(), *parts, end(), path("start", *ids, "end"))


def around(*inner: str, ids: tuple[str, ...], prefix: str = "in") -> tuple[str, ...]:
    """What stands inside a sub-process: a start, elements in a row, an end."""
    return start(f"{prefix}_start"), *inner, end(f"{prefix}_end"), path(f"{prefix}_start", *ids, f"{prefix}_end")


# === what SpiffWorkflow 3.2.0 gets wrong silently ===================================================
def test_1_a_loop_of_1500_passes_ends_where_it_should():
    case = Case(model(
        start(), script("count", "n + 1", "n"), task("pause"), exclusive("again", default="out"), end(),
        path("start", "count", "pause", "again"), flow("again", "count", "n < 1500"), flow("again", "end", id="out"),
    ), {"n": 0}, limits=bpmn.Limits(steps=100_000))  # fmt: skip
    assert case.completed and case.variables == {"n": 1500} and case.times("pause") == 1500


FORK_AND_JOIN = model(
    start(), parallel("fork"), user("a"), user("b"), parallel("join"), user("after"), end(),
    path("start", "fork", "a", "join", "after", "end"), path("fork", "b", "join"),
)  # fmt: skip


def test_1_whether_an_instance_is_completed_is_known_from_its_tokens():
    case = Case(line(user("a"), ids=("a",)))
    assert not case.run.is_completed()
    assert case.do("a").run.is_completed()


def test_2_at_a_parallel_join_no_branch_loses_what_the_other_wrote():
    case = Case(FORK_AND_JOIN, {"x": 0}).do("a", x=1, y=1).do("b", z=2)
    assert case.variables == {"x": 1, "y": 1, "z": 2} and case.waiting == ["after"]


def test_3_lists_are_replaced_and_never_merged():
    case = Case(FORK_AND_JOIN, {"list": [9, 8]}).do("a", list=[1]).do("b")
    assert case.variables["list"] == [1]


def test_3_lists_in_a_standard_loop_are_replaced():
    case = Case(
        line(script("take", "if list[1] = 9 then [8] else []", "list", loop("list[1] = 8")), ids=("take",)), {"list": [9, 8]}
    )
    assert case.completed and case.variables["list"] == []


TWO_SUBS = model(
    start(), parallel("fork"),
    sub("one", *around(user("u1"), ids=("u1",), prefix="one")),
    sub("two", start("two_start"), user("u2"), end("bad", error("E")), path("two_start", "u2", "bad")),
    boundary("one_failed", "one", error("E")), boundary("two_failed", "two", error("E")),
    user("mend_one"), user("mend_two"),
    path("start", "fork", "one"), path("fork", "two"), path("one_failed", "mend_one"), path("two_failed", "mend_two"),
)  # fmt: skip


def test_4_an_error_is_caught_by_its_own_sub_process_and_not_by_a_sibling():
    case = Case(TWO_SUBS).do("u2")
    assert case.waiting == ["mend_two", "u1"]


def test_4_an_error_that_nothing_catches_is_an_incident_and_no_success():
    case = Case(model(start(), end("bad", error("E")), path("start", "bad")))
    assert not case.completed and case.incidents == ["bad"] and case.wait("bad").error_code == "E"


def test_5_a_link_leads_on():
    case = Case(model(
        start(), throw("leave", link("L")), catch("arrive", link("L")), user("a"), end(),
        path("start", "leave"), path("arrive", "a", "end"),
    ))  # fmt: skip
    assert case.waiting == ["a"] and case.done == ["start", "leave", "arrive"]


def test_5_two_throws_may_lead_to_one_link_and_each_token_arrives():
    case = Case(model(
        start(), parallel("fork"), throw("t1", link("L")), throw("t2", link("L")), catch("arrive", link("L")),
        task("a"), end(), path("start", "fork", "t1"), path("fork", "t2"), path("arrive", "a", "end"),
    ))  # fmt: skip
    assert case.completed and case.times("a") == 2


def test_6_a_signal_end_event_throws_and_is_heard_in_the_instance_too():
    case = Case(model(
        start(), parallel("fork"), user("a"), end("sent", signal("S")), catch("heard", signal("S")), end(),
        path("start", "fork", "a", "sent"), path("fork", "heard", "end"),
    )).do("a")  # fmt: skip
    assert [(one.kind, one.name) for one in case.thrown] == [("signal", "S")] and case.completed
    assert "heard" in case.done


@pytest.mark.parametrize("trigger", [message("M"), signal("S")], ids=["message", "signal"])
def test_7_a_non_interrupting_boundary_happens_as_often_as_it_is_triggered(trigger):
    case = Case(model(
        start(), user("a"), boundary("note", "a", trigger, interrupting=False), user("noted"), end(),
        path("start", "a", "end"), path("note", "noted"),
    ))  # fmt: skip
    case.fire("note").fire("note").fire("note")
    assert case.waiting == ["a", "noted", "noted", "noted"] and case.listening == ["note"]
    case.do("a")
    assert case.listening == [] and not case.completed


def test_8_an_event_sub_process_that_does_not_interrupt_runs_beside_the_process_each_time():
    case = Case(model(*around(user("a"), ids=("a",), prefix="p"), event_sub(
        "extra", start("asked", message("M"), interrupting=False), user("answer"), end("answered"),
        path("asked", "answer", "answered"),
    ))).fire("asked", who="Bert").fire("asked")  # fmt: skip
    assert case.waiting == ["a", "answer", "answer"]
    case.do("a").do("answer").do("answer")
    assert case.completed and case.variables == {"who": "Bert"}


def test_8_an_event_sub_process_that_interrupts_ends_all_else_of_its_scope():
    case = Case(model(*around(user("a"), ids=("a",), prefix="p"), event_sub(
        "instead", start("stop", message("M")), user("b"), end("stopped"), path("stop", "b", "stopped"),
    ))).fire("stop")  # fmt: skip
    assert case.waiting == ["b"] and case.listening == []
    assert case.do("b").completed


@pytest.mark.parametrize("trigger", [error("E"), escalation("X")], ids=["error", "escalation"])
def test_8_an_event_sub_process_for_errors_does_not_start_with_its_process(trigger):
    case = Case(model(*around(user("a"), ids=("a",), prefix="p"), event_sub(
        "mend", start("caught", trigger), user("b"), end("mended"), path("caught", "b", "mended"))))  # fmt: skip
    assert case.waiting == ["a"]
    assert case.do("a").completed and "caught" not in case.done


def test_8_a_timer_that_would_start_an_event_sub_process_does_not_keep_the_instance_alive():
    case = Case(model(*around(user("a"), ids=("a",), prefix="p"), event_sub(
        "late", start("remind", timer("PT1H"), interrupting=False), user("b"), end("e"), path("remind", "b", "e"))))  # fmt: skip
    assert case.listening == ["remind"] and case.do("a").completed


def test_8_nested_event_sub_processes_catch_what_happens_in_their_scope():
    inner = event_sub("inner", start("inner_on", error("E")), user("inner_mend"), end("ie"),
                      path("inner_on", "inner_mend", "ie"))  # fmt: skip
    outer = event_sub("outer", start("outer_on", error("E")), user("outer_mend"), end("oe"),
                      path("outer_on", "outer_mend", "oe"))  # fmt: skip
    case = Case(model(start(), sub("s", *around(service("a"), ids=("a",)), inner), end(), path("start", "s", "end"), outer))
    case.fail("a", "E")
    assert case.waiting == ["inner_mend"]
    case.fail("inner_mend", "E")
    assert case.waiting == ["outer_mend"], "an event sub-process never catches what it throws itself"
    case.fail("outer_mend", "E")
    assert case.incidents == ["outer_mend"]


def test_8_an_event_sub_process_inside_an_event_sub_process_listens_while_that_runs():
    nested = event_sub("nested", start("again", message("M2")), user("c"), end("ne"), path("again", "c", "ne"))
    case = Case(model(*around(user("a"), ids=("a",), prefix="p"), event_sub(
        "first", start("once", message("M1")), user("b"), end("fe"), path("once", "b", "fe"), nested)))  # fmt: skip
    assert case.listening == ["once"]
    assert case.fire("once").listening == ["again"]
    case.fire("again")
    assert case.waiting == ["c"] and case.do("c").completed


def test_8_a_conditional_event_sub_process_starts_when_its_condition_becomes_true():
    case = Case(model(*around(user("a"), user("b"), ids=("a", "b"), prefix="p"), event_sub(
        "watch", start("seen", conditional("amount > 100"), interrupting=False), user("look"), end("we"),
        path("seen", "look", "we"),
    )), {"amount": 1})  # fmt: skip
    assert case.do("a", amount=500).waiting == ["b", "look"]
    assert case.set(amount=600).waiting == ["b", "look"], "it was true already"
    assert case.set(amount=1).set(amount=200).waiting == ["b", "look", "look"]


def test_9_timers_behind_one_event_based_gateway_have_their_own_moments():
    case = Case(model(
        start(), race("g"), catch("soon", timer("PT1H")), catch("late", timer("P1D")), end(),
        path("start", "g", "soon", "end"), path("g", "late", "end"),
    ))  # fmt: skip
    assert case.wait("soon").due == MONDAY + timedelta(hours=1) and case.wait("late").due == MONDAY + timedelta(days=1)
    assert case.fire("late").completed and "soon" not in case.done


DIAGRAM = """<bpmndi:BPMNDiagram xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"
 xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"><bpmndi:BPMNPlane bpmnElement="p">
 <bpmndi:BPMNShape bpmnElement="a"><dc:Bounds x="0" y="900" width="1" height="1"/></bpmndi:BPMNShape>
 <bpmndi:BPMNShape bpmnElement="b"><dc:Bounds x="0" y="1" width="1" height="1"/></bpmndi:BPMNShape>
 </bpmndi:BPMNPlane></bpmndi:BPMNDiagram>"""


def test_10_an_exclusive_gateway_asks_in_the_order_of_the_document_and_not_of_the_drawing():
    data = model(
        start(), exclusive("x"), user("a"), user("b"), path("start", "x"), flow("x", "a", "n > 1"), flow("x", "b", "n > 0")
    )
    case = Case(data.replace(b"</definitions>", DIAGRAM.encode() + b"</definitions>"), {"n": 5})
    assert case.waiting == ["a"]


ONE_CONDITION = model(start(), task("t"), user("a"), path("start", "t"), flow("t", "a", "go"))


def test_11_a_condition_on_the_only_flow_of_a_task_is_asked():
    assert Case(ONE_CONDITION, {"go": True}).waiting == ["a"]
    case = Case(ONE_CONDITION, {"go": False})
    assert case.incidents == ["t"] and "t_to_a" not in case.flows


SPLIT = model(
    start(), user("t", default="else"), user("a"), user("b"), user("c"), user("d"), path("start", "t", "a"),
    flow("t", "b", "n > 1"), flow("t", "c", "n > 2"), flow("t", "d", id="else"),
)  # fmt: skip


@pytest.mark.parametrize(("n", "reached"), [(0, ["a", "d"]), (2, ["a", "b"]), (3, ["a", "b", "c"])])
def test_11_a_task_with_several_flows_takes_each_whose_condition_is_true_and_else_its_default(n, reached):
    assert Case(SPLIT).do("t", n=n).waiting == reached


def test_12_a_cycle_of_a_timer_start_runs_once_in_each_instance():
    process = process_of(model(start("daily", timer("R3/P1D", "Cycle")), task("a"), end(), path("daily", "a", "end")))
    assert [(one.kind, one.timer) for one in process.starts] == [("timer", "cycle")] and not process.startable
    case = Case(process, at="daily")
    assert case.completed and case.times("a") == 1


def test_12_the_moments_of_a_timer_start_are_counted_from_when_they_were_due():
    process = process_of(model(start("daily", timer("R3/P1D", "Cycle")), end(), path("daily", "end")))
    due, memo = bpmn.first_start(process.starts[0], MONDAY, SHANGHAI)
    moments = [due]
    while (following := bpmn.next_start(memo, moments[-1], moments[-1], SHANGHAI))[0] is not None:
        moments.append(following[0])
        memo = following[1]
    assert moments == [MONDAY + timedelta(days=n) for n in (1, 2, 3)]


def forks(count: int) -> bytes:
    """`count` forks in a row, both flows of each going to the next."""
    parts, last = [start()], "start"
    for n in range(count):
        parts += [parallel(f"fork{n}"), exclusive(f"meet{n}"), flow(last, f"fork{n}")]
        parts += [flow(f"fork{n}", f"meet{n}", id=f"way{n}{side}") for side in "ab"]
        last = f"meet{n}"
    return model(*parts, end(), flow(last, "end"))


@pytest.mark.parametrize("count", [1, 3, 6])
def test_13_forks_in_a_row_double_the_tokens_each_time(count):
    assert Case(forks(count)).times("end") == 2**count


def test_13_twenty_forks_in_a_row_are_more_than_an_instance_may_have():
    with pytest.raises(bpmn.LimitExceeded):
        Case(forks(20))


def test_14_a_multi_instance_activity_has_its_counters():
    seen = ('{"i": loopCounter, "all": numberOfInstances, "active": numberOfActiveInstances, '
            '"done": numberOfCompletedInstances, "gone": numberOfTerminatedInstances}')  # fmt: skip
    case = Case(line(user("a", multi(count="3"), outputs(seen=f"append(if seen = null then [] else seen, {seen})")), ids=("a",)))
    case.do("a").do("a").do("a")
    assert case.completed
    assert case.variables["seen"] == [
        {"i": 1, "all": 3, "active": 3, "done": 0, "gone": 0}, {"i": 2, "all": 3, "active": 2, "done": 1, "gone": 0},
        {"i": 3, "all": 3, "active": 1, "done": 2, "gone": 0},
    ]  # fmt: skip


def test_14_results_may_be_collected_from_a_number_of_times_too():
    case = Case(
        line(script("a", "loopCounter * 10", "r", multi(count="3", results="all", result="r"), inputs(r="0")), ids=("a",))
    )
    assert case.variables == {"all": [10, 20, 30]}


def test_14_enough_is_enough():
    case = Case(line(user("a", multi("people", "who", until="numberOfCompletedInstances >= 2", results="votes", result="vote"),
                          inputs(vote="null")), ids=("a",)), {"people": ["x", "y", "z"]})  # fmt: skip
    first, second, third = case.at("a")
    case.do_token(third, vote="yes")
    assert not case.completed
    case.do_token(first, vote="no")
    assert case.completed and case.variables["votes"] == ["no", None, "yes"]
    assert [one.element_id for one in case.trail if one.type == "element.cancelled"] == ["a"]
    assert second not in case.waits


def ad_hoc(*inner: str, **attributes) -> bytes:
    return model(start(), element("adHocSubProcess", "s", *inner, **attributes), user("after"), end(),
                 path("start", "s", "after", "end"))  # fmt: skip


def test_15_in_an_ad_hoc_sub_process_a_person_picks_what_comes_and_how_often():
    case = Case(ad_hoc(user("a"), user("b")))
    assert case.wait("s").choices == (("a", "a"), ("b", "b"))
    case.do("s", activities=["a"]).do("s", activities=["a", "b"])
    assert case.waiting == ["a", "a", "b", "s"]
    case.do("a").do("a").do("b")
    assert case.waiting == ["s"]
    assert case.do("s", done=True).waiting == ["after"]


def test_15_a_sequential_ad_hoc_sub_process_offers_one_thing_at_a_time():
    case = Case(ad_hoc(user("a"), user("b"), ordering="Sequential")).do("s", activities=["a"])
    assert case.waiting == ["a"]
    assert case.do("a").waiting == ["s"]


@pytest.mark.parametrize(("cancel", "left"), [("true", ["after"]), ("false", ["b"])])
def test_15_an_ad_hoc_sub_process_cancels_what_remains_or_waits_for_it(cancel, left):
    case = Case(ad_hoc(user("a"), user("b"), expression("completionCondition", "enough = true"), cancelRemainingInstances=cancel))
    case.do("s", activities=["a", "b"]).do("a", enough=True)
    assert [one for one in case.waiting if one != "s"] == left
    if left == ["b"]:
        assert case.do("b").waiting == ["after"]


def test_15_the_completion_condition_is_asked_after_each_activity_and_not_only_at_the_end_of_a_way():
    case = Case(ad_hoc(user("a"), user("b"), path("a", "b"), expression("completionCondition", "enough = true")))
    case.do("s", activities=["a"]).do("a", enough=True)
    assert case.waiting == ["after"]


def test_15_what_was_picked_is_done_before_the_completion_condition_is_asked():
    case = Case(ad_hoc(user("a"), user("b"), expression("completionCondition", "enough = true")), {"enough": True})
    case.do("s", activities=["a"])
    assert "a" in case.waiting and case.do("a").waiting == ["after"]


def test_15_once_the_completion_condition_was_true_nothing_more_is_begun():
    inner = (user("a"), user("b"), expression("completionCondition", "enough = true"))
    case = Case(ad_hoc(*inner, cancelRemainingInstances="false"))
    case.do("s", activities=["a", "b"]).do("a", enough=True)
    assert case.waiting == ["b"]
    assert case.do("b", enough=False).waiting == ["after"]


def test_15_an_ad_hoc_sub_process_may_be_begun_by_an_expression():
    case = Case(
        ad_hoc('<zeebe:adHoc activeElementsCollection="=wanted"/>', user("a"), user("b"), user("c")), {"wanted": ["a", "c"]}
    )
    assert case.waiting == ["a", "c"]
    assert case.do("a").do("c").waiting == ["after"]


def test_15_an_expression_that_picks_what_is_not_there_is_an_incident():
    case = Case(ad_hoc('<zeebe:adHoc activeElementsCollection="=wanted"/>', user("a")), {"wanted": ["nothing"]})
    assert case.incidents == ["s"]


def test_15_an_ad_hoc_sub_process_may_be_done_for_each_item_and_be_ended_by_a_boundary():
    case = Case(
        model(
            start(),
            element("adHocSubProcess", "s", user("a"), multi("[1, 2]", "n")),
            boundary("late", "s", timer("PT1H")),
            user("after"),
            end(),
            path("start", "s", "end"),
            path("late", "after", "end"),
        )
    )
    first, second = case.at("s")
    case.do_token(first, activities=["a"]).do_token(second, activities=["a"])
    assert [case.run.visible(token)["n"] for token in case.at("a")] == [1, 2] and case.waiting == ["a", "a", "s", "s"]
    case.fire("late")
    assert case.waiting == ["after"] and len(case.run.state().scopes) == 1


def test_16_variables_are_plain_json_and_no_key_means_anything():
    odd = {"typename": "datetime", "1": 1, "__proto__": {"x": None}, "list": [1.5, "a", {"typename": "Decimal"}]}
    case = Case(line(user("a"), user("b"), ids=("a", "b"))).do("a", odd=odd)
    assert case.variables == {"odd": odd} and case.do("b").completed


def test_16_dates_and_numbers_of_expressions_become_json():
    case = Case(line(script("a", '{"d": date("2026-03-02"), "n": 10 / 4, "s": duration("P1D")}', "x"), ids=("a",)))
    assert case.variables["x"] == {"d": "2026-03-02", "n": 2.5, "s": "P1D"}


def test_17_rows_may_come_back_in_any_order():
    process = process_of(
        model(
            start(),
            sub("s", *around(user("a", multi(count="3")), ids=("a",))),
            boundary("b", "s", timer("PT1H")),
            end(),
            path("start", "s", "end"),
            path("b", "end"),
        )
    )
    run = bpmn.start(process, World(), {})
    run.advance()
    state = run.state()
    turned = bpmn.State(state.next_token, state.tokens[::-1], state.scopes[::-1])
    again = bpmn.load(process, turned, World())
    assert again.waits.keys() == run.waits.keys() and again.state() == state


def test_18_returning_to_a_branch_before_a_join_gives_the_join_what_the_other_branch_had_brought():
    case = Case(FORK_AND_JOIN).do("a", x=1).do("b", y=2)
    case.verb("send_back", "after", "a")
    assert case.waiting == ["a"]
    case.do("a", x=3)
    assert case.waiting == ["after"] and case.variables == {"x": 3, "y": 2}
    assert case.do("after").completed


def test_18_returning_from_one_branch_leaves_the_other_alone():
    case = Case(model(
        start(), parallel("fork"), user("a1"), user("a2"), user("b"), parallel("join"), end(),
        path("start", "fork", "a1", "a2", "join", "end"), path("fork", "b", "join"),
    )).do("a1").do("b").verb("send_back", "a2", "a1")  # fmt: skip
    assert case.waiting == ["a1"]
    assert case.do("a1").do("a2").completed


def test_18_returning_before_the_fork_takes_every_branch_back():
    case = Case(model(
        start(), user("first"), parallel("fork"), user("a"), user("b"), parallel("join"), user("last"), end(),
        path("start", "first", "fork", "a", "join", "last", "end"), path("fork", "b", "join"),
    )).do("first").do("a").verb("send_back", "b", "first")  # fmt: skip
    assert case.waiting == ["first"]
    case.do("first").do("a").do("b")
    assert case.waiting == ["last"] and case.do("last").completed


def test_19_moving_to_another_version_keeps_the_moment_of_a_timer_and_what_was_filled_in():
    old = process_of(
        model(start(), user("a"), boundary("late", "a", timer("PT1H")), end(), path("start", "a", "end"), path("late", "end"))
    )
    new = process_of(
        model(
            start(),
            user("a"),
            boundary("late", "a", timer("PT9H")),
            user("b"),
            end(),
            path("start", "a", "b", "end"),
            path("late", "end"),
        )
    )
    case = Case(old, {"x": 1})
    case.world.now += timedelta(minutes=30)
    moved = bpmn.migration.migrate(case.run.state(), old, new, case.world, {})
    due = {one.element_id: one.due for one in moved.waits.values()}
    assert due == {"a": None, "late": MONDAY + timedelta(hours=1)} and moved.variables() == {"x": 1}
    assert moved.waits.keys() == case.waits.keys(), "a task keeps its token, and with it its draft"


def redrawn(data: bytes) -> bpmn.Process:
    """The same drawing with other ids for all flows."""
    return process_of(data.replace(b"_to_", b"_leads_to_"))


RACE = model(
    start(),
    race("g"),
    catch("m", message("M")),
    catch("t", timer("PT1H")),
    user("a"),
    path("start", "g", "m", "a"),
    path("g", "t", "a"),
)


def test_19_moving_to_another_version_in_which_flows_were_redrawn_keeps_the_arms_of_a_gateway():
    case = Case(RACE)
    moved = bpmn.migration.migrate(case.run.state(), case.process, redrawn(RACE), case.world, {})
    assert moved.fire(case.at("m")[0], {})
    moved.advance()
    assert [one.element_id for one in moved.waits.values()] == ["a"]


def test_19_moving_to_another_version_keeps_what_a_complex_gateway_still_expects():
    case = Case(COMPLEX, {"n": 2}).do("a").do("c")
    moved = bpmn.migration.migrate(case.run.state(), case.process, redrawn(COMPLEX), case.world, {})
    moved.complete(case.at("b")[0], {})
    moved.advance()
    assert [one.element_id for one in moved.waits.values()] == ["d"]


def test_19_a_version_that_lacks_the_flow_on_which_a_complex_gateway_still_expects_a_token_is_refused():
    case = Case(COMPLEX, {"n": 2}).do("a").do("c")
    new = process_of(COMPLEX.replace(b'sourceRef="b" targetRef="j"', b'sourceRef="b" targetRef="d"'))
    assert [one.rule for one in bpmn.migration.check(case.run.state(), case.process, new, {})] == ["migration.flow"]


def test_19_moving_to_another_version_in_the_midst_of_undoing():
    old = line(undoable("a"), undoable("b"), throw("back", compensation()), user("c"), ids=("a", "b", "back", "c"))
    new = process_of(old.replace(b"una", b"put_a_back"))
    case = Case(old).do("a").do("b")
    moved = bpmn.migration.migrate(case.run.state(), case.process, new, case.world, {"una": "put_a_back"})
    moved.complete(case.at("unb")[0], {})
    moved.advance()
    assert [one.element_id for one in moved.waits.values()] == ["put_a_back"]


def test_20_a_conditional_event_sees_the_variables_of_its_scope():
    inner = catch("enough", conditional("total > limit"))
    case = Case(line(sub("s", *around(inner, ids=("enough",)), inputs(limit="10")), ids=("s",)), {"total": 1, "limit": 0})
    assert case.waiting == ["enough"]
    assert case.set(total=5).waiting == ["enough"], "the limit of the sub-process hides the one around it"
    assert case.set(total=11).completed


def test_20_a_condition_that_is_true_already_is_not_waited_for():
    assert Case(line(catch("c", conditional("true")), ids=("c",))).completed


def test_21_whatever_waits_is_named_with_its_element_and_its_token():
    case = Case(
        model(
            start(),
            race("g"),
            catch("m", message("M", "=key")),
            catch("s", signal("S")),
            end(),
            path("start", "g", "m", "end"),
            path("g", "s", "end"),
            event_sub("es", start("on", message("N", '="fixed"')), end("ee"), path("on", "ee")),
        ),
        {"key": 7},
    )
    told = {one.element_id: (one.kind, one.message_name or one.signal_name, one.correlation_key) for one in case.waits.values()}
    assert told == {"m": ("message", "M", "7"), "s": ("signal", "S", None), "on": ("message", "N", "fixed")}


def test_22_a_business_rule_task_keeps_the_answer_of_its_decision():
    world = World({"fee": lambda variables: {"amount": variables["n"] * 2}})
    case = Case(line(rule("r", "fee", "fee"), ids=("r",)), {"n": 4}, world=world)
    assert case.completed and case.variables["fee"] == {"amount": 8}
    assert [one.data["decision"] for one in case.trail if one.type == "decision.made"] == ["fee"]


def test_22_a_decision_that_is_not_there_is_an_incident():
    def missing(variables):
        raise NotFound("There is no decision '%(key)s'.", key="fee")

    case = Case(line(rule("r", "fee", "fee"), ids=("r",)), world=World({"fee": missing}))
    assert case.incidents == ["r"] and case.wait("r").sentence == "There is no decision 'fee'."


def test_23_a_service_task_waits_until_its_work_is_done():
    case = Case(line(service("s", inputs(a="n + 1"), outputs(result="answer * 2")), ids=("s",)), {"n": 1})
    assert case.wait("s").kind == "service" and case.wait("s").service_type == "work" and case.wait("s").variables == {"a": 2}
    case.do("s", answer=21, noise=1)
    assert case.variables == {"n": 1, "result": 42}


def test_24_who_does_a_task_until_when_is_read_from_camundas_older_attributes_too():
    head = 'xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"'
    data = line(user("a"), ids=("a",)).replace(b'<userTask id="a">', (
        b'<userTask id="a" camunda:assignee="${who}" camunda:candidateGroups="x, y" camunda:dueDate="2026-03-03T09:00:00Z" '
        b'camunda:priority="5" camunda:formKey="f">'))  # fmt: skip
    assert head.encode() in data
    wait = Case(data, {"who": "bert"}).wait("a")
    assert (wait.assignee, wait.candidate_groups, wait.priority, wait.form_key) == ("bert", ("x", "y"), 5, "f")
    assert wait.due == datetime(2026, 3, 3, 9, tzinfo=UTC)


def test_24_who_does_a_task_until_when_is_read_from_zeebe_elements():
    case = Case(line(user(
        "a", '<zeebe:assignmentDefinition assignee="=who" candidateGroups="=[&quot;x&quot;, &quot;y&quot;]" candidateUsers="u"/>',
        '<zeebe:taskSchedule dueDate="=now() + duration(&quot;P1D&quot;)" followUpDate="2026-03-02T12:00:00+08:00"/>',
        '<zeebe:priorityDefinition priority="=2 + 3"/>', '<zeebe:formDefinition formId="f"/>',
    ), ids=("a",)), {"who": "bert"})  # fmt: skip
    wait = case.wait("a")
    assert (wait.assignee, wait.candidate_groups, wait.candidate_users, wait.priority) == ("bert", ("x", "y"), ("u",), 5)
    assert wait.due == MONDAY + timedelta(days=1) and wait.follow_up == datetime(2026, 3, 2, 4, tzinfo=UTC)


TIMERS = [
    ("PT5M", "Duration", MONDAY + timedelta(minutes=5)),
    ('="PT5M"', "Duration", MONDAY + timedelta(minutes=5)),
    ("P1W", "Duration", MONDAY + timedelta(weeks=1)),
    ("PT0S", "Duration", MONDAY),
    ("PT1.5S", "Duration", MONDAY + timedelta(seconds=1.5)),
    ('=duration("P1DT2H")', "Duration", MONDAY + timedelta(days=1, hours=2)),
    ('=duration("P1M")', "Duration", datetime(2026, 4, 2, 1, 30, tzinfo=UTC)),
    ("2026-03-05T08:00:00Z", "Date", datetime(2026, 3, 5, 8, tzinfo=UTC)),
    ("2026-03-05T08:00:00", "Date", datetime(2026, 3, 5, 0, tzinfo=UTC)),
    ("2026-03-05", "Date", datetime(2026, 3, 4, 16, tzinfo=UTC)),
    ('=date("2026-03-05")', "Date", datetime(2026, 3, 4, 16, tzinfo=UTC)),
    ('=date and time("2026-03-05T08:00:00")', "Date", datetime(2026, 3, 5, 0, tzinfo=UTC)),
    ('=date and time("2026-03-05T08:00:00Z")', "Date", datetime(2026, 3, 5, 8, tzinfo=UTC)),
    ('=date and time("2026-03-05T08:00:00@Europe/Berlin")', "Date", datetime(2026, 3, 5, 7, tzinfo=UTC)),
    ('=now() + duration("PT1H")', "Date", MONDAY + timedelta(hours=1)),
    ("=kept", "Date", datetime(2026, 3, 5, 7, tzinfo=UTC)),
    ("R3/PT1H", "Cycle", MONDAY + timedelta(hours=1)),
    ("R/PT1H", "Cycle", MONDAY + timedelta(hours=1)),
    ("R2/2026-03-05T08:00:00Z/P1D", "Cycle", datetime(2026, 3, 5, 8, tzinfo=UTC)),
    ("0 0 9 * * MON-FRI", "Cycle", datetime(2026, 3, 3, 1, tzinfo=UTC)),
    ("0 0 10 2 3 *", "Cycle", datetime(2026, 3, 2, 2, tzinfo=UTC)),
]


@pytest.mark.parametrize(("said", "kind", "due"), TIMERS, ids=[one[0] for one in TIMERS])
def test_25_a_timer_is_due_at_the_moment_that_it_says(said, kind, due):
    case = Case(line(catch("c", timer(said, kind)), ids=("c",)), {"kept": "2026-03-05T08:00:00@Europe/Berlin"})
    assert case.wait("c").kind == "timer" and case.wait("c").due == due


NO_TIMERS = [
    ("P", "Duration"), ("-PT1S", "Duration"), ("P99999999999Y", "Duration"), ("PT", "Duration"), ("P9999Y", "Duration"),
    ("five minutes", "Duration"), ("", "Duration"), ("2026-02-30T00:00:00Z", "Date"), ("tomorrow", "Date"),
    ("R3", "Cycle"), ("R3/PT0S", "Cycle"), ("0 0 0 30 2 *", "Cycle"), ("* * *", "Cycle"),
    ("__import__('os').system('true')", "Duration"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "kind"), NO_TIMERS)
def test_25_what_is_no_timer_is_refused_when_the_model_is_read(said, kind):
    found = refusals(line(catch("c", timer(said, kind)), ids=("c",)))
    assert {where for where, _ in found} == {"c"}


@pytest.mark.parametrize("value", [None, "", "P", "-PT1S", 5, {"a": 1}, "PT", "P99999999999Y", [], True])
def test_25_an_expression_that_gives_no_timer_is_an_incident(value):
    case = Case(line(catch("c", timer("=said")), ids=("c",)), {"said": value})
    assert case.incidents == ["c"]
    assert case.set(said="PT1H").verb("retry", "c").wait("c").due == MONDAY + timedelta(hours=1)


# === hangs and crashes ==============================================================================
def test_two_thousand_elements_in_a_row_are_read_and_run():
    ids = tuple(f"t{n}" for n in range(2000))
    case = Case(line(*(task(id) for id in ids), ids=ids))
    assert case.completed and case.done == ["start", *ids, "end"]


def test_a_flow_from_a_task_to_itself_is_a_loop():
    case = Case(
        model(start(), user("a", default="out"), end(), path("start", "a"), flow("a", "a", "again"), flow("a", "end", id="out"))
    )
    assert case.do("a", again=True).do("a", again=True).waiting == ["a"]
    assert case.do("a", again=False).completed


def test_an_endless_loop_ends_at_its_limit_and_names_an_element():
    data = model(start(), task("a"), task("b"), path("start", "a", "b", "a"))
    with pytest.raises(bpmn.LimitExceeded) as limit:
        Case(data)
    assert limit.value.element_id in ("a", "b")


def test_a_loop_that_forks_ends_at_its_limit():
    data = model(start(), exclusive("m"), parallel("fork"), task("a"), path("start", "m", "fork", "a", "m"), flow("fork", "m"))
    with pytest.raises(bpmn.LimitExceeded):
        Case(data)


@pytest.mark.parametrize("how", [
    multi(count="1000000000"), multi(count="1000000000", sequential=True), multi("for i in 1..5001 return i"),
], ids=["parallel", "sequential", "list"])  # fmt: skip
def test_a_billion_times_is_refused_before_the_first(how):
    with pytest.raises(bpmn.LimitExceeded) as limit:
        Case(line(task("a", how), ids=("a",)))
    assert limit.value.element_id == "a"


@pytest.mark.parametrize("count", ["-1", "1.5", '"3"', "null", "true"])
def test_a_number_of_times_that_is_none_is_an_incident(count):
    assert Case(line(task("a", multi(count=count)), ids=("a",))).incidents == ["a"]


@pytest.mark.parametrize("many", ["null", '"abc"', "{}"])
def test_a_collection_that_is_none_is_an_incident(many):
    assert Case(line(task("a", multi(many, "x")), ids=("a",))).incidents == ["a"]


def nested(depth: int) -> bytes:
    inside = "".join(around(user("u"), ids=("u",), prefix="u"))
    for n in range(depth):
        inside = "".join(around(sub(f"s{n}", inside), ids=(f"s{n}",), prefix=f"o{n}"))
    return model(inside)


def test_forty_sub_processes_inside_each_other_run():
    case = Case(nested(40))
    assert case.waiting == ["u"] and case.do("u").completed


def test_sub_processes_nested_too_deeply_end_at_the_limit():
    with pytest.raises(bpmn.LimitExceeded):
        Case(nested(60))


def test_a_loop_that_never_ends_in_a_standard_loop_ends_at_the_limit():
    with pytest.raises(bpmn.LimitExceeded):
        Case(line(task("a", loop("true")), ids=("a",)))


def test_a_text_that_doubles_for_ever_uses_up_the_budget_of_an_expression():
    case = Case(model(start(), exclusive("m"), script("a", "s + s", "s"), path("start", "m", "a", "m")), {"s": "x" * 1000})
    assert case.incidents == ["a"] and len(case.variables["s"]) <= 1_000_000


def test_a_limit_met_by_a_verb_is_told_by_the_next_advance():
    process = process_of(line(user("a"), task("b", multi(count="n")), ids=("a", "b")))
    run = bpmn.start(process, World(), {"n": 10})
    run.advance()
    run.complete(next(iter(run.waits)), {"big": "x" * 2_000_000})
    with pytest.raises(bpmn.LimitExceeded):
        run.advance()


def test_a_data_object_that_is_missing_or_levels_up_does_not_hang_the_reader():
    reference = '<dataObjectReference id="ref" dataObjectRef="nowhere"/>'
    inner = sub(
        "s2", *around(user("a", '<dataInputAssociation id="in"><sourceRef>far</sourceRef></dataInputAssociation>'), ids=("a",))
    )
    data = line('<dataObject id="far"/>', reference, sub("s1", *around(inner, ids=("s2",), prefix="s1")), ids=("s1",))
    assert Case(data).waiting == ["a"]


# === nothing of a model is Python =====================================================================
PAYLOAD = "__import__('os').system('touch pwned')"
QUOTED = PAYLOAD.replace("'", '"')
INJECTIONS = {
    "script": line('<scriptTask id="x" scriptFormat="python"><script>' + PAYLOAD + "</script></scriptTask>", ids=("x",)),
    "script without a language": line(f'<scriptTask id="x"><script>{PAYLOAD}</script></scriptTask>', ids=("x",)),
    "feel script": line(script("x", PAYLOAD, "r"), ids=("x",)),
    "condition": model(start(), exclusive("x"), end(), path("start", "x"), flow("x", "end", PAYLOAD)),
    "duration": line(catch("x", timer("=" + PAYLOAD)), ids=("x",)),
    "date": line(catch("x", timer("=" + PAYLOAD, "Date")), ids=("x",)),
    "cycle": line(catch("x", timer("=" + PAYLOAD, "Cycle")), ids=("x",)),
    "cardinality": line(user("x", multi(count=PAYLOAD)), ids=("x",)),
    "collection": line(user("x", multi(PAYLOAD, "i")), ids=("x",)),
    "completion": line(task("x", multi(count="1", until=PAYLOAD)), ids=("x",)),
    "loop condition": line(task("x", loop(PAYLOAD)), ids=("x",)),
    "input": line(user("x", inputs(a=PAYLOAD)), ids=("x",)),
    "output": line(task("x", outputs(a=PAYLOAD)), ids=("x",)),
    "conditional event": line(catch("x", conditional(PAYLOAD)), ids=("x",)),
    "message name": line(catch("x", message("=" + QUOTED)), ids=("x",)),
    "correlation key": line(catch("x", message("M", "=" + PAYLOAD)), ids=("x",)),
    "juel": model(start(), exclusive("x"), end(), path("start", "x"),
                  flow("x", "end", "c").replace("=c", "${" + PAYLOAD + "}")),
    "pre-script": line('<userTask id="x"><extensionElements><preScript xmlns="http://spiffworkflow.org/bpmn/schema/1.0/core">'
                       f"{PAYLOAD}</preScript></extensionElements></userTask>", ids=("x",)),
    "post-script": line('<task id="x"><extensionElements><postScript xmlns="http://spiffworkflow.org/bpmn/schema/1.0/core">'
                        f"{PAYLOAD}</postScript></extensionElements></task>", ids=("x",)),
    "listener": line('<userTask id="x"><extensionElements><camunda:taskListener event="create" expression="${'
                     f'{PAYLOAD}}}"/></extensionElements></userTask>', ids=("x",)),
    "name": line(user("x", name="${" + PAYLOAD + "}"), ids=("x",)),
    "assignee": line(user("x", f'<zeebe:assignmentDefinition assignee="={PAYLOAD}"/>'), ids=("x",)),
    "service type": line(service("x", type="=" + PAYLOAD), ids=("x",)),
    "class walk": line(script("x", "().__class__.__base__.__subclasses__()", "r"), ids=("x",)),
}  # fmt: skip


TABLE = f"""<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="d" name="d" namespace="urn:test">
<decision id="fee" name="fee"><decisionTable id="t" hitPolicy="COLLECT">
<input id="i"><inputExpression id="ie" typeRef="string"><text>{PAYLOAD}</text></inputExpression></input>
<output id="o" name="o"/><rule id="r"><inputEntry id="c1"><text>{PAYLOAD}</text></inputEntry>
<outputEntry id="c2"><text>{PAYLOAD}</text></outputEntry></rule></decisionTable></decision></definitions>""".encode()


@contextmanager
def no_python():
    """Meanwhile no Python can be compiled or evaluated."""

    def refuse(*_, **__):
        raise AssertionError("a model reached Python")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("eval", "exec", "compile"):
            patch.setattr(builtins, name, refuse)
        yield


@pytest.mark.parametrize("where", INJECTIONS)
def test_python_in_a_model_never_runs(where, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with no_python():
        run_whatever_runs(INJECTIONS[where])
    assert list(tmp_path.iterdir()) == []


def test_python_in_the_cells_of_a_decision_table_never_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with no_python(), suppress(Invalid, feel.FeelError):
        table = dmn.parse(TABLE)
        assert dmn.evaluate(table, "fee", {"a": PAYLOAD}).json in (None, [], [None])
    assert list(tmp_path.iterdir()) == []


def run_whatever_runs(data: bytes) -> None:
    """Read a model, start it if it may be, do all that waits, save and load it."""
    read = bpmn.parse(data)
    run = bpmn.start(read.processes["p"], World(), {"a": PAYLOAD})
    if not any(one.severity == "error" for one in read.problems):
        run.advance()
        for token in list(run.waits):
            if run.waits[token].kind in ("user", "service"):
                run.complete(token, {"b": PAYLOAD, "typename": PAYLOAD})
                run.advance()
        bpmn.load(run.process, run.state(), World())


def test_a_whole_case_runs_while_python_cannot_be_evaluated():
    data = line(script("a", "n + 1", "n"), user("b"), rule("c", "d", "r"), ids=("a", "b", "c"))
    with no_python():
        case = Case(data, {"n": 1}, world=World({"d": 5})).do("b", x=PAYLOAD)
    assert case.variables == {"n": 2, "x": PAYLOAD, "r": 5} and case.completed


def test_pythons_script_engine_refuses_whatever_it_is_asked():
    run = bpmn.start(process_of(line(user("a"), ids=("a",))), World(), {})
    with pytest.raises(bpmn.ElementError):
        run.script_engine.evaluate(None, "1 + 1")
    with pytest.raises(bpmn.ElementError):
        run.script_engine.execute(None, "x = 1")


def test_a_script_in_another_language_is_refused():
    assert refusals(INJECTIONS["script"]) >= {("x", "bpmn.script-language")}
    assert refusals(INJECTIONS["script without a language"]) >= {("x", "bpmn.script-language")}


# === tasks ==========================================================================================
def test_an_abstract_task_is_done_as_soon_as_it_is_reached():
    case = Case(line(task("a"), ids=("a",)))
    assert case.completed and case.done == ["start", "a", "end"]


@pytest.mark.parametrize(("tag", "kind"), [("userTask", "user"), ("manualTask", "manual")])
def test_a_task_of_a_person_waits_for_her(tag, kind):
    case = Case(line(element(tag, "a"), ids=("a",)))
    assert case.wait("a").kind == kind and case.do("a", x=1).completed and case.variables == {"x": 1}


def test_what_was_done_already_cannot_be_done_again():
    case = Case(line(user("a"), user("b"), ids=("a", "b")))
    token = case.at("a")[0]
    case.do("a")
    with pytest.raises(NotFound):
        case.run.complete(token, {})


def test_a_script_writes_its_result_where_the_variable_is():
    case = Case(
        line(
            sub(
                "s", *around(script("a", "x + 1", "x"), script("b", "x * 10", "y"), ids=("a", "b")), inputs(x="5"), outputs(z="x")
            ),
            ids=("s",),
        ),
        {"x": 1},
    )
    assert case.variables == {"x": 1, "y": 60, "z": 6}


def test_a_send_task_sends_its_message_with_its_inputs_and_goes_on():
    case = Case(line(send("a", "M", inputs(what="n + 1"), key="=who"), ids=("a",)), {"n": 1, "who": "bert"})
    sent = case.thrown[0]
    assert (sent.kind, sent.name, sent.correlation_key, sent.variables) == (
        "message",
        "M",
        "bert",
        {"what": 2},
    ) and case.completed


def test_a_receive_task_waits_for_its_message():
    case = Case(line(receive("a", "M", outputs(got="what")), ids=("a",)))
    assert case.wait("a").kind == "message" and case.wait("a").message_name == "M"
    assert case.fire("a", what=3, more=4).variables == {"got": 3} and case.completed


def test_an_empty_correlation_key_is_an_incident():
    assert Case(line(receive("a", "M", key="=who"), ids=("a",)), {"who": None}).incidents == ["a"]


@pytest.mark.parametrize("tag", ["scriptTask", "businessRuleTask", "sendTask"])
def test_a_task_of_a_machine_may_be_a_service_as_well(tag):
    case = Case(line(element(tag, "a", '<zeebe:taskDefinition type="other" retries="5"/>'), ids=("a",)))
    assert (case.wait("a").kind, case.wait("a").service_type, case.wait("a").retries) == ("service", "other", 5)
    assert case.do("a").completed


def test_a_service_may_throw_an_error_that_its_boundary_catches_with_its_variables():
    case = Case(model(start(), service("a"), boundary("bad", "a", error("E"), outputs(why="reason")), user("mend"), end(),
                      path("start", "a", "end"), path("bad", "mend")))  # fmt: skip
    case.fail("a", "E", reason="none left", noise=1)
    assert case.waiting == ["mend"] and case.variables == {"why": "none left"}
    assert [one.element_id for one in case.trail if one.type == "element.cancelled"] == ["a"]


def test_inputs_hide_what_is_around_and_outputs_decide_what_leaves():
    case = Case(
        line(user("a", inputs(x="x + 1", **{"deep.er": "x * 2"}), outputs(**{"result.value": "y", "result.x": "x"})), ids=("a",)),
        {"x": 1, "y": 0, "result": {"kept": True}},
    )
    assert case.sees("a") == {"x": 2, "deep": {"er": 4}, "y": 0, "result": {"kept": True}}
    assert case.do("a", y=9).variables == {"x": 1, "y": 0, "result": {"kept": True, "value": 9, "x": 2}}


def test_what_is_written_without_outputs_goes_to_the_nearest_scope_that_has_it():
    case = Case(line(sub("s", *around(user("a"), user("b"), ids=("a", "b")), inputs(local="1")), ids=("s",)), {"x": 1})
    case.do("a", local=2, x=3, new=4)
    assert case.sees("b") == {"local": 2, "x": 3, "new": 4} and case.variables == {"x": 3, "new": 4}
    assert case.do("b").completed and case.variables == {"x": 3, "new": 4}


# === sub-processes and calls ==========================================================================
def test_a_sub_process_ends_when_its_last_token_has_ended():
    case = Case(line(sub("s", start("is"), parallel("f"), user("a"), user("b"), end("ea"), end("eb"),
                         path("is", "f", "a", "ea"), path("f", "b", "eb")), ids=("s",)))  # fmt: skip
    assert not case.do("b").completed and case.do("a").completed and case.times("s") == 1


def test_a_sub_process_without_a_start_event_begins_with_whatever_nothing_leads_to():
    case = Case(line(sub("s", user("a"), user("b"), user("c"), path("a", "c")), ids=("s",)))
    assert case.waiting == ["a", "b"]
    assert case.do("a").do("b").do("c").completed


def test_a_boundary_ends_a_sub_process_with_all_that_runs_in_it():
    case = Case(
        model(
            start(),
            sub("s", *around(sub("t", *around(user("a", multi(count="2")), ids=("a",), prefix="t")), ids=("t",))),
            boundary("late", "s", timer("PT1H")),
            user("chase"),
            end(),
            path("start", "s", "end"),
            path("late", "chase"),
        )
    )
    assert case.waiting == ["a", "a"] and case.listening == ["late"]
    case.fire("late")
    assert case.waiting == ["chase"] and case.listening == []
    assert len(case.run.state().scopes) == 1, "no scope is left behind"


def test_a_call_hands_over_every_variable_and_takes_back_what_comes():
    case = Case(line(call("c", "other"), ids=("c",)), {"x": 1})
    wait = case.wait("c")
    assert (wait.kind, wait.process_key, wait.variables, wait.propagate_all_child_variables) == ("call", "other", {"x": 1}, True)
    assert case.do("c", y=2).completed and case.variables == {"x": 1, "y": 2}


def test_a_call_that_propagates_nothing_hands_over_its_inputs_alone():
    private = {"propagateAllParentVariables": "false"}
    assert Case(line(call("c", "other", inputs(a="x"), **private), ids=("c",)), {"x": 1}).wait("c").variables == {"a": 1}
    assert Case(line(call("c", "other", **private), ids=("c",)), {"x": 1}).wait("c").variables == {}


def test_a_call_with_outputs_takes_back_what_they_name():
    case = Case(line(call("c", "other", outputs(result="y")), ids=("c",))).do("c", y=2, z=3)
    assert case.variables == {"result": 2}


def test_the_process_that_is_called_may_come_from_an_expression_and_from_each_child():
    case = Case(
        line(call("c", "=which", multi("names", "which", results="all", result="r")), ids=("c",)), {"names": ["one", "two"]}
    )
    assert [case.waits[token].process_key for token in case.at("c")] == ["one", "two"]
    first, second = case.at("c")
    case.do_token(second, r=2).do_token(first, r=1)
    assert case.completed and case.variables["all"] == [1, 2] and "r" not in case.variables


TRANSACTION = model(
    start(),
    element(
        "transaction",
        "t",
        start("ts"),
        user("book"),
        boundary("undo_book", "book", compensation()),
        user("unbook", isForCompensation="true"),
        user("pay"),
        exclusive("x", default="good"),
        end("cancelled", CANCEL),
        end("te"),
        path("ts", "book", "pay", "x"),
        flow("x", "cancelled", "no"),
        flow("x", "te", id="good"),
        association("undo_book", "unbook"),
    ),
    boundary("gone", "t", CANCEL),
    user("sorry"),
    end(),
    path("start", "t", "end"),
    path("gone", "sorry"),
)


def test_a_transaction_that_is_cancelled_undoes_what_was_done_and_leaves_by_its_cancel_boundary():
    case = Case(TRANSACTION).do("book").do("pay", no=True)
    assert case.waiting == ["unbook"], "the cancel boundary is taken only when all is undone"
    case.do("unbook")
    assert case.waiting == ["sorry"] and "end" not in case.done


def test_a_transaction_that_ends_well_leaves_as_any_sub_process():
    assert Case(TRANSACTION).do("book").do("pay", no=False).completed


def test_cancelling_one_child_of_a_repeated_transaction_cancels_them_all():
    inner = ("".join(around(user("u"), exclusive("x", default="good"), ids=("u", "x"))).replace('"x_to_in_end"', '"good"'),
             end("bad", CANCEL), flow("x", "bad", "no"))  # fmt: skip
    case = Case(
        model(
            start(),
            element("transaction", "t", *inner, multi(count="2")),
            boundary("gone", "t", CANCEL),
            user("sorry"),
            end(),
            path("start", "t", "end"),
            path("gone", "sorry", "end"),
        )
    )
    case.do("u", no=True)
    assert case.waiting == ["sorry"] and case.do("sorry").completed


# === gateways =========================================================================================
def test_an_exclusive_gateway_takes_one_way_and_its_default_when_nothing_else_is_true():
    data = model(
        start(),
        exclusive("x", default="other"),
        user("a"),
        user("b"),
        path("start", "x"),
        flow("x", "b", id="other"),
        flow("x", "a", "n > 1"),
    )
    assert Case(data, {"n": 5}).waiting == ["a"] and Case(data, {"n": 0}).waiting == ["b"]


@pytest.mark.parametrize("value", [None, 1, "true"])
def test_a_condition_that_is_neither_true_nor_false_is_an_incident_and_can_be_repaired(value):
    data = model(
        start(),
        exclusive("x", default="d"),
        user("a"),
        user("b"),
        path("start", "x"),
        flow("x", "a", "go"),
        flow("x", "b", id="d"),
    )
    case = Case(data, {"go": value})
    assert case.incidents == ["x"]
    assert case.set(go=True).verb("retry", "x").waiting == ["a"]


def test_a_gateway_without_any_way_is_an_incident():
    data = model(
        start(), exclusive("x"), user("a"), user("b"), path("start", "x"), flow("x", "a", "n > 1"), flow("x", "b", "n > 2")
    )
    assert Case(data, {"n": 0}).incidents == ["x"]


def test_a_parallel_join_counts_tokens_by_flow():
    case = Case(model(start(), parallel("f"), exclusive("m"), user("a"), user("b"), user("c"), parallel("j"), user("d"),
                      path("start", "f", "a", "m", "j", "d"), path("f", "b", "m"), path("f", "c", "j")))  # fmt: skip
    case.do("a").do("b")
    assert case.waiting == ["c"], "two tokens on one flow are not one on each"
    assert case.do("c").waiting == ["d"]


INCLUSIVE = model(
    start(), inclusive("f", default="other"), user("a"), user("b"), user("c"), inclusive("j"), user("d"),
    path("start", "f"), flow("f", "a", "x > 1"), flow("f", "b", "x > 2"), flow("f", "c", id="other"),
    path("a", "j"), path("b", "j"), path("c", "j", "d"),
)  # fmt: skip


@pytest.mark.parametrize(("x", "ways"), [(0, "c"), (2, "a"), (3, "ab")])
def test_an_inclusive_join_waits_for_what_was_forked(x, ways):
    case = Case(INCLUSIVE, {"x": x})
    assert case.waiting == list(ways)
    for way in ways:
        assert case.times("j") == 0
        case.do(way)
    assert case.waiting == ["d"] and case.times("j") == 1


def test_an_inclusive_join_waits_for_a_token_far_upstream():
    case = Case(
        model(
            start(),
            parallel("f"),
            user("far"),
            exclusive("x", default="away"),
            user("near"),
            inclusive("j"),
            user("d"),
            end("off"),
            path("start", "f", "near", "j", "d"),
            path("f", "far", "x"),
            flow("x", "j", "come"),
            flow("x", "off", id="away"),
        )
    )
    case.do("near")
    assert case.waiting == ["far"]
    case.do("far", come=False)
    assert case.waiting == ["d"]


def test_an_inclusive_join_in_a_loop_joins_once_in_each_pass():
    case = Case(
        model(
            start(),
            exclusive("m"),
            inclusive("f"),
            user("a"),
            user("b"),
            inclusive("j"),
            exclusive("again", default="out"),
            end(),
            path("start", "m", "f"),
            flow("f", "a", "true"),
            flow("f", "b", "both"),
            path("a", "j"),
            path("b", "j", "again"),
            flow("again", "m", "more"),
            flow("again", "end", id="out"),
        ),
        {"both": True, "more": True},
    )
    case.do("b").do("a", both=False)
    assert case.waiting == ["a"]
    case.do("a", more=False)
    assert case.completed and case.times("j") == 2


def test_an_inclusive_join_does_not_wait_for_a_token_that_would_come_through_it():
    case = Case(
        model(
            start(),
            parallel("f"),
            user("a"),
            user("b"),
            inclusive("j"),
            user("after"),
            exclusive("x", default="out"),
            end(),
            path("start", "f", "a", "j", "after", "x"),
            path("f", "b"),
            path("b", "j"),
            flow("x", "a", "again"),
            flow("x", "end", id="out"),
        ),
        {"again": True},
    )
    case.do("a").do("b").do("after")
    assert case.waiting == ["a"]
    case.do("a", again=False)
    assert case.waiting == ["after"] and case.do("after").completed


def test_an_inclusive_join_waits_for_the_boundary_of_an_activity_upstream():
    case = Case(
        model(
            start(),
            parallel("f"),
            user("a"),
            user("b"),
            boundary("late", "b", timer("PT1H")),
            inclusive("j"),
            user("d"),
            end("off"),
            path("start", "f", "a", "j", "d"),
            path("f", "b", "off"),
            path("late", "j"),
        )
    )
    assert case.do("a").waiting == ["b"]
    assert case.fire("late").waiting == ["d"]


def test_a_token_that_may_come_over_a_link_is_waited_for():
    case = Case(
        model(
            start(),
            parallel("f"),
            user("a"),
            user("b"),
            throw("t", link("L")),
            catch("c", link("L")),
            inclusive("j"),
            user("d"),
            path("start", "f", "a", "j", "d"),
            path("f", "b", "t"),
            path("c", "j"),
        )
    )
    assert case.do("a").waiting == ["b"]
    assert case.do("b").waiting == ["d"]


def test_an_inclusive_join_does_not_wait_for_a_token_that_can_no_longer_come():
    case = Case(
        model(
            start(),
            inclusive("f"),
            user("a"),
            user("b"),
            user("c"),
            end("away"),
            inclusive("j"),
            user("d"),
            path("start", "f"),
            flow("f", "a", "true"),
            flow("f", "b", "true"),
            flow("f", "c", "false"),
            path("a", "j"),
            path("c", "j", "d"),
            path("b", "away"),
        )
    )
    assert case.do("a").waiting == ["b", "d"]


def test_an_inclusive_gateway_without_any_way_is_an_incident():
    assert Case(model(start(), inclusive("f"), user("a"), path("start", "f"), flow("f", "a", "false"))).incidents == ["f"]


def test_a_join_that_one_way_never_reaches_waits_for_ever_and_says_nothing_wrong():
    case = Case(
        model(
            start(),
            exclusive("x"),
            task("a"),
            task("b"),
            parallel("j"),
            end(),
            path("start", "x"),
            flow("x", "a", "true"),
            flow("x", "b", "true"),
            path("a", "j", "end"),
            path("b", "j"),
        )
    )
    assert not case.completed and case.waiting == [] and case.done[-1] == "a"


def test_the_first_event_behind_an_event_based_gateway_decides():
    case = Case(
        model(
            start(),
            race("g"),
            catch("m", message("M")),
            receive("r", "N"),
            catch("t", timer("PT1H")),
            user("a"),
            user("b"),
            user("c"),
            path("start", "g", "m", "a"),
            path("g", "r", "b"),
            path("g", "t", "c"),
        )
    )
    token = case.at("m")[0]
    case.fire("r", x=1)
    assert case.waiting == ["b"] and case.listening == [] and case.variables == {"x": 1}
    assert case.run.fire(token, {}) is False


COMPLEX = model(
    start(),
    parallel("f"),
    user("a"),
    user("b"),
    user("c"),
    element("complexGateway", "j", expression("activationCondition", "activationCount >= n")),
    user("d"),
    path("start", "f", "a", "j", "d"),
    path("f", "b", "j"),
    path("f", "c", "j"),
)


def test_a_complex_gateway_goes_on_when_its_condition_says_so_and_swallows_what_comes_late():
    case = Case(COMPLEX, {"n": 2}).do("a").do("c")
    assert case.waiting == ["b", "d"]
    assert case.do("b").waiting == ["d"]
    assert case.do("d").completed


def test_a_complex_gateway_whose_condition_fails_is_an_incident_and_loses_no_token():
    case = Case(COMPLEX, {"n": None}).do("a")
    assert case.incidents == ["j"]
    case.set(n=1).verb("retry", "j")
    assert case.waiting == ["b", "c", "d"] and case.do("b").do("c").do("d").completed


def test_a_parallel_gateway_forks_on_every_flow_although_tasks_follow_and_an_end_ends_one_way_only():
    case = Case(model(start(), parallel("f"), end("e1"), user("a"), end("e2"), path("start", "f", "e1"), path("f", "a", "e2")))
    assert case.done == ["start", "f", "e1"] and case.do("a").completed


# === events =============================================================================================
def test_a_process_may_begin_with_a_message_and_keeps_what_it_brought():
    process = process_of(
        model(start("asked", message("M", "")), start("plain"), user("a"), end(), path("asked", "a", "end"), path("plain", "a"))
    )
    assert {(one.kind, one.name) for one in process.starts} == {("message", "M"), ("none", None)}
    case = Case(process, {"x": 1}, at="asked")
    assert case.waiting == ["a"] and case.done == ["asked"] and case.variables == {"x": 1}


def test_a_process_may_begin_at_an_event_based_gateway():
    process = process_of(
        model(
            race("g", instantiate="true"),
            catch("m", message("M")),
            catch("n", message("N")),
            user("a"),
            user("b"),
            path("g", "m", "a"),
            path("g", "n", "b"),
        )
    )
    assert [(one.kind, one.element_id) for one in process.starts] == [("message", "m"), ("message", "n")]
    assert Case(process, at="n").waiting == ["b"]


def test_starting_at_an_element_that_is_not_there_is_refused():
    with pytest.raises(NotFound):
        bpmn.start(process_of(line(user("a"), ids=("a",))), World(), {}, element_id="b")


@pytest.mark.parametrize("trigger", [timer("PT1H"), message("M"), signal("S"), conditional("go = true")],
                         ids=["timer", "message", "signal", "conditional"])  # fmt: skip
@pytest.mark.parametrize("interrupting", [True, False])
def test_a_boundary_event_that_waits_ends_its_host_or_lets_it_go_on(trigger, interrupting):
    case = Case(model(start(), user("a"), boundary("b", "a", trigger, interrupting=interrupting), user("c"), end(),
                      path("start", "a", "end"), path("b", "c", "end")))  # fmt: skip
    if case.wait("b").kind == "condition":
        case.set(go=True)
    else:
        case.fire("b")
    assert case.waiting == (["c"] if interrupting else ["a", "c"])
    case.do("c")
    assert case.completed is interrupting


@pytest.mark.parametrize("trigger", [timer("PT1H"), message("M"), signal("S")], ids=["timer", "message", "signal"])
def test_an_intermediate_event_waits(trigger):
    case = Case(line(catch("c", trigger, outputs(y="x + 1")), ids=("c",)))
    assert case.waiting == ["c"] and case.fire("c", x=1).completed and case.variables == {"y": 2}


def test_a_cycle_at_a_boundary_counts_from_when_it_was_due():
    case = Case(model(start(), user("a"), boundary("b", "a", timer("R2/PT1H", "Cycle"), interrupting=False), task("c"), end(),
                      path("start", "a", "end"), path("b", "c")))  # fmt: skip
    assert case.wait("b").due == MONDAY + timedelta(hours=1)
    case.world.now += timedelta(hours=1, minutes=20)
    assert case.fire("b").wait("b").due == MONDAY + timedelta(hours=2)
    assert case.fire("b").listening == [] and case.times("c") == 2 and case.waiting == ["a"]


def test_a_date_or_duration_that_does_not_interrupt_happens_once():
    case = Case(model(start(), user("a"), boundary("b", "a", timer("PT1H"), interrupting=False), task("c"), end(),
                      path("start", "a", "end"), path("b", "c"))).fire("b")  # fmt: skip
    assert case.listening == [] and case.waiting == ["a"] and case.times("c") == 1


def test_a_signal_is_heard_by_everything_that_waits_for_it():
    case = Case(
        model(
            start(),
            parallel("f"),
            user("a"),
            throw("t", signal("S"), inputs(x="1")),
            catch("c1", signal("S")),
            catch("c2", signal("S")),
            catch("c3", signal("other")),
            user("d"),
            boundary("b", "d", signal("S")),
            end(),
            path("start", "f", "a", "t", "end"),
            path("f", "c1", "end"),
            path("f", "c2", "end"),
            path("f", "c3", "end"),
            path("f", "d", "end"),
            path("b", "end"),
        )
    ).do("a")
    assert case.waiting == ["c3"] and case.variables == {"x": 1}


def test_a_throw_sends_a_message_with_its_key_and_how_long_it_waits():
    sent = Case(
        line(
            throw("t", message("M", "=who"), '<zeebe:publishMessage correlationKey="=who" messageId="=42" timeToLive="PT1H"/>'),
            ids=("t",),
        ),
        {"who": "bert"},
    ).thrown[0]
    assert (sent.kind, sent.name, sent.correlation_key, sent.message_id, sent.ttl) == ("message", "M", "bert", "42", 3600)


def escalating(*inner_subs: str, thrower: str, interrupting: bool) -> bytes:
    return model(
        start(),
        sub("s", start("is"), user("a"), thrower, user("b"), end("ie"), path("is", "a", "up", "b", "ie"), *inner_subs),
        boundary("heard", "s", escalation("X"), interrupting=interrupting),
        user("boss"),
        end(),
        path("start", "s", "end"),
        path("heard", "boss", "end"),
    )


@pytest.mark.parametrize(("interrupting", "left"), [(True, ["boss"]), (False, ["b", "boss"])])
def test_an_escalation_is_caught_at_the_boundary(interrupting, left):
    case = Case(escalating(thrower=throw("up", escalation("X")), interrupting=interrupting)).do("a")
    assert case.waiting == left


def test_an_escalation_is_caught_by_the_nearest_and_goes_no_further():
    near = event_sub(
        "near", start("near_on", escalation(), interrupting=False), user("lead"), end("ne"), path("near_on", "lead", "ne")
    )
    case = Case(escalating(near, thrower=throw("up", escalation("X")), interrupting=True)).do("a")
    assert case.waiting == ["b", "lead"]


def test_an_escalation_that_nothing_catches_leaves_the_instance_and_stops_nothing():
    case = Case(escalating(thrower=throw("up", escalation("Y")), interrupting=True)).do("a")
    assert case.waiting == ["b"] and [(one.kind, one.name) for one in case.thrown] == [("escalation", "Y")]


def test_an_escalation_at_an_end_event_lets_the_sub_process_end():
    case = Case(model(start(), sub("s", start("is"), end("up", escalation("X")), path("is", "up")),
                      boundary("heard", "s", escalation("X"), interrupting=False), user("boss"), end(),
                      path("start", "s", "end"), path("heard", "boss")))  # fmt: skip
    assert case.waiting == ["boss"] and "end" in case.done


def test_a_task_may_escalate_from_outside():
    case = Case(model(start(), user("a"), boundary("heard", "a", escalation("X"), interrupting=False), user("boss"), end(),
                      path("start", "a", "end"), path("heard", "boss"))).escalate("a", "X")  # fmt: skip
    assert case.waiting == ["a", "boss"]


def test_an_error_goes_to_the_catcher_that_names_it_before_the_one_that_catches_all():
    data = model(start(), service("a"), boundary("any", "a", error()), boundary("e", "a", error("E")), user("x"), user("y"),
                 path("start", "a"), path("any", "x"), path("e", "y"))  # fmt: skip
    assert Case(data).fail("a", "E").waiting == ["y"] and Case(data).fail("a", "F").waiting == ["x"]


def test_an_error_in_one_child_ends_the_whole_repeated_activity():
    case = Case(model(start(), service("a", multi(count="3")), boundary("bad", "a", error()), user("mend"), end(),
                      path("start", "a", "end"), path("bad", "mend"))).fail("a", "E")  # fmt: skip
    assert case.waiting == ["mend"] and len(case.run.state().scopes) == 1


def test_an_error_that_nothing_catches_can_be_tried_again_or_skipped():
    case = Case(line(service("a"), user("b"), ids=("a", "b"))).fail("a", "E")
    assert case.incidents == ["a"] and case.wait("a").sentence == "It failed."
    case.verb("retry", "a")
    assert case.wait("a").kind == "service"
    case.fail("a", "E").verb("skip", "a", {"x": 1})
    assert case.waiting == ["b"] and case.variables == {"x": 1}


def test_terminate_ends_its_own_scope_and_no_more():
    case = Case(
        model(
            start(),
            parallel("f"),
            user("other"),
            sub(
                "s",
                start("is"),
                parallel("g"),
                user("a"),
                user("b"),
                end("stop", TERMINATE),
                path("is", "g", "a", "stop"),
                path("g", "b"),
            ),
            user("after"),
            end(),
            path("start", "f", "s", "after", "end"),
            path("f", "other", "end"),
        )
    ).do("a")
    assert case.waiting == ["after", "other"]


def test_terminate_in_one_child_ends_that_child_alone():
    case = Case(
        line(
            sub(
                "s",
                start("is"),
                parallel("f"),
                user("a"),
                user("b"),
                end("stop", TERMINATE),
                path("is", "f", "a", "stop"),
                path("f", "b"),
                multi(count="2"),
            ),
            user("after"),
            ids=("s", "after"),
        )
    )
    assert case.do("a").waiting == ["a", "b"] and case.do("a").waiting == ["after"]


def test_terminate_in_the_process_ends_it():
    case = Case(
        model(
            start(), parallel("f"), user("a"), user("b"), end("stop", TERMINATE), path("start", "f", "a", "stop"), path("f", "b")
        )
    ).do("a")
    assert case.completed and case.ended_by == ["stop"]


def test_an_event_with_several_definitions_happens_with_the_first():
    case = Case(
        model(
            start(),
            catch("c", message("M"), timer("PT1H")),
            user("a"),
            boundary("b", "a", message("N"), signal("S")),
            user("d"),
            end(),
            path("start", "c", "a", "end"),
            path("b", "d", "end"),
        )
    )
    assert sorted(one.kind for one in case.waits.values()) == ["message", "timer"]
    case.fire_token(case.at("c")[1])
    assert case.waiting == ["a"] and len(case.at("b")) == 2
    case.fire_token(case.at("b")[1])
    assert case.waiting == ["d"] and case.do("d").completed


def test_a_parallel_multiple_event_happens_with_the_last():
    case = Case(line(catch("c", message("M"), message("N", '="n"'), parallelMultiple="true"), ids=("c",)))
    case.fire_token(case.at("c")[0], x=1)
    assert not case.completed and len(case.at("c")) == 1
    assert case.fire_token(case.at("c")[0], y=2).completed and case.variables == {"x": 1, "y": 2}


def test_a_parallel_multiple_boundary_that_does_not_interrupt_begins_anew():
    case = Case(
        model(
            start(),
            user("a"),
            boundary("b", "a", message("M"), signal("S"), interrupting=False, parallelMultiple="true"),
            task("c"),
            end(),
            path("start", "a", "end"),
            path("b", "c"),
        )
    )
    for times in (1, 2, 3):
        case.fire_token(case.at("b")[0])
        assert case.times("c") == times - 1
        case.fire_token(case.at("b")[0])
        assert case.times("c") == times and len(case.at("b")) == 2
    assert case.waiting == ["a"]


def test_several_definitions_are_thrown_together():
    case = Case(line(throw("t", message("M"), signal("S"), escalation("X")), ids=("t",)))
    assert [one.kind for one in case.thrown] == ["message", "signal", "escalation"] and case.completed


def test_two_catchers_of_one_signal_are_told_in_the_order_in_which_they_began_to_listen_also_after_loading():
    subs = [
        event_sub(f"s{n}", start(f"on{n}", signal("S")), user(f"u{n}"), end(f"e{n}"), path(f"on{n}", f"u{n}", f"e{n}"))
        for n in range(6)
    ]
    data = model(*around(user("a"), throw("t", signal("S")), ids=("a", "t"), prefix="p"), *subs)
    assert {tuple(Case(data, reload=reload).do("a").waiting) for reload in (True, False)} == {("u0",)}


def test_an_error_from_an_event_sub_process_that_runs_beside_is_caught_by_another_one_of_that_scope():
    beside = event_sub("beside", start("asked", message("M"), interrupting=False), user("b"), end("be"), path("asked", "b", "be"))
    mend = event_sub("mend", start("caught", error()), user("c"), end("me"), path("caught", "c", "me"))
    case = Case(model(*around(user("a"), ids=("a",), prefix="p"), beside, mend)).fire("asked").fail("b", "E")
    assert case.waiting == ["c"]
    assert case.fail("c", "E").incidents == ["c"], "what has ended its scope is followed by no other"


def test_a_timer_whose_expression_fails_at_a_boundary_stops_the_boundary_alone():
    case = Case(
        model(start(), user("a"), boundary("b", "a", timer("=when")), user("c"), end(), path("start", "a", "end"), path("b", "c"))
    )
    assert case.incidents == ["b"] and case.wait("a").kind == "user"
    case.set(when="PT1H").verb("retry", "b")
    assert case.incidents == [] and case.fire("b").waiting == ["c"]


@pytest.mark.parametrize(("interrupting", "left"), [(True, ["c"]), (False, ["a", "c"])])
def test_an_event_that_cannot_be_waited_for_may_be_taken_as_happened(interrupting, left):
    case = Case(model(start(), user("a"), boundary("b", "a", timer("=when"), interrupting=interrupting), user("c"), end(),
                      path("start", "a", "end"), path("b", "c")))  # fmt: skip
    assert case.verb("skip", "b", {"x": 1}).waiting == left and case.listening == [] and case.variables == {"x": 1}


def test_an_arm_of_a_gateway_that_cannot_be_waited_for_may_be_taken_as_happened():
    case = Case(RACE.replace(b"PT1H", b"=when"))
    assert case.incidents == ["t"] and case.verb("skip", "t", {}).waiting == ["a"] and case.listening == []


def test_a_duration_may_be_counted_in_working_time():
    working = '<zeebe:properties><zeebe:property name="bizday:time" value="working"/></zeebe:properties>'
    world = World()
    world.working_time = lambda begun, duration: begun + 3 * duration
    case = Case(line(catch("c", timer("PT8H"), working), ids=("c",)), world=world)
    assert case.wait("c").due == MONDAY + timedelta(hours=24)


def test_a_condition_may_stand_behind_an_event_based_gateway():
    case = Case(model(start(), race("g"), catch("c", conditional("x > 1")), catch("t", timer("PT1H")), user("a"), end(),
                      path("start", "g", "c", "a", "end"), path("g", "t", "end")), {"x": 0})  # fmt: skip
    assert case.set(x=2).waiting == ["a"] and case.listening == []


def test_links_of_two_scopes_with_one_name_are_two_links():
    inner = start("is"), throw("it", link("L")), catch("ic", link("L")), user("b"), path("is", "it"), path("ic", "b")
    case = Case(
        model(
            start(),
            sub("s", *inner),
            throw("t", link("L")),
            catch("c", link("L")),
            user("a"),
            path("start", "s", "t"),
            path("c", "a"),
        )
    )
    assert case.waiting == ["b"] and case.do("b").waiting == ["a"]


# === compensation =======================================================================================
def undoable(id: str, *inner: str) -> str:
    """A user task and the user task that undoes it."""
    return (user(id, *inner) + boundary(f"undo_{id}", id, compensation()) + user(f"un{id}", isForCompensation="true")
            + association(f"undo_{id}", f"un{id}"))  # fmt: skip


def test_compensation_undoes_what_was_done_last_first_one_after_the_other():
    case = Case(
        line(
            undoable("a"),
            undoable("b"),
            undoable("c"),
            throw("back", compensation()),
            user("after"),
            ids=("a", "b", "back", "after"),
        )
    )
    case.do("a").do("b")
    assert case.waiting == ["unb"]
    assert case.do("unb").waiting == ["una"]
    assert case.do("una").waiting == ["after"], "c was never done, so there is nothing to undo"


def test_compensation_may_name_one_activity_and_undoes_it_once():
    case = Case(line(undoable("a"), undoable("b"), throw("t1", compensation("a")), throw("t2", compensation("a")), user("after"),
                     ids=("a", "b", "t1", "t2", "after"))).do("a").do("b")  # fmt: skip
    assert case.waiting == ["una"] and case.do("una").waiting == ["after"]


def test_an_activity_that_was_done_three_times_is_undone_three_times():
    case = Case(model(start(), exclusive("m"), undoable("a"), exclusive("x", default="on"), end("back", compensation()),
                      path("start", "m", "a", "x"), flow("x", "m", "again"), flow("x", "back", id="on")))  # fmt: skip
    case.do("a", again=True).do("a", again=True).do("a", again=False)
    case.do("una").do("una").do("una")
    assert case.completed and case.times("una") == 3


def test_what_was_done_in_a_sub_process_is_undone_with_the_variables_it_had():
    case = Case(
        line(
            sub("s", *around(undoable("a"), ids=("a",)), inputs(seat='who + "-1"')),
            throw("back", compensation()),
            user("after"),
            ids=("s", "back", "after"),
        ),
        {"who": "bert"},
    )
    case.do("a", seat="bert-2").set(who="anna")
    assert case.waiting == ["una"] and case.sees("una")["seat"] == "bert-2"
    assert case.do("una").waiting == ["after"]
    assert case.do("after").completed and len(case.run.state().scopes) == 1, "no scope is left behind"


def test_a_sub_process_that_was_interrupted_is_not_undone():
    case = Case(
        model(
            start(),
            sub("s", *around(undoable("a"), user("b"), ids=("a", "b"))),
            boundary("bad", "s", error()),
            throw("back", compensation()),
            user("after"),
            path("start", "s"),
            path("bad", "back", "after"),
        )
    )
    assert case.do("a").fail("b", "E").waiting == ["after"]


def test_each_child_of_a_repeated_sub_process_is_undone_with_its_own_variables():
    case = (
        Case(
            line(
                sub("s", *around(undoable("a"), ids=("a",)), multi("[1, 2]", "n", sequential=True)),
                throw("back", compensation()),
                user("after"),
                ids=("s", "back", "after"),
            )
        )
        .do("a")
        .do("a")
    )
    assert case.waiting == ["una"] and case.sees("una")["n"] == 2
    assert case.do("una").sees("una")["n"] == 1
    assert case.do("una").waiting == ["after"]


def test_an_event_sub_process_for_compensation_decides_how_its_scope_is_undone():
    own = event_sub("how", start("on", compensation()), user("by_hand"), end("he"), path("on", "by_hand", "he"))
    case = Case(
        line(
            sub("s", *around(undoable("a"), ids=("a",)), own),
            throw("back", compensation()),
            user("after"),
            ids=("s", "back", "after"),
        )
    )
    assert case.do("a").waiting == ["by_hand"] and case.do("by_hand").waiting == ["after"]


def test_an_event_sub_process_for_compensation_is_enough_to_make_its_scope_undoable():
    own = event_sub("how", start("on", compensation()), user("by_hand"), end("he"), path("on", "by_hand", "he"))
    case = Case(
        line(
            sub("s", *around(user("a"), ids=("a",)), own),
            throw("back", compensation("s")),
            user("after"),
            ids=("s", "back", "after"),
        )
    )
    assert case.do("a").waiting == ["by_hand"] and case.do("by_hand").waiting == ["after"]


def test_an_event_sub_process_undoes_the_scope_around_it():
    case = Case(
        model(
            *around(undoable("a"), user("b"), ids=("a", "b"), prefix="p"),
            event_sub(
                "mend",
                start("on", error()),
                throw("back", compensation()),
                user("after"),
                end("me"),
                path("on", "back", "after", "me"),
            ),
        )
    )
    assert case.do("a").fail("b", "E").waiting == ["una"]
    assert case.do("una").waiting == ["after"]


def test_a_sub_process_that_is_ended_while_it_undoes_stops_undoing():
    inner = sub("s", *around(undoable("a"), ids=("a",)))
    case = Case(
        model(
            start(),
            sub("o", *around(inner, throw("back", compensation()), ids=("s", "back"), prefix="o")),
            boundary("late", "o", timer("PT1H")),
            user("after"),
            end(),
            path("start", "o", "end"),
            path("late", "after", "end"),
        )
    )
    assert case.do("a").waiting == ["una"]
    assert case.fire("late").waiting == ["after"] and len(case.run.state().scopes) == 1
    assert case.do("after").completed


# === many times =========================================================================================
@pytest.mark.parametrize("sequential", [False, True])
def test_a_task_is_done_once_for_each_item_and_the_results_keep_the_order_of_the_items(sequential):
    case = Case(
        line(
            user(
                "a", multi("people", "who", sequential=sequential, results="votes", result='who + ":" + vote'), inputs(vote='""')
            ),
            ids=("a",),
        ),
        {"people": ["x", "y", "z"]},
    )
    assert case.waiting == ["a"] * (1 if sequential else 3)
    for vote in ("1", "2", "3"):
        case.do_token(case.at("a")[-1], vote=vote)
    assert case.variables["votes"] == (["x:1", "y:2", "z:3"] if sequential else ["x:3", "y:2", "z:1"])
    assert case.completed and case.times("a") == 4, "three children and the activity itself"


@pytest.mark.parametrize("sequential", [False, True])
def test_an_empty_list_is_done_at_once(sequential):
    case = Case(line(user("a", multi("[]", "x", sequential=sequential, results="r", result="x")), ids=("a",)))
    assert case.completed and case.variables == {"r": []}


@pytest.mark.parametrize("sequential", [False, True])
def test_a_sub_process_is_done_for_each_item_in_a_scope_of_its_own(sequential):
    inner = around(script("s1", "n * 2", "n"), user("u"), script("s2", "n + 1", "n"), ids=("s1", "u", "s2"))
    case = Case(
        line(sub("s", *inner, multi("[1, 2, 3]", "n", sequential=sequential, results="all", result="n")), ids=("s",)), {"n": 0}
    )
    for _ in range(3):
        case.do("u")
    assert case.completed and case.variables == {"n": 0, "all": [3, 5, 7]}


def test_the_list_may_change_while_it_is_walked_and_what_was_begun_stays():
    case = Case(
        line(user("a", multi("list", "x", sequential=True, results="list", result="x * 2")), ids=("a",)), {"list": [1, 2, 3]}
    )
    case.do("a").set(list=[]).do("a").do("a")
    assert case.completed and case.variables == {"list": [2, 4, 6]}


def test_a_sequential_activity_ends_when_it_is_enough():
    case = Case(line(user("a", multi(count="5", sequential=True, until="loopCounter = 2")), ids=("a",))).do("a").do("a")
    assert case.completed


def test_a_result_that_cannot_be_evaluated_is_an_incident_of_the_child_and_nothing_is_lost():
    case = Case(line(user("a", multi("[1, 2]", "x", until="enough"), inputs(enough="null")), ids=("a",)))
    case.do("a", enough="maybe")
    assert case.incidents == ["a"] and len(case.waits) == 2
    bad = next(token for token, one in case.waits.items() if one.kind == "incident")
    case.run.skip(bad, {"enough": True})
    case.settle()
    assert case.completed


@pytest.mark.parametrize(("how", "times"), [
    (loop(maximum=3), 3), (loop("loopCounter < 2"), 2), (loop("loopCounter < 9", maximum=4), 4), (loop("false"), 1),
    (loop("false", before=True), 0), (loop("loopCounter < 2", before=True), 2), (loop("n < 3", before=True), 3),
])  # fmt: skip
def test_a_standard_loop_goes_on_while_its_condition_is_true(how, times):
    case = Case(line(script("a", "n + 1", "n", how), ids=("a",)), {"n": 0})
    assert case.completed and case.variables == {"n": times}


def test_a_standard_loop_of_a_sub_process_asks_what_its_people_answered():
    case = Case(line(sub("s", *around(user("u"), ids=("u",)), loop("again")), ids=("s",)))
    assert case.do("u", again=True).waiting == ["u"]
    assert case.do("u", again=False).completed


def test_a_boundary_of_a_repeated_activity_belongs_to_all_of_it():
    case = Case(
        model(
            start(),
            user("a", multi(count="3")),
            boundary("b", "a", timer("PT1H"), interrupting=False),
            user("remind"),
            end(),
            path("start", "a", "end"),
            path("b", "remind"),
        )
    )
    assert case.listening == ["b"]
    assert case.do("a").fire("b").waiting == ["a", "a", "remind"]
    assert case.do("a").do("a").waiting == ["remind"]


# === repairs ==========================================================================================
def test_returning_into_a_repeated_activity_begins_it_anew():
    case = Case(line(user("first"), user("votes", multi(count="3")), user("last"), ids=("first", "votes", "last")))
    case.do("first").do("votes").verb("send_back", "votes", "first")
    assert case.waiting == ["first"]
    case.do("first").do("votes").do("votes").do("votes").verb("send_back", "last", "votes")
    assert case.waiting == ["votes"] * 3 and len(case.run.state().scopes) == 5


def test_returning_undoes_what_was_done_since_before_the_step_is_entered():
    case = Case(line(undoable("a"), undoable("b"), user("c"), ids=("a", "b", "c"))).do("a").do("b").verb("send_back", "c", "b")
    assert case.waiting == ["unb"]
    assert case.do("unb").waiting == ["b"]
    case.do("b").verb("send_back", "c", "a")
    assert case.do("unb").waiting == ["una"] and case.do("una").waiting == ["a"]


def test_returning_out_of_a_sub_process_ends_it():
    case = Case(line(user("a"), sub("s", *around(user("b"), ids=("b",))), ids=("a", "s"))).do("a").verb("send_back", "b", "a")
    assert case.waiting == ["a"] and case.do("a").waiting == ["b"]


def test_returning_into_a_sub_process_that_has_ended_begins_it_anew():
    case = (
        Case(line(sub("s", *around(user("a"), user("b"), ids=("a", "b"))), user("c"), ids=("s", "c")))
        .do("a")
        .do("b")
        .verb("send_back", "c", "b")
    )
    assert case.waiting == ["a"]


def test_returning_across_a_link():
    case = Case(model(start(), user("a"), throw("t", link("L")), catch("k", link("L")), user("b"), end(),
                      path("start", "a", "t"), path("k", "b", "end"))).do("a").verb("send_back", "b", "a")  # fmt: skip
    assert case.waiting == ["a"]


def test_returning_gives_each_of_two_nested_joins_what_it_had():
    case = Case(
        model(
            start(),
            parallel("f1"),
            parallel("f2"),
            user("a"),
            user("b"),
            user("c"),
            parallel("j2"),
            parallel("j1"),
            user("d"),
            end(),
            path("start", "f1", "f2", "a", "j2", "j1", "d", "end"),
            path("f2", "b", "j2"),
            path("f1", "c", "j1"),
        )
    )
    case.do("a").do("b").do("c").verb("send_back", "d", "a")
    assert case.waiting == ["a"] and case.do("a").waiting == ["d"] and case.do("d").completed


@pytest.mark.parametrize("target", ["other", "b", "nowhere"])
def test_returning_to_where_the_case_did_not_come_from_is_refused(target):
    case = Case(model(start(), user("a"), boundary("b", "a", timer("PT1H")), user("other"), user("last"), end(),
                      path("start", "a", "last", "end"), path("b", "other", "end"))).do("a")  # fmt: skip
    with pytest.raises((Conflict, NotFound)):
        case.run.send_back(case.at("last")[0], target)


def test_a_token_may_be_moved_by_hand_within_its_scope_and_outward():
    case = Case(line(user("a"), sub("s", *around(user("b"), ids=("b",))), user("c"), ids=("a", "s", "c")))
    assert case.verb("move", "a", "s").waiting == ["b"]
    assert case.verb("move", "b", "c").waiting == ["c"]
    with pytest.raises(Conflict):
        case.run.move(case.at("c")[0], "b")
    with pytest.raises(Conflict):
        case.run.move(case.at("c")[0], "start")
    assert case.do("c").completed


def test_nobody_is_led_out_of_what_undoes():
    case = Case(
        line(sub("s", *around(undoable("a"), ids=("a",))), undoable("b"), throw("back", compensation()), ids=("s", "b", "back"))
    )
    case.do("a").do("b")
    for handler in ("unb", "una"):
        for verb in ("send_back", "move"):
            with pytest.raises(Conflict):
                getattr(case.run, verb)(case.at(handler)[0], "b")
        case.do(handler)
    assert case.completed


def test_an_event_that_is_only_listened_for_cannot_be_moved():
    case = Case(
        model(
            start(),
            user("a"),
            boundary("b", "a", timer("PT1H")),
            user("c"),
            end(),
            path("start", "a", "c", "end"),
            path("b", "end"),
        )
    )
    with pytest.raises(Conflict):
        case.run.move(case.at("b")[0], "c")
    with pytest.raises(Conflict):
        case.run.send_back(case.at("b")[0], "a")
    assert case.settle().waiting == ["a"]


def test_who_moves_one_of_the_events_behind_a_gateway_moves_the_gateway():
    case = (
        Case(
            model(
                start(),
                user("a"),
                race("g"),
                catch("m", message("M")),
                catch("t", timer("PT1H")),
                end(),
                path("start", "a", "g", "m", "end"),
                path("g", "t", "end"),
            )
        )
        .do("a")
        .verb("send_back", "m", "a")
    )
    assert case.waiting == ["a"] and case.listening == []
    assert case.do("a").verb("move", "t", "a").waiting == ["a"]


def test_an_incident_is_tried_again_from_where_it_stopped():
    case = Case(
        line(user("a", outputs(y="1")), exclusive("x", default="d"), user("b"), ids=("a", "x", "b")).replace(b'"x_to_b"', b'"d"')
    )
    assert case.do("a").waiting == ["b"]
    broken = Case(ONE_CONDITION, {"go": None})
    assert broken.incidents == ["t"]
    assert broken.set(go=True).verb("retry", "t").waiting == ["a"] and broken.times("t") == 1


def test_an_instance_may_be_ended_before_its_time():
    case = Case(line(sub("s", *around(user("a", multi(count="2")), ids=("a",))), ids=("s",)), {"x": 1})
    case.run.cancel()
    case.settle()
    assert case.completed and not case.waits and case.variables == {"x": 1}


def test_variables_may_be_set_by_hand_in_any_scope():
    case = Case(line(sub("s", *around(user("a"), ids=("a",)), inputs(x="1")), ids=("s",)), {"x": 0})
    scope = next(id for id, one in case.run.scopes.items() if one.element_id == "s")
    case.run.set_variables(scope, {"x": 5})
    assert case.settle().sees("a")["x"] == 5 and case.variables == {"x": 0}
    with pytest.raises(NotFound):
        case.run.set_variables(99, {})


# === what is refused ====================================================================================
NOT_BPMN = [b"", b"<a/>", b"<definitions/>", b"not xml", b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>']


@pytest.mark.parametrize("data", NOT_BPMN)
def test_a_file_that_is_no_bpmn_is_refused(data):
    with pytest.raises(Invalid):
        bpmn.parse(data)


REFUSED = {
    "bpmn.no-condition": model(start(), exclusive("x"), task("a"), task("b"), path("start", "x", "a"), path("x", "b")),
    "bpmn.timer-empty": line(catch("c", "<timerEventDefinition/>"), ids=("c",)),
    "bpmn.event-empty": line(catch("c"), ids=("c",)),
    "bpmn.no-correlation-key": line(catch("c", message("M", "")), ids=("c",)),
    "bpmn.no-service": line(element("serviceTask", "c"), ids=("c",)),
    "bpmn.no-script": line(element("scriptTask", "c"), ids=("c",)),
    "bpmn.no-decision": line(element("businessRuleTask", "c"), ids=("c",)),
    "bpmn.no-called-process": line(element("callActivity", "c"), ids=("c",)),
    "bpmn.no-message": line(element("receiveTask", "c"), ids=("c",)),
    "bpmn.loop-empty": line(task("c", "<multiInstanceLoopCharacteristics/>"), ids=("c",)),
    "bpmn.link": line(throw("t", link("L")), ids=()),
    "bpmn.unsupported": line('<callChoreography id="c"/>', ids=()),
    "bpmn.loose-flow": line(flow("start", "nowhere"), ids=()),
    "bpmn.flow-crosses-scope": line(sub("s", *around(task("a"), ids=("a",))), flow("a", "end"), ids=("s",)),
    "bpmn.duplicate-id": line(task("a"), task("a"), ids=("a",)),
    "bpmn.no-host": line(task("a"), boundary("b", "nowhere", timer("PT1H")), ids=("a",)),
    "bpmn.must-interrupt": line(task("a"), boundary("b", "a", error(), interrupting=False), ids=("a",)),
    "bpmn.event-place": line(throw("t", timer("PT1H")), ids=("t",)),
    "bpmn.cancel-place": model(start(), end("e", CANCEL), path("start", "e")),
    "bpmn.no-handler": line(user("a"), boundary("b", "a", compensation()), ids=("a",)),
    "bpmn.event-gateway": model(start(), race("g"), task("a"), task("b"), path("start", "g", "a"), path("g", "b")),
    "bpmn.condition-place": model(start(), parallel("g"), end(), path("start", "g"), flow("g", "end", "true")),
    "bpmn.event-subprocess-start": line(event_sub("s", start("on"), end("off"), path("on", "off")), ids=()),
    "bpmn.missing-reference": line(throw("t", '<signalEventDefinition signalRef="nowhere"/>'), ids=("t",)),
    "bpmn.no-activation": model(start(), element("complexGateway", "g"), path("start", "g"), task("a"), path("a", "g")),
    "feel.syntax": model(start(), exclusive("x"), end(), path("start", "x"), flow("x", "end", "1 +")),
    "bpmn.default": line(task("a", default="nowhere"), ids=("a",)),
}  # fmt: skip


@pytest.mark.parametrize("rule_name", REFUSED)
def test_what_cannot_run_as_it_is_drawn_is_refused_with_its_element(rule_name):
    assert rule_name in {name for _, name in refusals(REFUSED[rule_name])}
