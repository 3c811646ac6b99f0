"""Definitions: what may run, in which version.

`deploy` takes files of one release together: BPMN models, DMN decisions and forms. Each passes its
gate and its checks; a single error refuses the whole deployment and nothing is kept. What did not
change keeps its version; what did becomes version n+1, while running instances stay on theirs until
they are moved. Models are parsed once per version and shared. Here other rooms ask for the process of
an instance, the decision that a task names and the form that it opens with.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, update

from engine import access, bpmn, dmn, feel, forms, jobs, lint, messages, services
from engine.errors import Invalid, NotFound, Problem
from engine.schema import content, decision, definition, deployment, form, instance

PARSED = 500
#: seconds that trying one expression or table may take
TRIAL = 2.0


@dataclass(frozen=True)
class Deployment:
    """What a deployment made: rows of definitions, decisions and forms that are now the newest, and what to know."""

    id: str
    definitions: tuple[dict, ...]
    decisions: tuple[dict, ...]
    forms: tuple[dict, ...]
    problems: tuple[Problem, ...]


class Shelf:
    """Parsed models, decisions and forms by digest, shared by all threads; the least used leave first."""

    def __init__(self, size: int = PARSED):
        self._size = size
        self._kept: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, kind: str, digest: str, make) -> Any:
        with self._lock:
            if (kind, digest) in self._kept:
                self._kept.move_to_end((kind, digest))
                return self._kept[kind, digest]
        made = make()
        with self._lock:
            self._kept[kind, digest] = made
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return made


# --- deploying --------------------------------------------------------------------------------
def deploy(work, files: dict[str, bytes]) -> Deployment:
    """Check all `files` (name -> bytes; .bpmn .dmn .json) together and make them the newest versions.

    Raises Invalid with every problem when one is an error; nothing is kept then.
    """
    access.require(work, "deploy", "definition", None)
    parsed = _parse(files)
    problems = _check(work, files, parsed)
    _refuse_errors(problems)
    new_id = work.new_id()
    digests = {name: _keep(work, data) for name, data in files.items()}
    work.execute(
        insert(deployment), {"id": new_id, "at": work.now, "by_id": work.actor.id, "files": digests}
    )
    made = Deployment(
        new_id,
        tuple(row for name, model in parsed["bpmn"].items() for row in _models(work, new_id, digests[name], model)),
        tuple(row for name, found in parsed["dmn"].items() for row in _tables(work, new_id, digests[name], found)),
        tuple(_form(work, new_id, digests[name], found) for name, found in parsed["json"].items()),
        tuple(problems),
    )
    work.record("deployment.made", data={"deployment": new_id, "files": digests})
    return made


def read_folder(folder: Path, forms_folder: Path | None = None) -> dict[str, bytes]:
    """The files of one process folder and its forms, by the names that `deploy` wants."""
    found = {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix in (".bpmn", ".dmn")}
    if forms_folder and forms_folder.is_dir():
        for path in sorted(forms_folder.glob("*.json")):
            found[f"{forms_folder.name}/{path.name}"] = path.read_bytes()
    return found


def check(work, files: dict[str, bytes]) -> list[Problem]:
    """Every problem that a deployment of `files` would meet, without deploying."""
    try:
        return _check(work, files, _parse(files))
    except Invalid as refused:
        return list(refused.problems) or [Problem("", "file", str(refused))]


def retire(work, definition_id: str, reason: str) -> None:
    """No new instance may start from this version; running ones go on."""
    _set_state(work, definition_id, "retired", "definition.retired", reason)


def activate(work, definition_id: str, reason: str) -> None:
    _set_state(work, definition_id, "active", "definition.activated", reason)


# --- reading ----------------------------------------------------------------------------------
def definitions(work) -> list:
    """The newest version of every definition, with how many instances run on any version."""
    newest = (
        select(definition.c.key, func.max(definition.c.version).label("version"))
        .group_by(definition.c.key)
        .subquery()
    )
    running = (
        select(instance.c.process_key, func.count().label("running"))
        .where(instance.c.state.in_(("active", "suspended")))
        .group_by(instance.c.process_key)
        .subquery()
    )
    return work.all(
        select(definition, func.coalesce(running.c.running, 0).label("running"))
        .join(newest, (newest.c.key == definition.c.key) & (newest.c.version == definition.c.version))
        .outerjoin(running, running.c.process_key == definition.c.key)
        .order_by(definition.c.name)
    )


def versions(work, key: str) -> list:
    """Every version of a definition, newest first, each with its running and ended instances."""
    return work.all(
        select(
            definition,
            func.count(instance.c.id).filter(instance.c.state.in_(("active", "suspended"))).label("running"),
            func.count(instance.c.id).filter(instance.c.ended_at.is_not(None)).label("ended"),
        )
        .outerjoin(instance, instance.c.definition_id == definition.c.id)
        .where(definition.c.key == key)
        .group_by(definition.c.id)
        .order_by(definition.c.version.desc())
    )


def get(work, definition_id: str):
    """One version's row. Raises NotFound."""
    known = work.platform.cache.setdefault("definitions", {})
    row = known.get(definition_id)
    if row is None:
        row = work.one(select(definition).where(definition.c.id == definition_id))
        if row is None:
            raise NotFound("There is no such process version.")
        row = known[definition_id] = dict(row)
    return row


