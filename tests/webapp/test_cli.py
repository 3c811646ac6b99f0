"""The command line as a process of its own: preparing, deploying, people, the proof of the log, bundles, serving."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine import people, repository, runtime
from engine.errors import NotAllowed
from tests.conftest import Clock, open_at
from tests.engine.small import flow, model, path, task_of
from tests.processes.walk import YES, Walk
from tests.services import free_port

HOME = Path(__file__).resolve().parents[2]
SECRET = "a secret for tests that nobody else uses"


def environment(var: Path, **settings: str | None) -> dict[str, str]:
    """The environment of a command on the folder `var`; a setting that is None is not set."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("BIZDAY_")}
    said = {**bare, "BIZDAY_VAR": str(var), "BIZDAY_SECRET": SECRET, "PYTHONPATH": str(HOME), **settings}
    return {name: value for name, value in said.items() if value is not None}


def bizday(var: Path, *words: str, fails: bool = False, typed: str = "", **settings: str | None) -> str:
    """What one command says; it must succeed, or fail with exit code 1 and in sentences, as is expected."""
    ended = subprocess.run(
        [sys.executable, "-m", "webapp.cli", *words], cwd=HOME, env=environment(var, **settings), capture_output=True,
        text=True, timeout=120, check=False, input=typed,
    )  # fmt: skip
    assert ended.returncode == (1 if fails else 0), ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    var = tmp_path_factory.mktemp("cli") / "var"
    bizday(var, "init", "--demo")
    return var


def test_a_new_database_is_made_filled_and_sound_and_a_second_time_changes_nothing(prepared):
    assert "version 1" not in bizday(prepared, "init", "--demo")
    assert "anna" in bizday(prepared, "user", "list", "anna")
    assert ", 0 faults" in bizday(prepared, "verify")


def test_a_person_is_added_joins_a_group_and_leaves_it(prepared):
    said = ("user", "add", "nora", "Nora Example", "--password", "seven quiet horses graze", "--group", "staff")
    bizday(prepared, *said)
    bizday(prepared, "user", "join", "nora", "testers")
    assert groups_of(prepared, "nora") == {"staff", "testers"}
    bizday(prepared, "user", "leave", "nora", "testers")
    assert groups_of(prepared, "nora") == {"staff"}
    assert "taken" in bizday(prepared, *said, fails=True)
    assert "nobody" in bizday(prepared, "user", "join", "nemo", "staff", fails=True)
    assert bizday(prepared, "user", "list", "nora").split() == ["nora", "Nora", "Example"]


def test_a_password_is_changed_and_asked_for_where_none_is_said(prepared):
    said = ("user", "add", "nils", "Nils Example")
    bizday(prepared, *said, typed="seven quiet horses graze\nseven quiet horses graze\n")
    bizday(prepared, "user", "password", "nils", "--password", "eight loud geese depart")
    assert signs_in(prepared, "nils", "eight loud geese depart")
    assert not signs_in(prepared, "nils", "seven quiet horses graze")
    bizday(prepared, "user", "password", "nils", "--password", "short", fails=True)
    assert signs_in(prepared, "nils", "eight loud geese depart")


def signs_in(var: Path, login: str, password: str) -> bool:
    platform = open_at(var)
    try:
        with platform.work(people.SYSTEM) as work:
            return people.authenticate(work, login, password, "127.0.0.1")["login"] == login
    except NotAllowed:
        return False
    finally:
        platform.close()


def test_a_guest_needs_an_end(prepared):
    said = ("user", "add", "gast", "Gast Example", "--kind", "visitor", "--password", "seven quiet horses graze")
    bizday(prepared, *said, fails=True)
    bizday(prepared, *said, "--ends-at", "2099-01-01")
    assert "gast" in bizday(prepared, "user", "list", "gast")


def test_the_demo_organisation_is_made_and_its_people_are_named(prepared):
    said = bizday(prepared, "demo")
    assert {"anna", "bert", "ada", "dirk"} <= set(said.split())
    assert bizday(prepared, "demo") == said


def test_a_database_that_is_not_prepared_is_named(tmp_path):
    assert "run `bizday init` first" in bizday(tmp_path / "var", "verify", fails=True)


def groups_of(var: Path, login: str) -> set[str]:
    platform = open_at(var, clock=Clock())
    with platform.read(people.SYSTEM) as work:
        found = set(people.actor(work, people.by_login(work, login)["id"]).groups)
    platform.close()
    return found


def test_a_folder_is_deployed_and_what_is_wrong_is_said(prepared, tmp_path):
    assert "case_closing" in bizday(prepared, "deploy", str(HOME / "processes" / "case_closing"))
    wrong = tmp_path / "wrong.bpmn"
    wrong.write_text("<x/>", "utf-8")
    assert "not a BPMN 2.0 model" in bizday(prepared, "deploy", str(wrong), fails=True)


