"""The record of a closed case: it names everything, and whatever is altered afterwards shows."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from sqlalchemy import delete, select, update

from engine import archive, documents, people, runtime
from engine.errors import NotAllowed, NotFound
from engine.schema import archive as record
from engine.schema import content, definition, event
from tests.processes.walk import NO, YES, Walk

ROLE = {"subject": "anna", "action": "grant", "what": "group", "group": "finance", "purpose": "I help out in finance."}
PAPER = b"%PDF-1.7 the offer"


@pytest.fixture
def closed(demo):
    """A case with a paper that was refused, closed and archived."""
    walk = Walk(demo).start("anna", "permission_change", ROLE)
    with demo.work(walk.actor("anna")) as work:
        documents.attach(work, io.BytesIO(PAPER), "offer.pdf", instance_id=walk.id)
    walk.step("bert", "decide_department", NO)
    walk.step("anna", "confirm_closing", YES)
    walk.ended("refused")
    return walk


def verified(walk, login: str = "cora") -> list[str]:
    with walk.platform.read(walk.actor(login)) as work:
        return [str(problem) for problem in archive.verify(work, walk.id)]


def bundled(walk, login: str = "cora") -> bytes:
    with walk.platform.work(walk.actor(login)) as work:
        return archive.bundle(work, walk.id)


def tamper(walk, statement) -> None:
    with walk.platform.engine.begin() as connection:
        connection.execute(statement)


# --- the record ---------------------------------------------------------------------------------
def test_the_record_names_models_forms_papers_and_decisions(closed):
    with closed.platform.read(closed.actor("anna")) as work:
        row = archive.get(work, closed.id)
    said = row["manifest"]
    assert said["case"]["number"] == closed.row()["number"]
    assert said["case"]["outcome"] == "refused"
    assert {one["process"] for one in said["instances"]} == {"permission_change", "case_closing"}
    assert {one["form"] for one in said["forms"]} == {"permission_change/decide", "case_closing/confirm_closing"}
    assert [(one["name"], one["size"]) for one in said["documents"]] == [("offer.pdf", len(PAPER))]
    assert [one["element"] for one in said["decisions"]] == ["decide_department", "confirm_closing"]
    assert said["closing"]["opinion"] == YES["opinion"]
    assert said["policies"] == dict(closed.platform.policies.versions)
    (told,) = closed.events("case.archived")
    assert told["data"]["digest"] == row["digest"]


def test_a_case_is_archived_once(closed):
    with closed.platform.work(people.SYSTEM) as work:
        again = archive.keep(work, closed.id, outcome="another")
    assert again["manifest"]["case"]["outcome"] == "refused"
    assert len(closed.events("case.archived")) == 1


def test_the_record_is_for_those_who_see_the_case(closed):
    with closed.platform.read(closed.actor("tina")) as work, pytest.raises(NotFound):
        archive.get(work, closed.id)
    with closed.platform.read(people.SYSTEM) as work, pytest.raises(NotFound):
        archive.get(work, "e" * 32)


def test_a_case_that_runs_has_no_record_yet(demo):
    walk = Walk(demo).start("anna", "permission_change", ROLE)
    with demo.read(walk.actor("anna")) as work, pytest.raises(NotFound, match="no archive record"):
        archive.get(work, walk.id)


# --- whether it still holds ---------------------------------------------------------------------
def test_nothing_is_wrong_with_an_untouched_case(closed):
    assert verified(closed) == []


def test_what_happens_later_in_the_case_alters_nothing(closed):
    with closed.platform.work(people.SYSTEM) as work:
        runtime.raise_incident(work, closed.id, "service", "Something later.")
    assert verified(closed) == []


def test_an_altered_record_shows(closed):
    with closed.platform.read(people.SYSTEM) as work:
        manifest = archive.get(work, closed.id)["manifest"]
    manifest["case"]["outcome"] = "granted"
    tamper(closed, update(record).values(manifest=manifest))
    assert verified(closed) == ["The archive record itself was altered."]
    tamper(closed, update(record).values(digest=archive._digest(archive.canonical(manifest))))
    assert verified(closed) == ["The log does not speak of this archive record."]


def test_an_altered_opinion_shows(closed):
    where = (event.c.stream == closed.id, event.c.type == "task.completed")
    tamper(closed, update(event).where(*where).values(reason="It was fine."))
    assert verified(closed) == [f"The log of {closed.row()['number']} was altered."]


def test_a_model_or_paper_that_is_gone_shows(closed):
    digest = closed._one(select(definition).where(definition.c.id == closed.row()["definition_id"]))["digest"]
    tamper(closed, update(content).where(content.c.digest == digest).values(bytes=b"another model"))
    for path in (closed.platform.settings.var / "documents").rglob("*"):
        if path.is_file():
            path.unlink()
    assert verified(closed) == [
        "A model or form of the case is missing or was altered.",
        "The document 'offer.pdf' is missing or was altered.",
    ]


# --- bundles ------------------------------------------------------------------------------------
def key(walk) -> bytes:
    return walk.platform.key("archive")


def test_a_bundle_holds_everything_and_proves_itself(closed):
    data = bundled(closed)
    assert archive.verify_bundle(data, key(closed)) == []
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        names = packed.namelist()
        (paper,) = [name for name in names if name.startswith("documents/")]
        assert packed.read(paper) == PAPER
        lines = [json.loads(line) for line in packed.read("log.jsonl").splitlines()]
    assert sum(name.startswith("models/") for name in names) == 2
    assert sum(name.startswith("forms/") for name in names) == 2
    assert {"case.started", "task.completed", "case.archived"} <= {one["type"] for one in lines}
    assert closed.events("case.exported")


def test_only_who_may_export_a_case_takes_its_bundle(closed):
    assert archive.verify_bundle(bundled(closed, "anna"), key(closed)) == []  # her own case
    with pytest.raises(NotAllowed):
        bundled(closed, "bert")  # he decided in it, and sees it
    with pytest.raises(NotFound):
        bundled(closed, "tina")


def rewritten(data: bytes, change) -> bytes:
    """The bundle with its parts (name -> bytes) as `change` leaves them."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    change(parts)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, part in parts.items():
            packed.writestr(name, part)
    return out.getvalue()


