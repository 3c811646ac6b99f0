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
    if any(note.kind == "type" for note in why) and not any(sign in text for sign in ("if", "[", "xs")):
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
