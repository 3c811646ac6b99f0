"""What the browser is told about safety, and whom we believe.

Scripts come from our own origin and carry the nonce of their page; styles may stand inline only on the
pages that draw a diagram, because bpmn.io's canvas needs it. A forwarded address or scheme counts only
when it comes from a proxy that the settings name. Redirects stay on this site.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from flask import Response, g, request
from flask_limiter import Limiter

POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self'{styles}; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def drawing() -> str:
    """Said by a template that draws a diagram: bpmn.io's canvas sets styles inline."""
    g.inline_styles = True
    return ""


def secure_headers(response: Response) -> Response:
    """Added to every answer; a page of a signed-in person is never kept by a cache on the way."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    styles = " 'unsafe-inline'" if g.get("inline_styles") else ""
    policy = POLICY.format(nonce=g.get("nonce", ""), styles=styles)
    response.headers.setdefault("Content-Security-Policy", policy)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "private, no-cache" if response.headers.get("ETag") else "no-store")
    response.vary.update(("Cookie", "Accept-Language")) if request.endpoint != "static" else None
    return response


def is_relative(target: str | None) -> bool:
    """Whether a redirect to `target` stays on this site: "/x", but not "//host", "/\\host" or "javascript:"."""
    if not target or not target.startswith("/") or target[1:2] in ("/", "\\"):
        return False
    if any(ord(c) < 32 or c == "\\" for c in target):
        return False
    parts = urlsplit(target)
    return not parts.scheme and not parts.netloc


def remote_address() -> str:
    """The caller's address, for limits and the log of sign-ins."""
    return request.remote_addr or "unknown"


#: how often one address may knock; views name their own limits
limiter = Limiter(remote_address, strategy="moving-window", storage_uri="memory://")


class TrustedProxies:
    """Reads X-Forwarded-For and X-Forwarded-Proto when, and only when, a trusted proxy says them."""

    def __init__(self, application, named: str):
        self.application = application
        self.networks = [ip_network(one.strip(), strict=False) for one in named.split(",") if one.strip()]

    def __call__(self, environ, start_response):
        if self._trusted(environ.get("REMOTE_ADDR", "")):
            self._believe(environ)
        return self.application(environ, start_response)

    def _trusted(self, address: str) -> bool:
        try:
            said = ip_address(address)
        except ValueError:
            return False
        return any(said in network for network in self.networks)

    def _believe(self, environ) -> None:
        hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        while hops and self._trusted(hops[-1]):
            hops.pop()  # the nearest address that is not one of ours is the caller's
        if hops:
            environ["REMOTE_ADDR"] = hops[-1]
        scheme = environ.get("HTTP_X_FORWARDED_PROTO", "")
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