def latest(work, key: str):
    """The newest active version of a process. Raises NotFound."""
    row = work.one(
        select(definition)
        .where(definition.c.key == key, definition.c.state == "active")
        .order_by(definition.c.version.desc())
        .limit(1)
    )
    if row is None:
        raise NotFound("There is no process '%(key)s' that can be started.", key=key)
    return row


def called(work, caller_id: str, key: str, binding: str = "latest", tag: str | None = None):
    """The version that a call activity means: the newest, the one deployed with its caller, or one by tag."""
    if binding == "deployment":
        where = definition.c.deployment_id == get(work, caller_id)["deployment_id"]
    elif binding == "versionTag":
        where = definition.c.version_tag == tag
    else:
        return latest(work, key)
    row = work.one(
        select(definition).where(definition.c.key == key, where).order_by(definition.c.version.desc()).limit(1)
    )
    if row is None:
        raise NotFound("There is no process '%(key)s' that can be started.", key=key)
    return row


def xml(work, definition_id: str) -> bytes:
    """The model's file as it was deployed."""
    return read(work, get(work, definition_id)["digest"])


def read(work, digest: str) -> bytes:
    """The bytes of a deployed file. Raises NotFound."""
    kept = work.execute(select(content.c.bytes).where(content.c.digest == digest)).scalar()
    if kept is None:
        raise NotFound("There is no such file.")
    return bytes(kept)


def process(work, definition_id: str) -> bpmn.Process:
    """The parsed process of a version, shared by everyone; treat it as frozen."""
    row = get(work, definition_id)
    model = _shelf(work).get("bpmn", row["digest"], lambda: bpmn.parse(read(work, row["digest"])))
    return model.processes[row["key"]]


def element(work, definition_id: str, element_id: str):
    """An element of a version, or None."""
    return process(work, definition_id).elements.get(element_id)


def decide(work, definition_id: str, key: str, binding: str, variables: dict[str, Any]) -> dmn.Answer:
    """Evaluate a deployed decision as a business rule task means it. Raises NotFound."""
    wanted = select(decision).where(decision.c.key == key).order_by(decision.c.version.desc()).limit(1)
    if binding == "deployment" and definition_id:
        row = work.one(wanted.where(decision.c.deployment_id == get(work, definition_id)["deployment_id"]))
        row = row or work.one(wanted)
    else:
        row = work.one(wanted)
    return dmn.evaluate(_tables_of(work, row, key), key, variables, now=work.now)


def _newest_tables(work, key: str) -> dmn.Decisions:
    wanted = select(decision).where(decision.c.key == key).order_by(decision.c.version.desc()).limit(1)
    return _tables_of(work, work.one(wanted), key)


def _tables_of(work, row, key: str) -> dmn.Decisions:
    if row is None:
        raise NotFound("There is no decision '%(key)s'.", key=key)
    return _shelf(work).get("dmn", row["digest"], lambda: dmn.parse(read(work, row["digest"])))


def try_expression(work, text: str, variables: dict[str, Any]) -> dmn.Answer:
    """What an expression comes to for these values, and why something in it is null. Nothing is kept. Never raises for FEEL."""
    access.require(work, "draft", "definition", None)
    try:
        expression = feel.compile(text.strip().removeprefix("="), [name for name in variables if " " in name])
        value, why = expression.explain(variables, now=work.now, zone=work.calendar.zone, budget=feel.Budget(seconds=TRIAL))
    except feel.FeelError as error:
        value, why = None, (_as_diagnosis(error),)
    return dmn.Answer(value, (), why)


