"""Files that something has happened to: whatever it was, lint answers in time, with problems or one sentence.

Each seed takes one model or table (ours, and foreign ones where they lie beside the project), does up to
four things to it (parts lost, doubled, moved and renamed, references swapped, bytes flipped, a tail cut off)
and looks at it as a person who uploads it would: lint, the mends that are offered, each of them made. What
fails names its seed; `make fuzz N=…` looks at as many more as one likes, beginning where the day puts it.
"""

from __future__ import annotations

import random
import time
from datetime import date
from pathlib import Path

import pytest
from lxml import etree

from engine import bpmn, dmn, lint, xmlgate
from engine.errors import Invalid
from tests.engine.test_random_models import MORE

HOME = Path(__file__).resolve().parents[2]
CORPUS = HOME.parent / "shared" / "corpus"
OURS = sorted((*HOME.glob("processes/*/*.bpmn"), *HOME.glob("processes/*/*.dmn")))
FOREIGN = sorted(CORPUS.rglob("*.bpmn"))
SEEDS = 100
#: seconds that one file may take: the limit of `bizday lint`
LIMIT = 20


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_whatever_happened_to_a_file_of_ours_lint_answers(first):
    for seed in range(first, first + 20):
        look(seed, OURS)


@pytest.mark.skipif(not FOREIGN, reason="the corpus of foreign models does not lie beside this project")
@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_whatever_happened_to_a_foreign_file_lint_answers(first):
    for seed in range(first, first + 20):
        look(seed, FOREIGN)


@pytest.mark.fuzz
@pytest.mark.skipif(not MORE, reason="FUZZ says how many")
@pytest.mark.parametrize("files", [OURS, FOREIGN], ids=["ours", "foreign"])
def test_whatever_happened_to_many_more_files_lint_answers(files):
    first = date.today().toordinal() * 1000
    for seed in range(first, first + MORE if files else first):
        look(seed, files)


def test_every_way_of_harm_changes_a_file():
    """What changes nothing tests nothing."""
    data = OURS[0].read_bytes()
    for harm in (*HARMS, *BLOWS):
        assert any(harmed(harm, random.Random(seed), data) != data for seed in range(20)), harm.__name__


def test_a_draft_of_ten_megabytes_of_which_half_is_missing_is_answered_in_time():
    data = half_filled(7_000)
    assert 9_500_000 < len(data) < 15_000_000
    begun = time.process_time()
    report = lint.inspect(data)
    assert time.process_time() - begun < LIMIT
    assert report.opens and not report.deployable
    assert {"bpmn.loose-flow", "name.missing"} <= {problem.rule for problem in report.problems}
    assert "lint.unfinished" not in {problem.rule for problem in report.problems}


def half_filled(count: int) -> bytes:
    """Tasks of all kinds in a row: every other one without a name, every third flow to nowhere, texts beside."""
    kinds, chance = ("userTask", "serviceTask", "scriptTask", "callActivity", "exclusiveGateway"), random.Random(1)
    parts = ['<startEvent id="n0"/>']
    for number in range(1, count):
        kind, name = chance.choice(kinds), "" if number % 2 else f' name="Step {number}"'
        target = f"n{number}" if number % 3 else "nowhere"
        parts.append(
            f'<{kind} id="n{number}"{name}><documentation>{"What is to be done here is not said yet. " * 30}</documentation></{kind}>'
            f'<sequenceFlow id="f{number}" sourceRef="n{number - 1}" targetRef="{target}"/>'
        )
    return (
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t">'
        f'<process id="p" isExecutable="true">{"".join(parts)}</process></definitions>'
    ).encode()


# --- looking ------------------------------------------------------------------------------------
def look(seed: int, files: list[Path]) -> None:
    """One file with something done to it; what fails names the seed, the file and what was done."""
    path, done, data = drawn(seed, files)
    begun = time.process_time()
    try:
        (look_at_table if path.suffix == ".dmn" else look_at_model)(data)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {path.name} after {done}: {type(error).__name__}: {error}") from error
    took = time.process_time() - begun
    assert took < LIMIT, f"seed {seed}: {path.name} after {done} took {took:.0f} seconds"


def drawn(seed: int, files: list[Path]) -> tuple[Path, list[str], bytes]:
    """(file, what was done to it, what it is now)"""
    chance = random.Random(f"harm {seed}")
    path = chance.choice(files)
    chosen = chance.choices(HARMS, k=chance.randint(1, 4)) + (chance.choices(BLOWS) if chance.random() < 0.3 else [])
    data = path.read_bytes()
    for harm in chosen:
        data = harmed(harm, chance, data)
    return path, [harm.__name__ for harm in chosen], data


def look_at_model(data: bytes) -> None:
    report = lint.inspect(data)
    if any(problem.rule == "lint.unfinished" for problem in report.problems):
        lint.check(data)  # says what it was
        raise AssertionError("lint did not come to its end")
    if not report.opens:
        said_in_one_sentence(report.problems)
        with pytest.raises(Invalid):
            bpmn.parse(data)
        return
    assert report.deployable <= all(problem.severity != "error" for problem in report.problems)
    assert all(str(problem) for problem in report.problems)
    assert xmlgate.read(bpmn.with_picture(data)).tag.endswith("}definitions")
    assert xmlgate.read(bpmn.with_picture(without_picture(data))).tag.endswith("}definitions")
    for mend in lint.mends(data)[:3]:
        assert lint.inspect(lint.apply(data, mend)).opens, mend


