"""Corners of the engine's semantics that no other test would miss if a line of it were gone.

Each was found by changing the engine and seeing nothing fail. The models are small and stand inline.
"""

from __future__ import annotations

from engine import bpmn
from tests.engine.test_bpmn_elements import around, line
from tests.models.case import Case, refusals
from tests.models.xml import (
    association,
    boundary,
    catch,
    compensation,
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
    message,
    model,
    multi,
    parallel,
    path,
    race,
    start,
    sub,
    task,
    throw,
    timer,
    user,
)


# --- gateways -------------------------------------------------------------------------------------
def test_an_exclusive_gateway_asks_the_condition_of_its_only_flow():
    case = Case(model(start(), exclusive("only"), end(), path("start", "only"), flow("only", "end", "x > 5")), {"x": 1})
    assert case.incidents == ["only"] and not case.completed


def test_an_inclusive_gateway_forks_on_every_flow_when_none_has_a_condition():
    case = Case(model(
        start(), inclusive("fork"), user("a"), user("b"), end(),
        path("start", "fork", "a", "end"), path("fork", "b", "end"),
    ))  # fmt: skip
    assert case.waiting == ["a", "b"]


LATE = model(
    start(),
    sub(
        "inside", start("s"), parallel("fork"), user("a"), user("b"),
        element("complexGateway", "first", expression("activationCondition", "activationCount >= 1")), end("e"),
        path("s", "fork", "a", "first", "e"), path("fork", "b", "first"),
    ),
    user("after"), end(), path("start", "inside", "after", "end"),
)  # fmt: skip


def test_a_scope_ends_when_its_last_token_is_swallowed_by_a_complex_gateway():
    case = Case(LATE).do("a")
    assert case.waiting == ["b"]  # the sub-process lives as long as a token of it does
    assert case.do("b").waiting == ["after"] and case.times("e") == 1


def test_an_event_based_gateway_is_on_the_path_once_when_it_is_reached_and_once_when_it_is_left():
    case = Case(model(
        start(), race("wait"), catch("m", message("M")), catch("t", timer("PT1H")), end(),
        path("start", "wait", "m", "end"), path("wait", "t", "end"),
    ))  # fmt: skip
    told = [one.type for one in case.fire("m").trail if one.element_id == "wait"]
    assert told == ["element.activated", "element.completed", "flow.taken"]


# --- many times -----------------------------------------------------------------------------------
def test_as_many_children_as_the_limit_allows_are_begun_and_not_one_more():
    limits = bpmn.Limits(children=3)
    model_of = line(user("vote", multi("list", "one")), ids=("vote",))
    assert Case(model_of, {"list": [1, 2, 3]}, limits=limits).waiting == ["vote"] * 3


def test_a_negative_cardinality_is_an_incident_and_none_at_all_is_done_at_once():
    counted = line(user("vote", multi(count="n")), ids=("vote",))
    assert Case(counted, {"n": -1}).incidents == ["vote"]
    assert Case(counted, {"n": 0}).completed


def test_the_path_tells_which_child_was_completed():
    case = Case(line(user("vote", multi("list", "one")), ids=("vote",)), {"list": ["a", "b"]})
    first, second = case.at("vote")
    case.do_token(second).do_token(first)
    said = [one.data.get("loopCounter") for one in case.trail if one.type == "element.completed" and one.element_id == "vote"]
    assert said == [2, 1, None]


# --- errors and escalations -------------------------------------------------------------------------
def test_nothing_of_its_scope_catches_what_an_interrupting_event_sub_process_throws():
    case = Case(model(
        start(), user("work"), end(), path("start", "work", "end"),
        event_sub("first", start("first_start", error("A")), end("first_end", error("B")), path("first_start", "first_end")),
        event_sub("second", start("second_start", error("B")), user("never"), path("second_start", "never")),
    )).fail("work", "A")  # fmt: skip
    assert case.incidents == ["first_end"] and "never" not in case.waiting


def test_a_child_of_a_multi_instance_sub_process_is_no_place_of_its_own_for_a_boundary_event():
    case = Case(model(
        start(), sub("many", *around(user("vote"), ids=("vote",)), multi("[1, 2]", "one")), boundary("failed", "many", error("E")),
        user("mend"), end(), path("start", "many", "end"), path("failed", "mend", "end"),
    )).fail("vote", "E")  # fmt: skip
    assert case.waiting == ["mend"]  # all children ended, once


def test_the_path_tells_what_was_thrown_and_what_caught_it():
    case = Case(model(
        start(), user("work"), boundary("failed", "work", error("E")), boundary("raised", "work", escalation("U"), interrupting=False),
        end(), path("start", "work", "end"), path("failed", "end"), path("raised", "end"),
    )).escalate("work", "U").fail("work", "E")  # fmt: skip
    told = [(one.type, one.data["code"], one.data["caught_by"]) for one in case.trail if one.type.endswith(".thrown")]
    assert told == [("escalation.thrown", "U", "raised"), ("error.thrown", "E", "failed")]


def test_an_error_hands_on_the_inputs_of_its_end_event_and_nothing_else():
    case = Case(model(
        start(),
        sub("inside", start("s"), end("bad", error("E"), inputs(why='"no money"')), path("s", "bad")),
        boundary("failed", "inside", error("E")), user("mend"), end(), path("start", "inside", "end"), path("failed", "mend", "end"),
    ), {"x": 1})  # fmt: skip
    assert case.variables == {"x": 1, "why": "no money"}


def test_an_instance_tells_the_end_events_of_the_process_by_which_it_ended_and_no_others():
    case = Case(model(
        start(), sub("inside", *around(task("work"), ids=("work",))), parallel("fork"), end("one"), end("two"),
        path("start", "inside", "fork", "one"), path("fork", "two"),
    ))  # fmt: skip
    assert case.ended_by == ["one", "two"]


# --- undoing ----------------------------------------------------------------------------------------
def test_an_activity_without_handler_is_not_undone_and_one_with_a_handler_of_its_own_only_by_that():
    case = Case(model(
        start(), task("booked"), task("plain"), boundary("undo_booked", "booked", compensation()),
        user("unbook", isForCompensation="true"), throw("undo", compensation()), end(),
        path("start", "booked", "plain", "undo", "end"), association("undo_booked", "unbook"),
    ))  # fmt: skip
    assert case.waiting == ["unbook"]
    assert case.do("unbook").completed


def test_an_undone_activity_is_not_undone_again():
    case = Case(model(
        start(), task("booked"), boundary("undo_booked", "booked", compensation()), user("unbook", isForCompensation="true"),
        throw("undo", compensation()), throw("undo_more", compensation()), end(),
        path("start", "booked", "undo", "undo_more", "end"), association("undo_booked", "unbook"),
    )).do("unbook")  # fmt: skip
    assert case.completed and case.times("unbook") == 1


def test_a_transaction_that_can_be_cancelled_needs_the_boundary_that_says_where_it_goes_on():
    refused = refusals(model(
        start(),
        element("transaction", "deal", start("s"), end("no", "<cancelEventDefinition/>"), path("s", "no")),
        end(), path("start", "deal", "end"),
    ))  # fmt: skip
    assert ("deal", "bpmn.no-cancel-boundary") in refused or ("no", "bpmn.no-cancel-boundary") in refused
