"""The REST API under `/api/v1`: what programs may do, by the same verbs as the pages.

`gate` lets callers in by bearer token and limits how often; `problems` says each refusal as
problem+json (RFC 9457); `shapes` are the documents that go in and out; `views` are the addresses, each
one verb or one query. A write may carry an `Idempotency-Key`: its repeat gets the first answer. The
description (OpenAPI 3.1) is at `/api/v1/openapi.json`, and a page that shows it at `/api/docs`.
"""

from __future__ import annotations

from flask import Blueprint, jsonify, render_template

from webapp.api import gate, problems
from webapp.api.problems import of_http
from webapp.api.shapes import REFUSAL
from webapp.api.views import KEY, api

__all__ = ["api", "of_http", "register"]

docs = Blueprint("api_docs", __name__)

#: the chapters of the description
TAGS = [
    {"name": "Definitions", "description": "Processes and their versions; deploying them"},
    {"name": "Instances", "description": "Cases: starting, reading, ending and mending them"},
    {"name": "Tasks", "description": "What waits for people, and their documents"},
    {"name": "Messages", "description": "What reaches cases from outside"},
    {"name": "Incidents", "description": "What needs a person because the platform cannot go on by itself"},
    {"name": "Decisions", "description": "Decision tables, asked directly"},
    {"name": "People", "description": "Who is who"},
    {"name": "Shares", "description": "Data that was shared with the caller"},
]


def register(app, platform) -> None:
    """Hang the API into the application; its callers are known by their tokens and never by a cookie."""
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        DESCRIPTION="Every write takes an `Idempotency-Key`; every refusal is a problem document (RFC 9457).",
        SERVERS=[{"url": platform.settings.address}],
        TAGS=TAGS,
        AUTO_OPERATION_ID=True,
        VALIDATION_ERROR_STATUS_CODE=422,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_404_RESPONSE=False,
    )
    app.security_schemes = {"bearer": {"type": "http", "scheme": "bearer"}}
    app.extensions["api_gate"] = gate.Gate(platform)
    if not api.extensions_ready:
        gate.install(api)
        problems.install(api)
        api.extensions_ready = True
    app.register_blueprint(api)
    app.register_blueprint(docs)
    if "csrf" in app.extensions and hasattr(app.extensions["csrf"], "exempt"):
        app.extensions["csrf"].exempt(api)
    app.add_url_rule("/api/v1/openapi.json", "api_docs.description", lambda: jsonify(app.spec))
    app.view_functions["api_docs.description"].public = True
    app.spec_processor(_with_keys_and_refusals)


def _with_keys_and_refusals(spec: dict) -> dict:
    """Every write takes an idempotency key; every address may answer with a problem document."""
    spec["components"]["schemas"] |= {"Refusal": REFUSAL}
    spec["components"]["schemas"].pop("HTTPError", None)
    refusal = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    for path in spec["paths"].values():
        for method, operation in path.items():
            if method != "get":
                operation.setdefault("parameters", []).append(KEY)
            operation["responses"].pop("401", None)
            operation["responses"]["default"] = {"description": "Why it was refused (RFC 9457)", "content": refusal}
    return spec


@docs.get("/api/docs")
def show():
    return render_template("api/docs.html")