def try_decision(work, key: str, variables: dict[str, Any], data: bytes | None = None) -> dmn.Answer:
    """The same for a deployed decision, or for one of a file that is not deployed. Raises NotFound, Invalid."""
    access.require(work, "draft", "definition", None)
    tables = dmn.parse(data) if data is not None else _newest_tables(work, key)
    wanted = key or next(reversed(tables.decisions), "")
    try:
        budget = feel.Budget(seconds=TRIAL)
        return dmn.evaluate(tables, wanted, variables, now=work.now, zone=work.calendar.zone, budget=budget)
    except feel.FeelError as error:
        return dmn.Answer(None, (), (_as_diagnosis(error),))


def _as_diagnosis(error: feel.FeelError) -> feel.Diagnosis:
    params = tuple((name, str(value)) for name, value in error.params.items())
    return feel.Diagnosis("expression", error.message, error.position, params)


def decisions(work) -> list:
    """The newest version of every decision."""
    newest = select(decision.c.key, func.max(decision.c.version).label("v")).group_by(decision.c.key).subquery()
    return work.all(
        select(decision)
        .join(newest, (newest.c.key == decision.c.key) & (newest.c.v == decision.c.version))
        .order_by(decision.c.key)
    )


def form_digest(work, definition_id: str | None, key: str) -> str | None:
    """The newest form of that key, or None."""
    return work.execute(
        select(form.c.digest).where(form.c.key == key).order_by(form.c.version.desc()).limit(1)
    ).scalar()


def start_form(work, definition_id: str):
    """(form, digest) of a process's start event, or (None, None)."""
    elements = process(work, definition_id).elements
    starts = [elements[s.element_id] for s in process(work, definition_id).starts if s.kind == "none"]
    key = next((one.form_key for one in starts if one.form_key), None)
    digest = form_digest(work, definition_id, key) if key else None
    return (forms.load(work, digest), digest) if digest else (None, None)


# --- helpers ----------------------------------------------------------------------------------
def _shelf(work) -> Shelf:
    return work.platform.cache.setdefault("shelf", Shelf())


