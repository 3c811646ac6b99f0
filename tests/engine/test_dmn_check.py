"""Gaps, overlaps and unreachable rules of decision tables: what the check says is compared with trying every case.

Each counter-example that is told is read back from its sentence and handed to the table, which must then do what was
said of it.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import dmn, feel
from engine.dmn.check import kinds
from engine.errors import Invalid
from tests.engine.test_dmn import decision, input_data, literal, model, needs, problems, table

NUMBERS = st.sampled_from([
    "-", "1", "2, 3", "< 2", ">= 2", "[1..3]", "(1..3)", "]2..4[", "not(2)", "not(1, [3..4])", "? > 1 and ? < 3", "null",
    "not(null)", "? in (1, 4)",
])  # fmt: skip
TEXTS = st.sampled_from(["-", '"p"', '"p", "q"', 'not("p")', '"r"'])
TRUTHS = st.sampled_from(["-", "true", "false", "not(true)"])
DAYS = st.sampled_from(["-", '@"2026-03-02"', '< date("2026-03-02")', '>= @"2026-03-02"', '[@"2026-03-01"..@"2026-03-03"]'])
SPANS = st.sampled_from(["-", '< @"PT2H"', '>= @"PT2H"', '@"PT3H"', '[@"PT1H"..@"PT2H"]'])
TIMES = st.sampled_from(["-", '< @"12:00:00"', '>= @"12:00:00"', '@"12:00:00"', '(@"09:00:00"..@"12:00:00"]'])
GRIDS = {
    "number": [*(str(n / 2) for n in range(-1, 11)), "null"], "string": ['"p"', '"q"', '"r"', '"zz"'],
    "boolean": ["true", "false"], "date": [f'@"2026-0{m}"' for m in ("2-28", "3-01", "3-02", "3-03", "3-04")],
    "days and time duration": [f'@"{t}"' for t in ("PT0H", "PT1H", "PT90M", "PT2H", "PT150M", "PT3H", "PT4H")],
    "time": [f'@"{t}:00"' for t in ("08:00", "09:00", "10:00", "12:00", "13:00")],
}  # fmt: skip
CELLS = {"number": NUMBERS, "string": TEXTS, "boolean": TRUTHS, "date": DAYS, "days and time duration": SPANS, "time": TIMES}
COLUMNS = ("a", "b")


@st.composite
def tables(draw):
    kinds = draw(st.tuples(*[st.sampled_from(sorted(CELLS))] * 2))
    rows = draw(st.lists(st.tuples(*(CELLS[kind] for kind in kinds)), min_size=1, max_size=5))
    return kinds, rows


def counts(rows, case) -> int:
    """How many rules a case hits, by the tests themselves."""
    return sum(all(feel.compile_tests(cell).matches(value, {}) is True for cell, value in zip(row, case, strict=True))
               for row in rows)  # fmt: skip


def read_back(sentence: str, kinds) -> list:
    """The values of a case that is told; a column that it leaves out may hold anything."""
    said = dict(re.findall(r"(\w) = (\(any other text\)|@?\"[^\"]*\"|[-\w.]+)", sentence.split(": ", 1)[1].rstrip(".")))
    texts = [said.get(name, GRIDS[kind][0]) for name, kind in zip(COLUMNS, kinds, strict=True)]
    return ["something else" if text == "(any other text)" else feel.evaluate(text) for text in texts]


@settings(max_examples=250, deadline=None)
@given(tables())
def test_no_gap_and_no_overlap_of_a_grid_is_missed_and_none_is_invented(drawn):
    kinds, rows = drawn
    types = dict(zip(COLUMNS, kinds, strict=True))
    found = problems(decision("x", table([(*row, str(n)) for n, row in enumerate(rows)], types=types)))
    grid = [feel.evaluate(f"[{', '.join(GRIDS[kind])}]") for kind in kinds]
    asked = [any("null" in row[n] for row in rows) for n in (0, 1)]
    cases = [case for case in product(*grid) if all(v is not None or asks for v, asks in zip(case, asked, strict=True))]
    hit = [counts(rows, case) for case in cases]
    assert ("dmn.gap" in found) or 0 not in hit, (rows, [c for c, n in zip(cases, hit, strict=True) if n == 0])
    assert ("dmn.overlap" in found) or max(hit) < 2, rows
    for gap in found.get("dmn.gap", ()):
        assert counts(rows, read_back(gap.split(" ", 2)[2], kinds)) == 0, gap
    for overlap in found.get("dmn.overlap", ()):
        one, other = (int(n) - 1 for n in re.search(r"Rules (\d+) and (\d+)", overlap).groups())
        assert counts([rows[one], rows[other]], read_back(overlap.split(" ", 2)[2], kinds)) == 2, overlap


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(NUMBERS, TRUTHS), min_size=2, max_size=6), st.sampled_from(["FIRST", "PRIORITY"]))
def test_a_rule_is_called_unreachable_exactly_when_no_case_of_the_grid_answers_it(rows, policy):
    """Each rule answers its own number; under PRIORITY the later rules come first."""
    listed = ", ".join(str(n) for n in reversed(range(len(rows))))
    types = {"a": "number", "b": "boolean", "out inner": f"<outputValues><text>{listed}</text></outputValues>"}
    inner = decision("x", table([(*row, str(n)) for n, row in enumerate(rows)], attributes=f'hitPolicy="{policy}"', types=types))
    found = {int(re.search(r"[Rr]ule (\d+)", text)[1]) - 1 for text in problems(inner).get("dmn.unreachable", ())
             if "when a value is missing" not in text}  # fmt: skip
    parsed = dmn.parse(model(inner))
    grid = product(feel.evaluate(f"[{', '.join(GRIDS['number'])}]"), [True, False, None])
    answers = {dmn.evaluate(parsed, "x", {"a": a, "b": b}).value for a, b in grid}
    assert found == set(range(len(rows))) - {int(one) for one in answers if one is not None}


# --- what must not be told --------------------------------------------------------------------
@pytest.mark.parametrize(
    "cells",
    [
        ["< 5", '"a"', ">= 5", 'not("a") and ? instance of string'], ["null", "< 5", ">= 5"], ['contains(?, "x")'],
        ['starts with(?, "x")', 'ends with(?, "y")'], ["? < 5", "? >= 5"], ['< "m"', '>= "m"'], ["? * 2 > 4", "? * 2 < 3"],
        ['< @"2026-01-01T00:00:00Z"', '>= @"2026-01-01T00:00:00Z"'],
    ],
)  # fmt: skip
def test_nothing_is_invented_about_kinds_null_and_what_reckons(cells):
    found = problems(decision("x", table([(cell, "1") for cell in cells], inputs=("a",))))
    assert not {"dmn.overlap", "dmn.unreachable"} & found.keys(), found


def test_an_overlap_beside_a_cell_that_hangs_on_others_names_that_cell():
    found = problems(decision("x", table([("> limit", "< 5", "1"), ("> limit", "[3..9]", "2")])))
    assert found["dmn.overlap"] == ["error rule_2: Rules 1 and 2 both hit, but only one may: a > limit, b = 3."]


def test_values_that_a_type_allows_bound_the_search_and_a_cell_outside_of_them_is_told():
    kind = '<itemDefinition name="tLevel"><typeRef>string</typeRef><allowedValues><text>"p","q","r"</text></allowedValues></itemDefinition>'
    rows = [('"p"', "1"), ('"q"', "2")]
    found = problems(kind + decision("x", table(rows, inputs=("a",), types={"a": "tLevel"})))
    assert found["dmn.gap"] == ['warning tab: No rule hits this case: a = "r".']
    assert "dmn.gap" not in problems(kind + decision("x", table([*rows, ('"r"', "3")], inputs=("a",), types={"a": "tLevel"})))
    wrong = problems(kind + decision("x", table([*rows, ('"r", "z"', "3"), ('"y"', "4")], inputs=("a",), types={"a": "tLevel"})))
    assert "warning rule_4: No case can hit rule 4." in wrong["dmn.unreachable"]


def test_masking_rules_are_named():
    rows = [("< 5", "1"), (">= 5", "2"), ("7", "3")]
    found = problems(decision("x", table(rows, inputs=("a",), attributes='hitPolicy="FIRST"')))
    assert found["dmn.unreachable"] == ["warning rule_3: Rule 3 is never reached: rules 2 take all its cases."]


def test_a_table_of_two_hundred_rules_and_eight_columns_is_searched_or_given_up_in_time():
    names = tuple("abcdefgh")
    rows = [(*(f"[{(n * k) % 17}..{(n * k) % 17 + 3}]" for k in range(1, 9)), str(n)) for n in range(200)]
    begun = time.monotonic()
    found = problems(decision("x", table(rows, inputs=names, attributes='hitPolicy="FIRST"')))
    assert time.monotonic() - begun < 8
    assert "dmn.gap" in found or "dmn.too-much" in found


def test_a_table_with_too_many_rules_to_compare_says_so():
    rows = [(str(n), "1") for n in range(401)]
    assert "gaps and unreachable rules may be missed" in problems(decision("x", table(rows, inputs=("a",))))["dmn.too-much"][0]


# --- names and types --------------------------------------------------------------------------
def test_types_that_cannot_match_are_told_in_every_box_with_the_place():
    need = needs("#a", what="Input")
    found = dmn.check(dmn.parse(model(input_data("a", "number") + decision("x", literal('if a > "5" then 1 else 2'), need))))
    assert [(p.rule, p.where, dict(p.params)["at"], p.severity) for p in found] == [("dmn.type", "x", "3", "warning")]
    cell = decision("x", table([("1", "1"), ('"one"', "1"), ("-", "a + a")], inputs=("a",)), need)
    found = dmn.check(dmn.parse(model(input_data("a", "number") + cell)))
    assert [str(p) for p in found if p.rule == "dmn.type"] == ["A number and a string cannot be compared by '='."]
    calls = decision("x", literal("count(a, a)"), need)
    found = dmn.check(dmn.parse(model(input_data("a") + calls)))
    assert [(p.rule, p.severity) for p in found] == [("dmn.argument", "error")]


def test_an_unknown_name_is_told_with_the_one_that_was_meant():
    found = problems(input_data("amount") + decision("x", literal("amuont + cuont([1])"), needs("#amount", what="Input")))
    assert "is 'amount' meant?" in found["dmn.unknown-variable"][0]
    assert "is 'count' meant?" in found["dmn.unknown-function"][0]


# --- against the kit --------------------------------------------------------------------------
KIT = Path(__file__).resolve().parents[2].parent / "shared" / "tck"


@pytest.mark.skipif(not KIT.is_dir(), reason="the suites of the kit are not beside the project")
def test_what_is_said_of_types_in_the_kit_happens_when_it_runs():
    """Each finding is confirmed by a diagnosis of the evaluation; `and`, `or` and `in` answer without a note."""
    told = unconfirmed = 0
    for path in sorted(KIT.rglob("*.dmn")):
        with suppress(Invalid):
            found = dmn.parse(path.read_bytes())
            for one in found.decisions.values():
                said = list(kinds(found, one))
                told += bool(said)
                quiet = bool(said) and not dmn.evaluate(found, one.id, {}).diagnoses
                unconfirmed += quiet and not any(word in str(said[0]) for word in ("'and'", "'or'", "a null"))
    assert told > 500
    assert unconfirmed == 0
