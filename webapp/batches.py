"""One verb on many cases, as operators begin and follow it.

A selection of the list of cases, or every case of a version or of a process, is suspended, resumed, ended or
moved in the worker's time; the page of such a batch shows how far it is, which cases were refused and why, and
lets the rest be stopped or taken up again.
"""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _

from engine import batches, repository
from webapp.render import N_
from webapp.session import doing, reading

pages = Blueprint("batches", __name__)

#: verb -> what a batch of it is called
WORDS = {
    "suspend": N_("Suspend cases"), "resume": N_("Resume cases"), "cancel": N_("End cases"),
    "migrate": N_("Move cases to another version"),
}  # fmt: skip
TABS = ("refused", "waiting", "done")


@pages.get("/batches")
def listed():
    with reading() as work:
        return render_template("batches.html", rows=batches.list_(work), called=WORDS)


@pages.get("/batches/<batch_id>")
def show(batch_id: str):
    with reading() as work:
        return render_template("batch.html", **_batch(work, batch_id))


@pages.get("/batches/<batch_id>/fragment")
def fragment(batch_id: str):
    with reading() as work:
        found = _batch(work, batch_id)
        response = make_response(render_template("batch_live.html", **found))
    # not of the page itself: its forms hold a token that is another one each time
    response.set_etag("-".join(str(found["row"][one]) for one in ("state", "done", "refused", "waiting")), weak=True)
    return response.make_conditional(request)


def _batch(work, batch_id: str) -> dict:
    row = batches.one(work, batch_id)
    asked = request.args.get("state")
    shown = asked if asked in TABS else "refused" if row["refused"] or row["state"] == "running" else "done"
    after = request.args.get("after", -1, type=int)
    return {
        "row": row, "called": WORDS, "shown": shown, "tabs": TABS, "items": batches.items(work, batch_id, shown, after=after),
    }  # fmt: skip


@pages.post("/batches")
def of_selection():
    """The selected cases of the list."""
    return begin(request.form.get("verb", ""), request.form.getlist("case"))


@pages.post("/definitions/<definition_id>/cases/<any(suspend, resume, cancel):verb>")
def of_version(definition_id: str, verb: str):
    """Every case of a version, or of all versions of its process."""
    with reading() as work:
        row = repository.get(work, definition_id)
        of = {"process_key": row["key"]} if request.form.get("every") else {"definition_id": definition_id}
        chosen = batches.chosen(work, verb, **of)
    return begin(verb, chosen)


def begin(verb: str, chosen: list[str], to: str | None = None, mapping: dict[str, str] | None = None):
    """Write it down and show its page, which follows what the worker does."""
    with doing() as work:
        batch_id = batches.begin(work, verb, chosen, request.form.get("reason", ""), definition_id=to, mapping=mapping)
    return redirect(url_for("batches.show", batch_id=batch_id), 303)


@pages.post("/batches/<batch_id>/<any(stop, go_on):verb>")
def change(batch_id: str, verb: str):
    with doing() as work:
        {"stop": batches.stop, "go_on": batches.go_on}[verb](work, batch_id, request.form.get("reason", ""))
    flash(_("Done."), "done")
    return redirect(url_for("batches.show", batch_id=batch_id), 303)
