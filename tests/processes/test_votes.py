"""The arithmetic of votes, against an oracle that tries every way in which the open votes could fall.

The formulas are read from the model itself, so what is tested is what runs.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from engine import feel
from tests.processes.walk import HOME

FILE = HOME / "processes" / "multi_level_approval" / "multi_level_approval.bpmn"
NS = {"b": "http://www.omg.org/spec/BPMN/20100524/MODEL", "z": "http://camunda.org/schema/zeebe/1.0"}
VOTES = ("approve", "reject", "return", "abstain")


@cache
def formula(xpath: str):
    found = etree.parse(str(FILE)).xpath(xpath, namespaces=NS)
    return feel.compile((found[0] if isinstance(found[0], str) else found[0].text).lstrip("= \n"))


def is_certain(level, voters, votes) -> bool:
    return formula("//b:userTask[@id='vote_together']//b:completionCondition").evaluate(
        {"level": level, "voters": voters, "votes": votes}
    )


def outcome(level, voters, votes) -> dict:
    said = formula("//b:scriptTask[@id='count_votes']//z:script/@expression").evaluate(
        {"level": level, "voters": voters, "votes": votes}
    )
    return feel.to_json(said)


def passes(level, weighed) -> bool:
    """The rule in one line: the approving share of the weight of all who did not abstain."""
    yes = sum(w for w, v in weighed if v == "approve")
    counted = sum(w for w, v in weighed if v != "abstain")
    return yes > 0 and Fraction(yes) / Fraction(counted) >= Fraction(level["needed"], level["out_of"])


def possible(level, weights, cast) -> set[bool]:
    """Every result that is still possible, by trying all ways in which the open votes could fall."""
    rest = [weights[i] for i in range(len(weights)) if cast[i] is None]
    known = [(weights[i], cast[i]) for i in range(len(weights)) if cast[i] is not None]
    ways = product(("approve", "reject", "abstain"), repeat=len(rest))
    return {passes(level, known + list(zip(rest, way, strict=True))) for way in ways}


def a_level(mode="share", needed=1, out_of=2, on_reject="end", on_abstain="reject"):
    return {"level": 1, "name": "Level", "mode": mode, "needed": needed, "out_of": out_of, "on_reject": on_reject, "on_abstain": on_abstain}


def as_votes(weights, cast):
    return [
        None if v is None else {"id": f"p{i}", "weight": weights[i], "decision": v, "opinion": "o", "reason": "r"}
        for i, v in enumerate(cast)
    ]


def as_voters(weights):
    return [{"id": f"p{i}", "weight": w} for i, w in enumerate(weights)]


shares = st.sampled_from([(1, 1), (1, 2), (2, 3), (3, 5), (1, 3), (3, 4), (51, 100)])
halves = st.integers(1, 6).map(lambda n: n / 2)


@st.composite
def levels_half_voted(draw):
    weights = draw(st.lists(halves, min_size=1, max_size=6))
    cast = [draw(st.sampled_from((None, *VOTES))) for _ in weights]
    needed, out_of = draw(shares)
    return a_level("share", needed, out_of), weights, cast


@settings(max_examples=400, deadline=None)
@given(levels_half_voted())
def test_a_level_ends_exactly_when_no_open_vote_could_change_it(case):
    level, weights, cast = case
    left = possible(level, weights, cast)
    certain = is_certain(level, as_voters(weights), as_votes(weights, cast))
    if all(v == "abstain" for v in cast):
        assert not certain  # it ends by itself, when all have abstained
    else:
        assert certain is (len(left) == 1)


@settings(max_examples=300, deadline=None)
@given(levels_half_voted())
def test_a_level_that_ended_early_comes_to_what_it_would_have_come_to(case):
    level, weights, cast = case
    left = possible(level, weights, cast)
    if len(left) == 1 and any(v not in (None, "abstain") for v in cast):
        said = outcome(level, as_voters(weights), as_votes(weights, cast))
        assert (said["result"] == "approved") is left.pop()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_the_order_the_result_is_the_same(data):
    weights = data.draw(st.lists(halves, min_size=1, max_size=5))
    full = [data.draw(st.sampled_from(VOTES)) for _ in weights]
    needed, out_of = data.draw(shares)
    level = a_level("share", needed, out_of)
    cast: list = [None] * len(weights)
    for i in data.draw(st.permutations(range(len(weights)))):
        cast[i] = full[i]
        if is_certain(level, as_voters(weights), as_votes(weights, cast)):
            break
    said = outcome(level, as_voters(weights), as_votes(weights, cast))
    assert (said["result"] == "approved") is passes(level, list(zip(weights, full, strict=True)))
    assert sum(said[k] for k in ("yes", "rejected", "returned", "abstained", "not_asked")) == sum(weights)


TABLE = [
    # mode, needed, out_of, on_reject, on_abstain, weights, votes ("." is open), certain, result
    ("all", 1, 1, "end", "reject", (1, 1, 1), "aa.", False, None),
    ("all", 1, 1, "end", "reject", (1, 1, 1), "aaa", True, "approved"),
    ("all", 1, 1, "end", "reject", (1, 1, 1), "a-a", True, "approved"),
    ("all", 1, 1, "end", "reject", (1, 1, 1), ".r.", True, "rejected"),
    ("all", 1, 1, "return", "reject", (1, 1, 1), ".r.", True, "returned"),
    ("all", 1, 1, "end", "reject", (1, 1, 1), "..b", True, "returned"),
    ("share", 2, 3, "end", "reject", (1, 1, 1), "aa.", True, "approved"),
    ("share", 2, 3, "end", "reject", (1, 1, 1), "ar.", False, None),
    ("share", 2, 3, "end", "reject", (1, 1, 1), "arr", True, "rejected"),
    ("share", 2, 3, "end", "reject", (1, 1, 1), "rr.", True, "rejected"),
    ("share", 1, 2, "end", "reject", (1, 1, 1, 1), "ar..", False, None),
    ("share", 1, 2, "end", "reject", (1, 1, 1, 1), "aarr", True, "approved"),
    ("share", 1, 2, "end", "reject", (2, 1, 1), "a..", True, "approved"),
    ("share", 2, 3, "end", "reject", (2, 1, 1), "r..", True, "rejected"),
    ("share", 1, 2, "end", "reject", (1, 1, 1), "--a", True, "approved"),
    ("share", 1, 2, "end", "reject", (1, 1, 1), "--.", False, None),
    ("share", 1, 2, "end", "reject", (1, 1), "--", False, "rejected"),
    ("share", 1, 2, "end", "return", (1, 1), "--", False, "returned"),
    ("share", 2, 3, "end", "reject", (1, 1, 1), "rb.", True, "rejected"),
    ("share", 2, 3, "end", "reject", (1, 1, 1), "bb.", True, "returned"),
    ("one", 1, 1, "end", "reject", (1, 1, 1), "...", False, None),
    ("one", 1, 1, "end", "reject", (1, 1, 1), "-..", False, None),
    ("one", 1, 1, "end", "reject", (1, 1, 1), "-a.", True, "approved"),
    ("one", 1, 1, "end", "reject", (1, 1, 1), "r..", True, "rejected"),
    ("one", 1, 1, "end", "return", (1, 1, 1), "---", False, "returned"),
    ("sequence", 1, 1, "end", "reject", (1, 1), "a.", False, None),
    ("sequence", 1, 1, "end", "reject", (1, 1), "r.", True, "rejected"),
]
LETTER = {"a": "approve", "r": "reject", "b": "return", "-": "abstain", ".": None}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[1]}of{row[2]}-{row[6]}")
def test_table_of_levels(row):
    mode, needed, out_of, on_reject, on_abstain, weights, letters, certain, result = row
    level = a_level(mode, needed, out_of, on_reject, on_abstain)
    votes = as_votes(weights, [LETTER[c] for c in letters])
    assert is_certain(level, as_voters(weights), votes) is certain
    if result:
        assert outcome(level, as_voters(weights), votes)["result"] == result


def test_both_ways_of_voting_end_by_the_same_formula():
    texts = etree.parse(str(FILE)).xpath("//b:userTask//b:completionCondition/text()", namespaces=NS)
    assert len(texts) == 2
    assert texts[0] == texts[1]
