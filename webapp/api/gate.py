"""Who may come in: bearer tokens, their scopes, and how often.

A token is looked up by its hash in `people`; the verb then asks `access` in the name of its person, as on
a page. A GET needs the scope "read", any other method "write", and what `needs` marks its own. Partners
and visitors reach only what is shared with them. A token may ask 600 times a minute, and an address may
be wrong about its token 30 times a minute. Then `sound` looks at what was sent before any view reads it:
its type, its size, how deep it is nested, and whether every text and number in it can be kept.
"""

from __future__ import annotations

import hashlib
import json

from flask import current_app, g, request
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from engine import people
from engine.errors import Invalid, NotAllowed, Problem
from webapp.api.problems import TooMany, Unknown, Unreadable, WrongType

WRONG = parse("30/minute")
#: views that people from outside may use too
FOR_GUESTS = frozenset({"api.me", "api.shares", "api.share_file"})
#: bytes of a JSON document; files come as multipart/form-data and have the limit of uploads
JSON_LIMIT = 2 * 1024 * 1024
#: objects and lists within each other
DEPTH = 40
#: numbers larger than this are no amounts
LARGEST = 10**40


class Gate:
    """The counters of one application."""

    def __init__(self, platform):
        self.platform = platform
        self.counters = MovingWindowRateLimiter(MemoryStorage())
        self.calls = parse(f"{platform.settings.api_calls}/minute")

    def admit(self) -> None:
        """Find the caller. Raises Unknown, TooMany or NotAllowed."""
        address = request.remote_addr or "unknown"
        if not self.counters.test(WRONG, "wrong", address):
            raise TooMany(60)
        secret = _bearer()
        found = self._find(secret) if secret else None
        if found is None:
            self.counters.hit(WRONG, "wrong", address)
            raise Unknown()
        if not self.counters.hit(self.calls, "calls", hashlib.sha256(secret.encode()).hexdigest()):
            raise TooMany(60)
        g.actor, g.scopes = found
        _check_scope(g.scopes)
        if g.actor.kind in ("partner", "visitor") and request.endpoint not in FOR_GUESTS:
            raise NotAllowed("Your account may only use what is shared with it.")

    def _find(self, secret: str):
        with self.platform.read(people.SYSTEM) as work:
            return people.token_actor(work, secret)


def _bearer() -> str | None:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" and secret.strip() else None


def _check_scope(scopes) -> None:
    view = current_app.view_functions[request.endpoint]
    needed = getattr(view, "scope", None) or ("read" if request.method in ("GET", "HEAD") else "write")
    if needed not in scopes:
        raise NotAllowed("Your token lacks the scope '%(scope)s'.", scope=needed)


def sound() -> None:
    """Refuse what no view should have to look at. Raises Unreadable, WrongType or Invalid with each place."""
    if any("\0" in text for text in (request.path, *request.args.values())):
        raise Unreadable("The address holds characters that cannot be used.")
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    wanted = _wanted()
    if wanted == "multipart/form-data":
        _sound_parts(wanted)
    else:
        _sound_json(wanted)


def _wanted() -> str | None:
    """The content type that the view describes; None when it reads no body."""
    spec = getattr(current_app.view_functions[request.endpoint], "_spec", {})
    return spec.get("content_type")


def _sound_parts(wanted: str) -> None:
    if request.content_length and request.mimetype != wanted:
        raise WrongType("Send the body as %(type)s.", type=wanted)
    if any("\0" in text for text in request.form.values()):
        raise Invalid("The body holds texts or numbers that cannot be kept.")


def _sound_json(wanted: str | None) -> None:
    request.max_content_length = JSON_LIMIT
    data = request.get_data()
    if not data or wanted is None:
        return
    if not request.is_json:
        raise WrongType("Send the body as %(type)s.", type=wanted)
    keepable(_read(data))


def keepable(value) -> None:
    """Raises Invalid when a text or number in `value` cannot be kept, Unreadable when it is nested too deep."""
    wrong = [Problem(where, "json.value", "This cannot be kept.") for where in _unkept(value)]
    if wrong:
        raise Invalid("The body holds texts or numbers that cannot be kept.", wrong[:20])


def _read(data: bytes):
    try:
        return json.loads(data, parse_constant=_no_number)
    except RecursionError as error:
        raise Unreadable("The body is nested deeper than %(limit)s levels.", limit=DEPTH) from error
    except ValueError as error:
        raise Unreadable("The body is not valid JSON.") from error


def _no_number(name: str):
    raise ValueError(f"{name} is not JSON")


def _unkept(value) -> list[str]:
    """Where a text or number stands that no database keeps. Raises Unreadable for what is nested too deep."""
    found, left = [], [(value, "", 0)]
    while left:
        one, where, depth = left.pop()
        if depth > DEPTH:
            raise Unreadable("The body is nested deeper than %(limit)s levels.", limit=DEPTH)
        if isinstance(one, dict):
            found += [where for key in one if not _is_kept(key)]
            left += [(inner, f"{where}.{key}".lstrip("."), depth + 1) for key, inner in one.items() if _is_kept(key)]
        elif isinstance(one, list):
            left += [(inner, f"{where}.{number}".lstrip("."), depth + 1) for number, inner in enumerate(one)]
        elif not _is_kept(one):
            found.append(where)
    return found


def _is_kept(value) -> bool:
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
    return not isinstance(value, int | float) or -LARGEST <= value <= LARGEST


def needs(scope: str):
    """Marks a view that asks for another scope than its method would."""

    def mark(view):
        view.scope = scope
        return view

    return mark


def install(api) -> None:
    @api.before_request
    def begin():
        current_app.extensions["api_gate"].admit()
        sound()
