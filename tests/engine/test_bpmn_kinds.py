"""Kinds of elements of which nothing is special, so that no kind runs without a test of its own.

What is hard about elements stands in `test_bpmn_elements`; here each kind is walked once from end to end.
"""

from __future__ import annotations

import pytest

from tests.models.case import Case, process_of
from tests.models.xml import conditional, element, end, event_sub, message, model, path, signal, start, timer, user  # fmt: skip


def test_a_manual_task_waits_until_somebody_says_that_it_is_done():
    case = Case(model(start(), element("manualTask", "carry"), end(), path("start", "carry", "end")))
    assert case.waiting == ["carry"] and case.wait("carry").kind == "manual"
    assert case.do("carry").completed


def test_an_end_event_sends_its_message():
    case = Case(model(start(), end("told", message("Done", '="k" + "7"')), path("start", "told")))
    assert case.completed
    assert [(one.kind, one.name, one.correlation_key) for one in case.thrown] == [("message", "Done", "k7")]


def test_a_process_may_begin_with_a_signal_and_keeps_what_it_brought():
    data = model(start("heard", signal("S")), user("a"), end(), path("heard", "a", "end"))
    (begin,) = process_of(data).starts
    assert (begin.kind, begin.name) == ("signal", "S")
    case = Case(data, {"caller": "Bert"}, at="heard")
    assert case.waiting == ["a"] and case.variables["caller"] == "Bert"


@pytest.mark.parametrize("trigger", [timer("PT1H"), signal("S"), message("M")], ids=["timer", "signal", "message"])
def test_an_event_sub_process_that_interrupts_leaves_nothing_else_running(trigger):
    case = Case(model(
        start(), user("a"), end(), path("start", "a", "end"),
        event_sub("instead", start("stop", trigger), user("b"), end("stopped"), path("stop", "b", "stopped")),
    )).fire("stop")  # fmt: skip
    assert case.waiting == ["b"] and case.listening == []
    assert case.do("b").completed


@pytest.mark.parametrize("trigger", [timer("R2/PT1H", "Cycle"), signal("S")], ids=["timer", "signal"])
def test_an_event_sub_process_that_does_not_interrupt_runs_beside_and_listens_on(trigger):
    case = Case(model(
        start(), user("a"), end(), path("start", "a", "end"),
        event_sub("beside", start("also", trigger, interrupting=False), user("b"), end("b_done"), path("also", "b", "b_done")),
    )).fire("also").fire("also")  # fmt: skip
    assert case.waiting == ["a", "b", "b"]
    assert case.do("b").do("b").do("a").completed


def test_a_condition_that_becomes_true_stops_everything_else_of_its_scope():
    case = Case(model(
        start(), user("a"), end(), path("start", "a", "end"),
        event_sub("instead", start("stop", conditional("late")), user("b"), end("stopped"), path("stop", "b", "stopped")),
    ), {"late": False})  # fmt: skip
    assert case.waiting == ["a"]
    case.set(late=True)
    assert case.waiting == ["b"] and case.do("b").completed
