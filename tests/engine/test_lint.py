"""Lint says what is wrong at which element, for our own models and for anybody's, and never hangs.

Models stand inline beside what is said of them. `said(...)` gives (element, rule) pairs; `SOUND` is a model
in which there is nothing to say, and most tests break it in one place. The last part gives lint files that
nobody should draw, each under a limit of seconds.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from engine import access, bpmn, lint, policies
from engine.errors import Invalid
from engine.lint import dominators

HOME = Path(__file__).resolve().parents[2]
POLICIES = policies.load(HOME / "policies")
HEAD = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="urn:test" '
    'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" '
    'xmlns:flowable="http://flowable.org/bpmn" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI">'
)
APPROVAL = (
    '<zeebe:properties><zeebe:property name="bizday:approval" value="true"/>{}</zeebe:properties>'
)  # fmt: skip
SEPARATED = '<zeebe:property name="bizday:separation" value="{}"/>'


def model(*parts: str, executable: bool = True, name: str = "A process", head: str = "") -> bytes:
    said = "true" if executable else "false"
    body = "".join(parts)
    return f'{HEAD}{head}<process id="p" name="{name}" isExecutable="{said}">{body}</process></definitions>'.encode()


def flow(source: str, target: str, condition: str = "", id: str = "") -> str:
    inner = f"<conditionExpression>{condition}</conditionExpression>" if condition else ""
    return f'<sequenceFlow id="{id or f"{source}_{target}"}" sourceRef="{source}" targetRef="{target}">{inner}</sequenceFlow>'


def task(id: str, kind: str = "task", extensions: str = "", inner: str = "", **attributes: str) -> str:
    given = "".join(f' {name}="{value}"' for name, value in {"name": f"Do {id}", **attributes}.items())
    held = f"<extensionElements>{extensions}</extensionElements>" if extensions else ""
    return f'<{kind} id="{id}"{given}>{held}{inner}</{kind}>'


START, END = '<startEvent id="s" name="Begun"/>', '<endEvent id="e" name="Ended"/>'


def line(*middle: str, ids: tuple[str, ...]) -> str:
    """Start, what is in between, end, connected in that order."""
    order = ("s", *ids, "e")
    return "".join([START, *middle, END, *map(flow, order, order[1:])])


def said(data: bytes, **known) -> set[tuple[str, str]]:
    """(element, rule) of everything that is said, apart from the missing diagram that no model here has."""
    return {(p.where, p.rule) for p in lint.check(data, **known)} - {("", "drawing.none")}


def sentence(data: bytes, rule: str, **known) -> str:
    return next(str(p) for p in lint.check(data, **known) if p.rule == rule)


def test_nothing_is_said_of_a_sound_model():
    assert said(model(line(task("a"), ids=("a",)))) == set()


def test_our_own_models_keep_every_rule_and_the_schema():
    files = {path: path.read_bytes() for path in (HOME / "processes").glob("*/*.bpmn")}
    fields = {f"{p.parent.name}/{p.stem}": lint.fields_of(json.loads(p.read_text("utf-8")))
              for p in (HOME / "forms").glob("*/*.json")}  # fmt: skip
    processes = {key for data in files.values() for key in bpmn.parse(data).processes}
    found = {
        path.name: [str(p) for p in lint.check(data, policies=POLICIES, forms=set(fields), fields=fields, processes=processes)]
        for path, data in files.items()
    }  # fmt: skip
    assert len(found) >= 5
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_every_sentence_can_be_said_with_its_parameters_and_every_rule_has_a_dotted_name():
    for problem in lint.check(MANY_FAULTS, decisions=set(), forms=set(), services=set(), processes=set()):
        assert str(problem).endswith((".", "?")), problem
        assert "%(" not in str(problem), problem
        assert problem.rule.count(".") == 1 and problem.severity in ("error", "warning", "info")


# --- how it flows -------------------------------------------------------------------------------
def test_a_model_that_is_not_executable_is_told_so_and_still_opens():
    data = model(line(task("a"), ids=("a",)), executable=False)
    assert ("p", "model.not-executable") in said(data)
    report = lint.inspect(data)
    assert (report.opens, report.deployable) == (True, False)
    assert {p.severity for p in report.problems} == {"warning"}


def test_of_a_second_plain_start_event_it_is_said_that_people_begin_at_the_first():
    data = model(line(task("a"), ids=("a",)), '<startEvent id="s2" name="Also begun"/>', flow("s2", "a"))
    problem = next(p for p in lint.check(data) if p.rule == "flow.several-starts")
    assert (problem.where, problem.severity) == ("s2", "warning")


def test_a_process_without_start_event_is_told_where_it_begins_is_not_seen():
    assert ("p", "flow.no-start") in said(model(task("a"), END, flow("a", "e")))


def test_a_circle_has_nothing_to_begin_with():
    assert ("p", "flow.no-begin") in said(model(task("a"), task("b"), flow("a", "b"), flow("b", "a")))


def test_an_element_that_nothing_leads_to_is_told_once_for_all_behind_it():
    data = model(line(task("a"), ids=("a",)), task("x"), task("y"), flow("x", "y"), flow("y", "e", id="back"))
    assert {where for where, rule in said(data) if rule == "flow.unreachable"} == {"x"}


def event(tag: str, id: str, definition: str, **attributes: str) -> str:
    return task(id, tag, inner=definition, **attributes)


HOUR = "<timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>"
LINK = '<linkEventDefinition name="l"/>'


def test_boundary_events_links_event_subprocesses_and_handlers_are_reached():
    told = event("startEvent", "ss", '<signalEventDefinition signalRef="sig"/>') + '<endEvent id="se" name="Heard"/>'
    data = model(
        line(task("a", "userTask", ASKED + FORM), event("intermediateThrowEvent", "lt", LINK), ids=("a",)),
        event("boundaryEvent", "b", HOUR, attachedToRef="a"), flow("b", "lt"),
        event("intermediateCatchEvent", "lc", LINK), END.replace('"e"', '"e2"'), flow("lc", "e2"),
        task("sub", "subProcess", inner=told + flow("ss", "se"), triggeredByEvent="true"),
        event("boundaryEvent", "c", "<compensateEventDefinition/>", attachedToRef="a"), task("undo", isForCompensation="true"),
        '<association id="as" sourceRef="c" targetRef="undo" associationDirection="One"/>',
        head='<signal id="sig" name="Told"/>',
    )  # fmt: skip
    assert said(data) == set()


def test_a_path_that_ends_without_an_end_event_is_told_where_it_ends():
    data = model(START, task("a"), flow("s", "a"))
    assert said(data) == {("a", "flow.dead-end"), ("p", "flow.no-end")}


def test_a_loop_without_a_way_out_is_told_once():
    data = model(
        line(task("a"), ids=("a",)).replace(flow("a", "e"), ""), task("b"), flow("a", "b"), flow("b", "a"), task("x"),
        flow("x", "e"),
    )  # fmt: skip
    assert {where for where, rule in said(data) if rule == "flow.no-way-out"} == {"a"}


def test_flows_that_meet_without_a_gateway_are_told():
    data = model(
        START, '<exclusiveGateway id="g" name="Which?" default="g_b"/>', task("a"), task("b"), task("c"), END,
        flow("s", "g"), flow("g", "a", "=1 = 1"), flow("g", "b"), flow("a", "c"), flow("b", "c"), flow("c", "e"),
    )  # fmt: skip
    assert said(data) == {("c", "flow.fake-join")}


def test_flows_that_part_without_a_gateway_are_told():
    data = model(line(task("a"), ids=("a",)), task("b"), flow("a", "b"), flow("b", "e"))
    assert said(data) == {("a", "flow.fake-split")}


def test_a_gateway_that_does_nothing_is_told_and_one_that_does_two_things_too():
    assert said(model(line('<parallelGateway id="g"/>', ids=("g",)))) == {("g", "gateway.superfluous")}
    data = model(
        line('<parallelGateway id="f"/>', task("a"), '<parallelGateway id="g"/>', task("c"), ids=("f", "a", "g", "c")),
        task("b"), flow("f", "b"), flow("b", "g"), task("d"), flow("g", "d"), flow("d", "e"),
    )  # fmt: skip
    assert ("g", "gateway.joins-and-splits") in said(data)


def test_a_choice_without_default_is_told_that_the_case_may_stop_there():
    data = model(*choice("g"), flow("g", "a", "=x &gt; 1"), flow("g", "b", "=x &lt; 1"))
    assert ("g", "gateway.no-default") in said(data)


def test_a_condition_on_a_default_flow_and_a_condition_said_twice_are_told():
    data = model(
        *choice("g", 'default="g_a"'), flow("g", "a", "=1 = 1"), flow("g", "b", "=2 = 2"), task("c"), flow("g", "c", "=2 = 2"),
        flow("c", "e"),
    )  # fmt: skip
    assert {("g_a", "gateway.default-condition"), ("g_c", "gateway.same-condition")} <= said(data)


def choice(gateway: str, attributes: str = "") -> tuple[str, ...]:
    """Start, gateway, tasks a and b, end; the flows out of the gateway are the test's."""
    return (
        START, f'<exclusiveGateway id="{gateway}" name="Which?" {attributes}/>', task("a"), task("b"), END,
        flow("s", gateway), flow("a", "e"), flow("b", "e"),
    )  # fmt: skip