def test_lint_needs_no_database_and_its_exit_code_says_whether_there_are_errors(tmp_path):
    var, folder = tmp_path / "var", str(HOME / "processes" / "case_closing")
    bizday(var, "lint", folder)
    wrong = tmp_path / "wrong.bpmn"
    wrong.write_bytes(model(path(task_of("a"), ids=("a",)).replace('sourceRef="a"', 'sourceRef="nowhere"')))
    assert "error: a-e: " in bizday(var, "lint", str(wrong), fails=True)
    found = json.loads(bizday(var, "lint", "--format", "sarif", str(wrong), fails=True))
    assert found["runs"][0]["results"]
    assert not var.exists()


@pytest.mark.parametrize("command", ["init", "serve", "worker", "run", "verify"])
def test_nothing_starts_in_production_without_a_secret_of_its_own(tmp_path, command):
    said = bizday(tmp_path / "var", command, fails=True, BIZDAY_ENVIRONMENT="production", BIZDAY_SECRET=None)
    assert "Set BIZDAY_SECRET" in said
    assert not (tmp_path / "var" / "bizday.sqlite").exists()


WRONG_SETTINGS = {
    "BIZDAY_COLOUR": ("blue", "not a setting"), "BIZDAY_SECRET": ("short", "too short"), "BIZDAY_PORT": ("many", "whole number"),
    "BIZDAY_ENVIRONMENT": ("test", "must be development or production"), "BIZDAY_CONFIG": ("nowhere.toml", "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_SETTINGS)
def test_a_wrong_setting_stops_the_start(tmp_path, name):
    value, sentence = WRONG_SETTINGS[name]
    assert sentence in bizday(tmp_path / "var", "serve", fails=True, **{name: value})


def test_settings_are_read_from_a_file_and_the_environment_counts_more(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text(f'var = "{tmp_path / "other"}"\nsecret = "{SECRET}"\n', "utf-8")
    assert "init` first" in bizday(tmp_path, "--config", str(file), "verify", fails=True, BIZDAY_VAR=None, BIZDAY_SECRET=None)
    assert (tmp_path / "other").is_dir()
    file.write_text("colour = 'blue'\n", "utf-8")
    assert "not a setting" in bizday(tmp_path, "--config", str(file), "verify", fails=True)


def test_a_record_that_was_changed_in_the_database_is_found_and_located(tmp_path):
    var = tmp_path / "var"
    bizday(var, "init", "--demo")
    with sqlite3.connect(var / "bizday.sqlite") as database:
        database.execute("UPDATE event SET reason = 'nothing' WHERE stream = 'platform' AND seq = 3")
    said = bizday(var, "verify", fails=True)
    assert "changed: platform record 3:" in said and " 1 faults" in said
    with sqlite3.connect(var / "bizday.sqlite") as database:
        database.execute("DELETE FROM event WHERE stream = 'platform' AND seq = 5")
    assert "removed: platform record 5:" in bizday(var, "verify", fails=True)


def test_an_archived_case_is_taken_out_and_verified_without_a_database(prepared, tmp_path):
    clock = Clock()
    clock.set(datetime.now(UTC))
    platform = open_at(prepared, clock=clock, seed=3)
    asked = {"subject": "Chairs", "kind": "purchase", "amount": 5000, "risk": "low", "summary": "Twelve chairs for the office."}
    walk = Walk(platform).start("anna", "multi_level_approval", asked)
    walk.through((("bert", "vote_together", YES), ("anna", "confirm_closing", YES)))
    walk.ended("approved")
    number, var, file = walk.row()["number"], prepared, tmp_path / "case.zip"
    platform.close()
    assert "approval_asked" in bizday(var, "path", number)
    assert "cannot be written" in bizday(var, "bundle", number, str(tmp_path / "no" / "case.zip"), fails=True)
    bizday(var, "bundle", number, str(file))
    assert "no such case" in bizday(var, "bundle", "X-1", str(file), fails=True)
    assert "is whole" in bizday(tmp_path / "elsewhere", "verify-bundle", str(file))
    assert not (tmp_path / "elsewhere").exists()
    other = "another secret that is long enough for it"
    assert "not what was archived" in bizday(tmp_path, "verify-bundle", str(file), fails=True, BIZDAY_SECRET=other)
    file.write_bytes(file.read_bytes().replace(b"manifest", b"mani-est"))
    bizday(tmp_path, "verify-bundle", str(file), fails=True)
    file.write_bytes(b"no ZIP at all")
    bizday(tmp_path, "verify-bundle", str(file), fails=True)


def test_a_case_that_still_runs_is_no_bundle(prepared, tmp_path):
    clock = Clock()
    clock.set(datetime.now(UTC))
    platform = open_at(prepared, clock=clock, seed=4)
    asked = {"subject": "Lamps", "kind": "purchase", "amount": 5000, "risk": "low", "summary": "Twelve lamps for the office."}
    number = Walk(platform).start("anna", "multi_level_approval", asked).row()["number"]
    platform.close()
    file = tmp_path / "case.zip"
    bizday(prepared, "bundle", number, str(file), fails=True)
    assert not file.exists()


def test_every_setting_is_documented_in_one_table(tmp_path):
    readme = (HOME / "README.md").read_text("utf-8")
    rows = [line for line in bizday(tmp_path, "settings").splitlines() if line.startswith("| `BIZDAY_")]
    assert rows and all(row in readme for row in rows)


@contextmanager
def running(var: Path, command: str, *words: str, **settings: str):
    """A command that runs until it is told to stop; it then ends by itself and without a complaint."""
    process = subprocess.Popen(
        [sys.executable, "-m", "webapp.cli", command, *words], cwd=HOME, env=environment(var, **settings),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        _said, complaint = process.communicate(timeout=20)
        assert process.returncode == 0 and "Traceback" not in complaint, complaint
    finally:
        process.kill()
        process.wait()


def test_a_server_answers_and_stops_when_it_is_told(prepared):
    port = str(free_port())
    with running(prepared, "serve", "--no-worker", BIZDAY_PORT=port):
        assert answers(f"http://127.0.0.1:{port}/healthz")
        assert answers(f"http://127.0.0.1:{port}/readyz")
        assert answers(f"http://127.0.0.1:{port}/api/v1/openapi.json")
    assert not answers(f"http://127.0.0.1:{port}/healthz", tries=1)


CLOCKWORK = (
    '<bpmn:startEvent id="s" name="s"><bpmn:timerEventDefinition><bpmn:timeCycle>R1/PT1S</bpmn:timeCycle>'
    '</bpmn:timerEventDefinition></bpmn:startEvent><bpmn:endEvent id="e" name="e"/>' + flow("s", "e")
)


def test_a_worker_does_what_is_due_and_stops_when_it_is_told(prepared, tmp_path):
    file = tmp_path / "clockwork.bpmn"
    file.write_bytes(model(CLOCKWORK, "clockwork"))
    bizday(prepared, "deploy", str(file))
    with running(prepared, "worker"):
        assert wait_for(lambda: count(prepared, "instance WHERE process_key = 'clockwork' AND state = 'completed'") == 1)
    assert ", 0 faults" in bizday(prepared, "verify")


def count(var: Path, what: str) -> int:
    with sqlite3.connect(var / "bizday.sqlite") as database:
        return database.execute(f"SELECT count(*) FROM {what}").fetchone()[0]


def wait_for(holds, tries: int = 100) -> bool:
    for _ in range(tries):
        if holds():
            return True
        time.sleep(0.2)
    return False


def answers(address: str, tries: int = 100) -> bool:
    def holds() -> bool:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    return wait_for(holds, tries)


def test_all_cases_of_a_process_rest_and_go_on_and_what_cannot_is_told(tmp_path):
    var = tmp_path / "var"
    bizday(var, "init")
    two = tmp_path / "small.bpmn"
    two.write_bytes(model(path(task_of("a"), ids=("a",))))
    bizday(var, "deploy", str(two))
    platform = open_at(var)
    with platform.work(people.SYSTEM) as work:
        started = [runtime.start_by(work, repository.latest(work, "small"), "s", {})["id"] for _ in range(2)]
        runtime.suspend(work, started[0], "An inquiry.")
    two.write_bytes(model(path(task_of("b"), ids=("b",))))
    bizday(var, "deploy", str(two))
    assert "1 cases; 0 of them do not fit." in bizday(var, "cases", "suspend", "small", "--reason", "Law.", "--dry-run")
    assert "1 done, 0 refused, 0 left of 1." in bizday(var, "cases", "suspend", "small", "--reason", "Law.")
    move = ("cases", "migrate", "small", "--version", "1", "--to", "2", "--reason", "The new rule.")
    assert "2 cases; 2 of them do not fit." in bizday(var, *move, "--dry-run")
    assert "cannot be moved to that version" in bizday(var, *move, fails=True)
    assert "2 done, 0 refused, 0 left of 2." in bizday(var, *move, "--map", "a=b")
    assert "There is no version 9" in bizday(var, "cases", "resume", "small", "--version", "9", "--reason", "Go.", fails=True)
    assert ", 0 faults" in bizday(var, "verify")
    platform.close()
