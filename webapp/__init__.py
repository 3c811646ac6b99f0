"""The pages: a thin layer over the engine's rooms.

`create_app(platform)` makes the web application. A view reads its input, calls one verb or one query
inside `with doing() as work` or `with reading() as work`, and chooses a page; it knows no rule of its
own. Here stand only what all pages share: who may come in at all, the language, the security headers,
the limits on how often one may knock, and the one handler that turns each refusal of the engine into a
page with its sentence. The API and the operations endpoints register themselves.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from importlib import import_module

from apiflask import APIFlask
from flask import Flask, flash, g, jsonify, redirect, render_template, request, url_for
from flask_babel import Babel
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException

from engine.errors import Refused
from webapp import render, session
from webapp.security import TrustedProxies, limiter, secure_headers

#: every page module offers a blueprint named `pages`
PAGES = (
    "session", "inbox", "tasks", "start", "cases", "processes", "incidents", "administration", "compliance",
    "shares", "notifications", "designer", "migration", "batches",
)  # fmt: skip
#: blueprints that know their own callers by bearer token or need none
OPEN_BLUEPRINTS = frozenset({"api", "operations", "api_docs"})


def create_app(platform) -> APIFlask:
    """The web application over an open platform."""
    app = APIFlask("webapp", title="bizday", version="1", docs_path=None, spec_path=None, json_errors=False)
    app.extensions["platform"] = platform
    app.config.update(_config(platform))
    app.wsgi_app = TrustedProxies(app.wsgi_app, platform.settings.trusted_proxies)
    _languages(app, platform)
    _guards(app)  # first, so that whatever refuses a request afterwards knows who asks
    app.extensions["csrf"] = CSRFProtect(app)
    limiter.init_app(app)
    _handlers(app)
    render.install(app)
    for name in PAGES:
        app.register_blueprint(import_module(f"webapp.{name}").pages)
    _register_others(app, platform)
    return app


def _config(platform) -> dict:
    settings = platform.settings
    tls = settings.environment == "production" or settings.address.startswith("https://")
    return {
        "SECRET_KEY": platform.key("cookies"),
        "SESSION_COOKIE_NAME": "bizday",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": tls,
        "PERMANENT_SESSION_LIFETIME": timedelta(hours=12),
        "MAX_CONTENT_LENGTH": settings.upload_limit + 1024 * 1024,
        "MAX_FORM_MEMORY_SIZE": 4 * 1024 * 1024,
        "WTF_CSRF_TIME_LIMIT": None,  # as long as the session; an hour would lose half-filled forms
        "TEMPLATES_AUTO_RELOAD": settings.environment == "development",
        "SEND_FILE_MAX_AGE_DEFAULT": timedelta(hours=1),
    }


def _languages(app: Flask, platform) -> None:
    app.config["BABEL_DEFAULT_LOCALE"] = "zh_Hans_CN"
    Babel(
        app,
        default_translation_directories=str(platform.settings.home / "webapp" / "translations"),
        locale_selector=session.language,
        timezone_selector=lambda: str(platform.calendar.zone),
    )


def _guards(app: Flask) -> None:
    @app.before_request
    def begin():
        g.nonce = secrets.token_urlsafe(16)
        g.actor = None
        if request.blueprint in OPEN_BLUEPRINTS or request.endpoint == "static":
            return None
        return session.admit(app.view_functions.get(request.endpoint))

    app.after_request(secure_headers)


def _handlers(app: Flask) -> None:
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(CSRFError, _stale)
    app.register_error_handler(HTTPException, _failed)
    app.register_error_handler(500, _broken)


def _refused(error: Refused):
    """One page for every no of the engine. A conflict on a form leads back to the page that shows the new state."""
    sentence = render.say(error)
    if render.wants_json():
        return jsonify(sentence=sentence, problems=render.problems(error)), error.status
    back = session.back_url()
    if request.method == "POST" and error.status in (409, 422) and back and not error.problems:
        flash(sentence, "refused")
        return redirect(back, 303)
    return render_template("error.html", status=error.status, sentence=sentence, problems=error.problems), error.status


def _stale(error: CSRFError):
    sentence = _("This page was open for too long or in another session. Load it again and repeat what you did.")
    if render.wants_json():
        return jsonify(sentence=sentence), 400
    return render_template("error.html", status=400, sentence=sentence, problems=()), 400


#: what a person can do about an error of the web itself
HELP = {
    404: "There is no such page, or it is not for you.",
    405: "This address cannot be opened like that.",
    413: "What you sent is too large.",
    429: "That was too often in a short time. Wait a minute and try again.",
}


def _failed(error: HTTPException):
    if request.path.startswith("/api/"):
        return import_module("webapp.api").of_http(error)
    if error.code in (301, 302, 303, 307, 308):
        return error
    sentence = _(HELP.get(error.code, "The request was not understood."))
    if render.wants_json():
        return jsonify(sentence=sentence), error.code
    page = render_template("error.html", status=error.code, sentence=sentence, problems=())
    return page, error.code, {k: v for k, v in error.get_headers() if k in ("Retry-After", "Allow")}


def _broken(error):
    """Nothing of the inside reaches the page; the log has it."""
    g.actor = None  # the page must not need the database that may have failed
    sentence = _("Something went wrong on our side. Nothing was changed; please try again in a minute.")
    return render_template("error.html", status=500, sentence=sentence, problems=()), 500


def _register_others(app: APIFlask, platform) -> None:
    from webapp import api, operations

    api.register(app, platform)
    operations.register(app, platform)

    @app.get("/")
    @app.doc(hide=True)
    def home():
        return redirect(url_for("inbox.show"))
