"""Processes: what may run, in which version, and publishing a new one.

The list and the page of one process with its diagram, its versions and how many cases run on each. An
upload is checked first; what is wrong with it is painted on the canvas at the element where it stands,
and nothing is kept. A deployment that is sound makes the next version.
"""

from __future__ import annotations

from flask import Blueprint, Response, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _

from engine import access, batches, cases, repository
from engine.errors import Invalid, Problem
from webapp import render, uploads
from webapp.session import doing, reading

pages = Blueprint("processes", __name__)


@pages.get("/processes")
def listed():
    with reading() as work:
        access.require(work, "see", "definition", None)
        return render_template(
            "processes.html",
            rows=repository.definitions(work), decisions=repository.decisions(work), policies=work.policies.processes,
            may_deploy=access.why_not(work, "deploy", "definition", None),
        )  # fmt: skip


@pages.get("/processes/<key>")
def show(key: str):
    with reading() as work:
        access.require(work, "see", "definition", None)
        versions = repository.versions(work, key)
        wanted = request.args.get("version", type=int)
        row = next((one for one in versions if one["version"] == wanted), versions[0] if versions else None)
        if row is None:
            repository.latest(work, key)
        process = repository.process(work, row["id"])
        return render_template(
            "process.html",
            row=row, versions=versions, process=process, policy=work.policies.processes.get(key),
            sla={k: work.policies.sla_of(key, k) for k, e in process.elements.items() if e.kind == "userTask"},
            groups={group: one.name for group, one in work.policies.access.groups.items()},
            may_deploy=access.why_not(work, "deploy", "definition", None), **_many(work, row),
        )  # fmt: skip


def _many(work, row) -> dict:
    """On how many cases each verb would be done: of this version, and of every version."""
    if not any(access.may(work, verb, None, "instance") for verb in ("suspend", "repair")):
        return {}
    return {
        "here": batches.how_many(work, definition_id=row["id"]),
        "everywhere": batches.how_many(work, process_key=row["key"]),
    }


@pages.get("/definitions/<definition_id>/model.bpmn")
def model(definition_id: str):
    with reading() as work:
        access.require(work, "see", "definition", None)
        row, data = repository.get(work, definition_id), repository.xml(work, definition_id)
    if request.args.get("drawn"):
        data = render.drawn(data)
    name = f'attachment; filename="{row["key"]}-v{row["version"]}.bpmn"'
    return Response(data, mimetype="application/xml", headers={"Content-Disposition": name})


@pages.get("/definitions/<definition_id>/state.json")
def state(definition_id: str):
    """How many cases of this version stand at each element now."""
    with reading() as work:
        access.require(work, "see", "definition", None)
        counts = cases.standing(work, definition_id)
    response = jsonify(tokens=counts)
    response.add_etag(weak=True)
    return response.make_conditional(request)


# --- publishing -------------------------------------------------------------------------------
@pages.get("/processes/deploy")
def deploy_form():
    with reading() as work:
        access.require(work, "deploy", "definition", None)
    return render_template("deploy.html", problems=[], models={}, sound=None)


@pages.post("/processes/deploy")
def deploy():
    """Check the files, and publish them when that was asked for and none is wrong."""
    sent = [one for one in request.files.getlist("files") if one.filename]
    files = uploads.read(sent, request.form.get("folder", ""))
    try:
        with doing() as work:
            if request.form.get("act") == "check":
                access.require(work, "deploy", "definition", None)
                return _checked(files, repository.check(work, files))
            made = repository.deploy(work, files)
    except Invalid as refused:
        return _checked(files, refused.problems or [Problem("", "file", refused.message, params=_said(refused))], refused)
    for row in made.definitions:
        flash(_("%(name)s is published as version %(version)s.", name=render.t(row["name"]), version=row["version"]), "done")
    if not made.definitions:
        flash(_("The files were published."), "done")
    first = made.definitions[0]["key"] if made.definitions else None
    return redirect(url_for("processes.show", key=first) if first else url_for("processes.listed"), 303)


def _said(refused) -> tuple:
    return tuple((name, str(value)) for name, value in refused.params.items())


def _checked(files: dict[str, bytes], problems, refused=None):
    """The canvas of each model with what is wrong painted on it."""
    models = {name: data.decode("utf-8", "replace") for name, data in files.items() if name.endswith((".bpmn", ".xml"))}
    page = render_template("deploy.html", problems=problems, models=models, refused=refused, sound=not problems)
    return page, 422 if refused else 200


@pages.post("/definitions/<definition_id>/<any(retire, activate):verb>")
def change_state(definition_id: str, verb: str):
    with doing() as work:
        row = repository.get(work, definition_id)
        {"retire": repository.retire, "activate": repository.activate}[verb](
            work, definition_id, request.form.get("reason", "")
        )
    flash(_("Version %(version)s was changed.", version=row["version"]), "done")
    return redirect(url_for("processes.show", key=row["key"], version=row["version"]), 303)
