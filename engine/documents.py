"""Papers: kept once per content, encrypted, and opened only by who may see their case.

`attach` takes a stream, counts and hashes it while it encrypts it, and tells its type by what is in it, never
by its name. Contents lie in <var>/documents under a name that is a keyed digest, so that a stolen disk says
not even which known file is among them. A file is AES-256-GCM in chunks under a key of its own, each chunk
bound to its place and the last one marked, so that none can be swapped or cut off unseen (the STREAM
construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015). Attaching, opening and removing leave records. A
removed paper can no longer be opened; its content stays for the archive until people dispose of it.
"""

from __future__ import annotations

import codecs
import hashlib
import hmac
import io
import os
import re
import secrets
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import insert, select, update

from engine import access
from engine.errors import Conflict, Invalid, Misconfigured, NotAllowed, NotFound
from engine.schema import document, draft, instance, person, task

MAGIC = b"bizday-document-1\n"
CHUNK = 64 * 1024
TAG, SALT, SEAL = 16, 16, 32
HEAD = len(MAGIC) + SALT + SEAL
LONGEST_NAME = 180
LIVE = ("open", "claimed")
RUNNING = ("active", "suspended")


# --- verbs --------------------------------------------------------------------------------------
def attach(work, stream: BinaryIO, name: str, *, instance_id: str | None = None, root_id: str | None = None,
           task_id: str | None = None, draft_id: str | None = None,
           field: str | None = None) -> dict[str, Any]:  # fmt: skip
    """Keep a paper with a task, a case or one's own draft of a start form. Returns its row.

    Raises NotFound and NotAllowed, Conflict when the case has ended, and Invalid for what is empty, too large
    (`upload_limit` of the settings, in bytes) or a program.
    """
    place = _place(work, instance_id, task_id, draft_id)
    if root_id is not None and root_id != place["root_id"]:
        raise NotFound("There is no such case.")
    name = clean_name(name)
    size, digest, kind = _keep(work.platform, stream, name)
    found = {"name": name, "type": kind, "size": size, "digest": digest, "field": field[:120] if field else None}
    row = {"id": work.new_id(), **place, **found, "by_id": work.actor.id, "at": work.now, "removed_at": None}
    work.execute(insert(document), row)
    if row["root_id"]:
        _say(work, "document.attached", row, {"document": row["id"], **found})
    return row


def open(work, document_id: str) -> tuple[Any, BinaryIO]:
    """(its row, its content as a stream that is decrypted while it is read). Opening leaves a record."""
    row = _find(work, document_id)
    file = content(work.platform, row["digest"])
    if row["root_id"]:
        _say(work, "document.opened", row, {"document": row["id"], "name": row["name"]})
    return row, file


def remove(work, document_id: str, reason: str = "") -> None:
    """Take a paper out of its case. Raises Conflict when the case has ended: what was archived stays."""
    row = _find(work, document_id)
    access.require(work, "remove", "document", row)
    if row["root_id"]:
        _refuse_ended(work, row["root_id"])
        if not reason.strip():
            raise Invalid("Please say why.")
        said = {"document": row["id"], "name": row["name"], "digest": row["digest"]}
        _say(work, "document.removed", row, said, reason)
    work.execute(update(document).where(document.c.id == document_id).values(removed_at=work.now))


def list_(work, root_id: str) -> list:
    """The papers of a case with the names of those who attached them, oldest first. Raises NotFound."""
    case = work.one(select(instance).where(instance.c.id == root_id))
    if case is None or not access.may(work, "see", case, "instance"):
        raise NotFound("There is no such case.")
    return work.all(
        select(document, person.c.name.label("by_name"))
        .outerjoin(person, person.c.id == document.c.by_id)
        .where(document.c.root_id == root_id, document.c.removed_at.is_(None))
        .order_by(document.c.at, document.c.id)
    )


def of_draft(work, draft_id: str) -> list:
    """The papers of one's own draft of a start form, oldest first."""
    mine = (document.c.draft_id == draft_id, document.c.by_id == work.actor.id, document.c.removed_at.is_(None))
    return work.all(select(document).where(*mine).order_by(document.c.at, document.c.id))


# --- for rooms above ----------------------------------------------------------------------------
def content(platform, digest: str) -> BinaryIO:
    """The content with this SHA-256, whoever asks; rooms ask `access` before. Raises Misconfigured when it is gone."""
    try:
        file = _path(platform, digest).open("rb")
    except OSError as error:
        raise Misconfigured("The content of a document is not where it was kept.") from error
    try:
        return io.BufferedReader(_Decrypted(file, _master(platform), digest), CHUNK)
    except BaseException:
        file.close()
        raise


