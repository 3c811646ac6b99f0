"""Cases: the list for those who follow many, and the page of one.

The page of a case shows the stamp of its state, the form that it was started with, the timeline of who
decided what and why, the diagram with its tokens and the path taken, and, behind tabs, the path, the
data, the papers and what only operators need. Everything on it follows the world without a reload.
Verbs that end or mend a case ask for a reason.
"""

from __future__ import annotations

import json
from urllib.parse import urlencode

from flask import Blueprint, Response, flash, jsonify, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _

from engine import access, cases, copies, documents, forms, history, people, repository, runtime, tasks
from engine.errors import Invalid
from webapp import render, session
from webapp.render import N_
from webapp.session import doing, find_persons, reading

pages = Blueprint("cases", __name__)

STATE = ("q", "process", "state", "late", "stuck", "department", "sort")
SORTS = {
    "started": N_("Newest first"), "number": N_("By number"), "title": N_("By title"), "state": N_("By state"),
}  # fmt: skip
TABS = {
    "overview": N_("Overview"), "path": N_("Path"), "data": N_("Data"), "papers": N_("Documents and comments"),
    "technical": N_("Technical"),
}  # fmt: skip
#: verbs on a whole case: what `access` calls them, and the verb
ENDINGS = {
    "withdraw": runtime.withdraw, "cancel": runtime.cancel, "suspend": runtime.suspend, "resume": runtime.resume,
}  # fmt: skip


# --- the list ---------------------------------------------------------------------------------
@pages.get("/cases")
def listed():
    with reading() as work:
        return render_template("cases.html", **_list(work), filters=tasks.filters(work, "cases"))


@pages.get("/cases/fragment")
def list_fragment():
    with reading() as work:
        response = make_response(render_template("cases_list.html", **_list(work)))
    response.add_etag(weak=True)
    return response.make_conditional(request)


def _asked() -> dict:
    asked = {name: request.args.get(name, "") for name in STATE}
    if asked["state"] not in ("", *cases.STATES):
        asked["state"] = ""
    return asked


def _filters(asked: dict) -> dict:
    return {
        "search": asked["q"], "process": asked["process"] or None, "state": asked["state"] or None,
        "late": bool(asked["late"]), "stuck": bool(asked["stuck"]), "department": asked["department"] or None,
        "sort": asked["sort"] or "started",
    }  # fmt: skip


def _list(work) -> dict:
    asked = _asked()
    found = cases.list_(work, page=max(1, request.args.get("page", 1, type=int) or 1), **_filters(asked))
    return {
        "found": found, "asked": asked, "sorts": SORTS, "states": cases.STATES,
        "processes": [row for row in repository.definitions(work)],
        "departments": people.departments(work), "query": urlencode({k: v for k, v in asked.items() if v}),
    }  # fmt: skip


@pages.get("/cases.csv")
def as_csv():
    """The filtered list as a file; cells that would be formulas are made harmless."""
    with reading() as work:
        text = "".join(cases.csv_rows(work, **_filters(_asked())))
    head = {"Content-Disposition": 'attachment; filename="cases.csv"'}
    return Response("\ufeff" + text, mimetype="text/csv", headers=head)


# --- one case ---------------------------------------------------------------------------------
@pages.get("/cases/<case_id>")
def show(case_id: str):
    tab = request.args.get("tab", "overview")
    _mark_read(case_id)
    opened = doing if tab == "data" else reading  # reading a classified value leaves a record
    with opened() as work:
        return render_template("case.html", **_case(work, case_id), **_tab(work, case_id, tab))


def _mark_read(case_id: str) -> None:
    """Who opens a case of which she got a copy has read it."""
    with reading() as work:
        root_id = cases.one(work, case_id)["root_id"]
        unread = copies.is_unread(work, root_id)
    if unread:
        with doing() as work:
            copies.mark_read(work, root_id)


@pages.get("/cases/<case_id>/fragment")
def fragment(case_id: str):
    with reading() as work:
        response = make_response(render_template("case_live.html", **_case(work, case_id), **_overview(work, case_id)))
    response.add_etag(weak=True)
    return response.make_conditional(request)


