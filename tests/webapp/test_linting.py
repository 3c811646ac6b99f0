"""`bizday lint` looks at any file, anywhere, without a database, and says what came of it in three ways.

The command runs as its users run it: a process of its own, in a folder that has nothing to do with the
project, with settings that would not open a platform.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from webapp import linting

HOME = Path(__file__).resolve().parents[2]
HEAD = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="urn:test" '
    'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0">'
)
BODY = (
    '<process id="p" name="P" isExecutable="{executable}"><startEvent id="s" name="Begun"/>\n<task id="a" name="{name}"/>'
    '<endEvent id="e" name="Ended"/><sequenceFlow id="f" sourceRef="s" targetRef="a"/>'
    '<sequenceFlow id="g" sourceRef="a" targetRef="{target}"/></process></definitions>'
)


def written(folder: Path, name: str, *, executable: str = "true", title: str = "Do it", target: str = "e") -> Path:
    path = folder / name
    path.write_text(HEAD + BODY.format(executable=executable, name=title, target=target), "utf-8")
    return path


def bizday_lint(folder: Path, *arguments: str, **more) -> subprocess.CompletedProcess:
    """The command in a process of its own; the database that the settings name does not exist."""
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(HOME), "BIZDAY_VAR": str(folder / "nowhere"),
        "BIZDAY_DATABASE": "postgresql://nobody@127.0.0.1:1/none",
    }  # fmt: skip
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    command = [sys.executable, "-m", "webapp.cli", "lint", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, text=True, timeout=120, check=False, **streams)


def files_in(done: subprocess.CompletedProcess) -> dict[str, dict]:
    assert "Traceback" not in done.stderr, done.stderr
    return {one["path"]: one for one in json.loads(done.stdout)["files"]}


def test_a_sound_file_is_exit_0_and_needs_neither_database_nor_project_folder(tmp_path):
    written(tmp_path, "sound.bpmn")
    done = bizday_lint(tmp_path, "sound.bpmn")
    assert done.returncode == 0, done.stderr
    assert "0 errors, 1 warnings" in done.stdout and "[drawing.none]" in done.stdout
    assert not (tmp_path / "nowhere").exists()


def test_an_error_is_exit_1_and_the_json_names_file_element_rule_severity_sentence_and_mend(tmp_path):
    written(tmp_path, "loose.bpmn", target="nowhere")
    written(tmp_path, "draft.bpmn", executable="false")
    done = bizday_lint(tmp_path, "--format", "json", ".")
    assert done.returncode == 1
    draft, loose = json.loads(done.stdout)["files"]
    assert (draft["path"], draft["opens"], draft["deployable"]) == ("draft.bpmn", True, False)
    assert (loose["path"], loose["opens"], loose["deployable"]) == ("loose.bpmn", True, False)
    problem = next(one for one in loose["problems"] if one["rule"] == "bpmn.loose-flow")
    assert problem == {
        "element": "g", "rule": "bpmn.loose-flow", "severity": "error", "sentence": "A flow leads from or to nothing.",
        "mend": "Remove flow 'g', which leads from or to nothing.",
    }  # fmt: skip
    offered = {"act": "remove-flow", "where": "g", "what": "", "rule": "bpmn.loose-flow", "sentence": problem["mend"]}
    assert offered in loose["mends"]


def test_sarif_says_each_problem_with_its_file_line_and_element(tmp_path):
    written(tmp_path, "no name.bpmn", title="")
    done = bizday_lint(tmp_path, "--format", "sarif", "no name.bpmn")
    log = json.loads(done.stdout)
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    driver, results = log["runs"][0]["tool"]["driver"], log["runs"][0]["results"]
    assert driver["name"] == "bizday"
    result = next(one for one in results if one["ruleId"] == "name.missing")
    assert driver["rules"][result["ruleIndex"]]["id"] == "name.missing"
    assert (result["level"], result["message"]["text"].count("'a'")) == ("warning", 1)
    (location,) = result["locations"]
    assert location["physicalLocation"] == {"artifactLocation": {"uri": "no%20name.bpmn"}, "region": {"startLine": 2}}
    assert location["logicalLocations"] == [{"fullyQualifiedName": "a", "kind": "element"}]


@pytest.mark.parametrize("arguments", [(), ("--format", "xml", "sound.bpmn"), ("--limit", "-1", "sound.bpmn")])
def test_wrong_usage_is_exit_2(tmp_path, arguments):
    written(tmp_path, "sound.bpmn")
    assert bizday_lint(tmp_path, *arguments).returncode == 2


def test_a_file_that_is_not_there_or_cannot_be_read_is_one_sentence_and_the_others_are_still_looked_at(tmp_path):
    written(tmp_path, "sound.bpmn")
    (tmp_path / "empty").mkdir()
    (tmp_path / "round.bpmn").symlink_to("round.bpmn")
    names = ("gone.bpmn", "gone/away.dmn", "empty", "round.bpmn", "no*.bpmn", "x" * 300 + ".bpmn", "\udcff.bpmn", "sound.bpmn")
    done = bizday_lint(tmp_path, "--format", "json", *names)
    assert done.returncode == 1
    *wrong, sound = files_in(done).values()
    assert (sound["path"], sound["opens"], sound["deployable"]) == ("sound.bpmn", True, True)
    assert len(wrong) == len(names) - 1
    for one in wrong:
        (problem,) = one["problems"]
        assert (one["opens"], one["deployable"], problem["severity"], problem["rule"]) == (False, False, "error", "file")
        assert problem["sentence"].startswith("The file cannot be read: ") and problem["sentence"].endswith(".")
    assert bizday_lint(tmp_path, *names).stdout.count("error: file: The file cannot be read") == len(wrong)


def test_standard_input_is_read_as_what_it_holds(tmp_path):
    model, table = written(tmp_path, "m.bpmn", target="nowhere").read_text(), next(HOME.glob("processes/*/*.dmn")).read_text()
    form = next(HOME.glob("forms/*/*.json")).read_text()
    for text, deployable, status in ((model, False, 1), (table, True, 0), (form, True, 0), ("", False, 1), ("no xml", False, 1)):
        done = bizday_lint(tmp_path, "--format", "json", "-", input=text)
        (one,) = files_in(done).values()
        assert (one["path"], one["deployable"], done.returncode) == ("-", deployable, status), text[:200]
    assert len(files_in(bizday_lint(tmp_path, "--format", "json", "m.bpmn", "-", input=model))) == 2


def test_folders_and_patterns_that_no_shell_expanded_mean_their_models_tables_and_forms(tmp_path):
    (tmp_path / "forms" / "deep").mkdir(parents=True)
    for name in ("a.bpmn", "forms/b.BPMN", "old.bpmn20.xml"):
        written(tmp_path, name)
    (tmp_path / "forms" / "deep" / "form.json").write_text("{}")
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "table.dmn").write_text(next(HOME.glob("processes/*/*.dmn")).read_text())
    everything = {"a.bpmn", "forms/b.BPMN", "old.bpmn20.xml", "forms/deep/form.json", "table.dmn"}
    assert set(files_in(bizday_lint(tmp_path, "--format", "json", "."))) == everything
    assert set(files_in(bizday_lint(tmp_path, "--format", "json", "*.bpmn", "**/*.BPMN"))) == {"a.bpmn", "forms/b.BPMN"}
    assert len(files_in(bizday_lint(tmp_path, "--format", "json", "a.bpmn", "*.bpmn"))) == 1


def test_a_table_under_a_name_that_says_nothing_is_read_as_a_table(tmp_path):
    (tmp_path / "table.xml").write_text(next(HOME.glob("processes/*/*.dmn")).read_text())
    assert bizday_lint(tmp_path, "table.xml").returncode == 0


def test_a_pipe_that_nobody_writes_to_is_given_up_and_the_next_file_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.bpmn")
    written(tmp_path, "sound.bpmn")
    begun = time.monotonic()
    done = bizday_lint(tmp_path, "--format", "json", "--limit", "0.5", "pipe.bpmn", "sound.bpmn")
    assert time.monotonic() - begun < 30
    files = files_in(done)
    assert [problem["rule"] for problem in files["pipe.bpmn"]["problems"]] == ["lint.too-long"]
    assert files["sound.bpmn"]["deployable"]


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_progress_is_shown_at_a_terminal_and_never_among_the_results(tmp_path, form):
    for name in ("a.bpmn", "b.bpmn"):
        written(tmp_path, name)
    screen, terminal = os.openpty()
    done = bizday_lint(tmp_path, "--format", form, ".", stderr=terminal)
    os.close(terminal)
    assert b"Checking" in os.read(screen, 100_000)
    os.close(screen)
    assert json.loads(done.stdout)
    assert bizday_lint(tmp_path, "--format", form, ".").stderr == ""


def test_help_states_the_limit_and_what_the_exit_status_means(tmp_path):
    said = " ".join(bizday_lint(tmp_path, "--help").stdout.split())
    assert f"[default: {linting.LIMIT};" in said and "Seconds that one file may take" in said
    assert "0 no errors" in said and "1 at least one error" in said and "2 wrong usage" in said


def test_sarif_has_the_shape_of_its_standard(tmp_path):
    """SARIF 2.1.0, 3.13 (log), 3.18 (tool), 3.27 (result), 3.28 to 3.30 (where it is)."""
    written(tmp_path, "a.bpmn", target="nowhere", title="")
    (tmp_path / "b.bpmn").write_text("<definitions>\n\n<")
    (tmp_path / "c.dmn").write_text("<html/>")
    log = json.loads(bizday_lint(tmp_path, "--format", "sarif", "a.bpmn", "b.bpmn", "c.dmn", "gone.bpmn").stdout)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules) and set(rules) == {result["ruleId"] for result in run["results"]}
    for result in run["results"]:
        assert result["level"] in ("error", "warning", "note") and result["message"]["text"]
        assert rules[result["ruleIndex"]] == result["ruleId"]
        for location in result["locations"]:
            place = location["physicalLocation"]
            assert place["artifactLocation"]["uri"] in ("a.bpmn", "b.bpmn", "c.dmn", "gone.bpmn")
            assert place["region"]["startLine"] >= 1
    lines = {(one["ruleId"], one["locations"][0]["physicalLocation"]["region"]["startLine"]) for one in run["results"]}
    assert {("name.missing", 2), ("xml.malformed", 3), ("file", 1)} <= lines


def test_files_that_are_no_models_are_said_not_to_open(tmp_path):
    for name, text in (("a.bpmn", "no xml"), ("b.dmn", "<html/>"), ("c.json", "{"), ("d.txt", "hello"), ("e.bpmn", "")):
        (tmp_path / name).write_text(text)
    done = bizday_lint(tmp_path, "--format", "json", *(one.name for one in sorted(tmp_path.iterdir())))
    files = json.loads(done.stdout)["files"]
    assert done.returncode == 1
    assert [(one["opens"], one["deployable"], bool(one["problems"])) for one in files] == [(False, False, True)] * 5


def test_the_processes_of_the_project_have_no_errors(tmp_path):
    done = bizday_lint(tmp_path, str(HOME / "processes"))
    assert done.returncode == 0, done.stdout


def test_a_model_may_name_what_is_given_beside_it(tmp_path):
    called = '<extensionElements><zeebe:calledElement processId="q"/></extensionElements>'
    call = f'<callActivity id="a" name="Call">{called}</callActivity>'
    path = written(tmp_path, "caller.bpmn")
    path.write_text(path.read_text().replace('<task id="a" name="Do it"/>', call))
    assert bizday_lint(tmp_path, "caller.bpmn").returncode == 1
    called = written(tmp_path, "called.bpmn")
    called.write_text(called.read_text().replace('process id="p"', 'process id="q"'))
    assert bizday_lint(tmp_path, "caller.bpmn", "called.bpmn").returncode == 0


def test_a_file_that_takes_too_long_is_given_up_and_the_next_ones_are_read(tmp_path, monkeypatch):
    """A fork of this test is the worker, so what is slow here is slow there."""
    slow, fine = written(tmp_path, "slow.bpmn"), written(tmp_path, "fine.bpmn")
    real = linting.check

    def sleepy(path, known):
        if path == slow:
            time.sleep(60)
        return real(path, known)

    monkeypatch.setattr(linting, "check", sleepy)
    begun = time.monotonic()
    first, second, third = linting.look_at([slow, fine, slow], HOME, limit=1)
    assert time.monotonic() - begun < 20
    assert [p.rule for p in first.problems] == ["lint.too-long"] == [p.rule for p in third.problems]
    assert (first.opens, second.opens, second.deployable) == (False, True, True)


def test_a_worker_that_dies_is_said_of_its_file(tmp_path, monkeypatch):
    deadly, fine = written(tmp_path, "deadly.bpmn"), written(tmp_path, "fine.bpmn")
    real = linting.check
    monkeypatch.setattr(linting, "check", lambda path, known: os._exit(9) if path == deadly else real(path, known))
    first, second = linting.look_at([deadly, fine], HOME)
    assert [p.rule for p in first.problems] == ["lint.unfinished"]
    assert second.opens
