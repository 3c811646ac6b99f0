"""The suites of the DMN Technology Compatibility Kit, where they lie beside the project; and the runner itself."""

from __future__ import annotations

import json
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
