"""The README's table of elements is the one that the tests give, and every element in it is tested.

The generator is tried on a file of two tests first, so that an empty column means an untested element and
not a blind generator.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.engine import elements_table

README = Path(__file__).resolve().parents[2] / "README.md"
OPENING, CLOSING = "<!-- elements -->", "<!-- /elements -->"
EXAMPLE = """
SHARED = model(exclusive("g"), boundary("b", "a", timer("PT1H"), interrupting=False))
def helper(): return multi("list", sequential=True)
@pytest.mark.parametrize("trigger", [message("M"), signal("S")])
def test_one(trigger): model(SHARED, catch("c", trigger), user("u", helper()), element("complexGateway", "x"))
@pytest.mark.element("manualTask")
def test_two(): model(event_sub("e", start("s", error("E"))), start(), end("t", TERMINATE), send("m", "M"))
"""


def test_the_generator_sees_what_stands_in_the_models_of_a_test():
    vocabulary = elements_table.Vocabulary(ast.parse(elements_table.VOCABULARY.read_text("utf-8")))
    assert elements_table.tested(EXAMPLE, vocabulary) == {
        "test_one": {
            "exclusiveGateway", "boundaryEvent.timer.non-interrupting", "intermediateCatchEvent.message",
            "intermediateCatchEvent.signal", "userTask", "multiInstance.sequential", "complexGateway",
        },
        "test_two": {
            "manualTask", "subProcess", "eventSubProcess.error", "startEvent.none", "endEvent.terminate", "sendTask",
        },
    }  # fmt: skip


def test_every_element_that_runs_is_tested():
    found = elements_table.collected()
    assert [element for element in elements_table.supported() if element not in found] == []


def test_the_table_has_a_row_for_each_element():
    rows = elements_table.table().splitlines()[2:]
    assert len(rows) == len(elements_table.supported()) == len(set(elements_table.supported()))


def test_the_readme_shows_the_table_as_it_is():
    text = README.read_text("utf-8") if README.exists() else ""
    if OPENING not in text:
        pytest.skip("the README has no table of elements yet")
    shown = text.partition(OPENING)[2].partition(CLOSING)[0].strip()
    assert shown == elements_table.table(), "run `python -m tests.engine.elements_table` and paste what it prints"
