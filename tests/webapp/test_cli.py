"""The command line as a process of its own: preparing, deploying, people, the proof of the log, bundles, serving."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine import people
from tests.conftest import Clock, open_at
from tests.processes.walk import YES, Walk
from tests.services import free_port

HOME = Path(__file__).resolve().parents[2]
SECRET = "a secret for tests that nobody else uses"


def bizday(var: Path, *words: str, fails: bool = False, **settings: str) -> str:
    """What one command says; it must succeed, or fail with one line, as is expected."""
    environ = {**os.environ, "BIZDAY_VAR": str(var), "BIZDAY_SECRET": SECRET, "PYTHONPATH": str(HOME), **settings}
    ended = subprocess.run(
        [sys.executable, "-m", "webapp.cli", *words], cwd=HOME, env=environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (ended.returncode != 0) == fails, ended.stdout + ended.stderr
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


def test_an_unknown_setting_and_a_default_secret_in_production_stop_the_start(tmp_path):
    assert "not a setting" in bizday(tmp_path, "verify", fails=True, BIZDAY_COLOUR="blue")
    default = {"BIZDAY_ENVIRONMENT": "production", "BIZDAY_SECRET": "for development only: never use this in production"}
    assert "BIZDAY_SECRET" in bizday(tmp_path, "verify", fails=True, **default)


def test_a_record_that_was_changed_in_the_database_is_found_and_located(tmp_path):
    var = tmp_path / "var"
    bizday(var, "init", "--demo")
    with sqlite3.connect(var / "bizday.sqlite") as database:
        database.execute("UPDATE event SET reason = 'nothing' WHERE stream = 'platform' AND seq = 3")
    said = bizday(var, "verify", fails=True)
    assert "3" in said and "platform" in said


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
    bizday(var, "bundle", number, str(file))
    assert "is whole" in bizday(tmp_path / "elsewhere", "verify-bundle", str(file))
    other = "another secret that is long enough for it"
    assert "not what was archived" in bizday(tmp_path, "verify-bundle", str(file), fails=True, BIZDAY_SECRET=other)
    file.write_bytes(file.read_bytes().replace(b"manifest", b"mani-est"))
    bizday(tmp_path, "verify-bundle", str(file), fails=True)


def test_every_setting_is_documented_in_one_table(tmp_path):
    readme = (HOME / "README.md").read_text("utf-8")
    rows = [line for line in bizday(tmp_path, "settings").splitlines() if line.startswith("| `BIZDAY_")]
    assert rows and all(row in readme for row in rows)


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_server_and_a_worker_start_and_stop_when_they_are_told(prepared, command):
    port = free_port()
    environ = {**os.environ, "BIZDAY_VAR": str(prepared), "BIZDAY_SECRET": SECRET, "BIZDAY_PORT": str(port), "PYTHONPATH": str(HOME)}
    process = subprocess.Popen([sys.executable, "-m", "webapp.cli", command], cwd=HOME, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        if command == "serve":
            assert _answers(f"http://127.0.0.1:{port}/healthz")
        else:
            time.sleep(3)
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) in (0, -signal.SIGTERM)
    finally:
        process.kill()


def _answers(address: str) -> bool:
    for _ in range(100):
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                return answer.status == 200
        except OSError:
            time.sleep(0.2)
    return False