def split_and_join(split: str, join: str) -> bytes:
    return model(
        START, f'<{split} id="g" name="Which?"/>', task("a"), task("b"), f'<{join} id="j" name="Together"/>', END,
        flow("s", "g"), flow("g", "a", *(["=1 = 1"] if split != "parallelGateway" else [])),
        flow("g", "b", *(["=1 = 2"] if split != "parallelGateway" else [])), flow("a", "j"), flow("b", "j"), flow("j", "e"),
    )  # fmt: skip


def test_a_parallel_join_behind_a_choice_waits_for_ever():
    assert ("j", "gateway.waits-for-ever") in said(split_and_join("exclusiveGateway", "parallelGateway"))


def test_a_choice_behind_a_parallel_split_lets_everything_through_several_times():
    assert ("j", "gateway.not-joined") in said(split_and_join("parallelGateway", "exclusiveGateway"))


@pytest.mark.parametrize("kind", ["parallelGateway", "inclusiveGateway"])
def test_a_split_that_is_joined_by_its_like_is_fine(kind):
    assert not {rule for _, rule in said(split_and_join(kind, kind))} - {"gateway.no-default"}


def test_a_loop_back_to_a_choice_is_no_mistake():
    data = model(
        line('<exclusiveGateway id="again"/>', task("a"), '<exclusiveGateway id="g" name="Good?" default="g_e"/>',
             ids=("again", "a", "g")),
        flow("g", "again", "=1 = 2"),
    )  # fmt: skip
    assert said(data) == set()


