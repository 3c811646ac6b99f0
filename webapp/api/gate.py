"""Who may come in: bearer tokens, their scopes, and how often.

A token is looked up by its hash in `people`; the verb then asks `access` in the name of its person, as on
a page. A GET needs the scope "read", any other method "write", and what `needs` marks its own. Partners
and visitors reach only what is shared with them. A token may ask 600 times a minute, and an address may
be wrong about its token 30 times a minute.
"""

from __future__ import annotations

import hashlib

from flask import current_app, g, request
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from engine import people
from engine.errors import NotAllowed
from webapp.api.problems import TooMany, Unknown

WRONG = parse("30/minute")
#: views that people from outside may use too
FOR_GUESTS = frozenset({"api.me", "api.shares", "api.share_file"})


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
