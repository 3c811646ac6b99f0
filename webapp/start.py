"""Starting cases: the catalogue, the form, drafts, and many at once from a spreadsheet.

The catalogue shows what a person may start and under which conditions. A file of many cases is first
rehearsed: every row runs through the very verb that starts a case and is rolled back, so that the report
names each row that would be refused; then all good rows start in one transaction, or none does.
"""

from __future__ import annotations

import io

from flask import Blueprint, flash, jsonify, redirect, render_template, request, send_file, url_for
from flask_babel import gettext as _

from engine import access, documents, forms, repository, runtime, tasks
from engine.errors import Invalid, NotAllowed, Refused
from webapp import render, session, sheets
from webapp.session import doing, platform, reading

pages = Blueprint("start", __name__)


@pages.get("/start")
def catalogue():
    with reading() as work:
        rows = [row for row in repository.definitions(work) if row["startable"] and _is_offered(work, row["key"])]
        return render_template(
            "start.html",
            offered=[(row, access.why_not(work, "start", "process", row["key"])) for row in rows],
            policies=work.policies.processes, drafts=tasks.inbox(work, "drafts").rows,
            names={row["key"]: row["name"] for row in rows},
            texts={row["key"]: repository.process(work, row["id"]).documentation for row in rows},
        )  # fmt: skip


def _is_offered(work, key: str) -> bool:
    policy = work.policies.processes.get(key)
    return policy is None or policy.kind == "case"


@pages.get("/start/<key>")
def form(key: str):
    with reading() as work:
        return _page(work, key)


@pages.get("/drafts/<draft_id>")
def draft(draft_id: str):
    with reading() as work:
        row = tasks.start_draft(work, draft_id)
        return _page(work, row["process_key"], row["answers"], draft_id=draft_id)


def _page(work, key: str, given: dict | None = None, refused: Refused | None = None, draft_id: str = ""):
    definition = repository.latest(work, key)
    access.require(work, "start", "process", key)
    form, _digest = repository.start_form(work, definition["id"])
    values = {**_at_first(work, form), **(given or {})}
    process = repository.process(work, definition["id"])
    return render_template(
        "start_form.html", begins=[(s.element_id, s.name or s.element_id) for s in process.starts if s.kind == "none"],
        definition=definition, form=form, values=values, refused=refused, draft_id=draft_id,
        wrong=render.by_field(refused.problems) if refused else {}, choices=render.Choices(work),
        policy=work.policies.processes.get(key), kept=documents.of_draft(work, draft_id) if draft_id else [],
        conditions=[p for p in refused.problems if p.rule == "start.condition"] if refused else [],
        text=process.documentation,
    )  # fmt: skip


@pages.post("/start/<key>")
def start(key: str):
    given, draft_id = _given(key)
    try:
        with doing(once=True) as work:
            at = request.form.get("begin_at") or None
            row = None if work.answered else runtime.start(work, key, given, draft_id=draft_id or None, element_id=at)
            done = work.answered or work.answer(_started(row))
    except Invalid as refused:
        with reading() as work:
            return _page(work, key, given, refused, draft_id), refused.status
    flash(_("Case %(number)s was started.", number=done["number"]), "done")
    return redirect(url_for("cases.show", case_id=done["id"]), 303)


def _started(row) -> dict:
    return {"id": row["id"], "number": row["number"]}


@pages.post("/start/<key>/draft")
def save_draft(key: str):
    _said, draft_id = _given(key, always=True)
    if render.wants_json():
        return jsonify(draft=draft_id, at=session.now().isoformat())
    flash(_("The draft was saved."), "done")
    return redirect(url_for("start.draft", draft_id=draft_id), 303)


@pages.post("/start/<key>/shown")
def shown(key: str):
    with reading() as work:
        form, _digest = repository.start_form(work, repository.latest(work, key)["id"])
        said = {**_at_first(work, form), **render.answers(form, request.form, platform().calendar.zone)}
        return jsonify(shown=forms.asked(form, said, now=work.now))


def _at_first(work, form) -> dict:
    """What the form shows before anything is filled in: it may speak of who starts the case."""
    return forms.prefill(form, {"starter": runtime.starter(work)}, now=work.now) if form else {}


@pages.post("/drafts/<draft_id>/delete")
def drop_draft(draft_id: str):
    with doing() as work:
        tasks.drop_draft(work, draft_id)
    flash(_("The draft was deleted."), "done")
    return redirect(session.back_url(url_for("inbox.show", view="drafts")), 303)