def test_dominators_are_those_of_the_textbook():
    """The flow graph of Cooper, Harvey and Kennedy (2001), figure 4, whose nodes all depend on 6 alone."""
    data = model(
        START.replace('"s"', '"n6"'), *(task(f"n{n}") for n in range(1, 6)),
        *(flow(f"n{a}", f"n{b}") for a, b in ((6, 5), (6, 4), (5, 1), (4, 2), (4, 3), (1, 2), (2, 1), (2, 3), (3, 2))),
    )  # fmt: skip
    root = bpmn.parse(data).processes["p"].root
    assert dominators.immediate(root) == {f"n{n}": "n6" for n in range(1, 6)}
    assert dominators.immediate(root, budget=0) == {}


def test_an_event_at_something_that_is_done_at_once_never_happens():
    data = model(line(task("a"), ids=("a",)), event("boundaryEvent", "b", HOUR, attachedToRef="a"), flow("b", "e"))
    assert ("b", "event.never-listens") in said(data)


def test_an_element_without_a_name_is_told_but_not_a_gateway_that_only_joins():
    data = model(
        '<startEvent id="s"/>', '<exclusiveGateway id="g" default="g_a"/>', task("a", name=""), task("b"),
        '<exclusiveGateway id="j"/>', END,
        flow("s", "g"), flow("g", "a"), flow("g", "b", "=1 = 1"), flow("a", "j"), flow("b", "j"), flow("j", "e"),
    )  # fmt: skip
    assert said(data) == {("s", "name.missing"), ("g", "name.missing"), ("a", "name.missing")}


# --- people -------------------------------------------------------------------------------------
ASKED = '<zeebe:assignmentDefinition assignee="=starter.id"/>'
FORM = '<zeebe:formDefinition formId="p/vote"/>'


def vote(*extensions: str) -> bytes:
    return model(line(task("a", "userTask", "".join(extensions)), ids=("a",)))


def test_a_task_for_nobody_and_without_a_form_is_told():
    assert said(vote()) == {("a", "task.nobody"), ("a", "task.no-form")}


def test_a_group_that_the_policies_do_not_know_is_told_in_a_text_and_in_a_list():
    one = vote(FORM, '<zeebe:assignmentDefinition candidateGroups="legal, dreamers"/>')
    assert sentence(one, "task.unknown-group", policies=POLICIES).count("dreamers") == 1
    many = vote(FORM, '<zeebe:assignmentDefinition candidateGroups="=[&quot;legal&quot;, &quot;dreamers&quot;]"/>')
    assert said(many, policies=POLICIES) == {("a", "task.unknown-group")}


def test_an_approval_states_opinion_and_reason_and_keeps_somebody_out():
    full = {"p/vote": {"opinion": True, "reason": True}}
    data = vote(FORM, ASKED, APPROVAL.format(SEPARATED.format("not-starter")))
    assert said(data, fields=full) == set()
    assert said(data, fields={"p/vote": {"opinion": True, "reason": False}}) == {("a", "task.approval-form")}
    assert said(data, fields={"p/vote": {}}) == {("a", "task.approval-form")}
    assert said(vote(FORM, ASKED, APPROVAL.format("")), fields=full) == {("a", "task.approval-separation")}


