"""The suites of the DMN Technology Compatibility Kit, where they lie beside the project; and the runner itself."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from tests.tck import run, suites
from tests.tck.__main__ import main

KIT = Path(__file__).resolve().parents[2].parent / "shared" / "tck"
FOLDERS = list(suites([KIT])) if KIT.is_dir() else []
#: suites whose functions are written in Java, which no model reaches here
FOREIGN = {"0076-feel-external-java"}


@pytest.mark.skipif(not FOLDERS, reason="the suites of the kit are not beside the project")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: f"{one.parent.name}/{one.name}")
def test_suite(folder):
    (suite,) = run([folder])
    failures = [f"{one.case} {one.node}: {one.why}" for one in suite.failures]
    if folder.name in FOREIGN:
        assert all("other languages" in one for one in failures), failures
    else:
        assert not failures
    assert suite.total


MODEL = """<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" name="m" id="m" namespace="n">
  <inputData id="i" name="a"><variable name="a"/></inputData>
  <decision id="d1" name="sum"><variable name="sum"/>
    <informationRequirement><requiredInput href="#i"/></informationRequirement>
    <literalExpression><text>a + 1</text></literalExpression></decision>
</definitions>"""
CASES = """<testCases xmlns="http://www.omg.org/spec/DMN/20160719/testcase" xmlns:xsd="http://www.w3.org/2001/XMLSchema"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><modelName>m.dmn</modelName>%s</testCases>"""
CASE = """<testCase id="%s"><inputNode name="a"><value xsi:type="%s">%s</value></inputNode>
  <resultNode name="sum" type="decision"><expected>%s</expected></resultNode></testCase>"""
TWO = '<value xsi:type="xsd:decimal">2</value>'
NULL = '<value xsi:nil="true"/>'


def suite_of(folder: Path, *cases: str) -> Path:
    (folder / "deep" / "one").mkdir(parents=True)
    (folder / "deep" / "one" / "m.dmn").write_text(MODEL, "utf-8")
    (folder / "deep" / "one" / "m-test-01.xml").write_text(CASES % "".join(cases), "utf-8")
    return folder


def test_the_runner_counts_values_nulls_and_errors(tmp_path):
    folder = suite_of(
        tmp_path,
        CASE % ("right", "xsd:decimal", "1", TWO),
        CASE % ("wrong", "xsd:decimal", "2", TWO),
        CASE % ("null due", "xsd:string", "x", NULL),
        CASE % ("null instead", "xsd:string", "x", TWO),
        CASE % ("value instead", "xsd:decimal", "1", NULL),
    )
    (suite,) = run([folder])
    assert (suite.passed, suite.total) == (2, 5)
    assert [one.case for one in suite.failures] == ["wrong", "null instead", "value instead"]
    assert suite.failures[0].why.startswith("expected 2, but came to 3")


ERROR = """<testCase id="%s"><inputNode name="a"><value xsi:type="%s">%s</value></inputNode>
  <resultNode name="sum" type="decision" errorResult="true">%s</resultNode></testCase>"""


def test_where_an_error_is_due_a_value_fails(tmp_path):
    folder = suite_of(
        tmp_path,
        ERROR % ("error due", "xsd:string", "x", "<expected>" + NULL + "</expected>"),
        ERROR % ("nothing expected", "xsd:string", "x", ""),
        ERROR % ("value instead", "xsd:decimal", "1", "<expected>" + TWO + "</expected>"),
    )
    (suite,) = run([folder])
    assert [(one.case, one.why) for one in suite.failures] == [("value instead", "expected an error, but came to 2")]
    assert suite.total == 3


def test_what_cannot_be_read_is_a_failure_by_name(tmp_path):
    one = suite_of(tmp_path, CASE % ("right", "xsd:decimal", "1", TWO)) / "deep" / "one"
    (one / "m-test-02.xml").write_text("<testCases>", "utf-8")
    (one / "broken.dmn").write_text("<definitions", "utf-8")
    elsewhere = (CASES % (CASE % ("elsewhere", "xsd:decimal", "1", TWO))).replace("m.dmn", "no.dmn")
    (one / "m-test-03.xml").write_text(elsewhere, "utf-8")
    broken = (CASES % (CASE % ("broken", "xsd:decimal", "1", TWO))).replace("m.dmn", "broken.dmn")
    (one / "m-test-04.xml").write_text(broken, "utf-8")
    wrong = CASES % (CASE % ("no number", "xsd:decimal", "one", TWO))
    (one / "m-test-05.xml").write_text(wrong, "utf-8")
    (suite,) = run([tmp_path, one, one.parent])  # a suite given twice is run once
    assert (suite.passed, suite.total) == (1, 5)
    told = {failure.case: failure.why for failure in suite.failures}
    assert set(told) == {"m-test-02.xml", "elsewhere", "broken", "no number"}
    assert "no.dmn" in told["elsewhere"]
    assert "cannot be read" in told["m-test-02.xml"]


def test_a_node_that_hangs_is_a_failure(tmp_path, monkeypatch):
    def hang(*_args, **_more):
        while True:
            time.sleep(0.01)

    runner = sys.modules["tests.tck.suites"]
    monkeypatch.setattr(runner, "SECONDS", 0.2)
    monkeypatch.setattr(runner.dmn, "evaluate", hang)
    (suite,) = run([suite_of(tmp_path, CASE % ("hangs", "xsd:decimal", "1", TWO))])
    assert suite.failures[0].why == "TooSlow: took longer than 0.2 seconds"


def test_labels_lists_and_a_model_without_a_name(tmp_path):
    labels = "<labels><label>FEEL</label></labels>"
    folder = suite_of(tmp_path, labels, CASE % ("right", "xsd:int", "1", TWO))
    cases = folder / "deep" / "one" / "m-test-01.xml"
    cases.write_text(cases.read_text("utf-8").replace("<modelName>m.dmn</modelName>", ""), "utf-8")
    (suite,) = run([folder / "deep" / "one"])
    assert (suite.passed, suite.total) == (1, 1)


def test_the_command_prints_one_object(tmp_path, capsys):
    folder = suite_of(tmp_path, CASE % ("right", "xsd:decimal", "1", TWO))
    assert main([str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["passed"], told["total"], told["suites"][0]["name"]) == (1, 1, "deep/one")


def test_the_command_names_failures_and_fails(tmp_path, capsys):
    folder = suite_of(tmp_path, CASE % ("wrong", "xsd:decimal", "2", TWO))
    assert main([str(folder)]) == 1
    assert "wrong sum: expected 2" in capsys.readouterr().out
    assert main([str(tmp_path / "nowhere")]) == 1
