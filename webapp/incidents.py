"""Incidents: what needs a person because the platform cannot go on by itself.

Seen with the case and the element where each occurred, and settled by trying again or by going on as if
it were done, always with a reason.
"""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from engine import access, cases, people, runtime
from engine.errors import Refused
from webapp import render, session
from webapp.administration import variables_of
from webapp.session import doing, reading

pages = Blueprint("incidents", __name__)


@pages.get("/incidents")
def listed():
    state = "resolved" if request.args.get("state") == "resolved" else "open"
    with reading() as work:
        rows = cases.incidents(work, state=state)
        return render_template(
            "incidents.html", rows=rows, shown=state, names=people.names(work, {r["resolved_by"] for r in rows} - {None}),
            why_not=access.why_not(work, "resolve", "incident", None),
        )  # fmt: skip


@pages.post("/incidents/<incident_id>/resolve")
def resolve(incident_id: str):
    variables = variables_of(request.form.get("variables", "").strip())
    with doing() as work:
        runtime.resolve(work, incident_id, request.form.get("action", ""), request.form.get("reason", ""), variables)
    flash(_("The incident was settled."), "done")
    return redirect(session.back_url(url_for("incidents.listed")), 303)


@pages.post("/incidents/resolve")
def resolve_many():
    """Settle several at once with one reason; each stands for itself."""
    settled = 0
    for incident_id in request.form.getlist("incident")[:200]:
        try:
            with doing() as work:
                runtime.resolve(work, incident_id, request.form.get("action", ""), request.form.get("reason", ""))
            settled += 1
        except Refused as why:
            flash(render.say(why), "refused")
    if settled:
        flash(_("%(count)s incidents were settled.", count=settled), "done")
    return redirect(url_for("incidents.listed"), 303)