@pytest.mark.parametrize("word", ["not-stater", "not-previous", "not-previous=elsewhere"])
def test_a_word_for_separation_that_means_nothing_is_an_error(word):
    data = vote(FORM, ASKED, f"<zeebe:properties>{SEPARATED.format(word)}</zeebe:properties>")
    problem = next(p for p in lint.check(data) if p.rule == "task.separation")
    assert (problem.where, problem.severity) == ("a", "error")


def test_lint_knows_the_words_that_access_keeps():
    assert (lint.WORDS, lint.SEPARATION) == (access.WORDS, access.SEPARATION)


def test_policies_that_speak_of_an_element_that_is_gone_are_told():
    key = next(iter(key for key, element in POLICIES.sla if element))
    data = model(line(task("a"), ids=("a",))).replace(b'process id="p"', f'process id="{key}"'.encode())
    assert (key, "policy.missing-element") in said(data, policies=POLICIES)


def test_a_task_that_only_has_the_default_limit_is_told_in_a_process_that_the_policies_know():
    key = next(iter(POLICIES.processes))
    data = vote(FORM, ASKED).replace(b'process id="p"', f'process id="{key}"'.encode())
    assert ("a", "task.default-limit") in said(data, policies=POLICIES)
    assert ("a", "task.default-limit") not in said(vote(FORM, ASKED), policies=POLICIES)


# --- what a model names -------------------------------------------------------------------------
NAMES = model(
    line(
        task("d", "businessRuleTask", '<zeebe:calledDecision decisionId="which" resultVariable="r"/>'),
        task("f", "userTask", FORM + ASKED), task("v", "serviceTask", '<zeebe:taskDefinition type="call"/>'),
        task("c", "callActivity", '<zeebe:calledElement processId="other"/>'), ids=("d", "f", "v", "c"),
    )
)  # fmt: skip


def test_decisions_forms_services_and_processes_must_exist():
    nothing = {"decisions": set(), "forms": set(), "services": set(), "processes": set()}
    wanted = {("d", "decision.missing"), ("f", "form.missing"), ("v", "service.unknown"), ("c", "process.missing")}
    assert said(NAMES, **nothing) == wanted
    assert {p.severity for p in lint.check(NAMES, **nothing) if p.where} == {"error"}
    everything = {"decisions": {"which"}, "forms": {"p/vote"}, "services": {"call"}, "processes": {"other"}}
    assert said(NAMES, **everything) == set()


def test_what_nobody_knows_is_not_asked_for():
    assert said(NAMES) == set()


def test_a_name_that_is_an_expression_is_known_only_later():
    data = model(line(task("v", "serviceTask", '<zeebe:taskDefinition type="=kind"/>'), ids=("v",)))
    assert said(data, services=set()) == set()


def test_listeners_that_this_engine_does_not_do_are_refused_and_never_skipped():
    listeners = '<zeebe:executionListeners><zeebe:executionListener eventType="start" type="x"/></zeebe:executionListeners>'
    data = model(line(task("a", extensions=listeners), ids=("a",)))
    problem = next(p for p in lint.check(data) if p.rule == "model.extension")
    assert (problem.where, problem.severity) == ("a", "error")


def begun_by(cycle: str) -> str:
    return event("startEvent", "s", f"<timerEventDefinition><timeCycle>{cycle}</timeCycle></timerEventDefinition>")


@pytest.mark.parametrize("cycle", ["R/PT5S", "R3/PT59S", "*/10 * * * * *", '="R/PT1S"'])
def test_a_timer_that_fires_all_the_time_is_told(cycle):
    assert ("s", "timer.fast") in said(model(begun_by(cycle), END, flow("s", "e")))


def test_a_timer_once_an_hour_is_fine():
    assert said(model(begun_by("R/PT1H"), END, flow("s", "e"))) == set()


def test_a_service_that_a_task_of_a_person_or_an_ad_hoc_sub_process_names_is_refused():
    named = '<zeebe:taskDefinition type="x"/>'
    assert ("a", "service.place") in said(model(line(task("a", "userTask", named + ASKED), ids=("a",))))
    picks = task("a", "adHocSubProcess", named, task("t"))
    assert ("a", "service.place") in said(model(line(picks, ids=("a",))))


# --- expressions --------------------------------------------------------------------------------
FORMED = task("s", "startEvent", '<zeebe:formDefinition formId="p/start"/>')


def asked(condition: str) -> bytes:
    return model(*(FORMED, *choice("g", 'default="g_b"')[1:]), flow("g", "a", condition), flow("g", "b"))