def test_every_change_to_a_bundle_shows(closed):
    data = bundled(closed)
    changes = [
        lambda parts: parts.update({"log.jsonl": parts["log.jsonl"].replace(b"refused", b"granted")}),
        lambda parts: parts.pop("log.jsonl"),
        lambda parts: parts.update({"documents/more.pdf": b"%PDF"}),
        lambda parts: parts.update({archive.MANIFEST: parts[archive.MANIFEST].replace(b"refused", b"granted")}),
        lambda parts: parts.pop(archive.SIGNATURE),
    ]
    told = [[str(one) for one in archive.verify_bundle(rewritten(data, one), key(closed))] for one in changes]
    assert told == [
        ["'log.jsonl' was altered."], ["'log.jsonl' is missing."], ["'documents/more.pdf' was added."],
        ["The manifest was altered or signed by somebody else."], ["The bundle has no manifest or no signature."],
    ]  # fmt: skip
    assert [str(one) for one in archive.verify_bundle(data, b"another key")] == [
        "The manifest was altered or signed by somebody else."
    ]


@pytest.mark.parametrize("cut", [0, 10, 500, -1])
def test_a_file_that_is_no_bundle_is_told(closed, cut):
    assert archive.verify_bundle(bundled(closed)[:cut], key(closed))


def test_a_damaged_byte_anywhere_is_told_and_never_a_crash(closed):
    data = bundled(closed)
    for place in range(40, len(data), max(1, len(data) // 60)):
        spoilt = data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]
        archive.verify_bundle(spoilt, key(closed))
    assert archive.verify_bundle(data, key(closed)) == []


def test_a_cut_log_shows(closed):
    tamper(closed, delete(event).where(event.c.stream == closed.id, event.c.type == "case.completed"))
    assert verified(closed) == [f"The log of {closed.row()['number']} was altered."]
