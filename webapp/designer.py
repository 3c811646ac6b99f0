"""The designer: draw a model in the browser, see what is wrong with it while drawing, publish it.

The canvas is bpmn-js in the dialect that the platform runs. Shortly after each change the draft is sent
here and checked by the same lint as at deployment; where a mend is safe it is offered beside its problem and
made only when the designer asks. Publishing is the same verb as for uploaded files: nothing is kept of a
draft that is refused, and the page comes back with what was drawn.
"""

from __future__ import annotations

import json

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _

from engine import access, bpmn, feel, lint, repository
from engine.errors import Invalid, Refused
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
    return _page(f"{row['key']}.bpmn", bpmn.with_picture(data).decode("utf-8"))


def _page(name: str, xml: str, refused: Invalid | None = None):
    with reading() as work:
        tables = repository.decisions(work)
    page = render_template("designer.html", name=name, xml=xml, refused=refused, decisions=tables)
    return page, refused.status if refused else 200


@pages.post("/designer/open")
def opened():
    """A file of any tool as the canvas can show it: as UTF-8, and drawn where it has no picture. The body is the file."""
    with reading() as work:
        access.require(work, "draft", "definition", None)
    data = request.get_data()
    if len(data) > LARGEST:
        raise Invalid("The model is too large.")
    report = lint.inspect(data)
    if not report.opens:
        return jsonify(xml=None, problems=[_problem(one) for one in report.problems], mends=[])
    return jsonify(xml=bpmn.with_picture(data).decode("utf-8"))


@pages.post("/designer/check")
def check():
    """What is wrong with a draft, and what could be mended safely."""
    said = _said()
    with reading() as work:
        access.require(work, "draft", "definition", None)
        problems = repository.check(work, {said["name"]: said["xml"]})
    return jsonify(problems=[_problem(one) for one in problems], mends=_mends(said["xml"]))


def _problem(one) -> dict:
    said = {"where": one.where, "rule": one.rule, "severity": one.severity, "sentence": render.say(one), "mend": render.mend(one)}
    return said | render.excerpt(one)


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


# --- trying -------------------------------------------------------------------------------------
@pages.get("/designer/try")
def try_form():
    """An expression or a decision table against values, before it is published."""
    with reading() as work:
        access.require(work, "draft", "definition", None)
        return render_template("designer_try.html", decisions=repository.decisions(work), tried=None)


@pages.post("/designer/try")
def try_out():
    """The value, the rules that hit, and where it is null why. The answer alone when a script asks for it."""
    text, key = request.form.get("expression", ""), request.form.get("decision", "")
    file = request.files.get("table")
    refused, tried = None, None
    with reading() as work:
        access.require(work, "draft", "definition", None)
        try:
            tried = _tried(work, text, key, file.read(LARGEST) if file else None)
        except Refused as error:
            refused = error
        page = "_tried.html" if request.headers.get("X-Part") else "designer_try.html"
        shown = render_template(page, decisions=repository.decisions(work), tried=tried, refused=refused, expression=text)
    return shown, refused.status if refused else 200


def _tried(work, text: str, key: str, table: bytes | None) -> dict:
    values = values_of(request.form.get("values", ""))
    is_table = request.form.get("what") == "table"
    if is_table and not key and not table:
        raise Invalid("Choose a decision or a file first.")
    if is_table:
        answer = repository.try_decision(work, key, values, table or None)
    elif not text.strip():
        raise Invalid("Write an expression first.")
    else:
        answer = repository.try_expression(work, text, values)
    shown = "" if is_table else text.strip().removeprefix("=")
    return {
        "value": feel.literal(answer.value), "is_null": answer.value is None, "hits": answer.hits,
        "why": [_why(one, shown) for one in answer.diagnoses],
        "problems": repository.check(work, {"table.dmn": table}) if is_table and table else [],
    }  # fmt: skip


def _why(one: feel.Diagnosis, text: str) -> dict:
    return {"sentence": _(one.sentence, **dict(one.params)), **render.marked(text, one.position)}


def values_of(text: str) -> dict:
    """Values as a page takes them: a JSON object, or a FEEL context where dates are wanted. Raises Invalid."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = _context_of(text)
    if not isinstance(found, dict):
        raise Invalid('Values are written as {"amount": 5000, "kind": "purchase"}.')
    return found


def _context_of(text: str):
    try:
        return feel.evaluate(text, budget=feel.Budget(seconds=1))
    except feel.FeelError:
        return None