def test_a_variable_that_nothing_writes_is_told_with_the_one_that_was_meant():
    fields = {"p/start": {"amount": True}}
    assert said(asked("=amount &gt; 5"), fields=fields) == set()
    assert sentence(asked("=amuont &gt; 5"), "feel.unknown-variable", fields=fields) == (
        "Nothing writes variable 'amuont'; is 'amount' meant?"
    )
    assert ("g_a", "feel.unknown-variable") in said(asked("=colour = 1"), fields=fields)


def test_variables_of_the_platform_of_loops_of_results_and_inside_filters_are_known():
    loop = (
        '<multiInstanceLoopCharacteristics><extensionElements>'
        '<zeebe:loopCharacteristics inputCollection="=amount" inputElement="one" outputCollection="all" outputElement="=one.x"/>'
        "</extensionElements></multiInstanceLoopCharacteristics>"
    )  # fmt: skip
    data = model(
        FORMED, task("a", "scriptTask", '<zeebe:script expression="=amount[price &gt; 3]" resultVariable="dear"/>', inner=loop),
        END, flow("s", "a"), flow("a", "e", "=count(dear) + loopCounter &gt; 0 and starter.id != case.id and all = []"),
    )  # fmt: skip
    assert said(data, fields={"p/start": {"amount": True}}) == set()


def test_where_anything_may_come_from_outside_only_near_misses_are_told():
    data = model(
        FORMED, task("v", "serviceTask", '<zeebe:taskDefinition type="x"/>'), END, flow("s", "v"),
        flow("v", "e", "=answer &gt; amuont"),
    )  # fmt: skip
    found = [str(p) for p in lint.check(data, fields={"p/start": {"amount": True}}) if p.rule == "feel.unknown-variable"]
    assert found == ["Nothing writes variable 'amuont'; is 'amount' meant?"]


def test_a_function_that_does_not_exist_is_an_error():
    problem = next(p for p in lint.check(asked("=cuont(amount) &gt; 1")) if p.rule == "feel.unknown-function")
    assert (problem.where, problem.severity, "cuont" in str(problem)) == ("g_a", "error", True)


def test_functions_that_an_expression_makes_itself_are_known():
    assert said(asked("={f: function(a) a &gt; 1, g: f(2)}.g")) == set()


def test_a_condition_over_a_field_that_may_be_left_empty_is_told():
    fields = {"p/start": {"amount": False}}
    assert said(asked("=amount &gt; 5"), fields=fields) == {("g_a", "feel.may-be-null")}
    assert said(asked("=amount != null and amount &gt; 5"), fields=fields) == set()
    assert said(asked("=amount = 5"), fields=fields) == set()
    assert said(asked("=amount &gt; 5"), fields={"p/start": {"amount": True}}) == set()


def test_a_condition_that_is_never_true_or_false_is_an_error():
    assert ("g_a", "feel.not-a-condition") in said(asked("=1 + 1"))


def test_a_script_whose_result_goes_nowhere_is_told():
    data = model(line(task("a", "scriptTask", '<zeebe:script expression="=1"/>'), ids=("a",)))
    assert said(data) == {("a", "feel.result-lost")}


def test_an_expression_that_cannot_be_read_stands_at_its_flow():
    assert ("g_a", "feel.syntax") in said(asked("=amount &gt;"))


# --- drawing and schema -------------------------------------------------------------------------
def drawn(*ids: str) -> str:
    shapes = "".join(f'<bpmndi:BPMNShape id="{one}_di" bpmnElement="{one}"/>' for one in ids)
    return f'<bpmndi:BPMNDiagram><bpmndi:BPMNPlane bpmnElement="p">{shapes}</bpmndi:BPMNPlane></bpmndi:BPMNDiagram></definitions>'


def test_what_is_not_drawn_is_told():
    data = model(line(task("a"), ids=("a",))).decode().replace("</definitions>", drawn("s", "e", "s_a")).encode()
    assert {("a", "drawing.no-shape"), ("a_e", "drawing.no-edge")} == {
        pair for pair in said(data) if pair[1].startswith("drawing")
    }


def test_a_file_without_diagram_is_told_once():
    assert [p.rule for p in lint.check(model(line(task("a"), ids=("a",))))] == ["drawing.none"]


def test_an_element_beside_the_lanes_is_told():
    lanes = '<laneSet id="ls"><lane id="l" name="Sales"><flowNodeRef>s</flowNodeRef><flowNodeRef>a</flowNodeRef></lane></laneSet>'
    assert said(model(lanes, line(task("a"), ids=("a",)))) == {("e", "drawing.no-lane")}