def _parse(files: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    parsed: dict[str, dict[str, Any]] = {"bpmn": {}, "dmn": {}, "json": {}}
    problems: list[Problem] = []
    for name, data in files.items():
        try:
            _parse_one(parsed, name, data)
        except Invalid as refused:
            problems += refused.problems or [Problem(name, "file", refused.message, params=_params(refused))]
    if problems:
        raise Invalid("Nothing was deployed. Problems to be mended first: %(count)s.", problems, count=len(problems))
    return parsed


def _params(refused: Invalid) -> tuple[tuple[str, str], ...]:
    return tuple((key, str(value)) for key, value in refused.params.items())


def _parse_one(parsed: dict, name: str, data: bytes) -> None:
    if name.endswith(".bpmn") or name.endswith(".xml"):
        parsed["bpmn"][name] = bpmn.parse(data)
    elif name.endswith(".dmn"):
        parsed["dmn"][name] = dmn.parse(data)
    elif name.endswith(".json"):
        parsed["json"][name] = forms.parse(data, name.removesuffix(".json"))
    else:
        raise Invalid("'%(name)s' is neither a .bpmn, a .dmn nor a .json file.", name=name)


def _check(work, files: dict[str, bytes], parsed: dict[str, dict[str, Any]]) -> list[Problem]:
    known = {"policies": work.policies, **_known(work, parsed)}
    problems: list[Problem] = []
    for name in parsed["bpmn"]:
        problems += lint.check(files[name], **known)
    for tables in parsed["dmn"].values():
        problems += dmn.check(tables)
    for one in parsed["json"].values():
        problems += lint.check_form(one.schema)
    return problems


def _known(work, parsed: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What a model may name: what is deployed, and what comes with it."""
    models, tables = parsed["bpmn"].values(), parsed["dmn"].values()
    processes = set(work.execute(select(definition.c.key).distinct()).scalars())
    schemas = _schemas(work, parsed)
    return {
        "decisions": {d.id for one in tables for d in one.decisions.values()} | {d["key"] for d in decisions(work)},
        "forms": {one.key for one in parsed["json"].values()} | set(work.execute(select(form.c.key)).scalars()),
        "fields": {key: lint.fields_of(schema) for key, schema in schemas.items()},
        "shapes": {key: lint.types_of(schema) for key, schema in schemas.items()},
        "services": services.known() or None,
        "processes": processes | {key for one in models for key in one.processes},
    }


def _schemas(work, parsed: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The schema of each form that the models open."""
    fresh = {one.key: one for one in parsed["json"].values()}
    elements = (e for model in parsed["bpmn"].values() for p in model.processes.values() for e in p.elements.values())
    found = {}
    for key in {element.form_key for element in elements if element.form_key}:
        digest = form_digest(work, None, key) if key not in fresh else None
        one = fresh.get(key) or (forms.load(work, digest) if digest else None)
        if one is not None:
            found[key] = one.schema
    return found


def _refuse_errors(problems: list[Problem]) -> None:
    errors = [p for p in problems if p.severity == "error"]
    if errors:
        raise Invalid(
            "Nothing was deployed. Problems to be mended first: %(count)s.", problems, count=len(errors)
        )


def _keep(work, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    if work.execute(select(content.c.digest).where(content.c.digest == digest)).first() is None:
        work.execute(insert(content), {"digest": digest, "bytes": data})
    return digest


def _newest(work, table, key: str):
    return work.one(select(table).where(table.c.key == key).order_by(table.c.version.desc()).limit(1))


def _models(work, deployment_id: str, digest: str, model: bpmn.Model) -> list[dict]:
    return [_model(work, deployment_id, digest, one) for one in model.processes.values() if one.executable]


def _model(work, deployment_id: str, digest: str, one: bpmn.Process) -> dict:
    before = _newest(work, definition, one.id)
    if before is not None and before["digest"] == digest:
        return dict(before)
    row = {
        "id": work.new_id(), "key": one.id, "version": before["version"] + 1 if before else 1,
        "name": one.name or one.id, "digest": digest, "deployment_id": deployment_id, "state": "active",
        "version_tag": one.version_tag, "startable": one.startable, "deployed_at": work.now,
    }  # fmt: skip
    work.execute(insert(definition), row)
    _arm_starts(work, row, one)
    work.record("definition.deployed", data={"key": row["key"], "version": row["version"], "digest": digest})
    return row


def _arm_starts(work, row: dict, one: bpmn.Process) -> None:
    """Message, signal, timer and conditional start events of the newest version replace those of its older ones."""
    older = list(
        work.execute(select(definition.c.id).where(definition.c.key == one.id, definition.c.id != row["id"])).scalars()
    )
    wanted = [
        {"kind": s.kind, "name": s.name, "definition_id": row["id"], "element_id": s.element_id}
        for s in one.starts
        if s.kind in ("message", "signal") and s.name
    ]
    wanted += [
        {"kind": "cond", "name": row["key"], "definition_id": row["id"], "element_id": s.element_id}
        for s in one.starts
        if s.kind == "conditional"
    ]
    messages.replace_starts(work, one.id, older, wanted)
    jobs.cancel_starts(work, older)
    for start in one.starts:
        if start.kind == "timer":
            first, payload = bpmn.first_start(start, work.now, work.calendar.zone)
            jobs.schedule(
                work, "start", first, definition_id=row["id"], element_id=start.element_id, payload=payload
            )


def _tables(work, deployment_id: str, digest: str, found: dmn.Decisions) -> list[dict]:
    made = []
    for one in found.decisions.values():
        before = _newest(work, decision, one.id)
        if before is not None and before["digest"] == digest:
            made.append(dict(before))
            continue
        row = {
            "id": work.new_id(), "key": one.id, "version": before["version"] + 1 if before else 1,
            "name": one.name, "digest": digest, "deployment_id": deployment_id,
        }  # fmt: skip
        work.execute(insert(decision), row)
        made.append(row)
    return made


def _form(work, deployment_id: str, digest: str, found: forms.Form) -> dict:
    before = _newest(work, form, found.key)
    if before is not None and before["digest"] == digest:
        return dict(before)
    row = {
        "id": work.new_id(), "key": found.key, "version": before["version"] + 1 if before else 1,
        "digest": digest, "deployment_id": deployment_id,
    }  # fmt: skip
    work.execute(insert(form), row)
    return row


def _set_state(work, definition_id: str, state: str, event_type: str, reason: str) -> None:
    access.require(work, "retire", "definition", None)
    if not (reason or "").strip():
        raise Invalid("Please say why.")
    row = get(work, definition_id)
    work.execute(update(definition).where(definition.c.id == definition_id).values(state=state))
    work.platform.cache.get("definitions", {}).pop(definition_id, None)
    work.record(event_type, reason=reason, data={"key": row["key"], "version": row["version"], "old": row["state"]})