def without_picture(data: bytes) -> bytes:
    root = xmlgate.read(data)
    for one in root.findall("{http://www.omg.org/spec/BPMN/20100524/DI}BPMNDiagram"):
        root.remove(one)
    return etree.tostring(root)


def look_at_table(data: bytes) -> None:
    try:
        found = dmn.check(dmn.parse(data))
    except Invalid as refused:
        assert str(refused).endswith(".")
        return
    assert all(str(problem) for problem in found)


def said_in_one_sentence(problems) -> None:
    assert len(problems) == 1 and problems[0].severity == "error", problems
    said = str(problems[0])
    assert said[0].isupper() and said.endswith(".") and "\n" not in said and ". " not in said.replace("2.0", ""), said


# --- harm to the tree ----------------------------------------------------------------------------
def harmed(harm, chance: random.Random, data: bytes) -> bytes:
    if harm in BLOWS:
        return harm(chance, data)
    try:
        root = xmlgate.read(data)
    except Invalid:
        return data
    nodes = [one for one in root.iter("*") if one is not root]
    if nodes:
        harm(chance, root, nodes)
    return etree.tostring(root)


def lose(chance, root, nodes) -> None:
    node = chance.choice(nodes)
    node.getparent().remove(node)


def double(chance, root, nodes) -> None:
    node = chance.choice(nodes)
    if sum(1 for _ in node.iter("*")) < 2000:
        node.addnext(etree.fromstring(etree.tostring(node)))


def move(chance, root, nodes) -> None:
    node, place = chance.choice(nodes), chance.choice(nodes)
    if node is not place and node not in place.iterancestors():
        place.append(node)


def rename(chance, root, nodes) -> None:
    """Another element's name, so that it is a name which means something."""
    chance.choice(nodes).tag = chance.choice(nodes).tag


def lose_attribute(chance, root, nodes) -> None:
    node = chance.choice([one for one in nodes if one.attrib] or nodes)
    if node.attrib:
        del node.attrib[chance.choice(sorted(node.attrib))]


def swap_values(chance, root, nodes) -> None:
    """Two values change places: ids and references among them."""
    one, other = (chance.choice([node for node in nodes if node.attrib] or [root]) for _ in range(2))
    if one.attrib and other.attrib:
        here, there = chance.choice(sorted(one.attrib)), chance.choice(sorted(other.attrib))
        one.attrib[here], other.attrib[there] = other.attrib[there], one.attrib[here]


def rename_attribute(chance, root, nodes) -> None:
    node = chance.choice([one for one in nodes if one.attrib] or nodes)
    if node.attrib:
        new = chance.choice(sorted(chance.choice([one for one in nodes if one.attrib]).attrib))
        node.attrib[new] = node.attrib.pop(chance.choice(sorted(node.attrib)))


def point_elsewhere(chance, root, nodes) -> None:
    """A reference to some other element, itself and its parents not excepted: circles of every kind."""
    ids = [one.get("id") for one in nodes if one.get("id")]
    found = [(one, name) for one in nodes for name in one.attrib if name.endswith(("Ref", "default", "href", "bpmnElement"))]
    if ids and found:
        node, name = chance.choice(found)
        node.set(name, chance.choice(ids))


def say_nonsense(chance, root, nodes) -> None:
    node, said = chance.choice(nodes), chance.choice(NONSENSE)
    if node.attrib and chance.random() < 0.6:
        node.set(chance.choice(sorted(node.attrib)), said)
    else:
        node.text = said


NONSENSE = (
    "", " ", "=", "=(", "-1", "9" * 400, "1e999999", "NaN", "true", "=for i in 1..10**9 return i", "PT", "R/PT0S", "R99999999999/PT1S",
    "${a", "${a.b(c)}", "#{}", "=[[[[[", "a b\tc", "任务", "\U0001f600", "x" * 5000, "p:q", "{urn:x}y", "%(name)s", "%s%d", "<&>",
    '="' + "a" * 999, "=if if then else", "2026-13-45", "=@\"\"", "= 1 between", "../../x", "=" + "not(" * 300, "=" + "-" * 3000 + "1",
)  # fmt: skip
HARMS = (lose, double, move, rename, lose_attribute, swap_values, rename_attribute, point_elsewhere, say_nonsense)


# --- harm to the bytes ----------------------------------------------------------------------------
def cut_tail(chance, data: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def flip_bytes(chance, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8) if changed else 0):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def cut_out(chance, data: bytes) -> bytes:
    begin = chance.randrange(len(data) + 1)
    return data[:begin] + data[begin + chance.randint(1, 200) :]


def say_twice(chance, data: bytes) -> bytes:
    begin = chance.randrange(len(data) + 1)
    piece = data[begin : begin + chance.randint(1, 400)]
    return data[:begin] + piece + data[begin:]


BLOWS = (cut_tail, flip_bytes, cut_out, say_twice)
