"""One task: its form, the case beside it, and every verb that a person has for it.

The page shows the form with what is known of the case, the timeline of opinions, papers and comments;
a verb that is not possible now says why. After completing, the next task opens by itself. What is half
filled is saved as a draft. Files are kept first and then named in the answers, so that a form that is
refused does not lose them.
"""

from __future__ import annotations

from flask import Blueprint, flash, g, jsonify, redirect, render_template, request, send_file, url_for
from flask_babel import gettext as _

from engine import cases, copies, documents, forms, people, repository, runtime, signers, tasks
from engine.errors import Conflict, Invalid, Refused
from webapp import render, session
from webapp.render import N_
from webapp.session import doing, find_person, find_persons, platform, reading

pages = Blueprint("tasks", __name__)

#: when an added signer comes
WAYS = {
    "before": N_("Before me: I decide when they have answered"),
    "after": N_("After me: my decision counts when they agree"),
    "too": N_("They vote too"), "last": N_("They vote after all others"), "next": N_("They vote next"),
}  # fmt: skip


@pages.get("/tasks/<task_id>")
def show(task_id: str):
    """The page of a task; who is told that another did it is back at her list."""
    try:
        with reading() as work:
            return _page(work, task_id)
    except Conflict as gone:
        flash(render.say(gone), "refused")
        return redirect(url_for("inbox.show"), 303)


def _page(work, task_id: str, given: dict | None = None, refused: Refused | None = None):
    row = tasks.get(work, task_id)
    form = forms.load(work, row["form_digest"]) if row["form_digest"] else None
    values = {**_known(work, row, form), **(row["draft"] or {}), **(given or {})}
    papers = cases.documents(work, row["root_id"])
    timeline = cases.timeline(work, row["root_id"])
    return render_template(
        "task.html",
        task=row, form=form, values=values, refused=refused, papers=papers, timeline=timeline,
        wrong=render.by_field(refused.problems) if refused else {},
        kept=[one for one in papers if one["field"] and (one["task_id"] == task_id or _is_named(one, values))],
        verbs={verb.name: verb for verb in tasks.verbs(work, row)},
        case=cases.one(work, row["root_id"]), steps=cases.open_steps(work, row["root_id"]),
        summary=_summary(work, row), comments=cases.comments(work, row["root_id"]),
        earlier=runtime.returnable(work, row), choices=render.Choices(work), locale=g.actor.locale,
        names=people.names(work, _holders(row) | render.mentioned(timeline)),
        editable=_is_editable(work, row), helps=_documentation(work, row), **_signing(work, row),
    )  # fmt: skip


def _signing(work, row) -> dict:
    """Who was added to sign, how others can be, and, for whoever signs, what was decided so far."""
    parent = _parent(work, row)
    form = forms.load(work, parent["form_digest"]) if parent is not None and parent["form_digest"] else None
    asked = runtime.signers_of(work, row)
    signed = forms.see(form, parent["draft"] or {}, work.actor) if form and row["added"] == "after" else {}
    return {
        "signers": asked,
        "signer_names": people.names(work, {one["person_id"] for one in asked} | (_holders(parent) if parent else set())),
        "ways": signers.WHEN[signers.kind(work, row)] if row["state"] in tasks.LIVE else (), "way_words": WAYS,
        "parent": parent, "signed_form": form, "signed": signed,
    }  # fmt: skip


def _holders(row) -> set[str]:
    return {row[name] for name in ("assignee_id", "owner_id", "closed_by", "closed_for")} - {None}


def _parent(work, row):
    """Of an added signer's task: the approval that she signs."""
    return tasks.find(work, row["parent_id"]) if row["parent_id"] else None


def _is_named(paper, values: dict) -> bool:
    """Whether a field shows a paper that was handed in earlier in the case: it is kept unless it is unticked."""
    named = values.get(paper["field"])
    return isinstance(named, list) and paper["id"] in named


def _known(work, row, form) -> dict:
    """What the case already knows for the fields of the form, masked by clearance."""
    if form is None or row["state"] not in tasks.LIVE:
        return {}
    seen = runtime.load(work, row["instance_id"]).execution.visible(row["token"])
    return forms.see(form, forms.prefill(form, seen), work.actor)


