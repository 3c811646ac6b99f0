"""The record of a closed case (clause 3.4.3).

`keep` writes down, as the last step of a case, what it consisted of: the models and forms in the versions that
it ran on, its papers, its decisions with the place of each in the log, the end of every chain of its log and
the digests of its data, together with how it was closed. Nothing is copied: the manifest names digests, and
`verify` holds them against what is there now. `bundle` makes one file of all of it, signed, that can be taken
away; `verify_bundle` reads such a file again without the platform, given the key, and names every part that
is missing, added or altered. Nothing here changes a case.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import insert, select

from engine import access, documents, history
from engine.errors import NotFound, Problem
from engine.schema import archive, content, definition, document, event, instance, scope, task

FORMAT = 1
#: records that decide something
DECIDED = ("task.completed", "task.returned")
MANIFEST, SIGNATURE = "manifest.json", "signature.txt"
#: of a bundle, unpacked, that is read at all
LARGEST = 4 * 1024**3


# --- verbs --------------------------------------------------------------------------------------
def keep(work, root_id: str, *, outcome: str | None = None, closing: dict[str, Any] | None = None):
    """Write the archive record of a case; a second time gives the first one back. Returns its row. Raises NotFound."""
    case = _case(work, root_id)
    kept = work.one(select(archive).where(archive.c.instance_id == root_id))
    if kept is not None:
        return kept
    manifest = _manifest(work, case, outcome, closing)
    row = {"instance_id": root_id, "at": work.now, "digest": _digest(canonical(manifest)), "manifest": manifest}
    work.execute(insert(archive), row)
    counts = {name: len(manifest[name]) for name in ("instances", "documents", "forms", "decisions")}
    work.record("case.archived", instance_id=root_id, root_id=root_id, data={"digest": row["digest"], **counts})
    return row


def get(work, root_id: str):
    """The archive record of a case that this person may see. Raises NotFound."""
    if not access.may(work, "see", _case(work, root_id), "instance"):
        raise NotFound("There is no such case.")
    row = work.one(select(archive).where(archive.c.instance_id == root_id))
    if row is None:
        raise NotFound("This case has no archive record yet.")
    return row


def verify(work, root_id: str) -> list[Problem]:
    """What of an archived case is no longer as it was written down; empty when everything is."""
    access.require(work, "verify", "instance", _case(work, root_id))
    row = get(work, root_id)
    if _digest(canonical(row["manifest"])) != row["digest"]:
        return [_altered("", "The archive record itself was altered.")]
    manifest = row["manifest"]
    return [*_wrong_log(work, root_id, manifest, row["digest"]), *_wrong_contents(work, manifest)]


def bundle(work, root_id: str) -> bytes:
    """Everything of an archived case as a signed ZIP file; taking it leaves a record. Raises NotFound, NotAllowed."""
    row = get(work, root_id)
    access.require(work, "export", "instance", _case(work, root_id))
    parts = dict(_parts(work, root_id, row["manifest"]))
    files = {name: _digest(data) for name, data in parts.items()}
    said = {"format": FORMAT, "archive": row["manifest"], "digest": row["digest"], "files": files}
    listed = json.dumps(said, ensure_ascii=False, indent=1, sort_keys=True).encode()
    data = _zipped({**parts, MANIFEST: listed, SIGNATURE: _signature(work.platform.key("archive"), listed)})
    work.record("case.exported", instance_id=root_id, root_id=root_id, data={"digest": _digest(data)})
    return data


def verify_bundle(data: bytes, key: bytes) -> list[Problem]:
    """What is wrong with a bundle; empty when it is whole and was signed with `key` (`platform.key("archive")`)."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            return _wrong_bundle(packed, key)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        return [_altered("", "The file is not a bundle that can be read.")]


# --- the manifest -------------------------------------------------------------------------------
def _case(work, root_id: str):
    row = work.one(select(instance).where(instance.c.id == root_id, instance.c.root_id == root_id))
    if row is None:
        raise NotFound("There is no such case.")
    return row


def _manifest(work, case, outcome: str | None, closing: dict[str, Any] | None) -> dict[str, Any]:
    root_id = case["id"]
    return {
        "format": FORMAT,
        "case": {
            "id": root_id, "number": case["number"], "title": case["title"], "process": case["process_key"],
            "started_by": case["started_by"], "started_at": _iso(case["started_at"]), "outcome": outcome,
            "archived_at": _iso(work.now),
        },
        "closing": closing,
        "instances": [_instance(work, row) for row in _family(work, root_id)],
        "forms": [_listed(row) for row in work.all(_FORMS.where(task.c.root_id == root_id))],
        "documents": [_listed(row) for row in work.all(_DOCUMENTS.where(document.c.root_id == root_id))],
        "decisions": [_listed(row) for row in work.all(_DECISIONS.where(event.c.root_id == root_id))],
        "policies": dict(work.policies.versions),
    }  # fmt: skip


_FORMS = (
    select(task.c.id.label("task"), task.c.element_id.label("element"), task.c.form_key.label("form"),
           task.c.form_digest.label("digest"), task.c.outcome, task.c.closed_by)
    .where(task.c.state == "completed", task.c.form_digest.is_not(None))
    .order_by(task.c.id)
)  # fmt: skip
_DOCUMENTS = select(
    document.c.id, document.c.name, document.c.type, document.c.size, document.c.digest, document.c.by_id,
    document.c.at, document.c.removed_at,
).order_by(document.c.id)  # fmt: skip
_DECISIONS = (
    select(event.c.stream, event.c.seq, event.c.mac, event.c.element_id.label("element"), event.c.task_id.label("task"),
           event.c.actor_id, event.c.for_id, event.c.at)
    .where(event.c.type.in_(DECIDED))
    .order_by(event.c.stream, event.c.seq)
)  # fmt: skip


