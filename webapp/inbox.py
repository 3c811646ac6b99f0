"""What waits for me: the page on which the day begins.

One list of the engine, with its view, search, sort and page in the address, so that it can be linked
and kept under a name. The list itself is a fragment of its own that the page asks for again and again,
so that it follows the world without a reload.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, flash, jsonify, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _

from engine import cases, copies, people, repository, tasks
from engine.errors import Refused
from webapp import session
from webapp.render import N_, t
from webapp.session import doing, reading

pages = Blueprint("inbox", __name__)

VIEWS = {
    "mine": N_("Mine"), "group": N_("My groups'"), "done": N_("Done by me"), "started": N_("Started by me"),
    "copies": N_("Copies"), "drafts": N_("Drafts"),
}  # fmt: skip
SORTS = {
    "due": N_("Due first"), "created": N_("Newest first"), "priority": N_("Most important first"), "name": N_("By name"),
}  # fmt: skip
#: what of the address is the state of the list, and may be kept under a name
STATE = ("view", "q", "sort", "process", "late", "unread")


@pages.get("/inbox")
def show():
    with reading() as work:
        return render_template("inbox.html", **_list(work), filters=tasks.filters(work, "inbox"))


@pages.get("/inbox/fragment")
def fragment():
    """The list alone, with an ETag: nothing is sent when nothing has changed."""
    with reading() as work:
        response = make_response(render_template("inbox_list.html", **_list(work)))
    response.add_etag(weak=True)
    return response.make_conditional(request)


def _list(work) -> dict:
    asked = {name: request.args.get(name, "") for name in STATE}
    view = asked["view"] if asked["view"] in VIEWS else "mine"
    page = request.args.get("page", 1, type=int) or 1
    if view == "copies":
        found = copies.list_(work, search=asked["q"], unread=bool(asked["unread"]), page=max(1, page))
    else:
        found = tasks.inbox(
            work, view, search=asked["q"], sort=asked["sort"] or "due", process=asked["process"] or None,
            late=bool(asked["late"]), page=max(1, page),
        )  # fmt: skip
    definitions = repository.definitions(work)
    return {
        "found": found, "view": view, "asked": asked, "views": VIEWS, "sorts": SORTS, "processes": definitions,
        "process_names": {row["key"]: row["name"] for row in definitions},
        "names": people.names(work, _people_of(found.rows)),
        "query": urlencode({k: v for k, v in asked.items() if v}),
    }  # fmt: skip


def _people_of(rows) -> set[str]:
    return {row[name] for row in rows for name in ("started_by", "assignee_id") if row.get(name)}


@pages.post("/inbox/filters")
def save_filter():
    """Keep the state of a list under a name."""
    page = "cases" if request.form.get("page") == "cases" else "inbox"
    said = [(k, v) for k, v in parse_qsl(request.form.get("query", "")) if k != "page"]
    with doing() as work:
        tasks.save_filter(work, page, request.form.get("name", ""), urlencode(said))
    flash(_("The filter was saved."), "done")
    return redirect(session.back_url(url_for("inbox.show")), 303)


@pages.post("/inbox/filters/<filter_id>/delete")
def drop_filter(filter_id: str):
    with doing() as work:
        tasks.drop_filter(work, filter_id)
    return redirect(session.back_url(url_for("inbox.show")), 303)


@pages.post("/inbox/claim")
def claim_many():
    """Claim several at once; each is its own transaction and says for itself why it did not work."""
    claimed, refused = 0, []
    for task_id in request.form.getlist("task")[:100]:
        try:
            with doing() as work:
                tasks.claim(work, task_id)
            claimed += 1
        except Refused as why:
            refused.append(why)
    from webapp.render import say

    if claimed:
        flash(_("%(count)s tasks are yours now.", count=claimed), "done")
    for why in refused[:10]:
        flash(say(why), "refused")
    return redirect(session.back_url(url_for("inbox.show")), 303)


@pages.get("/search")
def search():
    """Go to anything: cases by number or title, and my tasks."""
    said = request.args.get("q", "").strip()
    if not said:
        return jsonify(results=[])
    with reading() as work:
        mine = tasks.inbox(work, "mine", search=said, size=6).rows
        found = cases.list_(work, search=said, size=8).rows
    results = [
        {"title": f"{t(row['name'])} – {row['title']}", "hint": row["number"], "url": url_for("tasks.show", task_id=row["id"])}
        for row in mine
    ]
    results += [
        {"title": row["title"], "hint": row["number"], "url": url_for("cases.show", case_id=row["id"])} for row in found
    ]
    return jsonify(results=results)