def _summary(work, row):
    """The form that the case was started with and what it said, as far as this person may see it."""
    root = cases.one(work, row["root_id"])
    form, _digest = repository.start_form(work, root["definition_id"])
    if form is None:
        return None
    values = runtime.load(work, row["root_id"]).execution.variables()
    return form, forms.see(form, {f.name: values.get(f.name) for f in form.fields}, work.actor)


def _is_editable(work, row) -> bool:
    return row["state"] in tasks.LIVE and tasks.refusal(work, "complete", row) is None


def _documentation(work, row) -> str:
    element = platform().element(work, row["definition_id"], row["element_id"])
    return (element.documentation or "") if element is not None else ""


# --- moving the token -------------------------------------------------------------------------
@pages.post("/tasks/<task_id>/complete")
def complete(task_id: str):
    given = _given(task_id)
    try:
        with doing(once=True) as work:
            done = work.answered or work.answer(_completed(runtime.complete(work, task_id, given)))
    except Invalid as refused:
        with reading() as work:
            return _page(work, task_id, given, refused), refused.status
    flash(_("Done: %(task)s – %(case)s.", task=render.t(done["task"]), case=done["case"]), "done")
    return redirect(_next(done), 303)


def _completed(done) -> dict:
    return {"task": done["task"]["name"], "case": done["task"]["title"], "next": done["next"]}


def _next(done) -> str:
    if done["next"] and request.form.get("then", "next") == "next":
        return url_for("tasks.show", task_id=done["next"])
    return url_for("inbox.show")


@pages.post("/tasks/<task_id>/return")
def send_back(task_id: str):
    with doing(once=True) as work:
        if work.answered is None:
            runtime.send_back(work, task_id, request.form.get("element", ""), request.form.get("reason", ""))
            work.answer({})
    flash(_("The case was sent back."), "done")
    return redirect(url_for("inbox.show"), 303)


# --- moving the person ------------------------------------------------------------------------
@pages.post("/tasks/<task_id>/claim")
def claim(task_id: str):
    with doing() as work:
        tasks.claim(work, task_id)
    flash(_("The task is yours."), "done")
    stay = request.form.get("then") == "list"
    return redirect(session.back_url() if stay and session.back_url() else url_for("tasks.show", task_id=task_id), 303)


@pages.post("/tasks/<task_id>/release")
def release(task_id: str):
    with doing() as work:
        tasks.release(work, task_id)
    flash(_("The task can be claimed by others again."), "done")
    return redirect(url_for("inbox.show"), 303)


@pages.post("/tasks/<task_id>/transfer")
def transfer(task_id: str):
    return _hand(task_id, tasks.transfer)


@pages.post("/tasks/<task_id>/delegate")
def delegate(task_id: str):
    return _hand(task_id, tasks.delegate)


def _hand(task_id: str, verb):
    with doing() as work:
        person_id = find_person(work, request.form.get("person_id", ""))
        verb(work, task_id, person_id, request.form.get("reason", ""))
        name = people.get(work, person_id)["name"]
    flash(_("The task is with %(person)s now.", person=name), "done")
    return redirect(url_for("inbox.show"), 303)


@pages.post("/tasks/<task_id>/hand-back")
def hand_back(task_id: str):
    with doing() as work:
        tasks.hand_back(work, task_id, request.form.get("reason", ""))
    flash(_("The task is back with its owner."), "done")
    return redirect(url_for("inbox.show"), 303)


@pages.post("/tasks/<task_id>/urge")
def urge(task_id: str):
    with doing() as work:
        tasks.urge(work, task_id, request.form.get("reason", ""))
    flash(_("They were urged."), "done")
    return redirect(session.back_url(url_for("tasks.show", task_id=task_id)), 303)


# --- added signers ------------------------------------------------------------------------------
@pages.post("/tasks/<task_id>/signers")
def add_signers(task_id: str):
    said = request.form
    with doing() as work:
        persons = find_persons(work, said.getlist("persons"))
        runtime.add_signers(work, task_id, persons, said.get("reason", ""), said.get("when", ""), bool(said.get("in_turn")))
    flash(_("They were asked to sign."), "done")
    return redirect(url_for("tasks.show", task_id=task_id), 303)


@pages.post("/tasks/<task_id>/signers/remove")
def remove_signers(task_id: str):
    with doing() as work:
        persons = find_persons(work, request.form.getlist("persons"))
        runtime.remove_signers(work, task_id, persons, request.form.get("reason", ""))
    flash(_("They need not sign any more."), "done")
    return redirect(url_for("tasks.show", task_id=task_id), 303)


