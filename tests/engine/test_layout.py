"""A model that was saved without a picture gets one in which every element can be seen, none upon another."""

from __future__ import annotations

from itertools import combinations

import pytest

from engine import bpmn, lint, xmlgate
from tests.engine.test_lint import chain
from tests.engine.test_mutations import OURS, without_picture

MODELS = [path for path in OURS if path.suffix == ".bpmn"]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_element_and_flow_is_drawn_and_elements_of_one_scope_do_not_cover_each_other(path):
    data = bpmn.with_picture(without_picture(path.read_bytes()))
    assert not [p for p in lint.inspect(data).problems if p.rule.startswith("drawing.no") or p.rule == "bpmn.schema"]
    root = xmlgate.read(data)
    boxes = {shape.get("bpmnElement"): [float(shape[0].get(key)) for key in ("x", "y", "width", "height")] for shape in root.iter("{*}BPMNShape")}
    for element in bpmn.parse(data).processes.values():
        for scope in (element.root, *element.elements.values()):
            standing = [boxes[one.id] for one in scope.children if one.attached_to is None]
            assert not [pair for pair in combinations(standing, 2) if cover(*pair)]


def cover(one: list[float], other: list[float]) -> bool:
    return all(one[at] < other[at] + other[at + 2] and other[at] < one[at] + one[at + 2] for at in (0, 1))


def test_what_has_a_picture_keeps_it_and_a_model_means_the_same_with_one():
    data = MODELS[0].read_bytes()
    shapes = [sorted(one.attrib.values()) for one in xmlgate.read(data).iter("{*}Bounds")]
    assert [sorted(one.attrib.values()) for one in xmlgate.read(bpmn.with_picture(data)).iter("{*}Bounds")] == shapes
    bare = without_picture(data)
    assert without_picture(bpmn.with_picture(bare)).split() == bare.split()


def test_two_thousand_in_a_row_and_a_circle_are_drawn():
    for data in (chain(2000), chain(50, last="t0")):
        assert not [p for p in lint.inspect(bpmn.with_picture(data)).problems if p.rule == "drawing.no-shape"]
