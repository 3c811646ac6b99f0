"""Notices: what the platform has told me, newest first.

Opening a notice marks it as read and leads to where it points; all of them can be marked at once. What
was announced to everybody stands beside them, also for those who come from outside.
"""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for

from engine import notifications
from webapp import session
from webapp.security import is_relative
from webapp.session import doing, reading

pages = Blueprint("notifications", __name__)

SIZE = 30


@pages.get("/notifications")
def listed():
    only_unread = request.args.get("show") == "unread"
    number = max(1, request.args.get("page", 1, type=int) or 1)
    with reading() as work:
        return render_template(
            "notifications.html", found=notifications.list_(work, page=number, size=SIZE, only_unread=only_unread),
            only_unread=only_unread, announcements=notifications.announcements(work, 5),
        )  # fmt: skip


@pages.post("/notifications/<notice_id>/open")
def open_one(notice_id: str):
    """Mark a notice as read and go where it leads."""
    with doing() as work:
        notifications.mark_read(work, [notice_id])
    target = request.form.get("to", "")
    return redirect(target if is_relative(target) else url_for("notifications.listed"), 303)


@pages.post("/notifications/read")
def mark_read():
    """Mark those that were chosen as read, or all of them when none was."""
    chosen = request.form.getlist("notice")
    with doing() as work:
        notifications.mark_read(work, chosen or None)
    return redirect(session.back_url(url_for("notifications.listed")), 303)
