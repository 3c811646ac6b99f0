"""Signing in and out, and who acts on a page.

A session is a row of `people`; the signed cookie carries only its secret, the CSRF token and whom the
person acts for. `admit` runs before each request: without a valid session only pages marked `public`
open. `doing()` and `reading()` are the ways into the engine for all pages: one transaction in the name
of the person who asks. Here too are the language, the switch to acting for somebody who is away, and
the page on which a person sees her sessions, tokens and substitutes and ends them.
"""

from __future__ import annotations

import secrets
from datetime import datetime, time
from hashlib import sha256

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask import session as cookie
from flask_babel import gettext as _

from engine import people
from engine.errors import Invalid, NotAllowed, NotFound
from engine.platform import fingerprint
from webapp.security import is_relative, limiter, remote_address

pages = Blueprint("session", __name__)

LANGUAGES = {"zh_Hans_CN": "中文", "en": "English"}
#: how often one address may try to sign in; `people` locks the account itself after five failures
SIGN_IN_LIMIT = "20 per minute; 200 per hour"


def public(view):
    """Marks a view that opens without signing in."""
    view.public = True
    return view


def platform():
    return current_app.extensions["platform"]


def doing(*, once: bool = False, reason: str | None = None):
    """A Work of the person who asks. `once`: the form carries a key, and its repeat gets the first answer."""
    key = request.form.get("idempotency_key") if once else None
    said = fingerprint(request.path, sorted(request.form.items(multi=True))) if key else ""
    return platform().work(g.actor, reason=reason, key=key, fingerprint=said)


def reading():
    """A Work of the person who asks that changes nothing."""
    return platform().read(g.actor)


def now() -> datetime:
    return platform().clock()


def new_key() -> str:
    """An idempotency key for a form that must not be done twice."""
    return secrets.token_urlsafe(18)


def admit(view):
    """Find out who asks; None lets the request through, anything else is the answer."""
    g.actor = _who()
    if g.actor is not None or getattr(view, "public", False) or view is None:
        return None
    if request.accept_mimetypes.best == "application/json":
        return {"sentence": _("Please sign in.")}, 401
    return redirect(url_for("session.sign_in", next=_asked_for()), 303)


def _asked_for() -> str | None:
    target = request.full_path.rstrip("?")
    return target if request.method == "GET" and target != "/" else None


def _who():
    secret = cookie.get("secret")
    if not secret:
        return None
    with platform().read(people.SYSTEM) as work:
        actor = people.session_actor(work, secret)
        if actor is None:
            cookie.clear()
            return None
        return _standing_in(work, actor)


def _standing_in(work, actor):
    """The same person acting for another, as long as the substitution lasts."""
    for_id = cookie.get("for_id")
    if not for_id:
        return actor
    try:
        return people.actor(work, actor.id, acting_for=for_id)
    except (NotAllowed, NotFound):
        cookie.pop("for_id", None)
        flash(_("Your substitution has ended; you act for yourself again."), "notice")
        return actor


def language() -> str:
    """The person's own choice, then the cookie's, then the browser's; Chinese when nothing is said."""
    actor = g.get("actor")
    chosen = actor.locale if actor else cookie.get("locale")
    if chosen in LANGUAGES:
        return chosen
    best = request.accept_languages.best_match(["zh-CN", "zh-Hans", "zh", "en-US", "en"], "zh")
    return "en" if best.startswith("en") else "zh_Hans_CN"


def back_url(default: str | None = None) -> str | None:
    """Where a form wants to go back to: its `back` field, else the page that it stood on, if that is ours."""
    for target in (request.form.get("back"), _referring_path(), default):
        if is_relative(target):
            return target
    return None


def _referring_path() -> str | None:
    referrer = request.referrer or ""
    return "/" + referrer.removeprefix(request.host_url) if referrer.startswith(request.host_url) else None


# --- views ------------------------------------------------------------------------------------
@pages.get("/sign-in")
@public
def sign_in():
    if g.actor is not None:
        return redirect(url_for("inbox.show"))
    return render_template("sign_in.html", login="", problem=None, next=request.args.get("next", ""))


@pages.post("/sign-in", endpoint="enter")
@limiter.limit(SIGN_IN_LIMIT)
@public
def enter():
    """Check name and password; the refusal is the same whether or not there is such a person."""
    login, password = request.form.get("login", "").strip(), request.form.get("password", "")
    target = request.form.get("next", "")
    try:
        with platform().work(people.SYSTEM) as work:
            person = people.authenticate(work, login, password, remote_address())
            secret = people.open_session(work, person["id"], remote_address(), request.user_agent.string[:200])
    except (NotAllowed, Invalid) as refused:
        from webapp.render import say

        page = render_template("sign_in.html", login=login, problem=say(refused), next=target)
        return page, refused.status
    locale = cookie.get("locale")
    cookie.clear()
    cookie["secret"], cookie.permanent = secret, True
    if locale:
        cookie["locale"] = locale
    return redirect(target if is_relative(target) else url_for("inbox.show"), 303)


