"""Every refusal as a problem document (RFC 9457), in the caller's language.

`title` names the kind, `detail` is the sentence for a person, `problems` pins each thing that is wrong to
its place. The language is that of the `Accept-Language` header, else the person's own. An error that
nobody foresaw says nothing of the inside; the log has it.
"""

from __future__ import annotations

import re

from apiflask.exceptions import HTTPError
from flask import Response, current_app, g, json, request
from werkzeug.exceptions import HTTPException

from engine.errors import Problem, Refused
from webapp.render import N_

TITLES = {
    400: N_("Bad request"), 401: N_("Not signed in"), 403: N_("Not allowed"), 404: N_("Not found"),
    405: N_("Method not allowed"), 409: N_("Conflict"), 413: N_("Too large"), 415: N_("Unsupported media type"),
    422: N_("Invalid"), 429: N_("Too many requests"), 500: N_("Error"),
}  # fmt: skip
#: what the web itself refuses, before any verb is asked
HELP = {
    404: "There is no such address.",
    405: "This address does not know that method.",
    413: "What you sent is too large.",
    415: "Send the body as %(type)s.",
    429: "That was too often in a short time. Wait a minute and try again.",
}
#: what marshmallow 4 says of a value that is not in shape -> our sentence, with its parameters
SHAPES = tuple((re.compile(said), ours) for said, ours in (
    (r"Missing data for required field", "This is required."),
    (r"Unknown field", "There is no such field."),
    (r"Field may not be null", "This may not be empty."),
    (r"Not a valid string", "This must be a text."),
    (r"Not a valid integer", "This must be a whole number."),
    (r"Not a valid boolean", "This must be true or false."),
    (r"Not a valid list", "This must be a list."),
    (r"Not a valid file", "This must be a file."),
    (r"(?:Not a valid mapping type|Invalid input type)", "This must be an object."),
    (r"Must be greater than or equal to (?P<low>\S+) and less than or equal to (?P<high>\S+)",
     "This must be from %(low)s to %(high)s."),
    (r"Length must be between (?P<low>\d+) and (?P<high>\d+)", "This must be from %(low)s to %(high)s long."),
    (r"Longer than maximum length (?P<high>\d+)", "This may be at most %(high)s long."),
    (r"Shorter than minimum length (?P<low>\d+)", "This must be at least %(low)s long."),
    (r"Must be one of: (?P<choices>.*)", "This must be one of: %(choices)s."),
))  # fmt: skip


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


class Unreadable(Refused):
    """What was sent cannot be read at all. 400."""

    status = 400


class WrongType(Refused):
    """The body has another content type than the address reads. 415."""

    status = 415


def install(api) -> None:
    api.register_error_handler(Refused, _refused)
    api.register_error_handler(HTTPError, _not_in_shape)
    api.register_error_handler(HTTPException, of_http)
    api.register_error_handler(Exception, _unforeseen)


def problem(status: int, detail: str, **more) -> Response:
    """A problem document as the answer."""
    title = translated(TITLES.get(status, TITLES[500]))
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail,
            "instance": request.path, **more}  # fmt: skip
    answer = Response(json.dumps(body, ensure_ascii=False), status, mimetype="application/problem+json")
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if status == 429:
        answer.headers["Retry-After"] = "60"
    return answer


def translated(message: str, **params) -> str:
    """A sentence in the caller's language."""
    return current_app.extensions["platform"].translate(locale(), message, **params)


def _refused(error: Refused) -> Response:
    platform = current_app.extensions["platform"]
    listed = [said(platform, one) for one in error.problems]
    sentence = translated(error.message, **error.params)
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
        {"where": ".".join(path), "rule": "shape", "severity": "error", "sentence": _in_our_words(sentence), "mend": ""}
        for path, sentence in _leaves(error.detail)
    ]
    return problem(error.status_code, translated("What you sent is not in the shape that is described."), problems=listed)


def _in_our_words(sentence: str) -> str:
    for pattern, ours in SHAPES:
        found = pattern.fullmatch(sentence.removesuffix("."))
        if found:
            return translated(ours, **found.groupdict())
    return sentence


def _leaves(value, path=()):
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(
                one, (*path, str(key)) if path or key not in ("json", "query", "files", "form") else path
            )
    else:
        yield from ((path, str(one)) for one in (value if isinstance(value, list) else [value]))


def of_http(error: HTTPException) -> Response:
    """A refusal of the web itself, with the headers that belong to it."""
    sentence = HELP.get(error.code, "The request was not understood.")
    answer = problem(error.code or 500, translated(sentence, type="application/json"))
    answer.headers.extend((name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After"))
    return answer


def _unforeseen(error: Exception) -> Response:
    current_app.logger.exception("api")
    return problem(500, translated("Something went wrong on our side."))