def test_breaking_the_schema_is_an_error_where_the_model_is_to_run_and_said_in_plain_words():
    broken = line(task("a", colour="red"), ids=("a",))
    problem = next(p for p in lint.check(model(broken)) if p.rule == "bpmn.schema")
    assert (problem.where, problem.severity) == ("a", "error")
    assert str(problem) == "A 'task' has no attribute 'colour' in BPMN."
    assert {p.severity for p in lint.check(model(broken, executable=False)) if p.rule == "bpmn.schema"} == {"warning"}


def test_what_stands_in_the_wrong_place_is_told_at_its_element():
    inner = "<outgoing>a_e</outgoing><incoming>s_a</incoming>"
    data = model(line(task("a", inner=inner), ids=("a",)))
    assert sentence(data, "bpmn.schema") == "A 'incoming' may not stand at this place."
    assert ("a", "bpmn.schema") in said(data)


# --- older dialects -----------------------------------------------------------------------------
def test_attributes_and_expressions_of_older_dialects_are_read_and_told():
    older = {"camunda:assignee": "${starter.id}", "flowable:candidateUsers": "ada"}
    data = model(line(task("a", "userTask", **older), ids=("a",)))
    element = bpmn.parse(data).processes["p"].elements["a"]
    assert (element.assignee.text, element.candidate_users.text) == ("=starter.id", "ada")
    assert sentence(data, "import.translated") == (
        "Parts of another dialect were translated: assignee, candidateUsers."
    )
    assert {p.severity for p in lint.check(data) if p.rule == "import.translated"} == {"info"}


def test_a_condition_in_an_older_dialect_is_read_as_feel_and_told():
    data = asked("${amount &gt; 5 &amp;&amp; kind == 'x'}")
    flow = bpmn.parse(data).processes["p"].flows["g_a"]
    assert flow.condition.text == '=amount > 5 and kind = "x"'
    assert ("g_a", "import.translated") in said(data)


def test_in_and_out_mappings_of_a_call_become_inputs_and_outputs():
    handed = (
        '<camunda:in source="amount" target="sum"/><camunda:in sourceExpression="${amount + 1}" target="more"/>'
        '<camunda:out source="result" target="answer"/>'
    )
    data = model(line(task("c", "callActivity", handed, calledElement="other"), ids=("c",)))
    element = bpmn.parse(data).processes["p"].elements["c"]
    assert [(name, formula.text) for name, formula in element.inputs] == [("sum", "=amount"), ("more", "=amount + 1")]
    assert [(name, formula.text) for name, formula in element.outputs] == [("answer", "=result")]
    assert (element.called.text, element.propagate_all_parent, element.propagate_all_child) == ("other", False, False)


def test_a_call_that_hands_over_all_variables_still_does():
    handed = '<camunda:in variables="all"/><camunda:in source="a" target="b"/><camunda:out variables="all"/>'
    data = model(line(task("c", "callActivity", handed, calledElement="other"), ids=("c",)))
    element = bpmn.parse(data).processes["p"].elements["c"]
    assert (element.propagate_all_parent, element.propagate_all_child, len(element.inputs)) == (True, True, 1)


def test_input_output_parameters_are_translated_with_lists_and_maps():
    given = (
        '<camunda:inputOutput><camunda:inputParameter name="fixed">12</camunda:inputParameter>'
        '<camunda:inputParameter name="l"><camunda:list><camunda:value>one</camunda:value><camunda:value>${two}</camunda:value>'
        '</camunda:list></camunda:inputParameter><camunda:inputParameter name="m"><camunda:map>'
        '<camunda:entry key="k">say "hi"</camunda:entry></camunda:map></camunda:inputParameter>'
        '<camunda:outputParameter name="o">${l}</camunda:outputParameter></camunda:inputOutput>'
    )
    element = bpmn.parse(model(line(task("a", extensions=given), ids=("a",)))).processes["p"].elements["a"]
    assert [formula.text for _, formula in element.inputs] == ["12", '=["one", two]', '={"k": "say \\"hi\\""}']
    assert element.inputs[2][1].expression.evaluate({}) == {"k": 'say "hi"'}
    assert [(name, formula.text) for name, formula in element.outputs] == [("o", "=l")]


def test_what_cannot_be_translated_is_told_and_code_is_refused():
    data = model(line(task("a", "userTask", ASKED + '<camunda:formData/><camunda:taskListener class="x"/>'), ids=("a",)))
    told = {(p.severity, p.where) for p in lint.check(data) if p.rule == "import.not-translated"}
    assert told == {("warning", "a"), ("error", "a")}