def _given(key: str, *, always: bool = False) -> tuple[dict, str]:
    """The answers that were posted and the id of their draft; files are kept with the draft first."""
    draft_id = request.form.get("draft_id", "")
    with reading() as work:
        form, _digest = repository.start_form(work, repository.latest(work, key)["id"])
    if form is None:
        return {}, draft_id
    given = render.answers(form, request.form, platform().calendar.zone)
    files = [
        (field.name, one)
        for field in form.fields if field.widget == "documents" and not render.wants_json()
        for one in request.files.getlist(f"{field.name}.files") if one.filename
    ]  # fmt: skip
    if files or always:
        with doing() as work:
            draft_id = tasks.keep_start_draft(work, key, given, draft_id or None)
            for name, one in files:
                kept = documents.attach(work, one.stream, one.filename, draft_id=draft_id, field=name)
                given[name] = [*given.get(name, []), kept["id"]]
            tasks.keep_start_draft(work, key, given, draft_id)
    return given, draft_id


# --- many at once -----------------------------------------------------------------------------
@pages.get("/start/<key>/upload")
def upload_form(key: str):
    with reading() as work:
        return _upload_page(work, key)


def _upload_page(work, key: str, **more):
    definition = repository.latest(work, key)
    access.require(work, "start", "process", key)
    form, _digest = repository.start_form(work, definition["id"])
    shown = {"rows": None, "refused": [], "good": [], "started": [], **more}
    return render_template("upload.html", definition=definition, form=form, limit=sheets.ROWS, **shown)


@pages.get("/start/<key>/template.<kind>")
def template(key: str, kind: str):
    with reading() as work:
        access.require(work, "start", "process", key)
        form, _digest = repository.start_form(work, repository.latest(work, key)["id"])
    if form is None or kind not in ("csv", "xlsx"):
        raise Invalid("There is no form to fill in for this process.")
    data = sheets.template([(f.name, f"{render.t(f.title)} [{f.name}]") for f in _columns(form)], kind)
    return send_file(io.BytesIO(data), as_attachment=True, download_name=f"{key}.{kind}")


def _columns(form) -> list:
    return [f for f in form.fields if f.widget not in (*render.READ_ONLY, "documents")]


@pages.post("/start/<key>/upload")
def upload(key: str):
    """Rehearse every row; start the good ones when all are good, or when the person wants just those."""
    file = request.files.get("file")
    if file is None or not file.filename:
        raise Invalid("Choose a file first.")
    with reading() as work:
        access.require(work, "start", "process", key)
        form, _digest = repository.start_form(work, repository.latest(work, key)["id"])
    rows = _read(file, form)
    outcome = [(number, row, _rehearse(key, row)) for number, row in enumerate(rows, 2)]
    refused = [(number, row, why) for number, row, why in outcome if why is not None]
    good = [row for _n, row, why in outcome if why is None]
    started = _start_all(key, good) if good and (not refused or request.form.get("good_ones")) else []
    with reading() as work:
        page = _upload_page(work, key, rows=rows, refused=refused, good=good, started=started)
    return page, 200 if started else 422


def _read(file, form) -> list[dict]:
    if form is None:
        raise Invalid("There is no form to fill in for this process.")
    columns = {}
    for field in _columns(form):
        title = render.t(field.title)
        columns |= {said.lower(): field.name for said in (field.name, field.title, title, f"{title} [{field.name}]")}
    kinds = {field.name: field for field in _columns(form)}
    rows = sheets.read(file.filename, file.read(5 * 1024 * 1024 + 1), columns)
    return [{name: _cell(kinds[name], text) for name, text in row.items()} for row in rows]


def _cell(field, text: str):
    """Several values of a list stand in one cell, parted by a semicolon; a choice may be given by its label."""
    if field.type == "array":
        return [one.strip() for one in text.replace("；", ";").split(";") if one.strip()]
    labels = {render.t(label).lower(): value for value, label in field.enum or ()}
    return labels.get(text.lower(), text)


class _Rehearsed(Exception):
    """Thrown at the end of a rehearsal, so that nothing of it is kept."""


def _rehearse(key: str, row: dict) -> Refused | None:
    """Why this row cannot start a case; None when it can."""
    try:
        with doing() as work:
            runtime.start(work, key, row)
            raise _Rehearsed
    except _Rehearsed:
        return None
    except NotAllowed:
        raise
    except Refused as why:
        return why


def _start_all(key: str, rows: list[dict]) -> list[dict]:
    """One transaction for all: should one row fail after all, none is started."""
    with doing(once=True) as work:
        if work.answered is not None:
            return work.answered
        return work.answer([_started(runtime.start(work, key, row)) for row in rows])