def _case(work, case_id: str) -> dict:
    """What stands around every tab."""
    row = cases.one(work, case_id)
    root = row if row["root_id"] == row["id"] else cases.one(work, row["root_id"])
    timeline = cases.timeline(work, row["root_id"])
    return {
        "case": row, "root": root, "steps": cases.open_steps(work, row["root_id"]),
        "incidents": cases.incidents(work, root_id=row["root_id"]),
        "timeline": timeline, "family": cases.family(work, row["root_id"]),
        "verbs": {verb: access.why_not(work, verb, "instance", row) for verb in ENDINGS},
        "tabs": TABS, "operator": access.may(work, "repair", row, "instance") or render.may("jobs:query"),
        "names": people.names(work, render.mentioned(timeline)),
        "copied": copies.of_case(work, row["root_id"]), "choices": render.Choices(work),
    }  # fmt: skip


def _tab(work, case_id: str, tab: str) -> dict:
    return {"tab": tab if tab in TABS else "overview", **_CONTENT.get(tab, _overview)(work, case_id)}


def _overview(work, case_id: str) -> dict:
    row = cases.one(work, case_id)
    form, _digest = repository.start_form(work, row["definition_id"])
    values = runtime.load(work, case_id).execution.variables() if form else {}
    known = forms.see(form, {f.name: values.get(f.name) for f in form.fields}, work.actor) if form else {}
    return {"form": form, "values": known, "outline": _outline(work, row)}


def _outline(work, row) -> list:
    """The steps that people do, in words, for readers without the diagram."""
    painted = cases.diagram(work, row["id"])
    elements = repository.process(work, row["definition_id"]).elements
    return [
        (elements[key].name or key, painted["tokens"].get(key, 0), painted["done"].get(key, 0))
        for key in elements if painted["tokens"].get(key) or painted["done"].get(key)
    ]  # fmt: skip


def _path(work, case_id: str) -> dict:
    row = cases.one(work, case_id)
    elements = repository.process(work, row["definition_id"]).elements
    return {
        "steps_taken": history.path(work, case_id),
        "element_names": {key: one.name or key for key, one in elements.items()},
    }


def _data(work, case_id: str) -> dict:
    return {"variables": cases.variables(work, case_id), "corrections": cases.corrections(work, case_id)}


def _papers(work, case_id: str) -> dict:
    root = cases.one(work, case_id)["root_id"]
    return {"papers": cases.documents(work, root), "comments": cases.comments(work, root)}


def _technical(work, case_id: str) -> dict:
    row = cases.one(work, case_id)
    execution = runtime.load(work, case_id).execution
    waiting = execution.waits.values() if row["state"] in ("active", "suspended") else ()
    access.require(work, "see", "job", row)
    return {
        "jobs": cases.jobs_of(work, row["root_id"]), "waits": list(waiting),
        "places": [(one, places) for one in waiting if (places := execution.may_move_to(one.token))],
        "settled": cases.incidents(work, root_id=row["root_id"], state="resolved"),
        "elements": [(k, e.name or k) for k, e in repository.process(work, row["definition_id"]).elements.items()],
    }  # fmt: skip


_CONTENT = {"overview": _overview, "path": _path, "data": _data, "papers": _papers, "technical": _technical}


@pages.get("/cases/<case_id>/model.bpmn")
def model(case_id: str):
    with reading() as work:
        data = cases.model_xml(work, case_id)
    if request.args.get("drawn"):
        data = render.drawn(data)
    return Response(data, mimetype="application/xml", headers={"Content-Disposition": 'attachment; filename="model.bpmn"'})


@pages.get("/cases/<case_id>/state.json")
def state(case_id: str):
    """What to paint on the diagram: tokens, the path taken, incidents, and links into called cases."""
    with reading() as work:
        painted = cases.diagram(work, case_id)
        painted["links"] = _called(work, case_id)
    response = jsonify(painted)
    response.add_etag(weak=True)
    return response.make_conditional(request)


def _called(work, case_id: str) -> dict[str, str]:
    """call activity -> the page of the instance that it called last."""
    row = cases.one(work, case_id)
    return {
        element: url_for("cases.show", case_id=child)
        for element, child in cases.called(work, row["id"]).items()
    }