def test_collections_of_older_dialects_and_of_the_standard_are_read():
    older = '<multiInstanceLoopCharacteristics flowable:collection="people" flowable:elementVariable="one"/>'
    plain = (
        "<multiInstanceLoopCharacteristics><loopDataInputRef>people</loopDataInputRef>"
        "<inputDataItem id='i' name='one'/></multiInstanceLoopCharacteristics>"
    )
    for inner in (older, plain):
        loop = bpmn.parse(model(line(task("a", inner=inner), ids=("a",)))).processes["p"].elements["a"].loop
        assert (loop.collection.text, loop.element_variable) == ("=people", "one")


def test_the_standards_words_for_who_does_a_task_are_read():
    given = "<{0}><resourceAssignmentExpression><formalExpression>{1}</formalExpression></resourceAssignmentExpression></{0}>"
    owners = given.format("potentialOwner", "user(ada), group(legal), finance")
    element = bpmn.parse(model(line(task("a", "userTask", inner=owners), ids=("a",)))).processes["p"].elements["a"]
    assert (element.candidate_groups.text, element.candidate_users.text) == ("legal,finance", "ada")
    performer = given.format("humanPerformer", "${boss}")
    element = bpmn.parse(model(line(task("a", "userTask", inner=performer), ids=("a",)))).processes["p"].elements["a"]
    assert (element.assignee.text, element.candidate_groups) == ("=boss", None)


def test_an_expression_inside_a_text_is_told_because_it_would_stay_as_it_is():
    data = model(line(task("a", "userTask", **{"camunda:assignee": "user-${name}"}), ids=("a",)))
    assert ("a", "import.left-over") in said(data)


# --- mending ------------------------------------------------------------------------------------
MANY_FAULTS = model(
    "<!-- drawn by hand -->", *choice("g"), flow("g", "a", "=x &gt; 1"), flow("g", "b"), flow("b", "nowhere", id="loose"),
    task("c", default="g_a"), task("v", "serviceTask", '<zeebe:taskDefinition type="call"/>'), flow("c", "v"),
    task("d", "businessRuleTask", '<zeebe:calledDecision decisionId="which"/>'), task("f", "userTask", FORM),
    "<outgoing>loose</outgoing>".join(("<task id='h' name='Held'>", "</task>")), executable=False,
)  # fmt: skip


def test_mends_are_proposed_as_data_and_nothing_is_mended_by_itself():
    before = MANY_FAULTS
    found = {(mend.act, mend.where, mend.what) for mend in lint.mends(before)}
    assert found == {
        ("set-executable", "p", ""), ("set-default", "g_b", "g"), ("remove-flow", "loose", ""), ("unset-default", "c", "g_a"),
    }  # fmt: skip
    assert all("%(" not in str(mend) for mend in lint.mends(before))
    assert before == MANY_FAULTS


@pytest.mark.parametrize("mend", lint.mends(MANY_FAULTS), ids=lambda mend: mend.act)
def test_each_mend_makes_its_problem_go_and_no_other_come(mend):
    before = {(p.where, p.rule, p.severity) for p in lint.check(MANY_FAULTS)}
    made = lint.apply(MANY_FAULTS, mend)
    after = {(p.where, p.rule, p.severity) for p in lint.check(made)}
    assert (mend.where, mend.rule) in {(where, rule) for where, rule, _ in before}
    assert (mend.where, mend.rule) not in {(where, rule) for where, rule, _ in after}
    new = {(where, rule) for where, rule, _ in after} - {(where, rule) for where, rule, _ in before}
    assert not new
    assert b"drawn by hand" in made, "comments stay"


def test_a_removed_flow_leaves_no_trace():
    mend = next(one for one in lint.mends(MANY_FAULTS) if one.act == "remove-flow")
    assert b"loose" not in lint.apply(MANY_FAULTS, mend)


def test_a_condition_that_is_never_asked_can_be_removed():
    data = model(*choice("g", 'default="g_b"'), flow("g", "a", "=1 = 1"), flow("g", "b", "=2 = 2"))
    (mend,) = lint.mends(data)
    assert (mend.act, mend.where) == ("remove-condition", "g_b")
    assert "gateway.default-condition" not in {rule for _, rule in said(lint.apply(data, mend))}


def test_a_mend_for_another_file_is_refused():
    with pytest.raises(Invalid):
        lint.apply(model(line(task("a"), ids=("a",))), lint.mends(MANY_FAULTS)[0])


# --- files that nobody should draw --------------------------------------------------------------
def chain(count: int, kind: str = "task", last: str = "e") -> bytes:
    ids = [f"t{n}" for n in range(count)]
    flows = [flow("s", "t0"), *map(flow, ids, ids[1:]), flow(ids[-1], last, id="last")]
    return model(START, *(f'<{kind} id="{one}" name="N"/>' for one in ids), END, *flows)


