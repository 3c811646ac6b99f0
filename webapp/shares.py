"""Shared data: what I was given, and what those who decide about data have given.

The recipient sees each share with its purpose, its fields, how often she may still take it and until
when, and takes it as a file that carries a mark of its own (clause 4.3.3). Whoever decides about a data
set sees every share of it and recalls one with a reason; the case that issued it is told. Asking for data
is a process, to which the page leads.
"""

from __future__ import annotations

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from engine import evidence, sharing
from webapp.session import doing, now, reading

pages = Blueprint("shares", __name__)

#: clause that says how data is shared: the process that carries it out is the way to ask
SHARING = "4.3.3"


@pages.get("/shares")
def listed():
    with reading() as work:
        mine, decided = sharing.mine(work), sharing.decided(work)
        return render_template(
            "shares.html", mine=mine, decided=decided, sets=work.policies.data_sets, over=_over,
            cases=evidence.numbers(work, {row["instance_id"] for row in (*mine, *decided)}),
            decides=sharing.decides(work), process=_process(work),
        )  # fmt: skip


def _process(work) -> str | None:
    """The process by which data is asked for, as the policies name it."""
    return next((key for key, one in work.policies.processes.items() if SHARING in one.clauses), None)


def _over(row) -> str | None:
    """Why a share gives nothing any more: "revoked", "expired" or "used"; None while it does."""
    if row["ended_at"]:
        return row["ended_why"]
    if row["expires_at"] <= now():
        return "expired"
    return "used" if row["uses"] >= row["max_uses"] else None


@pages.post("/shares/<share_id>/file")
def download(share_id: str):
    """Take the data: it counts as one use, is marked and logged; so never by a link that is merely followed."""
    with doing() as work:
        name, data = sharing.download(work, share_id)
    head = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, mimetype="text/csv", headers=head)


@pages.post("/shares/<share_id>/recall")
def recall(share_id: str):
    with doing() as work:
        sharing.recall(work, share_id, request.form.get("reason", ""))
    flash(_("The share was revoked; it gives nothing any more."), "done")
    return redirect(url_for("shares.listed"), 303)