def _family(work, root_id: str) -> list:
    return work.all(
        select(instance, definition.c.version.label("model_version"), definition.c.digest)
        .join(definition, definition.c.id == instance.c.definition_id)
        .where(instance.c.root_id == root_id)
        .order_by(instance.c.id)
    )


def _instance(work, row) -> dict[str, Any]:
    """One instance: its model, where its chain stood, and a digest of its data."""
    scopes = select(scope.c.id, scope.c.variables).where(scope.c.instance_id == row["id"]).order_by(scope.c.id)
    data = [[one["id"], one["variables"]] for one in work.all(scopes)]
    return {
        "id": row["id"], "number": row["number"], "process": row["process_key"], "version": row["model_version"],
        "model": row["digest"], "log": {"seq": row["log_seq"], "mac": row["log_mac"]},
        "data": _digest(canonical(data)),
    }  # fmt: skip


def _listed(row) -> dict[str, Any]:
    return {name: _iso(value) if hasattr(value, "isoformat") else value for name, value in row.items()}


def _iso(moment) -> str | None:
    return moment.isoformat() if moment else None


def canonical(value: Any) -> bytes:
    """JSON with one way to write everything, as RFC 8785 does for what occurs here."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- whether it still holds ---------------------------------------------------------------------
def _altered(where: str, sentence: str, **params: str) -> Problem:
    return Problem(where, "archive.altered", sentence, params=tuple(params.items()))


def _wrong_log(work, root_id: str, manifest: dict[str, Any], digest: str) -> Iterator[Problem]:
    """The chains are whole, still hold the records that were their ends, and one of them says this digest."""
    said = select(event.c.data).where(event.c.stream == root_id, event.c.type == "case.archived")
    if digest not in {row["data"].get("digest") for row in work.all(said)}:
        yield _altered("", "The log does not speak of this archive record.")
    for one in manifest["instances"]:
        end = select(event.c.mac).where(event.c.stream == one["id"], event.c.seq == one["log"]["seq"])
        cut = one["log"]["seq"] and work.execute(end).scalar() != one["log"]["mac"]
        if cut or history.verify(work, one["id"]).faults:
            yield _altered(one["id"], "The log of %(number)s was altered.", number=one["number"])


def _wrong_contents(work, manifest: dict[str, Any]) -> Iterator[Problem]:
    kept = {one["model"] for one in manifest["instances"]} | {one["digest"] for one in manifest["forms"]}
    for row in work.all(select(content).where(content.c.digest.in_(kept))):
        kept -= {row["digest"]} if _digest(bytes(row["bytes"])) == row["digest"] else set()
    for digest in sorted(kept):
        yield _altered(digest, "A model or form of the case is missing or was altered.")
    for one in manifest["documents"]:
        try:
            with documents.content(work.platform, one["digest"]) as file:
                sound = hashlib.file_digest(file, "sha256").hexdigest() == one["digest"]
        except Exception:  # whatever keeps it from being read, it is not there as it was
            sound = False
        if not sound:
            yield _altered(one["id"], "The document '%(name)s' is missing or was altered.", name=one["name"])


# --- bundles ------------------------------------------------------------------------------------
def _parts(work, root_id: str, manifest: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Name in the bundle -> its bytes."""
    models = {one["model"] for one in manifest["instances"]}
    forms = {one["digest"] for one in manifest["forms"]}
    for row in work.all(select(content).where(content.c.digest.in_(models | forms))):
        folder, ending = ("models", "bpmn") if row["digest"] in models else ("forms", "json")
        yield f"{folder}/{row['digest']}.{ending}", bytes(row["bytes"])
    for one in manifest["documents"]:
        with documents.content(work.platform, one["digest"]) as file:
            yield f"documents/{one['id']}-{one['name']}", file.read()
    rows = work.all(select(event).where(event.c.root_id == root_id).order_by(event.c.stream, event.c.seq))
    yield "log.jsonl", b"".join(canonical(_listed(row)) + b"\n" for row in rows)


def _signature(key: bytes, listed: bytes) -> bytes:
    return hmac.digest(key, listed, "sha256").hex().encode()


def _zipped(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in sorted(parts.items()):
            packed.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _wrong_bundle(packed: zipfile.ZipFile, key: bytes) -> list[Problem]:
    infos = packed.infolist()
    names = [info.filename for info in infos]
    if sum(info.file_size for info in infos) > LARGEST or len(set(names)) != len(names):
        return [_altered("", "The file is not a bundle that can be read.")]
    if not {MANIFEST, SIGNATURE} <= set(names):
        return [_altered("", "The bundle has no manifest or no signature.")]
    listed = packed.read(MANIFEST)
    if not hmac.compare_digest(_signature(key, listed), packed.read(SIGNATURE)):
        return [_altered(MANIFEST, "The manifest was altered or signed by somebody else.")]
    return list(_wrong_parts(packed, json.loads(listed)["files"], set(names) - {MANIFEST, SIGNATURE}))


def _wrong_parts(packed: zipfile.ZipFile, files: dict[str, str], names: Iterable[str]) -> Iterator[Problem]:
    for name in sorted(set(files) - set(names)):
        yield _altered(name, "'%(name)s' is missing.", name=name)
    for name in sorted(names):
        if name not in files:
            yield _altered(name, "'%(name)s' was added.", name=name)
        elif _digest_of(packed, name) != files[name]:
            yield _altered(name, "'%(name)s' was altered.", name=name)


def _digest_of(packed: zipfile.ZipFile, name: str) -> str:
    try:
        with packed.open(name) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (zipfile.BadZipFile, zlib.error):
        return ""
