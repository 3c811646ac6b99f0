"""Us, as we are used: the real runtime on a real database, with access, log, tasks and time limits.

A case of ten user tasks is walked by a person to whom each task belongs: every completion is one durable
transaction that checks who may, moves the token, chains the log, opens the next task and plans its limits.
"""

from __future__ import annotations

import gc
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from benchmarks import models
from engine import batches, people, repository, runtime, tasks
from engine.assembly import open_platform
from engine.platform import HOME, Settings
from tests.services import free_port
from webapp import migrations

SECRET = "a secret for measuring that nobody else uses"


@contextmanager
def opened(var: Path, database: str = ""):
    """A platform on a fresh database with one person and the models deployed; yields (platform, actor)."""
    platform = open_platform(Settings(home=HOME, var=var, database=database, secret=SECRET, api_calls=1_000_000))
    migrations.upgrade(platform)
    with platform.work(people.SYSTEM) as work:
        person_id = people.add_person(work, "bench", "Bench Example")
        for group in ("staff", "administrators"):
            people.join(work, person_id, group)
        files = {"chain.bpmn": models.chain(ours=True), "loop.bpmn": models.loop(ours=True), "votes.bpmn": models.votes()}
        repository.deploy(work, files)
    with platform.read(people.SYSTEM) as work:
        actor = people.actor(work, person_id)
    yield platform, actor
    platform.close()


def start(platform, actor, key: str, variables: dict) -> str:
    """A case; returns the id of its instance."""
    with platform.work(people.SYSTEM) as work:
        row = runtime.start_by(work, repository.latest(work, key), "start", variables)
        return row["id"]


def open_task(platform, actor) -> str | None:
    with platform.read(actor) as work:
        return tasks.next_for(work)


def complete(platform, actor, task_id: str, answers: dict) -> str | None:
    """One completion as a person does it; returns the id of the task to do next."""
    with platform.work(actor) as work:
        return runtime.complete(work, task_id, answers)["next"]


def chains(platform, actor, completions: int) -> float:
    """Durable, audited completions per second through the engine."""
    done, spent = 0, 0.0
    while done < completions:
        start(platform, actor, "bench_chain", {"go": True})
        task_id = open_task(platform, actor)
        began = time.perf_counter()
        while task_id is not None:
            task_id = complete(platform, actor, task_id, {})
            done += 1
        spent += time.perf_counter() - began
    return done / spent


@contextmanager
def served(platform):
    """`bizday serve` over the same database, as a process of its own; yields its address.

    In a process with whoever asks, the two would wait for each other's turn at the interpreter.
    """
    settings, port = platform.settings, free_port()
    environ = os.environ | {
        "BIZDAY_VAR": str(settings.var), "BIZDAY_DATABASE": settings.database, "BIZDAY_SECRET": settings.secret,
        "BIZDAY_PORT": str(port), "BIZDAY_API_CALLS": str(settings.api_calls), "PYTHONPATH": str(HOME),
    }  # fmt: skip
    command = [sys.executable, "-m", "webapp.cli", "serve", "--no-worker"]
    server = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    try:
        yield _answering(server, f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(timeout=10)


def _answering(server: subprocess.Popen, url: str) -> str:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url + "/readyz", timeout=5):
                return url
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.1)
    raise RuntimeError("The server to be measured did not come up.")


def through_http(platform, actor, url: str, completions: int) -> float:
    """The same through the REST API, one request after the other on one connection."""
    with platform.work(actor) as work:
        secret = people.issue_token(work, actor.id, "bench", ["read", "write"], 1)
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    done, spent = 0, 0.0
    while done < completions:
        start(platform, actor, "bench_chain", {"go": True})
        task_id = open_task(platform, actor)
        began = time.perf_counter()
        while task_id is not None:
            task_id = _post(connection, f"/api/v1/tasks/{task_id}/complete", secret)["next"]
            done += 1
        spent += time.perf_counter() - began
    connection.close()
    return done / spent


def _post(connection: http.client.HTTPConnection, path: str, secret: str) -> dict:
    head = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
    connection.request("POST", path, json.dumps({"answers": {}}), head)
    return json.loads(connection.getresponse().read())


def long_loop(platform, actor, marks: tuple[int, ...], window: int = 40) -> dict[int, float]:
    """Seconds per step of one instance around each of `marks` steps (median of a window)."""
    start(platform, actor, "bench_loop", {"go": True})
    task_id, times = open_task(platform, actor), []
    for _ in range(max(marks) + window):
        began = time.perf_counter()
        task_id = complete(platform, actor, task_id, {})
        times.append(time.perf_counter() - began)
    return {mark: statistics.median(times[mark - window // 2 : mark + window // 2]) for mark in marks}


def votes(platform, actor, size: int) -> float:
    """Seconds per completion in a multi-instance of `size`."""
    start(platform, actor, "bench_votes", {"voters": list(range(size)), "vote": "yes"})
    with platform.read(actor) as work:
        waiting = [row["id"] for row in tasks.inbox(work, "mine", process="bench_votes", size=size).rows]
    times = []
    for task_id in waiting:
        began = time.perf_counter()
        complete(platform, actor, task_id, {})
        times.append(time.perf_counter() - began)
    return statistics.median(times[:-1])


def many_starts(platform, actor, count: int) -> float:
    """Starts per second, one durable transaction each."""
    began = time.perf_counter()
    for _ in range(count):
        start(platform, actor, "bench_chain", {"go": True})
    return count / (time.perf_counter() - began)


def many_cases(platform, actor, count: int) -> dict[str, float]:
    """Cases per second of an act on many of them, a transaction for each: rest, go on, move to a new version."""
    with platform.work(people.SYSTEM) as work:
        before = repository.latest(work, "bench_chain")["id"]
        newer = models.chain(ours=True).replace(b'id="bench_chain" name="bench_chain"', b'id="bench_chain" name="Newer"')
        repository.deploy(work, {"chain.bpmn": newer})
        after = repository.latest(work, "bench_chain")["id"]
    assert after != before
    return {verb: _act(platform, actor, verb, before, after, count) for verb in ("suspend", "resume", "migrate")}


def _act(platform, actor, verb: str, before: str, after: str, count: int) -> float:
    with platform.work(actor) as work:
        ids = batches.chosen(work, verb, definition_id=before)[:count]
        to = after if verb == "migrate" else None
        batch_id = batches.begin(work, verb, ids, "Measured.", definition_id=to)
    began = time.perf_counter()
    while batches.portion(platform, batch_id):
        pass
    seconds = time.perf_counter() - began
    with platform.read(actor) as work:
        assert batches.one(work, batch_id)["done"] == len(ids)
    return len(ids) / seconds


def inbox(platform, actor, times: int = 31) -> float:
    """Seconds for a page of the inbox, at the median."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        with platform.read(actor) as work:
            tasks.inbox(work, "mine")
        spent.append(time.perf_counter() - began)
    return statistics.median(spent)


def memory(platform, actor, count: int = 1000) -> float:
    """MiB that `count` loaded instances take in the cache."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    platform.cache.pop("store", None)
    for _ in range(count):
        start(platform, actor, "bench_chain", {"go": True})
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / 1024 / 1024 * 1000 / count