def clean_name(name: str | None) -> str:
    """The name of a file as it may be shown and offered again: no path, no signs that are not seen, not too long."""
    last = re.split(r"[\\/]", unicodedata.normalize("NFC", name or ""))[-1]
    seen = "".join(sign for sign in last if unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
    seen = " ".join(seen.split()).strip(". ")
    if len(seen) > LONGEST_NAME:
        stem, ending = os.path.splitext(seen)
        seen = stem[: LONGEST_NAME - len(ending[:20])] + ending[:20]
    return seen or "document"


# --- helpers: where it hangs --------------------------------------------------------------------
def _place(work, instance_id: str | None, task_id: str | None, draft_id: str | None) -> dict[str, Any]:
    """The columns that say where a paper hangs, read from what it hangs on and not from who asks."""
    nowhere = {"instance_id": None, "root_id": None, "task_id": None, "draft_id": None}
    if task_id:
        row = work.one(select(task).where(task.c.id == task_id))
        if row is None or (instance_id and row["instance_id"] != instance_id):
            raise NotFound("There is no such task.")
        _require(work, "task", row)
        if row["state"] not in LIVE:
            raise Conflict("Task '%(task)s' is over; attach to the case instead.", task=row["name"])
        _refuse_ended(work, row["root_id"])
        return nowhere | {"instance_id": row["instance_id"], "root_id": row["root_id"], "task_id": row["id"]}
    if instance_id:
        row = work.one(select(instance).where(instance.c.id == instance_id))
        if row is None:
            raise NotFound("There is no such case.")
        _require(work, "instance", row)
        _refuse_ended(work, row["root_id"])
        return nowhere | {"instance_id": row["id"], "root_id": row["root_id"]}
    mine = select(draft.c.id).where(draft.c.id == draft_id, draft.c.person_id == work.actor.id)
    if not draft_id or work.one(mine) is None:
        raise NotFound("There is no such draft.")
    return nowhere | {"draft_id": draft_id}


def _require(work, kind: str, row) -> None:
    """May she attach? Who may not even see it is told that there is no such thing."""
    why = access.why_not(work, "attach", kind, row)
    if isinstance(why, NotAllowed) and not access.may(work, "see", row, kind):
        raise NotFound("There is no such task." if kind == "task" else "There is no such case.")
    if why is not None:
        raise why


def _refuse_ended(work, root_id: str) -> None:
    row = work.one(select(instance.c.number, instance.c.state).where(instance.c.id == root_id))
    if row is not None and row["state"] not in RUNNING:
        raise Conflict("Case %(number)s has already ended.", number=row["number"])


def _find(work, document_id: str):
    row = access.document_row(work, document_id)
    if row is None or row["removed_at"] is not None or not access.may(work, "see", row, "document"):
        raise NotFound("There is no such document.")
    return row


def _say(work, event_type: str, row, said: dict[str, Any], reason: str | None = None) -> None:
    work.record(
        event_type, instance_id=row["instance_id"], root_id=row["root_id"], task_id=row["task_id"], reason=reason,
        data=said,
    )  # fmt: skip


# --- helpers: keeping ---------------------------------------------------------------------------
def _master(platform) -> bytes:
    return platform.key("documents")


def _path(platform, digest: str) -> Path:
    name = hmac.digest(_master(platform), b"name|" + digest.encode(), "sha256").hex()
    return platform.settings.var / "documents" / name[:2] / name


def _keep(platform, stream: BinaryIO, name: str) -> tuple[int, str, str]:
    """Encrypt the stream into its place; (size, SHA-256, type). Nothing is left of what is refused."""
    folder = platform.settings.var / "documents"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft_path = folder / f"new-{secrets.token_hex(16)}"
    try:
        with os.fdopen(os.open(draft_path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as out:
            chunks = _limited(stream, name, platform.settings.upload_limit)
            size, digest, head = _encrypt(chunks, out, _master(platform))
            kind = kind_of(head)
            if size == 0:
                raise Invalid("'%(name)s' is empty.", name=name)
            if kind == PROGRAM:
                raise Invalid("'%(name)s' is a program; programs cannot be attached.", name=name)
            out.flush()
            os.fsync(out.fileno())
        path = _path(platform, digest)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            os.replace(draft_path, path)
        return size, digest, kind
    finally:
        draft_path.unlink(missing_ok=True)


def _limited(stream: BinaryIO, name: str, limit: int) -> Iterator[bytes]:
    size = 0
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        if size > limit:
            megabytes = f"{limit / 1024 / 1024:g}"
            raise Invalid("'%(name)s' is larger than %(limit)s MB.", name=name, limit=megabytes)
        yield chunk


def _encrypt(chunks: Iterator[bytes], out: BinaryIO, master: bytes) -> tuple[int, str, bytes]:
    """(size, SHA-256, first bytes). The head is written last, because it is signed over the digest."""
    salt, digest, size, head = secrets.token_bytes(SALT), hashlib.sha256(), 0, b""
    cipher = AESGCM(_file_key(master, salt))
    out.write(b"\0" * HEAD)
    for place, (chunk, is_last) in enumerate(_whole(chunks)):
        digest.update(chunk)
        size += len(chunk)
        head = head or chunk
        out.write(cipher.encrypt(_nonce(place, is_last), chunk, MAGIC))
    out.seek(0)
    out.write(MAGIC + salt + _seal(master, salt, digest.hexdigest()))
    return size, digest.hexdigest(), head


def _whole(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Chunks of exactly CHUNK bytes but for the last, each with whether it is that."""
    kept = b""
    for chunk in chunks:
        kept += chunk
        while len(kept) > CHUNK:
            yield kept[:CHUNK], False
            kept = kept[CHUNK:]
    yield kept, True


def _file_key(master: bytes, salt: bytes) -> bytes:
    return hmac.digest(master, b"file|" + salt, "sha256")


def _seal(master: bytes, salt: bytes, digest: str) -> bytes:
    """Binds a file's key to the digest under which it is kept, so that two files cannot change places."""
    return hmac.digest(master, b"seal|" + salt + digest.encode(), "sha256")


def _nonce(place: int, is_last: bool) -> bytes:
    return b"\0" * 7 + place.to_bytes(4, "big") + bytes([is_last])


class _Decrypted(io.RawIOBase):
    """The plain content of a kept file, chunk by chunk; what was altered is refused and never given out."""

    def __init__(self, file: BinaryIO, master: bytes, digest: str):
        head = file.read(HEAD)
        salt = head[len(MAGIC) : len(MAGIC) + SALT]
        if not hmac.compare_digest(head, MAGIC + salt + _seal(master, salt, digest)):
            raise Misconfigured("The content of a document is not what was kept.")
        self._file, self._cipher = file, AESGCM(_file_key(master, salt))
        self._ahead, self._place, self._left = file.read(CHUNK + TAG), 0, b""
        if not self._ahead:
            raise Misconfigured("The content of a document is not what was kept.")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if not self._left and self._ahead:
            self._left = self._next()
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    def _next(self) -> bytes:
        chunk, self._ahead = self._ahead, self._file.read(CHUNK + TAG)
        try:
            plain = self._cipher.decrypt(_nonce(self._place, not self._ahead), chunk, MAGIC)
        except InvalidTag as error:
            raise Misconfigured("The content of a document is not what was kept.") from error
        self._place += 1
        return plain

    def close(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()
        super().close()


# --- helpers: what is in it ---------------------------------------------------------------------
PROGRAM = "application/x-executable"
UNKNOWN = "application/octet-stream"
#: first bytes -> type
_BEGINNINGS = (
    (b"%PDF-", "application/pdf"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"), (b"GIF89a", "image/gif"), (b"II*\0", "image/tiff"), (b"MM\0*", "image/tiff"),
    (b"\x1f\x8b", "application/gzip"), (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"{\\rtf", "application/rtf"), (b"\x7fELF", PROGRAM), (b"\xfe\xed\xfa", PROGRAM), (b"\xcf\xfa\xed\xfe", PROGRAM),
)  # fmt: skip
_OFFICE = "application/vnd.openxmlformats-officedocument."
#: what a ZIP file with such a part is
_ZIPPED = (
    (b"word/", f"{_OFFICE}wordprocessingml.document"), (b"xl/", f"{_OFFICE}spreadsheetml.sheet"),
    (b"ppt/", f"{_OFFICE}presentationml.presentation"),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.spreadsheet"),
)  # fmt: skip


def kind_of(head: bytes) -> str:
    """The media type that the first bytes of a file tell. What a browser could run is only ever bytes."""
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"MZ") and b"\0" in head[:64]:
        return PROGRAM
    if head.startswith(b"PK\x03\x04"):
        return next((kind for part, kind in _ZIPPED if part in head), "application/zip")
    return _text_kind(head)


def _text_kind(head: bytes) -> str:
    """Text in UTF-8 or GB 18030 without control characters; markup is not shown as text, lest it be run."""
    if re.match(rb"(\xef\xbb\xbf)?\s*<", head) or re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head):
        return UNKNOWN
    for encoding in ("utf-8", "gb18030"):
        try:
            codecs.getincrementaldecoder(encoding)().decode(head, final=len(head) < CHUNK)
        except UnicodeDecodeError:
            continue
        return "text/plain"
    return UNKNOWN