def everyone_to_everyone(count: int) -> bytes:
    ids = [f"t{n}" for n in range(count)]
    return model(*(f'<exclusiveGateway id="{a}"/>' for a in ids), *(flow(a, b) for a in ids for b in ids))


def ladder(rungs: int) -> bytes:
    ids = [f"{side}{n}" for side in "ab" for n in range(rungs)]
    rungs_up = [flow(f"a{n}", f"b{n}") + flow(f"b{rungs - 1 - n}", f"a{n}") for n in range(rungs)]
    rails = [flow(f"{side}{n}", f"{side}{n + 1}", id=f"r{side}{n}") for side in "ab" for n in range(rungs - 1)]
    return model(START, flow("s", "a0"), *(f'<exclusiveGateway id="{one}"/>' for one in ids), *rungs_up, *rails)


def links(count: int) -> bytes:
    throw = '<intermediateThrowEvent id="t{0}" name="T"><linkEventDefinition name="l{0}"/></intermediateThrowEvent>'
    catch = '<intermediateCatchEvent id="c{0}" name="C"><linkEventDefinition name="l{0}"/></intermediateCatchEvent>'
    flows = (flow(f"c{n}", f"t{(n + 1) % count}") for n in range(count))
    return model(*(throw.format(n) + catch.format(n) for n in range(count)), *flows)


def missing(count: int) -> bytes:
    return model(*(
        f'<boundaryEvent id="b{n}" attachedToRef="gone{n}"><messageEventDefinition messageRef="none{n}"/></boundaryEvent>'
        f'<callActivity id="c{n}" default="gone"/>' + flow(f"x{n}", f"y{n}") for n in range(count)
    ))  # fmt: skip


def nested(depth: int) -> bytes:
    return model("".join(f'<subProcess id="s{n}">' for n in range(depth)) + "</subProcess>" * depth)


ROUND = "<subProcess id='u' name='U'>" + task("x") + flow("x", "x", id="self") + "</subProcess>"
HARD = {
    "10 MB of text": (model(f"<textAnnotation id='t'><text>{'x' * 10_000_000}</text></textAnnotation>", START), 5),
    "5,000 elements": (chain(5000), 5), "5,000 tasks of people": (chain(5000, "userTask"), 5),
    "2,000 in a row": (chain(2000), 3), "a circle of 2,000": (chain(2000, last="t0"), 3),
    "everyone to everyone": (everyone_to_everyone(80), 5), "a ladder": (ladder(1500), 5), "a circle of links": (links(700), 5),
    "a circle of one": (model(START, task("a"), flow("s", "a"), flow("a", "a")), 1), "a circle inside": (model(ROUND), 1),
    "missing references": (missing(2000), 5), "150 levels": (nested(150), 3), "too many levels": (nested(400), 1),
    "one id for all": (model('<task id="a" name="A"/>' * 3000), 5),
    "brackets without end": (asked("=" + "(" * 50_000 + "1" + ")" * 50_000), 5),
    "an older text without end": (asked("${" + "!(" * 30_000 + "}"), 5),
    "a sum without end": (asked("=" + "+".join("a" * 20_000)), 5),
}  # fmt: skip


@pytest.mark.parametrize("name", HARD)
def test_whatever_was_drawn_lint_answers_within_seconds(name):
    data, limit = HARD[name]
    begun = time.process_time()
    report = lint.inspect(data)
    took = time.process_time() - begun
    assert took < limit, f"{took:.1f} s"
    assert report.opens is (name != "too many levels")
    assert "lint.unfinished" not in {p.rule for p in report.problems}
    assert report.problems


@pytest.mark.parametrize(
    "data",
    [b"", b"no xml", bytes(range(256)), b"<!DOCTYPE x [<!ENTITY y 'z'>]><x>&y;</x>", b"<html/>", b"PK\x03\x04", HEAD.encode(),
     b"<?xml version='1.0' encoding='klingon'?><x/>", "<a>Größe</a>".encode("utf-16")],
)  # fmt: skip
def test_what_is_no_model_does_not_open_and_is_said_in_a_sentence(data):
    report = lint.inspect(data)
    assert (report.opens, report.deployable, len(report.problems)) == (False, False, 1)
    assert str(report.problems[0]).endswith(".")


def test_check_refuses_what_is_no_model():
    with pytest.raises(Invalid):
        lint.check(b"<html/>")


def test_every_cut_of_a_good_file_is_said_to_be_cut():
    data = model(line(task("a"), ids=("a",)))
    for end in range(0, len(data) - 1, 37):
        assert not lint.inspect(data[:end]).opens