@pages.post("/sign-out")
def sign_out():
    with platform().work(people.SYSTEM) as work:
        people.close_session(work, cookie.get("secret"))
    locale = cookie.get("locale")
    cookie.clear()
    if locale:
        cookie["locale"] = locale
    return redirect(url_for("session.sign_in"), 303)


@pages.post("/language")
@public
def switch_language():
    chosen = request.form.get("locale")
    if chosen in LANGUAGES:
        cookie["locale"] = chosen
        if g.actor is not None:
            with doing() as work:
                people.change_locale(work, chosen)
    return redirect(back_url(url_for("session.sign_in")), 303)


@pages.post("/acting-for")
def act_for():
    """Stand in for somebody who named me as her substitute, or be myself again."""
    for_id = request.form.get("person_id") or None
    cookie.pop("for_id", None)
    if for_id:
        with platform().read(people.SYSTEM) as work:
            people.actor(work, g.actor.id, acting_for=for_id)
        cookie["for_id"] = for_id
    return redirect(url_for("inbox.show"), 303)


@pages.get("/me")
def me():
    """My sessions, tokens, substitutes and what I may."""
    with reading() as work:
        return render_template(
            "me.html",
            person=people.get(work, g.actor.id),
            current=sha256(cookie["secret"].encode()).hexdigest(),
            rights=people.rights(work, g.actor.id),
            sessions=people.sessions(work, g.actor.id),
            tokens=people.tokens(work, g.actor.id),
            substitutions=people.substitutions(work, g.actor.id),
            choices=people.find(work, "", 300),
            groups=platform().policies.access.groups,
        )


@pages.post("/me/sessions/end")
def end_session():
    with doing() as work:
        people.end_session(work, request.form.get("session", ""))
    flash(_("The session has ended."), "done")
    return redirect(url_for("session.me"), 303)


@pages.post("/me/password")
def change_password():
    old, new = request.form.get("old", ""), request.form.get("new", "")
    if new != request.form.get("again", ""):
        raise Invalid("The two new passwords are not the same.")
    with doing() as work:
        people.change_password(work, old, new, keep=cookie.get("secret"))
    flash(_("Your password was changed. Your other sessions have ended."), "done")
    return redirect(url_for("session.me"), 303)


@pages.post("/me/substitute")
def substitute():
    """Name somebody who acts for me while I am away."""
    with doing() as work:
        person_id = find_person(work, request.form.get("person_id", ""))
        starts, ends = day(request.form.get("from", "")), day(request.form.get("until", ""), end=True)
        people.substitute(work, g.actor.id, person_id, starts, ends, request.form.get("process_key") or None)
    flash(_("The substitution was noted."), "done")
    return redirect(url_for("session.me"), 303)


@pages.post("/me/substitutions/<substitution_id>/end")
def end_substitution(substitution_id: str):
    with doing() as work:
        people.end_substitution(work, substitution_id)
    flash(_("The substitution has ended."), "done")
    return redirect(back_url(url_for("session.me")), 303)


@pages.post("/me/tokens")
def issue_token():
    """A token for the API; its secret is shown this one time."""
    scopes = [s for s in request.form.getlist("scopes") if s in ("read", "write", "admin")]
    days = request.form.get("days", "30")
    if not days.isdigit():
        raise Invalid("Say for how many days the token shall last.")
    with doing() as work:
        secret = people.issue_token(work, g.actor.id, request.form.get("name", "").strip(), scopes, int(days))
    return render_template("token.html", secret=secret)


@pages.post("/me/tokens/<token_id>/revoke")
def revoke_token(token_id: str):
    with doing() as work:
        people.revoke_token(work, token_id)
    flash(_("The token was revoked."), "done")
    return redirect(url_for("session.me"), 303)


@pages.get("/help")
@public
def help():
    return render_template("help.html")


# --- what other pages read from forms ----------------------------------------------------------
def find_person(work, said: str) -> str:
    """The id of the person that a field names by id or login. Raises Invalid."""
    said = said.strip()
    row = (people.get(work, said) or people.by_login(work, said)) if said else None
    if row is None:
        raise Invalid("Choose a person.")
    return row["id"]


def find_persons(work, said: list[str]) -> list[str]:
    """The ids of the persons that fields name, several in each by commas, spaces or lines. Raises Invalid."""
    return [find_person(work, one) for text in said for one in text.replace(",", " ").replace("，", " ").split()]


def day(said: str, *, end: bool = False) -> datetime:
    """The first (or last) moment of a day that a date field names, in the calendar's zone. Raises Invalid."""
    try:
        date = datetime.strptime(said.strip(), "%Y-%m-%d").date()
    except ValueError as error:
        raise Invalid("'%(said)s' is not a date.", said=said) from error
    return datetime.combine(date, time.max.replace(microsecond=0) if end else time.min, platform().calendar.zone)
