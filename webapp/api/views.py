"""The addresses of the API. Each reads its input, calls one verb or one query, and shapes the answer.

`writing` runs a verb in one Work with the caller's idempotency key; `reading` runs a query. Everything
that may be refused is refused by the verb.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from datetime import timedelta
from functools import cache

from apiflask import APIBlueprint
from apiflask.schemas import FileSchema
from flask import current_app, g, jsonify, request, send_file

from engine import (
    access,
    batches,
    cases,
    copies,
    documents,
    evidence,
    forms,
    history,
    people,
    repository,
    runtime,
    sharing,
    tasks,
)
from engine.errors import Invalid, NotFound, Refused
from engine.platform import fingerprint
from webapp import many, uploads
from webapp.api import shapes
from webapp.api.gate import keepable, needs
from webapp.api.problems import said, translated

api = APIBlueprint("api", __name__, url_prefix="/api/v1")
#: hooks are installed once, however many applications are made from this blueprint
api.extensions_ready = False

BULK_LIMIT = 1000
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 100},
}
BYTES = FileSchema(type="string", format="binary")


# --- the two ways into the engine --------------------------------------------------------------
def platform():
    return current_app.extensions["platform"]


def reading(shape, query: Callable, *, many: bool = False):
    """The answer of `query(work)`, shaped."""
    with platform().read(g.actor) as work:
        return jsonify(_made(shape, many).dump(query(work)))


def writing(shape, verb: Callable, status: int = 200, suffix: str = "", *, many: bool = False):
    """Do `verb(work)` once per idempotency key and answer with what it returned, shaped."""
    with doing(suffix) as work:
        if work.answered is None:
            answer = work.answer(_made(shape, many).dump(verb(work)))
        else:
            answer = work.answered
    return _response(answer, status)


@cache
def _made(shape, many: bool = False):
    """A shape ready to dump: building one copies all its fields, which took longer than dumping."""
    return shape(many=many)


def _response(answer, status: int):
    """A finished answer: the framework would shape a tuple a second time."""
    response = jsonify(answer)
    response.status_code = status
    return response


def doing(suffix: str = ""):
    key = request.headers.get("Idempotency-Key")
    if key and len(key) > 100:
        raise Invalid("An idempotency key may have at most 100 characters.")
    print_ = fingerprint(request.method, request.path, _body(), suffix) if key else ""
    return platform().work(g.actor, key=f"{key}{suffix}" if key else None, fingerprint=print_)


def _body() -> str:
    if request.mimetype == "multipart/form-data":
        files = [(name, file.filename, _digest(file)) for name, file in request.files.items(multi=True)]
        return repr((sorted(files), sorted(request.form.items(multi=True))))
    return request.get_data(as_text=True)


def _digest(file) -> str:
    """What a file holds; a view may have read it already, and reads it from its beginning afterwards."""
    file.stream.seek(0)
    found = hashlib.file_digest(file.stream, "sha256").hexdigest()
    file.stream.seek(0)
    return found


def _page(found) -> dict:
    return {
        "items": found.rows,
        "page": found.page,
        "size": found.size,
        "total": found.total,
        "pages": found.pages,
    }


def _done(_result=None) -> dict:
    return {"done": True}


def described(summary: str, tag: str):
    """One line for the description, and its chapter. What writes says so by its method and takes a key."""
    return api.doc(summary=summary, tags=[tag], security="bearer")


# --- me -----------------------------------------------------------------------------------------
@api.get("/me")
@api.output(shapes.Me)
@described("Who am I, and what may this token do?", "People")
def me():
    actor = g.actor
    return jsonify(
        id=actor.id, login=actor.login, name=actor.name, kind=actor.kind, groups=sorted(actor.groups),
        scopes=sorted(g.scopes),
    )  # fmt: skip


@api.get("/people")
@api.input(shapes.PeopleQuery, location="query")
@api.output(shapes.Person(many=True))
@described("Find people by name or login", "People")
def people_found(query_data):
    return reading(
        shapes.Person, lambda work: people.find(work, query_data["search"], query_data["size"]), many=True
    )


# --- definitions --------------------------------------------------------------------------------
@api.get("/definitions")
@api.output(shapes.Definition(many=True))
@described("The newest version of every process", "Definitions")
def definitions():
    return reading(shapes.Definition, repository.definitions, many=True)


@api.get("/definitions/<key>/versions")
@api.output(shapes.Definition(many=True))
@described("Every version of a process, newest first", "Definitions")
def versions(key):
    def find(work):
        return repository.versions(work, key) or [repository.latest(work, key)]  # which says that there is none

    return reading(shapes.Definition, find, many=True)


@api.get("/definitions/<definition_id>")
@api.output(shapes.Definition)
@described("One version of a process", "Definitions")
def definition(definition_id):
    return reading(shapes.Definition, lambda work: repository.get(work, definition_id))


@api.get("/definitions/<definition_id>/model")
@api.output(BYTES, content_type="application/xml")
@described("The BPMN file as it was deployed", "Definitions")
def model(definition_id):
    with platform().read(g.actor) as work:
        return _download(repository.xml(work, definition_id), "model.bpmn", "application/xml")


@api.get("/definitions/<definition_id>/form")
@api.output(shapes.Form)
@described("The form that starts it", "Definitions")
def start_form(definition_id):
    def find(work):
        form, digest = repository.start_form(work, definition_id)
        known = {"starter": runtime.starter(work)}
        return _form(form, digest, forms.prefill(form, known, now=work.now) if form else {}, None)

    return reading(shapes.Form, find)


def _form(form, digest, values, draft) -> dict:
    schema = form.schema if form else None
    return {
        "key": form.key if form else None,
        "digest": digest,
        "schema": schema,
        "values": values,
        "draft": draft,
    }


@api.post("/definitions/<definition_id>/retire")
@needs("admin")
@api.input(shapes.Reason)
@api.output(shapes.Done)
@described("No new case may start from this version", "Definitions")
def retire(definition_id, json_data):
    return writing(
        shapes.Done, lambda work: _done(repository.retire(work, definition_id, json_data["reason"]))
    )


@api.post("/definitions/<definition_id>/activate")
@needs("admin")
@api.input(shapes.Reason)
@api.output(shapes.Done)
@described("New cases may start from this version again", "Definitions")
def activate(definition_id, json_data):
    return writing(
        shapes.Done, lambda work: _done(repository.activate(work, definition_id, json_data["reason"]))
    )


@api.post("/deployments")
@needs("admin")
@api.input(shapes.Files, location="files")
@api.output(shapes.Deployment, status_code=201)
@described("Deploy models, tables and forms as the newest versions", "Definitions")
def deploy(files_data):
    files = uploads.read(files_data["files"])
    return writing(shapes.Deployment, lambda work: _deployment(repository.deploy(work, files)), 201)


@api.post("/deployments/check")
@needs("read")
@api.input(shapes.Files, location="files")
@api.output(shapes.Checked)
@described("What a deployment of these files would meet, without deploying", "Definitions")
def check(files_data):
    files = uploads.read(files_data["files"])
    return reading(shapes.Checked, lambda work: {"problems": _said(repository.check(work, files))})


def _deployment(made) -> dict:
    return {"id": made.id, "definitions": made.definitions, "decisions": made.decisions, "forms": made.forms,
            "problems": _said(made.problems)}  # fmt: skip


def _said(problems) -> list[dict]:
    return [said(platform(), one) for one in problems]


# --- instances ----------------------------------------------------------------------------------
@api.get("/instances")
@api.input(shapes.InstanceQuery, location="query")
@api.output(shapes.paged(shapes.Instance))
@described("Cases that I may see", "Instances")
def instances(query_data):
    return reading(shapes.paged(shapes.Instance), lambda work: _page(cases.list_(work, **query_data)))


@api.post("/instances")
@api.input(shapes.Start)
@api.output(shapes.Instance, status_code=201)
@described("Start a case", "Instances")
def start(json_data):
    return writing(shapes.Instance, lambda work: _start(work, **json_data), 201)


def _start(work, process, answers, **more):
    return runtime.start(work, process, answers, **more)


@api.post("/instances/bulk")
@api.input(shapes.BulkStart, location="form_and_files")
@api.output(shapes.Bulk)
@described("Start one case per row of a file; each row stands for itself", "Instances")
def start_many(form_and_files_data):
    process, started, refused = form_and_files_data["process"], [], []
    for number, answers in enumerate(_rows(form_and_files_data["file"]), 1):
        try:
            keepable(answers)
            started.append({"row": number, **_start_row(process, answers, number)})
        except Refused as error:
            sentence = translated(error.message, **error.params)
            refused.append({"row": number, "sentence": sentence, "problems": _said(error.problems)})
    return jsonify(shapes.Bulk().dump({"started": started, "refused": refused}))


def _start_row(process: str, answers: dict, number: int) -> dict:
    answer = writing(shapes.Instance, lambda work: _start(work, process, answers), suffix=f":{number}")
    return {name: answer.json[name] for name in ("id", "number")}


def _rows(upload) -> list[dict]:
    data = upload.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("gb18030", "replace")  # what spreadsheets in China write
    rows = _json_rows(text) if text.lstrip().startswith("[") else _csv_rows(text)
    if len(rows) > BULK_LIMIT:
        raise Invalid("A file may start at most %(limit)s cases.", limit=BULK_LIMIT)
    return [{name: value for name, value in row.items() if name and value not in ("", None)} for row in rows]


def _csv_rows(text: str) -> list[dict]:
    try:
        return list(csv.DictReader(io.StringIO(text)))
    except csv.Error as error:
        raise Invalid("The file is not a table of comma-separated values.") from error


def _json_rows(text: str) -> list[dict]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid("The file is not valid JSON.") from error
    if not all(isinstance(row, dict) for row in rows):
        raise Invalid("The file must hold a list of objects.")
    return rows


@api.get("/instances/<instance_id>")
@api.output(shapes.Instance)
@described("One case; a copy of it that I got is read then", "Instances")
def instance(instance_id):
    with platform().read(g.actor) as work:
        row = cases.one(work, instance_id)
        unread = copies.is_unread(work, row["root_id"])
    if unread:
        with platform().work(g.actor) as work:
            copies.mark_read(work, row["root_id"])
    return jsonify(shapes.Instance().dump(row))


@api.get("/instances/<instance_id>/variables")
@api.output(shapes.Variable(many=True))
@described(
    "Its variables, masked where my clearance does not reach; the read is logged", "Instances"
)
def variables(instance_id):
    with platform().work(g.actor) as work:  # a Work that writes: reading a classified value leaves a record
        return jsonify(shapes.Variable(many=True).dump(cases.variables(work, instance_id)))


@api.get("/instances/<instance_id>/path")
@api.output(shapes.Event(many=True))
@described("The path that it took through the model", "Instances")
def path(instance_id):
    def find(work):
        cases.one(work, instance_id)
        return history.path(work, instance_id)

    return reading(shapes.Event, find, many=True)


@api.get("/instances/<instance_id>/history")
@api.output(shapes.Event(many=True))
@described("What people did in it: decisions, opinions, reasons", "Instances")
def timeline(instance_id):
    return reading(
        shapes.Event, lambda work: cases.timeline(work, cases.one(work, instance_id)["root_id"]), many=True
    )


@api.get("/instances/<instance_id>/diagram")
@api.output(shapes.Diagram)
@described("Tokens, done elements and flows, by element id", "Instances")
def diagram(instance_id):
    return reading(shapes.Diagram, lambda work: cases.diagram(work, instance_id))


@api.get("/instances/<instance_id>/documents")
@api.output(shapes.Document(many=True))
@described("Its documents", "Instances")
def instance_documents(instance_id):
    return reading(
        shapes.Document,
        lambda work: documents.list_(work, cases.one(work, instance_id)["root_id"]),
        many=True,
    )


@api.get("/instances/<instance_id>/comments")
@api.output(shapes.Comment(many=True))
@described("Its comments", "Instances")
def comments(instance_id):
    return reading(
        shapes.Comment, lambda work: cases.comments(work, cases.one(work, instance_id)["root_id"]), many=True
    )


@api.post("/instances/<instance_id>/comments")
@api.input(shapes.Note)
@api.output(shapes.Done, status_code=201)
@described("Say something to those who work on it", "Instances")
def comment_case(instance_id, json_data):
    def say(work):
        tasks.add_comment(work, cases.one(work, instance_id), json_data["text"])

    return writing(shapes.Done, lambda work: _done(say(work)), 201)


@api.get("/instances/<instance_id>/copies")
@api.output(shapes.Copy(many=True))
@described("Who got a copy of it, and who has read it", "Instances")
def copies_of(instance_id):
    return reading(
        shapes.Copy, lambda work: copies.of_case(work, cases.one(work, instance_id)["root_id"]), many=True
    )


@api.post("/instances/<instance_id>/copies")
@api.input(shapes.SendCopies)
@api.output(shapes.Copy(many=True), status_code=201)
@described("Send a copy of it to employees, who may see it then", "Instances")
def copy_case(instance_id, json_data):
    def send(work):
        row = cases.one(work, instance_id)
        sent = copies.send(work, row, _persons(work, json_data["persons"]), json_data["note"])
        return [one for one in copies.of_case(work, row["root_id"]) if one["person_id"] in sent]

    return writing(shapes.Copy, send, 201, many=True)


def _persons(work, said: list[str]) -> list[str]:
    """Ids of the persons whom ids or logins name. Raises NotFound."""
    return [_person(work, one) for one in said]


def _person(work, said: str) -> str:
    person_id = people.resolve(work, said)
    if person_id is None:
        raise NotFound("There is no person '%(person)s'.", person=said)
    return person_id


@api.get("/copies")
@api.input(shapes.CopyQuery, location="query")
@api.output(shapes.paged(shapes.MyCopy))
@described("Copies of cases that I got, unread ones first", "Instances")
def my_copies(query_data):
    return reading(shapes.paged(shapes.MyCopy), lambda work: _page(copies.list_(work, **query_data)))


#: verbs that end or pause a case with a reason
ENDINGS = {
    "cancel": (runtime.cancel, "End it before its time"),
    "withdraw": (runtime.withdraw, "Take back my own request"),
    "suspend": (runtime.suspend, "Let it rest"),
    "resume": (runtime.resume, "Go on with it"),
}


def _ending(name: str, verb, summary: str) -> None:
    @api.post(f"/instances/<instance_id>/{name}", endpoint=name)
    @api.input(shapes.Reason)
    @api.output(shapes.Instance)
    @described(summary, "Instances")
    def end(instance_id, json_data):
        def do(work):
            cases.one(work, instance_id)
            verb(work, instance_id, json_data["reason"])
            return cases.one(work, instance_id)

        return writing(shapes.Instance, do)


for _name, (_verb, _summary) in ENDINGS.items():
    _ending(_name, _verb, _summary)


@api.post("/instances/<instance_id>/verify")
@needs("read")
@api.output(shapes.Verified)
@described("Prove that no record of it, or of what it called, was changed, removed or added", "Instances")
def verify(instance_id):
    return reading(
        shapes.Verified, lambda work: evidence.verify_case(work, cases.one(work, instance_id)["root_id"])
    )


@api.put("/instances/<instance_id>/variables")
@needs("admin")
@api.input(shapes.Values)
@api.output(shapes.Done)
@described("Correct variables by hand, with a reason", "Instances")
def correct(instance_id, json_data):
    said_ = json_data
    return writing(
        shapes.Done,
        lambda work: _done(
            runtime.set_variables(work, instance_id, said_["scope"], said_["values"], said_["reason"], said_["was"])
        ),
    )


@api.post("/instances/<instance_id>/migration-check")
@needs("admin")
@api.input(shapes.Migrate)
@api.output(shapes.Checked)
@described("What of it has no place in another version, beforehand", "Instances")
def misfits(instance_id, json_data):
    def find(work):
        problems = runtime.misfits(work, instance_id, json_data["definition"], json_data["mapping"])
        return {"problems": [said(platform(), one) for one in problems]}

    return reading(shapes.Checked, find)


@api.post("/instances/<instance_id>/migrate")
@needs("admin")
@api.input(shapes.Migrate)
@api.output(shapes.Instance)
@described("Move it to another version, with its drafts and time limits", "Instances")
def migrate(instance_id, json_data):
    def do(work):
        runtime.migrate(work, instance_id, json_data["definition"], json_data["reason"], json_data["mapping"])
        return cases.one(work, instance_id)

    return writing(shapes.Instance, do)


@api.post("/instances/acts")
@needs("admin")
@api.input(shapes.Acts)
@api.output(shapes.Outcome)
@described("Suspend, resume, cancel or migrate many; each stands for itself", "Instances")
def act_on_many(json_data):
    with doing(":chosen") as work:  # a repeat means the same cases, also when some have moved on
        found = json_data["instances"] or _some(work, json_data)
        chosen = work.answer(found) if work.answered is None else work.answered
    results = many.act(
        json_data["act"], chosen, json_data["reason"], json_data["definition"], json_data["mapping"],
        opened=lambda one: doing(f":{one}"),
    )  # fmt: skip
    return jsonify(results=[_acted(one) for one in results])


def _some(work, wanted: dict) -> list[str]:
    found = batches.chosen(work, wanted["act"], definition_id=wanted["of_definition"]) if wanted["of_definition"] else []
    if len(found) > BULK_LIMIT:
        raise Invalid("These are %(count)s cases: begin a batch for more than %(most)s.", count=len(found), most=BULK_LIMIT)
    return found


def _acted(result: many.Result) -> dict:
    why = result.why
    sentence = translated(why.message, **why.params) if why else None
    problems = _said(why.problems) if why else []
    return {"instance": result.instance_id, "done": why is None, "why": sentence, "problems": problems}


@api.post("/batches")
@needs("admin")
@api.input(shapes.NewBatch)
@api.output(shapes.Batch, 201)
@described("Have a verb done on any number of cases by the worker, each for itself", "Instances")
def begin_batch(json_data):
    def do(work):
        of = {"definition_id": json_data["of_definition"], "process_key": json_data["of_process"]}
        found = json_data["instances"] or (batches.chosen(work, json_data["act"], **of) if any(of.values()) else [])
        return batches.one(work, batches.begin(
            work, json_data["act"], found, json_data["reason"],
            definition_id=json_data["definition"], mapping=json_data["mapping"],
        ))  # fmt: skip

    return writing(shapes.Batch, do, 201)


@api.get("/batches")
@api.output(shapes.Batch(many=True))
@described("What was begun on many cases, the newest first, and how far it is", "Instances")
def list_batches():
    return reading(shapes.Batch, batches.list_, many=True)


@api.get("/batches/<batch_id>")
@api.output(shapes.Batch)
@described("How far one of them is", "Instances")
def batch(batch_id):
    return reading(shapes.Batch, lambda work: batches.one(work, batch_id))


@api.get("/batches/<batch_id>/cases")
@api.input(shapes.OfBatch, location="query")
@api.output(shapes.Acted(many=True))
@described("Cases of it in one state, 200 at a time, the refused ones with the reason", "Instances")
def batch_cases(batch_id, query_data):
    state = query_data["state"]
    with platform().read(g.actor) as work:
        rows = batches.items(work, batch_id, state, after=query_data["after"])
    return jsonify([
        {**_acted(many.Result(row["instance_id"], row["why"])), "done": state == "done", "position": row["position"]}
        for row in rows
    ])  # fmt: skip


@api.post("/batches/<batch_id>/stop")
@needs("admin")
@api.input(shapes.Reason)
@api.output(shapes.Batch)
@described("Leave the cases alone that were not yet come to", "Instances")
def stop_batch(batch_id, json_data):
    return _changed(batch_id, batches.stop, json_data["reason"])


@api.post("/batches/<batch_id>/go-on")
@needs("admin")
@api.input(shapes.Reason)
@api.output(shapes.Batch)
@described("Take up what was stopped, and try again what was refused", "Instances")
def go_on_batch(batch_id, json_data):
    return _changed(batch_id, batches.go_on, json_data["reason"])


def _changed(batch_id: str, verb: Callable, reason: str):
    def do(work):
        verb(work, batch_id, reason)
        return batches.one(work, batch_id)

    return writing(shapes.Batch, do)


@api.post("/instances/<instance_id>/move")
@needs("admin")
@api.input(shapes.Move)
@api.output(shapes.Instance)
@described("Put a token before another element, with a reason", "Instances")
def move(instance_id, json_data):
    return writing(
        shapes.Instance,
        lambda work: runtime.move(
            work, instance_id, json_data["token"], json_data["element"], json_data["reason"]
        ),
    )


# --- tasks --------------------------------------------------------------------------------------
@api.get("/tasks")
@api.input(shapes.TaskQuery, location="query")
@api.output(shapes.paged(shapes.Task))
@described("Tasks that wait for me, for my groups, or that I did", "Tasks")
def inbox(query_data):
    return reading(
        shapes.paged(shapes.Task), lambda work: _page(tasks.inbox(work, query_data.pop("view"), **query_data))
    )


@api.get("/tasks/<task_id>")
@api.output(shapes.TaskInFull)
@described("One task and what I may do with it", "Tasks")
def task(task_id):
    def find(work):
        row = tasks.get(work, task_id)
        return {
            **row,
            "verbs": [_verb_said(verb) for verb in tasks.verbs(work, row)],
            "returnable": runtime.returnable(work, row),
            "choices": [{"element_id": one, "name": name} for one, name in tasks.choices(work, row)],
        }

    return reading(shapes.TaskInFull, find)


def _verb_said(verb) -> dict:
    why = translated(verb.why.message, **verb.why.params) if verb.why else None
    return {"name": verb.name, "allowed": verb.allowed, "why": why}


@api.get("/tasks/<task_id>/form")
@api.output(shapes.Form)
@described("Its form with the values that I may see", "Tasks")
def task_form(task_id):
    def find(work):
        row = tasks.get(work, task_id)
        if not row["form_digest"]:
            return _form(None, None, {}, row["draft"])
        form = forms.load(work, row["form_digest"])
        seen = (
            runtime.load(work, row["instance_id"]).execution.visible(row["token"])
            if row["state"] in tasks.LIVE
            else {}
        )
        return _form(
            form, row["form_digest"], forms.see(form, forms.prefill(form, seen), g.actor), row["draft"]
        )

    return reading(shapes.Form, find)


@api.post("/tasks/<task_id>/claim")
@api.output(shapes.Task)
@described("Take it", "Tasks")
def claim(task_id):
    return writing(shapes.Task, lambda work: tasks.claim(work, task_id))


@api.post("/tasks/<task_id>/release")
@api.output(shapes.Task)
@described("Give it back to those who may claim it", "Tasks")
def release(task_id):
    return writing(shapes.Task, lambda work: tasks.release(work, task_id))


@api.post("/tasks/<task_id>/complete")
@api.input(shapes.Answers)
@api.output(shapes.Completed)
@described("Do it, with the answers of its form", "Tasks")
def complete(task_id, json_data):
    def do(work):
        done = runtime.complete(work, task_id, json_data["answers"])
        return done | {"task": tasks.find(work, task_id)}

    return writing(shapes.Completed, do)


@api.put("/tasks/<task_id>/draft")
@api.input(shapes.Answers)
@api.output(shapes.Done)
@described("Keep a half-filled form", "Tasks")
def draft(task_id, json_data):
    return writing(shapes.Done, lambda work: _done(tasks.save_draft(work, task_id, json_data["answers"])))


@api.post("/tasks/<task_id>/transfer")
@api.input(shapes.Handover)
@api.output(shapes.Task)
@described("Hand it over for good", "Tasks")
def transfer(task_id, json_data):
    return writing(shapes.Task, lambda work: _hand(work, tasks.transfer, task_id, **json_data))


@api.post("/tasks/<task_id>/delegate")
@api.input(shapes.Handover)
@api.output(shapes.Task)
@described("Let somebody work on it and get it back", "Tasks")
def delegate(task_id, json_data):
    return writing(shapes.Task, lambda work: _hand(work, tasks.delegate, task_id, **json_data))


def _hand(work, verb, task_id, person, reason):
    return verb(work, task_id, _person(work, person), reason)


@api.post("/tasks/<task_id>/hand-back")
@api.input(shapes.Note)
@api.output(shapes.Task)
@described("Return a delegated task to its owner", "Tasks")
def hand_back(task_id, json_data):
    return writing(shapes.Task, lambda work: tasks.hand_back(work, task_id, json_data["text"]))


@api.post("/tasks/<task_id>/return")
@api.input(shapes.Return)
@api.output(shapes.Instance)
@described("Return the case to an earlier human step", "Tasks")
def send_back(task_id, json_data):
    return writing(
        shapes.Instance,
        lambda work: runtime.send_back(work, task_id, json_data["element"], json_data["reason"]),
    )


@api.post("/tasks/<task_id>/urge")
@api.input(shapes.Note)
@api.output(shapes.Done)
@described("Ask whoever holds it to get on with it", "Tasks")
def urge(task_id, json_data):
    return writing(shapes.Done, lambda work: _done(tasks.urge(work, task_id, json_data["text"])))


@api.get("/tasks/<task_id>/signers")
@api.output(shapes.Signer(many=True))
@described("Who was added to sign it, and what they said", "Tasks")
def signers_of(task_id):
    return reading(shapes.Signer, lambda work: runtime.signers_of(work, tasks.get(work, task_id)), many=True)


@api.post("/tasks/<task_id>/signers")
@api.input(shapes.AddSigners)
@api.output(shapes.Signer(many=True), status_code=201)
@described("Ask others to sign it, before or after me; in a vote, to vote too", "Tasks")
def add_signers(task_id, json_data):
    def add(work):
        persons = _persons(work, json_data["persons"])
        runtime.add_signers(work, task_id, persons, json_data["reason"], json_data["when"], json_data["in_turn"])
        return runtime.signers_of(work, tasks.find(work, task_id))

    return writing(shapes.Signer, add, 201, many=True)


@api.post("/tasks/<task_id>/signers/remove")
@api.input(shapes.RemoveSigners)
@api.output(shapes.Task)
@described("Take added signers out again who have not answered", "Tasks")
def remove_signers(task_id, json_data):
    def remove(work):
        runtime.remove_signers(work, task_id, _persons(work, json_data["persons"]), json_data["reason"])
        return tasks.find(work, task_id)

    return writing(shapes.Task, remove)


@api.post("/tasks/<task_id>/answer")
@api.input(shapes.Sign)
@api.output(shapes.Task)
@described("Agree or disagree with what I was asked to sign", "Tasks")
def answer(task_id, json_data):
    return writing(
        shapes.Task, lambda work: runtime.answer_signer(work, task_id, json_data["agrees"], json_data["reason"])
    )


@api.post("/tasks/<task_id>/comments")
@api.input(shapes.Note)
@api.output(shapes.Done, status_code=201)
@described("Comment on it", "Tasks")
def comment_task(task_id, json_data):
    def say(work):
        row = tasks.get(work, task_id)
        tasks.add_comment(work, cases.one(work, row["instance_id"]), json_data["text"], task_id)

    return writing(shapes.Done, lambda work: _done(say(work)), 201)


@api.post("/tasks/<task_id>/documents")
@api.input(shapes.Upload, location="form_and_files")
@api.output(shapes.Document, status_code=201)
@described("Attach a document", "Tasks")
def attach(task_id, form_and_files_data):
    upload = form_and_files_data["file"]

    def do(work):
        row = tasks.get(work, task_id)
        return documents.attach(
            work, upload.stream, upload.filename, instance_id=row["instance_id"], root_id=row["root_id"],
            task_id=task_id, field=form_and_files_data["field"],
        )  # fmt: skip

    return writing(shapes.Document, do, 201)


@api.get("/documents/<document_id>")
@api.output(BYTES, content_type="application/octet-stream")
@described("A document's content", "Tasks")
def document(document_id):
    with platform().work(g.actor) as work:  # a Work that writes: opening a document leaves a record
        row, file = documents.open(work, document_id)
        return send_file(file, mimetype=row["type"], as_attachment=True, download_name=row["name"])


def _download(data: bytes, name: str, kind: str):
    return send_file(io.BytesIO(data), mimetype=kind, as_attachment=True, download_name=name)


# --- messages, incidents, decisions, shares -----------------------------------------------------
@api.post("/messages")
@api.input(shapes.Publish)
@api.output(shapes.Published)
@described("Send a message to the case that waits for it, or keep it for a time", "Messages")
def publish(json_data):
    def do(work):
        access.require(work, "publish", "platform", None)
        ttl = json_data["time_to_live"]
        return runtime.publish(
            work, json_data["name"], json_data["correlation_key"], json_data["variables"],
            ttl=None if ttl is None else timedelta(seconds=ttl), message_id=json_data["message_id"],
        )  # fmt: skip

    return writing(shapes.Published, do)


@api.post("/observations")
@needs("admin")
@api.input(shapes.Observed)
@api.output(shapes.Began)
@described("Tell conditional start events what was observed; those that come true start a case", "Messages")
def observe(json_data):
    return writing(shapes.Began, lambda work: {"started": runtime.observe(work, json_data["variables"])})


@api.post("/signals")
@api.input(shapes.Broadcast)
@api.output(shapes.Reached)
@described("Throw a signal to everyone who waits for it", "Messages")
def broadcast(json_data):
    def do(work):
        access.require(work, "publish", "platform", None)
        return {"reached": runtime.broadcast(work, json_data["name"], json_data["variables"])}

    return writing(shapes.Reached, do)


@api.get("/incidents")
@api.input(shapes.IncidentQuery, location="query")
@api.output(shapes.Incident(many=True))
@described("Incidents of cases that I may see", "Incidents")
def incidents(query_data):
    return reading(shapes.Incident, lambda work: cases.incidents(work, state=query_data["state"]), many=True)


@api.post("/incidents/<incident_id>/resolve")
@needs("admin")
@api.input(shapes.Resolve)
@api.output(shapes.Done)
@described("Retry what failed, or skip it", "Incidents")
def resolve(incident_id, json_data):
    return writing(shapes.Done, lambda work: _done(runtime.resolve(work, incident_id, **json_data)))


@api.get("/decisions")
@api.output(shapes.Decision(many=True))
@described("The newest version of every decision", "Decisions")
def decisions():
    return reading(shapes.Decision, repository.decisions, many=True)


@api.post("/decisions/<key>/evaluate")
@needs("read")
@api.input(shapes.Evaluate)
@api.output(shapes.Answer)
@described("Ask a decision, and see which rules hit", "Decisions")
def evaluate(key, json_data):
    def ask(work):
        answer = repository.decide(work, None, key, "latest", json_data["variables"])
        hits, nulls = map(_hit, answer.hits), map(_why_null, answer.diagnoses)
        return {"json": answer.json, "hits": list(hits), "diagnoses": list(nulls)}

    return reading(shapes.Answer, ask)


@api.post("/expressions/evaluate")
@needs("read")
@api.input(shapes.Expression)
@api.output(shapes.Answer)
@described("Try an expression against values, and see why it is null", "Decisions")
def evaluate_expression(json_data):
    def ask(work):
        answer = repository.try_expression(work, json_data["expression"], json_data["variables"])
        return {"json": answer.json, "hits": [], "diagnoses": [_why_null(one) for one in answer.diagnoses]}

    return reading(shapes.Answer, ask)


def _hit(one) -> dict:
    notes = [{"name": name, "text": text} for name, text in one.annotations]
    return {"table": one.table, "rule": one.rule, "rule_id": one.rule_id, "annotations": notes}


def _why_null(one) -> dict:
    return {"sentence": translated(one.sentence, **dict(one.params)), "position": one.position}


@api.get("/shares")
@api.output(shapes.Share(many=True))
@described("Data that is shared with me", "Shares")
def shares():
    return reading(shapes.Share, sharing.mine, many=True)


@api.get("/shares/<share_id>/file")
@api.output(BYTES, content_type="text/csv")
@described("The shared data, watermarked; each download counts and is logged", "Shares")
def share_file(share_id):
    with platform().work(g.actor) as work:
        name, data = sharing.download(work, share_id)
    return _download(data, name, "text/csv")
