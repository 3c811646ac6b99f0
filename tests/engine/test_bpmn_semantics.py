"""Chapter 13 of BPMN 2.0 and the zeebe: extensions where they are hard, each with its small model inline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine import bpmn
from tests.models.case import MONDAY, SHANGHAI, Case, process_of, refusals
from tests.models.xml import (
    CANCEL,
    association,
    boundary,
    catch,
    compensation,
    conditional,
    element,
    end,
    event_sub,
    exclusive,
    expression,
    flow,
    inclusive,
    message,
    model,
    multi,
    outputs,
    parallel,
    path,
    race,
    script,
    signal,
    start,
    sub,
    task,
    throw,
    timer,
    user,
)  # fmt: skip


def attribute(text: str, said: str) -> str:
    """An event definition with one more attribute."""
    return text.replace("/>", f" {said}/>", 1)


# === compensation that nobody waits for =============================================================
LATER = attribute(compensation(), 'waitForCompletion="false"')
BOOKED = user("book") + boundary("undo", "book", compensation()) + user("unbook", isForCompensation="true")
BOOKED += association("undo", "unbook")


def test_a_throw_that_does_not_wait_goes_on_while_its_handlers_run():
    case = Case(model(start(), BOOKED, throw("t", LATER), user("next"), end(), path("start", "book", "t", "next", "end"))).do("book")
    assert case.waiting == ["next", "unbook"]
    assert not case.do("next").completed
    assert case.do("unbook").completed


def test_an_end_that_does_not_wait_for_undoing_keeps_the_scope_alive_until_it_is_done():
    case = Case(model(
        start(), sub("s", start("in"), BOOKED, end("e", LATER), path("in", "book", "e")), user("after"), path("start", "s", "after"),
    )).do("book")  # fmt: skip
    assert case.waiting == ["unbook"] and "e" in case.done
    assert case.do("unbook").waiting == ["after"]


def test_a_throw_that_finds_nothing_to_undo_and_does_not_wait_goes_on():
    assert Case(model(start(), throw("t", LATER), end(), path("start", "t", "end"))).completed


def test_what_is_undone_beside_ends_with_its_scope():
    case = Case(model(
        start(), sub("s", start("in"), BOOKED, throw("t", LATER), user("next"), path("in", "book", "t", "next")),
        boundary("stop", "s", signal("S")), end(), path("start", "s"), path("stop", "end"),
    )).do("book")  # fmt: skip
    assert case.waiting == ["next", "unbook"] and case.fire("stop").completed


def test_what_is_to_be_thrown_after_compensation_is_thrown_when_all_is_undone():
    case = Case(model(
        start(), BOOKED, throw("t", compensation(), message("M"), compensation(), signal("S")), end("e", compensation(), message("N")),
        path("start", "book", "t", "e"),
    )).do("book")  # fmt: skip
    assert case.waiting == ["unbook"] and case.thrown == []
    assert case.do("unbook").completed
    assert [(one.kind, one.name) for one in case.thrown] == [("message", "M"), ("signal", "S"), ("message", "N")]


def test_a_transaction_that_is_being_cancelled_listens_to_nothing_in_another_version_either():
    inner = start("in"), BOOKED, end("stop", CANCEL), event_sub("es", start("on", signal("S")), user("late"), path("on", "late"))
    data = model(start(), element("transaction", "x", *inner, path("in", "book", "stop")), boundary("b", "x", CANCEL), end(),
                 path("start", "x", "end"), path("b", "end"))  # fmt: skip
    case = Case(data).do("book")
    assert [one.element_id for one in case.waits.values()] == ["unbook"]
    case.migrate(process_of(data))
    assert [one.element_id for one in case.waits.values()] == ["unbook"] and case.do("unbook").completed


# === ad-hoc sub-processes ===========================================================================
def ad_hoc(zeebe: str, *inner: str, condition: str = "", **attributes) -> bytes:
    done = expression("completionCondition", condition) if condition else ""
    return model(
        start(), element("adHocSubProcess", "a", f"<zeebe:adHoc {zeebe}/>", *inner, done, **attributes), user("after"),
        path("start", "a", "after"),
    )  # fmt: skip


@pytest.mark.element("adHocSubProcess")
def test_15_what_was_done_ad_hoc_is_collected_way_by_way():
    case = Case(
        ad_hoc(
            'activeElementsCollection="=[&quot;x&quot;, &quot;y&quot;]" outputCollection="all" outputElement="=said"',
            user("x"), user("x2"), user("y"), path("x", "x2"),
        )
    )  # fmt: skip
    case.do("x", said=1).do("y", said=2).do("x2", said=3)
    assert case.waiting == ["after"] and case.variables["all"] == [2, 3]


@pytest.mark.element("adHocSubProcess")
def test_15_ad_hoc_results_are_empty_when_nothing_was_begun_and_wait_for_outputs_that_name_them():
    empty = Case(ad_hoc('activeElementsCollection="=[]" outputCollection="all" outputElement="=1"', user("x")))
    assert empty.variables == {"all": []}
    mapped = Case(ad_hoc('activeElementsCollection="=[&quot;x&quot;]" outputCollection="all" outputElement="=said"',
                         user("x"), outputs(kept="count(all)")))  # fmt: skip
    assert mapped.do("x", said=1).variables == {"said": 1, "kept": 1}


@pytest.mark.element("adHocSubProcess")
def test_15_a_result_that_fails_stops_the_way_and_loses_nothing():
    case = Case(ad_hoc('activeElementsCollection="=[&quot;x&quot;]" outputCollection="all" outputElement="=if ok then 1 else 1/0"',
                       user("x"), condition="ok and count(all) = 1"), {"ok": None})  # fmt: skip
    case.do("x")
    assert case.incidents == ["a"] or case.incidents == ["x"]


@pytest.mark.element("adHocSubProcess")
def test_15_one_at_a_time_holds_for_what_an_expression_begins_and_for_several_picked_at_once():
    said = Case(ad_hoc('activeElementsCollection="=[&quot;x&quot;, &quot;y&quot;, &quot;x&quot;]"', user("x"), user("y"), ordering="Sequential"))
    assert said.waiting == ["x"] and said.do("x").waiting == ["y"] and said.do("y").waiting == ["x"]
    assert said.do("x").waiting == ["after"]
    picked = Case(ad_hoc("", user("x"), user("y"), ordering="Sequential"))
    picked.do("a", activities=["y", "x"])
    assert picked.waiting == ["y"] and picked.do("y").waiting == ["x"]
    assert picked.do("x").waiting == ["a"] and picked.do("a", done=True).waiting == ["after"]


@pytest.mark.element("adHocSubProcess")
@pytest.mark.parametrize("said", ["null", "&quot;x&quot;", "5"])
def test_15_what_an_ad_hoc_sub_process_begins_is_a_list_or_an_incident(said):
    assert Case(ad_hoc(f'activeElementsCollection="={said}"', user("x"))).incidents == ["a"]


# === conditions with a filter =======================================================================
def filtered(names: str = "", events: str = "") -> str:
    said = f'<extensionElements><zeebe:conditionalFilter variableNames="{names}" variableEvents="{events}"/></extensionElements>'
    return conditional("count(seen) > 2").replace("<condition>", f"{said}<condition>")


def test_20_a_condition_is_asked_again_only_when_what_its_filter_names_is_written():
    data = model(start(), user("a"), boundary("b", "a", filtered("go")), end(), path("start", "a"), path("b", "end"))
    case = Case(data, {"seen": [], "go": 1})
    case.set(seen=[1, 2, 3])
    assert case.waiting == ["a"] and case.listening == ["b"]
    assert case.set(other=1).waiting == ["a"]
    assert case.set(go=2).completed


@pytest.mark.parametrize(("events", "after_create"), [("create", True), ("update", False), ("create, update", True)])
def test_20_a_filter_tells_variables_that_come_from_those_that_change(events, after_create):
    data = model(start(), user("a"), boundary("b", "a", filtered("go", events)), end(), path("start", "a"), path("b", "end"))
    case = Case(data, {"seen": []}).set(seen=[1, 2, 3])
    assert case.set(go=1).completed is after_create
    if not after_create:
        assert case.set(go=2).completed


def test_20_a_filter_looks_at_the_scopes_that_its_event_sees_and_no_others():
    data = model(
        start(), parallel("f"), user("a"), boundary("b", "a", filtered("go")), end(),
        sub("s", start("in"), script("set", "1", "go", '<zeebe:ioMapping><zeebe:input source="=0" target="go"/></zeebe:ioMapping>'),
            path("in", "set")),
        user("w"), path("start", "f", "a"), path("f", "w", "s"), path("b", "end"),
    )  # fmt: skip
    case = Case(data, {"seen": []}).set(seen=[1, 2, 3]).do("w")
    assert case.waiting == ["a"]


def test_20_a_filter_that_names_no_way_of_changing_is_refused():
    data = model(start(), catch("c", filtered("go", "delete")), end(), path("start", "c", "end"))
    assert ("c", "bpmn.conditional-filter") in refusals(data)


def test_what_was_thrown_before_compensation_is_not_thrown_again_and_nothing_more_is_undone():
    case = Case(model(
        start(), BOOKED, parallel("f"), throw("t", message("M"), compensation()), user("also"), user("go"), end(),
        boundary("undo2", "also", compensation()), user("unalso", isForCompensation="true"), association("undo2", "unalso"),
        path("start", "f", "book", "go", "t", "end"), path("f", "also", "end"),
    )).do("book").do("go")  # fmt: skip
    assert case.waiting == ["also", "unbook"]
    assert case.do("also").do("unbook").completed and len(case.thrown) == 1


def test_a_condition_is_asked_when_nothing_else_moves_joins_included():
    sees = event_sub("es", start("on", conditional("x = 1")), user("late"), path("on", "late"))
    data = model(start(), inclusive("f", default="f_to_b"), task("a"), task("b"), inclusive("j"), end(), sees,
                 flow("start", "f"), flow("f", "a", "x = 1"), path("f", "b", "j"), path("a", "j", "end"))  # fmt: skip
    assert Case(data, {"x": 1}).completed


# === timers =========================================================================================
CYCLES = [
    ('=cycle(3, duration("PT1H"))', MONDAY + timedelta(hours=1), 3),
    ('=cycle(duration("P1D"))', MONDAY + timedelta(days=1), None),
    ('=cycle(null, duration("P1D"))', MONDAY + timedelta(days=1), None),
    ('="0 0 9 * * " + day', datetime(2026, 3, 3, 1, tzinfo=UTC), None),
    ('=duration("PT1H")', MONDAY + timedelta(hours=1), None),
    ("R/2020-01-01T00:00:00Z/P1D", datetime(2026, 3, 3, tzinfo=UTC), None),
    ("R/2020-02-01T00:00:00+08:00/P1M", datetime(2026, 3, 31, 16, tzinfo=UTC), None),
    ("R/2020-01-01T00:00:00Z/PT1S", MONDAY, None),
]


@pytest.mark.parametrize(("said", "due", "left"), CYCLES, ids=[one[0] for one in CYCLES])
def test_25_a_cycle_may_be_made_by_feel_and_begins_anew_after_a_beginning_that_has_passed(said, due, left):
    case = Case(model(start(), user("a"), boundary("b", "a", timer(said, "Cycle"), interrupting=False), path("start", "a")), {"day": "*"})
    assert case.wait("b").due == due
    assert case.run.tasks[case.at("b")[0]].memo["cycle"]["left"] == left


@pytest.mark.parametrize(("said", "kind"), [
    ('=duration("-PT5M")', "Duration"), ('=cycle(0, duration("PT1H"))', "Cycle"), ('=cycle(-1, duration("PT1H"))', "Cycle"),
    ('=cycle(2, duration("PT0.1S"))', "Cycle"), ('="tomorrow"', "Date"), ("=5", "Duration"), ("=null", "Date"), ("R0/PT1H", "Cycle"),
])  # fmt: skip
def test_25_feel_that_can_give_no_timer_is_refused_when_the_model_is_read(said, kind):
    data = model(start(), catch("c", timer(said, kind)), end(), path("start", "c", "end"))
    assert refusals(data) == {("c", "bpmn.timer")}


def test_12_a_date_that_has_passed_starts_an_instance_at_once():
    process = process_of(model(start("once", timer("2020-01-01T00:00:00Z", "Date")), end(), path("once", "end")))
    assert bpmn.first_start(process.starts[0], MONDAY, SHANGHAI) == (MONDAY, {})
    assert bpmn.next_start({}, MONDAY, MONDAY, SHANGHAI) == (None, {})


# === beginning ======================================================================================
def test_each_start_event_of_a_process_begins_instances_of_its_own():
    process = process_of(model(
        start("one"), start("two"), start("three", message("M", "")), start("four", signal("S")), user("a"), user("b"), end(),
        path("one", "a", "end"), path("two", "b", "end"), path("three", "a"), path("four", "b"),
    ))  # fmt: skip
    assert [(one.kind, one.element_id) for one in process.starts] == [
        ("none", "one"), ("none", "two"), ("message", "three"), ("signal", "four"),
    ]  # fmt: skip
    assert Case(process).waiting == ["a"] and Case(process, at="two").waiting == ["b"]
    assert Case(process, at="three").waiting == ["a"] and Case(process, at="four").waiting == ["b"]


def test_a_sub_process_has_one_start_event_and_no_more():
    data = model(start(), sub("s", start("x"), start("y"), user("a"), path("x", "a"), path("y", "a")), path("start", "s"))
    assert ("s", "bpmn.several-starts") in refusals(data)


def test_a_multiple_start_event_begins_with_any_of_its_triggers():
    process = process_of(model(start("s", message("M", ""), signal("S")), user("a"), path("s", "a")))
    assert [(one.kind, one.name) for one in process.starts] == [("message", "M"), ("signal", "S")]
    assert Case(process, at="s").waiting == ["a"]


def test_a_parallel_multiple_start_event_waits_for_all_of_its_triggers():
    data = model(start("s", message("M", ""), signal("S"), parallelMultiple="true"), user("a"), end(), path("s", "a", "end"))
    case = Case(data, at="s", trigger="M")
    assert case.waiting == [] and [one.kind for one in case.waits.values()] == ["signal"] and not case.completed
    assert case.fire("s").waiting == ["a"] and case.do("a").completed
    assert Case(data, at="s", trigger="S").fire("s").waiting == ["a"]


def test_a_parallel_multiple_start_event_with_a_timer_is_refused():
    data = model(start("s", message("M", ""), timer("PT1H"), parallelMultiple="true"), user("a"), path("s", "a"))
    assert ("s", "bpmn.parallel-start") in refusals(data)


@pytest.mark.parametrize(("kind", "others"), [("Exclusive", []), ("Parallel", ["n"])])
def test_an_event_gateway_begins_with_one_of_its_events_and_a_parallel_one_waits_for_the_others(kind, others):
    data = model(
        race("g", instantiate="true", eventGatewayType=kind), catch("m", message("M")), catch("n", message("N")), user("a"), user("b"),
        path("g", "m", "a"), path("g", "n", "b"),
    )  # fmt: skip
    case = Case(data, at="m")
    assert case.waiting == sorted(["a", *others])
    if others:
        assert not case.do("a").completed and case.fire("n").do("b").completed


# === complex gateways ===============================================================================
def test_a_complex_gateway_begins_anew_when_what_is_late_has_come():
    data = model(
        start(), parallel("f"), user("a"), user("b"), element("complexGateway", "j", expression("activationCondition", "activationCount >= 1")),
        user("d"), exclusive("m"), path("start", "m", "f", "a", "j", "d"), path("f", "b", "j"), flow("d", "m"),
    )  # fmt: skip
    case = Case(data).do("a")
    assert case.waiting == ["b", "d"]
    case.do("d")
    assert case.waiting == ["a", "b", "b"]
    case.do("a")  # the first branch's second token may not pass before the late one has come
    assert case.waiting == ["b", "b"]
    case.do("b")
    assert case.waiting == ["b", "d"]


def test_a_complex_gateway_begins_anew_when_what_is_late_can_no_longer_come():
    data = model(
        start(), exclusive("m"), parallel("f"), user("a"), user("b"), end("gone"),
        boundary("away", "b", signal("S")), element("complexGateway", "j", expression("activationCondition", "activationCount >= 1")),
        user("d"), path("start", "m", "f", "a", "j", "d"), path("f", "b", "j"), flow("d", "m"), path("away", "gone"),
    )  # fmt: skip
    case = Case(data).do("a").fire("away")
    assert case.waiting == ["d"]
    assert case.do("d").do("a").waiting == ["b", "d"]


def test_a_complex_gateway_may_tell_what_is_late_by_another_way():
    data = model(
        start(), parallel("f"), user("a"), user("b"), user("d"), user("late"),
        element("complexGateway", "j", expression("activationCondition", "activationCount = 1")),
        path("start", "f", "a", "j"), path("f", "b", "j"), flow("j", "d", "waitingForStart"), flow("j", "late", "not(waitingForStart)"),
    )  # fmt: skip
    case = Case(data).do("b")
    assert case.waiting == ["a", "d"] and case.do("a").waiting == ["d", "late"]
    assert case.do("d").do("late").completed


# === multi-instance by the standard's own references ================================================
LISTS = '<dataObject id="o" name="orders"/><dataObject id="p" name="prices"/>'
REFERRED = (
    "<multiInstanceLoopCharacteristics><loopDataInputRef>{source}</loopDataInputRef><loopDataOutputRef>{target}</loopDataOutputRef>"
    '<inputDataItem id="i" name="order"/><outputDataItem id="q" name="price"/></multiInstanceLoopCharacteristics>'
)
THROUGH = (
    '<ioSpecification><dataInput id="in"/><dataOutput id="out"/></ioSpecification>'
    "<dataInputAssociation><sourceRef>o</sourceRef><targetRef>in</targetRef></dataInputAssociation>"
    "<dataOutputAssociation><sourceRef>out</sourceRef><targetRef>p</targetRef></dataOutputAssociation>"
)


@pytest.mark.parametrize("more", [REFERRED.format(source="o", target="p"), THROUGH + REFERRED.format(source="in", target="out")])
def test_14_a_list_may_be_named_by_the_data_object_that_is_drawn(more):
    case = Case(model(LISTS, start(), user("a", more), end(), path("start", "a", "end")), {"orders": [3, 4]})
    assert [case.run.visible(token)["order"] for token in case.at("a")] == [3, 4]
    case.do("a", price=30).do("a", price=40)
    assert case.completed and case.variables["prices"] == [30, 40]


def test_14_events_that_a_repeated_activity_throws_by_itself_are_refused_by_name():
    loop = multi("[1]").replace("isSequential", 'behavior="None" noneBehaviorEventRef="e" isSequential')
    assert ("a", "bpmn.loop-behavior") in refusals(model(start(), task("a", loop), path("start", "a")))


@pytest.mark.parametrize("sequential", [False, True])
def test_14_the_result_of_one_child_is_not_that_of_another_which_went_on_beside(sequential):
    more = multi("[1, 2]", "i", sequential=sequential, results="all", result="r.said")
    case = Case(model(start(), sub("s", start("in"), user("a"), user("b"), path("in", "a", "b"), more), end(), path("start", "s", "end")))
    if sequential:
        case.do("a", r={"said": 1}).do("b").do("a", r={"said": 2}).do("b")
    else:
        first, second = case.at("a")
        case.do_token(first, r={"said": 1}).do_token(second, r={"said": 2})
        case.do("b").do("b")
    assert case.completed and case.variables == {"all": [1, 2]}


@pytest.mark.element("adHocSubProcess")
def test_15_what_is_over_stays_over_and_offers_nothing_more_while_the_rest_is_waited_for():
    case = Case(ad_hoc("", user("x"), user("y"), condition="enough", cancelRemainingInstances="false"), {"enough": False})
    case.do("a", activities=["x", "y"]).do("x", enough=True)
    assert case.waiting == ["y"]
    assert case.do("y", enough=False).waiting == ["after"]


@pytest.mark.element("adHocSubProcess")
@pytest.mark.parametrize("sequential", [False, True])
def test_15_a_person_picks_in_each_child_of_a_repeated_ad_hoc_sub_process(sequential):
    more = multi("[1, 2]", "i", sequential=sequential, results="all", result="own")
    collected = '<zeebe:adHoc outputCollection="own" outputElement="=i"/>'
    case = Case(model(start(), element("adHocSubProcess", "a", collected, user("x"), more), end(), path("start", "a", "end")))
    for _ in range(2):
        case.do("a", activities=["x"]).do("x").do("a", done=True)
    assert case.completed and case.variables == {"all": [[1], [2]]}
