"""Every refusal as a problem document (RFC 9457), in the caller's language.

`title` names the kind, `detail` is the sentence for a person, `problems` pins each thing that is wrong to
its place. The language is that of the `Accept-Language` header, else the person's own. An error that
nobody foresaw says nothing of the inside; the log has it.
"""

from __future__ import annotations

from apiflask.exceptions import HTTPError
from flask import Response, current_app, g, json, request
from werkzeug.exceptions import HTTPException

from engine.errors import Problem, Refused

TITLES = {
    400: "Bad request", 401: "Not signed in", 403: "Not allowed", 404: "Not found", 405: "Method not allowed",
    409: "Conflict", 413: "Too large", 415: "Unsupported media type", 422: "Invalid",
    429: "Too many requests", 500: "Error",
}  # fmt: skip


class Unknown(Refused):
    """No valid token. 401."""

    status = 401

    def __init__(self):
        super().__init__("Send a valid token: 'Authorization: Bearer …'.")


class TooMany(Refused):
    """Too often in a short time. 429."""

    status = 429

    def __init__(self, seconds: int):
        super().__init__("Too many requests; try again in %(seconds)s seconds.", seconds=seconds)


def install(api) -> None:
    api.register_error_handler(Refused, _refused)
    api.register_error_handler(HTTPError, _not_in_shape)
    api.register_error_handler(HTTPException, _http)
    api.register_error_handler(Exception, _unforeseen)


def problem(status: int, detail: str, **more) -> Response:
    """A problem document as the answer."""
    body = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status, "detail": detail,
            "instance": request.path, **more}  # fmt: skip
    answer = Response(json.dumps(body, ensure_ascii=False), status, mimetype="application/problem+json")
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if status == 429:
        answer.headers["Retry-After"] = "60"
    return answer


def _refused(error: Refused) -> Response:
    platform = current_app.extensions["platform"]
    if hasattr(error, "afterwards"):
        error.afterwards(platform)  # a step ran into a limit and was rolled back; the incident is kept
    listed = [said(platform, one) for one in error.problems]
    sentence = platform.translate(locale(), error.message, **error.params)
    return problem(error.status, sentence, **({"problems": listed} if listed else {}))


def said(platform, one: Problem) -> dict:
    """One thing that is wrong, as JSON."""
    params = dict(one.params)
    return {
        "where": one.where, "rule": one.rule, "severity": one.severity,
        "sentence": platform.translate(locale(), one.sentence, **params),
        "mend": platform.translate(locale(), one.mend, **params),
    }  # fmt: skip


def locale() -> str:
    wished = request.accept_languages.best_match(["zh-CN", "zh", "en"])
    if wished:
        return "en" if wished == "en" else "zh_Hans_CN"
    actor = g.get("actor")
    return actor.locale if actor else "en"


def _not_in_shape(error: HTTPError) -> Response:
    """What came in does not have the shape that the description says."""
    listed = [
        {"where": ".".join(path), "rule": "shape", "severity": "error", "sentence": sentence, "mend": ""}
        for path, sentence in _leaves(error.detail)
    ]
    return problem(error.status_code, error.message, problems=listed)


def _leaves(value, path=()):
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(
                one, (*path, str(key)) if path or key not in ("json", "query", "files", "form") else path
            )
    else:
        yield from ((path, str(one)) for one in (value if isinstance(value, list) else [value]))


def _http(error: HTTPException) -> Response:
    return problem(error.code or 500, error.description or error.name)


def _unforeseen(error: Exception) -> Response:
    current_app.logger.exception("api")
    return problem(
        500, current_app.extensions["platform"].translate(locale(), "Something went wrong on our side.")
    )
