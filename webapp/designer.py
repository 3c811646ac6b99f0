"""The designer: draw a model in the browser, see what is wrong with it while drawing, publish it.

The canvas is bpmn-js in the dialect that the platform runs. Shortly after each change the draft is sent
here and checked by the same lint as at deployment; where a mend is safe it is offered beside its problem and
made only when the designer asks. Publishing is the same verb as for uploaded files: nothing is kept of a
draft that is refused, and the page comes back with what was drawn.
"""

from __future__ import annotations

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _

from engine import access, lint, repository
from engine.errors import Invalid
from webapp import render
from webapp.session import doing, reading

pages = Blueprint("designer", __name__)

LARGEST = 5 * 1024 * 1024


@pages.get("/designer")
def new():
    with reading() as work:
        access.require(work, "draft", "definition", None)
    return _page("draft.bpmn", "")


@pages.get("/designer/<definition_id>")
def draw(definition_id: str):
    """A version as the beginning of the next."""
    with reading() as work:
        access.require(work, "draft", "definition", None)
        row, data = repository.get(work, definition_id), repository.xml(work, definition_id)
    return _page(f"{row['key']}.bpmn", data.decode("utf-8"))


def _page(name: str, xml: str, refused: Invalid | None = None):
    page = render_template("designer.html", name=name, xml=xml, refused=refused, problems=refused.problems if refused else ())
    return page, refused.status if refused else 200


@pages.post("/designer/check")
def check():
    """What is wrong with a draft, and what could be mended safely."""
    said = _said()
    with reading() as work:
        access.require(work, "draft", "definition", None)
        problems = repository.check(work, {said["name"]: said["xml"]})
    return jsonify(problems=[_problem(one) for one in problems], mends=_mends(said["xml"]))


def _problem(one) -> dict:
    return {"where": one.where, "rule": one.rule, "severity": one.severity, "sentence": render.say(one), "mend": render.mend(one)}


def _mends(data: bytes) -> list[dict]:
    try:
        return [
            {"number": number, "where": one.where, "rule": one.rule, "sentence": _(one.sentence, where=one.where, what=one.what)}
            for number, one in enumerate(lint.mends(data))
        ]
    except Invalid:
        return []


@pages.post("/designer/mend")
def mend():
    """The draft with one of its safe mends made."""
    said = _said()
    with reading() as work:
        access.require(work, "draft", "definition", None)
    found = lint.mends(said["xml"])
    number = said["number"]
    if not isinstance(number, int) or not 0 <= number < len(found):
        raise Invalid("The model has changed since; look at its problems again.")
    return jsonify(xml=lint.apply(said["xml"], found[number]).decode("utf-8"))


def _said() -> dict:
    body = request.get_json(silent=True)
    if not isinstance(body, dict) or not isinstance(body.get("xml"), str):
        raise Invalid("There is no model to check.")
    return {"xml": _bytes(body["xml"]), "name": _name(str(body.get("name") or "")), "number": body.get("number")}


def _bytes(xml: str) -> bytes:
    data = xml.encode("utf-8")
    if len(data) > LARGEST:
        raise Invalid("The model is too large.")
    return data


def _name(name: str) -> str:
    bare = name.replace("\\", "/").split("/")[-1][:120]
    return bare if bare.endswith(".bpmn") else "draft.bpmn"


@pages.post("/designer")
def publish():
    """The draft as the next version. Refused, it comes back with its problems and nothing is lost."""
    name, xml = _name(request.form.get("name", "")), request.form.get("xml", "")
    try:
        with doing() as work:
            made = repository.deploy(work, {name: _bytes(xml)})
    except Invalid as refused:
        return _page(name, xml, refused)
    row = made.definitions[0] if made.definitions else None
    if row is None:
        flash(_("The model has no process that runs; nothing was published."), "refused")
        return redirect(url_for("processes.listed"), 303)
    flash(_("%(name)s is published as version %(version)s.", name=render.t(row["name"]), version=row["version"]), "done")
    return redirect(url_for("processes.show", key=row["key"]), 303)