@pages.post("/tasks/<task_id>/answer")
def answer(task_id: str):
    said = request.form.get("agrees", "")
    if said not in ("yes", "no"):
        raise Invalid("Say whether you agree.")
    with doing(once=True) as work:
        if work.answered is None:
            runtime.answer_signer(work, task_id, said == "yes", request.form.get("reason", ""))
            work.answer({})
    flash(_("Your answer was kept."), "done")
    return redirect(url_for("inbox.show"), 303)


# --- drafts, words and papers -----------------------------------------------------------------
@pages.post("/tasks/<task_id>/draft")
def save_draft(task_id: str):
    given = _given(task_id, keep_files=not render.wants_json())
    with doing() as work:
        at = tasks.save_draft(work, task_id, given)
    if render.wants_json():
        return jsonify(at=at.isoformat())
    flash(_("The draft was saved."), "done")
    return redirect(url_for("tasks.show", task_id=task_id), 303)


@pages.post("/tasks/<task_id>/shown")
def shown(task_id: str):
    """Which fields are asked for, given the answers so far."""
    with reading() as work:
        row = tasks.get(work, task_id)
        form = forms.load(work, row["form_digest"])
        said = {**_known(work, row, form), **render.answers(form, request.form, platform().calendar.zone)}
        return jsonify(shown=forms.asked(form, said, now=work.now))


@pages.post("/tasks/<task_id>/comments")
def comment(task_id: str):
    with doing() as work:
        row = tasks.get(work, task_id)
        tasks.add_comment(work, cases.one(work, row["instance_id"]), request.form.get("text", ""), task_id)
    return redirect(url_for("tasks.show", task_id=task_id) + "#comments", 303)


@pages.post("/tasks/<task_id>/copies")
def copy(task_id: str):
    with doing() as work:
        row = tasks.get(work, task_id)
        persons = find_persons(work, request.form.getlist("persons"))
        sent = copies.send(work, cases.one(work, row["instance_id"]), persons, request.form.get("note", ""), task_id)
    flash(_("Copies sent: %(count)s.", count=len(sent)), "done")
    return redirect(url_for("tasks.show", task_id=task_id), 303)


@pages.post("/tasks/<task_id>/documents")
def attach(task_id: str):
    files = [one for one in request.files.getlist("file") if one.filename]
    if not files:
        raise Invalid("Choose a file first.")
    with doing() as work:
        row = tasks.get(work, task_id)
        for one in files:
            _keep(work, one, row, None)
    return redirect(url_for("tasks.show", task_id=task_id) + "#documents", 303)


def _keep(work, upload, row, field: str | None) -> str:
    return documents.attach(
        work, upload.stream, upload.filename, instance_id=row["instance_id"], root_id=row["root_id"],
        task_id=row["id"], field=field,
    )["id"]  # fmt: skip


def _given(task_id: str, *, keep_files: bool = True) -> dict:
    """The answers that were posted, files among them kept and named by their ids."""
    with reading() as work:
        row = tasks.get(work, task_id)
        form = forms.load(work, row["form_digest"]) if row["form_digest"] else None
    if form is None:
        return {}
    given = render.answers(form, request.form, platform().calendar.zone)
    for name in (f.name for f in form.fields if f.widget == "documents" and keep_files):
        files = [one for one in request.files.getlist(f"{name}.files") if one.filename]
        if files:
            with doing() as work:
                given[name] = [*given.get(name, []), *(_keep(work, one, row, name) for one in files)]
    return given


@pages.get("/documents/<document_id>")
def document(document_id: str):
    """Always a download, never shown inline. A Work that writes: opening a document leaves a record."""
    with doing() as work:
        row, file = documents.open(work, document_id)
        return send_file(file, mimetype=row["type"], as_attachment=True, download_name=row["name"])


@pages.post("/documents/<document_id>/remove")
def remove_document(document_id: str):
    with doing() as work:
        documents.remove(work, document_id, request.form.get("reason", ""))
    flash(_("The document was removed."), "done")
    return redirect(session.back_url(url_for("inbox.show")), 303)


@pages.get("/people/find")
def find_people():
    """For fields that look a person up."""
    with reading() as work:
        found = people.find(work, request.args.get("q", ""), 12)
    return jsonify(results=[{"value": p["id"], "title": p["name"], "hint": p["login"]} for p in found])
