"""Lint in FEEL: types that cannot match, calls that cannot work, and where in the text that is.

What is said without running is compared with what running says, so that there is no false alarm.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import feel, lint
from engine.feel.inference import look
from engine.feel.types import Type
from tests.engine.test_lint import END, FORMED, asked, flow, model, said, task

NUMBER, STRING = Type("number"), Type("string")
ITEM = Type("context", parts=(("price", NUMBER), ("label", STRING)))
KNOWN = {"n": NUMBER, "s": STRING, "b": Type("boolean"), "d": Type("date"), "xs": Type("list", item=ITEM)}


@pytest.mark.parametrize(
    ("text", "at", "part"),
    [
        ('n > "a"', 0, "A number and a string cannot be compared by '>'."),
        ("s = 5", 0, "cannot be compared by '='"),
        ("b or d + 1 = d", 7, "'+' does not work on a date and a number."),
        ("if n then 1 else 2", 0, "neither true nor false"),
        ("b and n", 6, "'and' asks for true or false, not for a number."),
        ("count(n, 2, 3)", 0, "'count' is not called with 3 arguments."),
        ("substring(string: s, start: 1)", 0, "other parameters: (string, start position, length)"),
        ("substring(n, 1)", 0, "takes a text as 'string'"),
        ('xs[price > "a"]', 3, "cannot be compared"),
        ("for x in xs return x.price + x.label", 27, "'+' does not work on a number and a string."),
        ("s.year", 2, "A string has no property 'year'."),
        ("n in [@\"2026-01-01\"..@\"2026-02-01\"]", 5, "A date and a number"),
        ("n between 1 and s", 0, "A number and a string"),
        ("null < 5", 0, "cannot be compared"),
        ('string length(s) = "3"', 0, "A number and a string"),
    ],
)  # fmt: skip
def test_what_cannot_match_is_found_with_its_place(text, at, part):
    (found,) = look(text, KNOWN).findings
    assert (found.position, part in str(found)) == (at, True), found


@pytest.mark.parametrize(
    "text",
    [
        "n = null", "unknown > 3", 'xs[label = "a"].price', "xs[n > 3]", "d + duration(\"P1D\")", 'date(s) > d', "sum(xs.price) > 3",
        "n in (< 5, [7..9], null)", "get or else(s, 1) = 1", "some x in xs satisfies x.price > n", "{a: n, c: a + 1}.c > 2",
        "function(x: number) x + 1", "list contains([1, 2], s)", "not(n)", "is defined(unknown)", "{f: function(q) q, g: f(s)}.g",
        "xs = []", "d = date and time(s)",
    ],
)  # fmt: skip
def test_what_may_well_work_is_left_alone(text):
    assert look(text, KNOWN).findings == []


VALUES = {"n": 3, "s": "a", "b": True, "xs": [{"price": 1, "label": "x"}]}
ATOMS = st.sampled_from(["n", "s", "b", "xs", "1", '"a"', "true", "xs[1].price", "xs.label", "[1, 2]", "{a: 1}.a"])
TEXTS = st.recursive(ATOMS, lambda inner: st.one_of(
    st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "<", ">=", "=", "!=", "and", "or"]), inner),
    st.builds("count({})".format, inner), st.builds("upper case({})".format, inner), st.builds("abs({})".format, inner),
    st.builds("(if {} then {} else {})".format, inner, inner, inner), st.builds("substring({}, {})".format, inner, inner),
), max_leaves=6)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_the_type_that_is_inferred_is_the_type_that_comes_out(text):
    """A value that is not null has the inferred type; and where something is null for its types, inference has said so."""
    known = {name: KNOWN[name] for name in VALUES}
    seen = look(text, known)
    value, why = feel.compile(text).explain(VALUES)
    if value is not None and seen.type is not None:
        assert seen.type.kind in ("Null", feel.values.kind_of(value)), (text, seen.type, value)
    hangs_on_types = why and why[0].kind == "type" and "null" not in dict(why[0].params).values()
    if hangs_on_types and not any(sign in text for sign in ("if", "[", "xs")):
        assert seen.findings, (text, why)


# --- in models ----------------------------------------------------------------------------------
SCHEMA = {"properties": {
    "amount": {"type": "number"}, "kind": {"type": "string"}, "rows": {"type": "array", "items": {"type": "object",
    "properties": {"price": {"type": "number"}}}}, "either": {"type": ["string", "number"]},
}, "required": ["amount", "kind", "rows", "either"]}  # fmt: skip
FORM = {"fields": {"p/start": lint.fields_of(SCHEMA)}, "shapes": {"p/start": lint.types_of(SCHEMA)}}


def told(data: bytes, rule: str) -> list[tuple[str, str, str, str]]:
    """(element, severity, sentence, what stands at the place that is named)"""
    found = [p for p in lint.check(data, **FORM) if p.rule == rule]
    return [(p.where, p.severity, str(p), dict(p.params)["text"][int(dict(p.params)["at"]) :]) for p in found]


def test_the_type_of_a_field_is_known_to_every_condition_with_its_place():
    assert told(asked("=kind = \"a\" or amount = \"b\""), "feel.type") == [
        ("g_a", "warning", "A number and a string cannot be compared by '='.", 'amount = "b"')
    ]
    assert said(asked('=rows[price &gt; 3] != [] and either = 3 and kind = "x"'), **FORM) == set()
    assert told(asked("=amount"), "feel.not-a-condition")[0][2] == "The condition 'amount' is a number, never true or false."


def test_a_script_hands_the_type_of_its_result_on_unless_another_place_writes_it_too():
    script = task("a", "scriptTask", '<zeebe:script expression="=amount * 2" resultVariable="twice"/>')
    other = task("b", "scriptTask", '<zeebe:script expression="=kind" resultVariable="twice"/>')
    steps = [FORMED, script, END, flow("s", "a")]
    assert told(model(*steps, flow("a", "e", "=twice = kind")), "feel.type")
    both = model(*steps, other, flow("a", "b"), flow("b", "e", "=twice = kind"))
    assert not told(both, "feel.type")


def test_a_call_that_no_signature_takes_is_an_error():
    (found,) = told(asked("=amount &gt; 1 and count(rows, 2) &gt; 1"), "feel.argument")
    assert found[1:] == ("error", "'count' is not called with 2 arguments.", "count(rows, 2) > 1")


def test_an_unknown_function_is_told_with_the_one_that_was_meant():
    (found,) = told(asked("=amount &gt; 1 and cuont(rows) &gt; 1"), "feel.unknown-function")
    assert found[2:] == ("There is no function 'cuont'; is 'count' meant?", "cuont(rows) > 1")


# --- along paths --------------------------------------------------------------------------------
def script(id: str, expression: str, result: str) -> str:
    return task(id, "scriptTask", f'<zeebe:script expression="={expression}" resultVariable="{result}"/>')


GATE = '<exclusiveGateway id="{0}" name="Which?" {1}/>'


def forked(first: str, behind: str, join: str = "j", split: str = "exclusiveGateway") -> bytes:
    """s -> g -> (a | b) -> j -> e: a writes `x`, b does `first`, the flow from j to e asks `behind`."""
    asks = ' default="g_b"' if split == "exclusiveGateway" else ""
    condition = "=amount &gt; 1" if asks else ""
    return model(
        FORMED, f'<{split} id="g" name="Which?"{asks}/>', script("a", "1", "x"), script("b", first, "y"), f'<{split} id="j" name=""/>',
        END, flow("s", "g"), flow("g", "a", condition), flow("g", "b"), flow("a", "j"), flow("b", "j"), flow("j", "k"),
        '<exclusiveGateway id="k" name="And?" default="k_z"/>', '<endEvent id="z" name="Other"/>', flow("k", "e", behind), flow("k", "z"),
    )  # fmt: skip


def rules(data: bytes) -> set[tuple[str, str]]:
    return {one for one in said(data, **FORM) if one[1] in ("feel.not-yet-written", "feel.may-be-null", "feel.unknown-variable")}


def test_a_variable_that_only_another_branch_writes_is_told_with_the_writer():
    (found,) = told(forked("x + 1", "=amount &gt; 2"), "feel.not-yet-written")
    assert found == ("b", "warning", "'x' is written by 'Do a' only later or on another branch.", "x + 1")
    assert rules(forked("if x = null then 1 else x", "=amount &gt; 2")) == set()


def test_a_variable_that_is_written_later_is_told_but_not_in_a_loop():
    late = model(FORMED, script("a", "x + 1", "y"), script("b", "1", "x"), END, flow("s", "a"), flow("a", "b"), flow("b", "e"))
    assert rules(late) == {("a", "feel.not-yet-written")}
    loop = model(
        FORMED, '<exclusiveGateway id="m" name=""/>', script("a", "x + 1", "y"), script("b", "1", "x"),
        '<exclusiveGateway id="g" name="Again?" default="g_e"/>', END, flow("s", "m"), flow("m", "a"), flow("a", "b"),
        flow("b", "g"), flow("g", "m", "=amount &gt; 1"), flow("g", "e"),
    )  # fmt: skip
    assert rules(loop) == set()


def test_a_condition_that_is_null_on_some_path_is_told_with_a_mend():
    data = forked("amount", "=x &gt; 2")
    (found,) = [p for p in lint.check(data, **FORM) if p.rule == "feel.may-be-null"]
    assert found.where == "k_e"
    assert (found.mend % dict(found.params)).endswith("ask for null first: x != null and (x > 2).")
    assert rules(forked("amount", "=x != null and x &gt; 2")) == set()
    assert rules(forked("amount", "=x = 2")) == set()


def test_branches_that_are_all_done_have_written_all():
    assert rules(forked("amount", "=x &gt; 2 and y &gt; 1", split="parallelGateway")) == set()
    assert rules(forked("x + 1", "=x &gt; 2", split="parallelGateway")) == set()


def test_behind_a_service_that_may_bring_anything_nothing_is_told():
    service = task("v", "serviceTask", '<zeebe:taskDefinition type="x"/>')
    data = model(FORMED, service, script("a", "x + 1", "y"), script("b", "1", "x"), END, flow("s", "v"), flow("v", "a"),
                 flow("a", "b"), flow("b", "e"))  # fmt: skip
    assert rules(data) == set()


def test_only_the_answer_that_makes_it_null_is_blamed_and_only_when_it_can():
    optional = {"fields": {"p/start": {"amount": True, "kind": False, "rows": True, "either": True}}}
    wrong = {condition: said(asked(condition), **optional) for condition in (
        '=amount &gt; 5 or kind = "x"', '=kind = "x" and amount &gt; 5', '=amount &gt; 5 and contains(kind, "x")',
    )}  # fmt: skip
    assert list(wrong.values()) == [set(), set(), {("g_a", "feel.may-be-null")}]


INNER = '<subProcess id="p1" name="Inner"{}><startEvent id="p1s" name="m">{}</startEvent>' + script("p1a", "1", "x") + (
    '<endEvent id="p1e" name="e"/>' + flow("p1s", "p1a") + flow("p1a", "p1e") + "</subProcess>"
)  # fmt: skip
ASKS = '<exclusiveGateway id="g" name="q" default="g_z"/><endEvent id="z" name="z"/>'
TIMER = "<timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>"


def test_what_a_sub_process_writes_is_written_behind_it():
    data = model(FORMED, INNER.format("", ""), script("a", "x + 1", "y"), ASKS, END, flow("s", "p1"), flow("p1", "a"),
                 flow("a", "g"), flow("g", "z"), flow("g", "e", "=x &gt; 1"))  # fmt: skip
    assert rules(data) == set()


def test_what_an_event_may_write_at_any_time_is_not_called_unwritten():
    inner = INNER.format(' triggeredByEvent="true"', TIMER)
    assert rules(model(FORMED, inner, script("a", "x + 1", "y"), END, flow("s", "a"), flow("a", "e"))) == set()


def test_a_boundary_event_leaves_before_what_follows_its_activity_is_written():
    boundary = f'<userTask id="u" name="U"/><boundaryEvent id="t" name="t" attachedToRef="u">{TIMER}</boundaryEvent>'
    data = model(FORMED, boundary, script("h", "1", "x"), '<exclusiveGateway id="j" name=""/>', ASKS, END, flow("s", "u"),
                 flow("u", "h"), flow("t", "j"), flow("h", "j"), flow("j", "g"), flow("g", "z"), flow("g", "e", "=x &gt; 1"))  # fmt: skip
    assert rules(data) == {("g_e", "feel.may-be-null")}


def test_inputs_outputs_and_loops_have_their_own_variables():
    loop = (
        '<multiInstanceLoopCharacteristics><extensionElements><zeebe:loopCharacteristics inputCollection="=rows" '
        'inputElement="row" outputCollection="all" outputElement="=got"/></extensionElements>'
        "<completionCondition>=numberOfCompletedInstances &gt; 2</completionCondition></multiInstanceLoopCharacteristics>"
    )
    mapped = '<zeebe:ioMapping><zeebe:input source="=amount" target="own"/><zeebe:output source="=own + 1" target="res"/></zeebe:ioMapping>'
    repeated = task("a", "scriptTask", '<zeebe:script expression="=row.price" resultVariable="got"/>', inner=loop)
    data = model(FORMED, repeated, task("b", "userTask", mapped), script("c", "count(all) + res", "z"), END, flow("s", "a"),
                 flow("a", "b"), flow("b", "c"), flow("c", "e"))  # fmt: skip
    assert rules(data) == set()


# --- forms --------------------------------------------------------------------------------------
def test_the_expressions_of_a_form_are_looked_at_with_the_types_of_its_fields():
    schema = {"properties": {
        "amount": {"type": "number"}, "why": {"type": "string", "x-when": 'amount > "5"', "x-source": "uper case(rows.name)"},
        "rows": {"type": "string", "x-widget": "readonly", "x-source": "string join(for r in rows return r.name)"},
        "day": {"type": "string", "x-when": "amount"},
    }, "x-rules": [{"when": "count(amount, 2) > 1", "sentence": "No.", "field": "day"}]}  # fmt: skip
    found = [(p.where, p.rule, p.severity, dict(p.params)["at"]) for p in lint.check_form(schema)]
    assert found == [
        ("why", "feel.unknown-function", "error", "0"), ("why", "feel.type", "warning", "0"),
        ("day", "feel.not-a-condition", "warning", "0"), ("day", "feel.argument", "error", "0"),
    ]  # fmt: skip


@pytest.mark.parametrize("schema", [None, [], {}, {"properties": []}, {"properties": {"a": 1}, "x-rules": [1]}])
def test_what_is_no_form_is_left_to_the_room_of_forms(schema):
    assert lint.check_form(schema) == []
