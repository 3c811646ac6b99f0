"""What those who run the platform ask it: is it alive, is it ready, what does it count.

`/healthz` answers as long as the process runs. `/readyz` answers 200 only when the database answers, its
tables are at the revision of this program, and due jobs are being done; otherwise 503 with what is
wrong. `/metrics` is Prometheus text: requests by endpoint, and from the database at each scrape jobs
and cases. It is shown to the machine itself and to bearers of a token that may query
the platform; no name of a person or a case is in it.
"""

from __future__ import annotations

import time
from datetime import timedelta

from flask import Blueprint, Response, abort, current_app, g, jsonify, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from engine import access, cases, jobs, people
from webapp import migrations

operations = Blueprint("operations", __name__)

#: a job that has been due for longer than this says that no worker is running
STALLED = timedelta(minutes=10)


def register(app, platform) -> None:
    """The three addresses, and the counting of every request."""
    registry = CollectorRegistry()
    registry.register(Collector(platform))
    app.extensions["metrics"] = registry
    _count_requests(app, registry)
    app.register_blueprint(operations)


@operations.get("/healthz")
def healthz():
    return jsonify(status="alive")


@operations.get("/readyz")
def readyz():
    wrong = list(_wrong(current_app.extensions["platform"]))
    return jsonify(status="not ready" if wrong else "ready", wrong=wrong), 503 if wrong else 200


@operations.get("/metrics")
def metrics():
    if not (_is_local() or _bearer_may()):
        abort(404)
    return Response(generate_latest(current_app.extensions["metrics"]), mimetype="text/plain; version=0.0.4")


class Collector:
    """Gauges read from the database when they are asked for."""

    def __init__(self, platform):
        self.platform = platform

    def describe(self):
        return []  # naming the gauges beforehand would need the database at start

    def collect(self):
        with self.platform.read(people.SYSTEM) as work:
            waiting, counts = jobs.waiting(work), cases.counts(work)
        yield _gauge("bizday_jobs", "Jobs that are not done", "state", waiting)
        yield _gauge("bizday_cases", "Running cases, and those of them that are late or stuck", "state", counts)


def _gauge(name: str, meaning: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _count_requests(app, registry: CollectorRegistry) -> None:
    answered = Counter(
        "bizday_requests", "Requests answered", ["endpoint", "method", "status"], registry=registry
    )
    seconds = Histogram("bizday_request_seconds", "Time to answer", ["endpoint"], registry=registry)

    @app.before_request
    def begin():
        g.began = time.perf_counter()

    @app.after_request
    def end(response):
        # the endpoint's name, never the address: addresses hold ids
        name = request.endpoint or "none"
        answered.labels(name, request.method, response.status_code).inc()
        if "began" in g:
            seconds.labels(name).observe(time.perf_counter() - g.began)
        return response


def _wrong(platform):
    try:
        if not migrations.is_current(platform):
            yield "The database is not at the revision of this program; run `bizday init`."
            return
        with platform.read(people.SYSTEM) as work:
            due = jobs.next_due(work)
            if due is not None and work.now - due > STALLED:
                yield "Jobs have been due for more than ten minutes; is a worker running?"
    except Exception:  # whatever fails here means not ready; the log says why
        current_app.logger.exception("readiness")
        yield "The database does not answer."


def _is_local() -> bool:
    """Asked on this machine and not through a proxy on it."""
    forwarded = any(
        name.startswith(("X-Forwarded", "Forwarded", "X-Real")) for name in request.headers.keys()
    )
    return request.remote_addr in ("127.0.0.1", "::1") and not forwarded


def _bearer_may() -> bool:
    secret = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if not secret:
        return False
    with current_app.extensions["platform"].work(people.SYSTEM) as work:
        found = people.token_actor(work, secret)
    return found is not None and access.allowed(found[0], "platform:query")
