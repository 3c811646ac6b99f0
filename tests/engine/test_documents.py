"""Papers: encrypted where they lie, typed by what is in them, limited while they stream, and opened only by who may."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from engine import documents, people
from engine.errors import Conflict, Invalid, Misconfigured, NotAllowed, NotFound
from engine.schema import candidate, document, draft, event, instance, task
from tests.engine.rooms import actor, opened, person, rows
from tests.engine.test_history import CASE, OTHER, a_case

TASK = "t" * 32
PDF = b"%PDF-1.7\n" + b"words " * 100


@pytest.fixture
def room(tmp_path):
    """Anna's case with a task that finance may claim, and Bert's case."""
    for platform in opened(tmp_path / "var"):
        anna, bert = person(platform, "anna", "staff"), person(platform, "bert", "staff")
        person(platform, "fiona", "staff", "finance")
        person(platform, "ada", "administrators")
        with platform.work(people.SYSTEM) as work:
            a_case(work, CASE, "C-1")
            a_case(work, OTHER, "C-2")
            work.execute(update(instance).where(instance.c.id == CASE).values(started_by=anna))
            work.execute(update(instance).where(instance.c.id == OTHER).values(started_by=bert))
            work.execute(insert(task), {
                "id": TASK, "instance_id": CASE, "root_id": CASE, "token": 1, "element_id": "look", "name": "Look",
                "process_key": "k", "definition_id": "def", "state": "open", "created_at": work.now,
            })  # fmt: skip
            work.execute(insert(candidate), {"task_id": TASK, "kind": "group", "ref": "finance"})
        yield platform


def attach(platform, login: str, data: bytes = PDF, name: str = "offer.pdf", **place) -> dict:
    with platform.work(actor(platform, login)) as work:
        return documents.attach(work, io.BytesIO(data), name, **(place or {"instance_id": CASE}))


def content(platform, login: str, document_id: str) -> bytes:
    with platform.work(actor(platform, login)) as work:
        return documents.open(work, document_id)[1].read()


def a_draft(platform, login: str) -> str:
    with platform.work(actor(platform, login)) as work:
        new = {"id": f"draft-{login}", "person_id": work.actor.id, "process_key": "k", "answers": {}, "at": work.now}
        work.execute(insert(draft), new)
    return new["id"]


def files(platform) -> list:
    return [path for path in (platform.settings.var / "documents").rglob("*") if path.is_file()]


def said(platform, *types: str) -> list:
    return rows(platform, select(event).where(event.c.type.in_(types)).order_by(event.c.seq))


# --- keeping ------------------------------------------------------------------------------------
def test_what_is_attached_comes_back_as_it_was(room):
    row = attach(room, "anna", task_id=None, instance_id=CASE, field="papers")
    assert (row["name"], row["type"], row["size"]) == ("offer.pdf", "application/pdf", len(PDF))
    assert row["digest"] == hashlib.sha256(PDF).hexdigest()
    assert (row["instance_id"], row["root_id"], row["field"]) == (CASE, CASE, "papers")
    assert content(room, "anna", row["id"]) == PDF


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 131_072, 200_001])
def test_every_size_comes_back_whole(room, size):
    data = os.urandom(size)
    assert content(room, "anna", attach(room, "anna", data, "a.bin")["id"]) == data


def test_nothing_of_it_can_be_read_on_the_disk(room):
    row = attach(room, "anna", b"a very secret word" * 9000, "secret.txt")
    (file,) = files(room)
    kept = file.read_bytes()
    assert b"secret" not in kept
    assert row["digest"] not in str(file)
    assert row["digest"].encode() not in kept
    assert oct(file.stat().st_mode & 0o777) == "0o600"


def test_the_same_content_lies_there_once(room):
    first, second = attach(room, "anna"), attach(room, "anna", name="again.pdf")
    assert first["id"] != second["id"]
    assert len(files(room)) == 1


def test_attaching_and_opening_leave_records(room):
    row = attach(room, "anna")
    content(room, "anna", row["id"])
    attached, seen = said(room, "document.attached", "document.opened")
    assert (attached["root_id"], attached["data"]["digest"]) == (CASE, row["digest"])
    assert (seen["actor_id"], seen["data"]["document"]) == (actor(room, "anna").id, row["id"])


# --- what is refused ----------------------------------------------------------------------------
class Endless(io.RawIOBase):
    """A stream that counts what is read of it and never ends."""

    taken = 0

    def read(self, size=-1):
        self.taken += size
        return b"x" * size


def test_a_stream_that_is_too_large_is_left_while_it_runs(room):
    room.settings = replace(room.settings, upload_limit=300_000)
    stream = Endless()
    with pytest.raises(Invalid, match="is larger than"):
        with room.work(actor(room, "anna")) as work:
            documents.attach(work, stream, "big.bin", instance_id=CASE)
    assert stream.taken < 500_000
    assert files(room) == []
    assert rows(room, select(document)) == []


def test_a_file_of_just_that_size_is_kept(room):
    room.settings = replace(room.settings, upload_limit=100_000)
    assert attach(room, "anna", b"x" * 100_000, "a.txt")["size"] == 100_000


@pytest.mark.parametrize("data", [b"", b"MZ\x90\0" + b"\0" * 60, b"\x7fELF\x02\x01"])
def test_nothing_and_programs_are_refused(room, data):
    with pytest.raises(Invalid):
        attach(room, "anna", data, "harmless.pdf")
    assert files(room) == []


# --- what is in it ------------------------------------------------------------------------------
def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name in names:
            packed.writestr(name, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PDF, "application/pdf"),
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0....", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (zipped("[Content_Types].xml", "word/document.xml"),
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"),
         "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (zipped("a.txt"), "application/zip"),
        ("Zwölf Stühle\n".encode(), "text/plain"),
        ("十二把椅子\n".encode("gb18030"), "text/plain"),
        (("椅" * 40_000).encode(), "text/plain"),
        (b"<html><script>alert(1)</script>", "application/octet-stream"),
        (b" \n<svg xmlns='http://www.w3.org/2000/svg'/>", "application/octet-stream"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", "application/octet-stream"),
        (b"\x00\x01\x02", "application/octet-stream"),
    ],
    ids=lambda one: repr(one)[:40],
)  # fmt: skip
def test_the_type_is_told_by_the_content_and_not_by_the_name(room, data, kind):
    assert attach(room, "anna", data, "picture.png")["type"] == kind


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("../../etc/passwd", "passwd"), ("C:\\temp\\offer.pdf", "offer.pdf"), ("", "document"), (None, "document"),
        ("..", "document"), ("a\r\nSet-Cookie: x.pdf", "aSet-Cookie: x.pdf"), ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("报价  单.pdf", "报价 单.pdf"), ("x" * 300 + ".pdf", "x" * 176 + ".pdf"),
    ],
)  # fmt: skip
def test_a_name_is_only_a_name(given_name, kept):
    assert documents.clean_name(given_name) == kept


@given(st.text())
def test_whatever_a_file_is_called_its_name_can_be_shown(name):
    kept = documents.clean_name(name)
    assert 0 < len(kept) <= documents.LONGEST_NAME
    assert kept == documents.clean_name(kept)
    assert not set(kept) & set("/\\\r\n\0")


# --- who may ------------------------------------------------------------------------------------
def test_a_paper_of_a_case_is_for_those_who_see_the_case(room):
    row = attach(room, "anna")
    assert content(room, "fiona", row["id"]) == PDF  # a task of the case waits for her group
    with pytest.raises(NotFound):
        content(room, "bert", row["id"])
    with room.read(actor(room, "bert")) as work, pytest.raises(NotFound):
        documents.list_(work, CASE)
    with room.read(actor(room, "fiona")) as work:
        assert [(one["id"], one["by_name"]) for one in documents.list_(work, CASE)] == [(row["id"], "Anna")]


def test_nobody_attaches_to_a_case_that_she_does_not_see(room):
    with pytest.raises(NotFound):
        attach(room, "bert")
    with pytest.raises(NotFound):
        attach(room, "bert", task_id=TASK)
    assert files(room) == []


def test_a_paper_hangs_where_its_task_hangs_whatever_is_said(room):
    assert attach(room, "fiona", task_id=TASK)["root_id"] == CASE
    with pytest.raises(NotFound):
        attach(room, "fiona", task_id=TASK, instance_id=OTHER)
    with pytest.raises(NotFound):
        attach(room, "fiona", task_id=TASK, root_id=OTHER)


def test_a_draft_and_its_papers_are_its_authors_alone(room):
    mine = a_draft(room, "anna")
    row = attach(room, "anna", draft_id=mine, field="papers")
    assert content(room, "anna", row["id"]) == PDF
    with pytest.raises(NotFound):
        attach(room, "bert", draft_id=mine)
    with pytest.raises(NotFound):
        content(room, "bert", row["id"])
    with pytest.raises(NotFound):
        content(room, "ada", row["id"])
    with room.read(actor(room, "bert")) as work:
        assert documents.of_draft(work, mine) == []
    with room.read(actor(room, "anna")) as work:
        assert [one["field"] for one in documents.of_draft(work, mine)] == ["papers"]


def test_a_paper_that_hangs_on_nothing_is_not_kept(room):
    with room.work(actor(room, "anna")) as work, pytest.raises(NotFound):
        documents.attach(work, io.BytesIO(PDF), "a.pdf")


# --- removing -----------------------------------------------------------------------------------
def remove(platform, login: str, document_id: str, reason: str = "The wrong file.") -> None:
    with platform.work(actor(platform, login)) as work:
        documents.remove(work, document_id, reason)


def test_a_removed_paper_is_gone_for_everyone_and_the_log_says_why(room):
    row = attach(room, "anna")
    remove(room, "anna", row["id"])
    with pytest.raises(NotFound):
        content(room, "anna", row["id"])
    with room.read(actor(room, "anna")) as work:
        assert documents.list_(work, CASE) == []
    (removed,) = said(room, "document.removed")
    assert (removed["reason"], removed["data"]["digest"]) == ("The wrong file.", row["digest"])
    with pytest.raises(NotFound):
        remove(room, "anna", row["id"])


def test_only_who_attached_it_removes_it_and_says_why(room):
    row = attach(room, "anna")
    with pytest.raises(NotAllowed):
        remove(room, "fiona", row["id"])
    with pytest.raises(Invalid, match="say why"):
        remove(room, "anna", row["id"], " ")
    remove(room, "ada", row["id"])


def test_papers_of_a_closed_case_stay_as_they_are(room):
    row = attach(room, "anna")
    with room.work(people.SYSTEM) as work:
        work.execute(update(instance).where(instance.c.id == CASE).values(state="completed"))
    with pytest.raises(Conflict, match="already ended"):
        remove(room, "anna", row["id"])
    with pytest.raises(Conflict, match="already ended"):
        attach(room, "anna")
    assert content(room, "anna", row["id"]) == PDF


# --- when somebody lays hands on the files --------------------------------------------------------
BIG = os.urandom(200_000)


def spoilt(kept: bytes) -> list[bytes]:
    head, chunk = documents.HEAD, documents.CHUNK + documents.TAG
    swapped = kept[:head] + kept[head + chunk : head + 2 * chunk] + kept[head : head + chunk] + kept[head + 2 * chunk :]
    return [
        kept[:-1], kept + b"x", kept[: head + 2 * chunk], kept[:head], b"", swapped, kept[:30] + b"\0" + kept[31:],
        kept[: head + 5] + bytes([kept[head + 5] ^ 1]) + kept[head + 6 :],
    ]  # fmt: skip


@pytest.mark.parametrize("way", range(8))
def test_a_file_that_was_altered_is_refused(room, way):
    row = attach(room, "anna", BIG, "a.bin")
    (file,) = files(room)
    file.write_bytes(spoilt(file.read_bytes())[way])
    with pytest.raises(Misconfigured):
        content(room, "anna", row["id"])


def test_two_files_cannot_change_places(room):
    one, other = attach(room, "anna", b"pay 10", "a.txt"), attach(room, "anna", b"pay 99", "b.txt")
    first, second = files(room)
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    for row in (one, other):
        with pytest.raises(Misconfigured):
            content(room, "anna", row["id"])


def test_a_file_that_is_gone_is_told_as_a_fault_of_the_platform(room):
    row = attach(room, "anna")
    files(room)[0].unlink()
    with pytest.raises(Misconfigured):
        content(room, "anna", row["id"])