@pages.get("/cases/by-number/<path:number>")
def by_number(number: str):
    with reading() as work:
        return redirect(url_for("cases.show", case_id=cases.by_number(work, number)["id"]))


# --- verbs ------------------------------------------------------------------------------------
@pages.post("/cases/<case_id>/<any(withdraw, cancel, suspend, resume):verb>")
def act(case_id: str, verb: str):
    with doing() as work:
        ENDINGS[verb](work, case_id, request.form.get("reason", ""))
    flash(_("Done."), "done")
    return redirect(url_for("cases.show", case_id=case_id), 303)


@pages.post("/cases/<case_id>/comments")
def comment(case_id: str):
    with doing() as work:
        tasks.add_comment(work, cases.one(work, case_id), request.form.get("text", ""))
    return redirect(session.back_url(url_for("cases.show", case_id=case_id, tab="papers")), 303)


@pages.post("/cases/<case_id>/copies")
def copy(case_id: str):
    with doing() as work:
        persons = find_persons(work, request.form.getlist("persons"))
        sent = copies.send(work, cases.one(work, case_id), persons, request.form.get("note", ""))
    flash(_("Copies sent: %(count)s.", count=len(sent)), "done")
    return redirect(session.back_url(url_for("cases.show", case_id=case_id)), 303)


@pages.post("/cases/<case_id>/documents")
def attach(case_id: str):
    files = [one for one in request.files.getlist("file") if one.filename]
    if not files:
        raise Invalid("Choose a file first.")
    with doing() as work:
        row = cases.one(work, case_id)
        for one in files:
            documents.attach(work, one.stream, one.filename, instance_id=row["id"], root_id=row["root_id"])
    return redirect(url_for("cases.show", case_id=case_id, tab="papers"), 303)


@pages.post("/cases/<case_id>/move")
def move(case_id: str):
    token = request.form.get("token", "")
    if not token.isdigit():
        raise Invalid("Choose the token to move.")
    with doing() as work:
        runtime.move(work, case_id, int(token), request.form.get("element", ""), request.form.get("reason", ""))
    flash(_("The case was moved."), "done")
    return redirect(url_for("cases.show", case_id=case_id, tab="technical"), 303)


@pages.post("/cases/<case_id>/variables")
def correct(case_id: str):
    """Correct one variable by hand, keeping what it was; refused when it is no longer what the page showed."""
    name, scope = request.form.get("name", "").strip(), request.form.get("scope", "0")
    if not name or not scope.isdigit():
        raise Invalid("Choose the variable to correct.")
    value = _value(request.form.get("value", ""), request.form.get("type", ""))
    was = {name: json.loads(request.form["was"])} if request.form.get("was") else None
    with doing() as work:
        runtime.set_variables(work, case_id, int(scope), {name: value}, request.form.get("reason", ""), was)
    flash(_("'%(name)s' was corrected.", name=name), "done")
    return redirect(url_for("cases.show", case_id=case_id, tab="data"), 303)


def _value(text: str, kind: str):
    """The text itself, or what it says as JSON; when neither is said, JSON where it reads as such."""
    if kind == "text":
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        if kind == "json":
            raise Invalid("The new value does not read as JSON. Texts stand in quotation marks there.") from error
        return text


@pages.post("/cases/<case_id>/verify")
def verify(case_id: str):
    """Walk the chains of this case and say whether anything in them was altered."""
    with reading() as work:
        row = cases.one(work, case_id)
        access.require(work, "verify", "instance", row)
        reports = [history.verify(work, one["id"]) for one in cases.family(work, row["root_id"])]
    faults = [fault for report in reports for fault in report.faults]
    count = sum(report.events for report in reports)
    if not faults:
        flash(_("%(count)s records were checked; none was altered.", count=count), "done")
    for fault in faults[:10]:
        flash(_("Record %(seq)s: %(sentence)s", seq=fault.seq, sentence=fault.sentence), "refused")
    return redirect(url_for("cases.show", case_id=case_id), 303)
