"""Classified variables: what the log keeps of them, and what those without clearance see and may set."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from engine import cases, people, repository, runtime, tasks
from engine.errors import NotAllowed
from engine.schema import event
from tests.engine.rooms import BOTH
from tests.engine.small import Room, model, path, task_of

FORM = json.dumps({
    "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "small/pay", "title": "Pay", "type": "object",
    "additionalProperties": False,
    "properties": {
        "salary": {"type": "integer", "title": "Salary", "x-classification": "confidential"},
        "key": {"type": "string", "title": "Key", "x-classification": "secret"},
        "note": {"type": "string", "title": "Note"},
    },
}).encode()  # fmt: skip
SECRETS = ("4711", "4712", "sesame", "abracadabra")


@pytest.fixture(params=BOTH)
def room(request, tmp_path):
    database = ""
    if request.param == "postgresql":
        from tests.services import fresh_postgresql

        database = fresh_postgresql()
    one = Room(tmp_path / "var", database)
    with one.platform.work(people.SYSTEM) as work:
        for group in ("executives", "operators"):
            people.join(work, one.ids["bert"], group)
    form = '<zeebe:formDefinition formId="small/pay"/>'
    asked = task_of("a").replace("<zeebe:assign", f"{form}<zeebe:assign")
    with one.platform.work(people.SYSTEM) as work:
        repository.deploy(work, {"small.bpmn": model(path(asked, ids=("a",))), "small/pay.json": FORM})
    yield one
    one.close()


def correct(room: Room, case: str, who: str, values: dict, was=None) -> None:
    with room.platform.work(room.actor(who)) as work:
        runtime.set_variables(work, case, 0, values, "It was mistyped.", was)


def log(room: Room) -> str:
    with room.platform.read(people.SYSTEM) as work:
        return json.dumps([row["data"] for row in work.all(select(event))], default=str)


def test_a_correction_of_a_classified_variable_leaves_no_value_in_the_log_or_on_the_page(room):
    case = room.start(variables={"salary": 4711, "key": "sesame", "note": "before"})
    room.platform.clock.move(minutes=1)
    correct(room, case, "bert", {"salary": 4712, "key": "abracadabra", "note": "after"})
    assert room.variables(case)["salary"] == 4712
    assert not [one for one in SECRETS if one in log(room)]
    for who in ("ada", "bert"):
        with room.platform.read(room.actor(who)) as work:
            told = {one["name"]: (one["masked"], one["old"], one["new"]) for one in cases.corrections(work, case)}
        assert told["note"] == (False, "before", "after")
        assert told["salary"][0] and told["key"][0]
    with room.platform.read(room.actor("ada")) as work:
        shown = {one["name"]: one["value"] for one in cases.variables(work, case)}
    assert shown["salary"] is None and shown["key"] is None and shown["note"] == "after"


def test_who_may_not_read_a_variable_may_neither_set_it_nor_try_out_what_it_is(room):
    case = room.start(variables={"salary": 4711})
    for was in (None, {"salary": 4711}, {"salary": 1}):
        with pytest.raises(NotAllowed, match="not cleared for 'salary'"):
            correct(room, case, "ada", {"salary": 1}, was)
    assert room.variables(case)["salary"] == 4711


def test_a_called_process_keeps_the_class_that_its_caller_gives(room):
    call = (
        '<bpmn:callActivity id="call" name="call"><bpmn:extensionElements><zeebe:calledElement processId="called"/>'
        "</bpmn:extensionElements></bpmn:callActivity>"
    )
    asked = task_of("a").replace("<zeebe:assign", '<zeebe:formDefinition formId="small/pay"/><zeebe:assign')
    with room.platform.work(people.SYSTEM) as work:
        repository.deploy(work, {
            "small.bpmn": model(path(asked, call, ids=("a", "call"))), "small/pay.json": FORM,
            "called.bpmn": model(path(task_of("b"), ids=("b",)), "called"),
        })  # fmt: skip
    case = room.start(variables={"salary": 4711})
    room.complete("a")
    with room.platform.read(room.actor("ada")) as work:
        (child,) = [one for one in cases.family(work, case) if one["id"] != case]
        (salary,) = [one for one in cases.variables(work, child["id"]) if one["name"] == "salary"]
    assert (salary["masked"], salary["value"]) == (True, None)


def test_a_draft_that_is_handed_back_leaves_no_classified_value_in_the_log(room):
    room.start()
    task_id = room.open_tasks()["a"]
    with room.platform.work(room.actor("anna")) as work:
        tasks.delegate(work, task_id, room.ids["bert"], "Please look at it.")
    with room.platform.work(room.actor("bert")) as work:
        tasks.save_draft(work, task_id, {"salary": 4711, "note": "half"})
        tasks.hand_back(work, task_id, "Done.")
    assert room.find_task(task_id)["draft"] == {"salary": 4711, "note": "half"}
    assert "half" in log(room) and "4711" not in log(room)
