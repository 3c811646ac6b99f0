"""The peers: SpiffWorkflow by itself in memory, with its own serializer, and a database that only commits.

They keep less than we do: the first keeps nothing, the second writes to no disk, the third knows no
process. Each measures completions (or commits) per second over a fixed number of them.
"""

from __future__ import annotations

import sqlite3
import time
import warnings
from pathlib import Path

from benchmarks import models

warnings.simplefilter("ignore", DeprecationWarning)


def _spiff(xml: bytes, key: str):
    from lxml import etree
    from SpiffWorkflow.bpmn.parser.BpmnParser import BpmnParser

    parser = BpmnParser()
    parser.add_bpmn_xml(etree.fromstring(xml), filename=f"{key}.bpmn")
    return parser.get_spec(key)


def raw_spiffworkflow(completions: int) -> float:
    """Completions per second of SpiffWorkflow in memory: nothing is kept, nobody is asked, nothing is logged."""
    from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
    from SpiffWorkflow.util.task import TaskState

    spec = _spiff(models.chain(ours=False), "bench_chain")
    began, done = time.perf_counter(), 0
    while done < completions:
        flow = BpmnWorkflow(spec)
        flow.do_engine_steps()
        while not flow.is_completed():
            task = flow.get_next_task(state=TaskState.READY, manual=True)
            task.data["go"] = True
            task.run()
            flow.do_engine_steps()
            done += 1
    return done / (time.perf_counter() - began)


def whole_state(completions: int) -> float:
    """The same, the whole state written and read again by SpiffWorkflow's own serializer at each completion."""
    from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer
    from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
    from SpiffWorkflow.util.task import TaskState

    spec, serializer = _spiff(models.chain(ours=False), "bench_chain"), BpmnWorkflowSerializer()
    began, done = time.perf_counter(), 0
    while done < completions:
        flow = BpmnWorkflow(spec)
        flow.do_engine_steps()
        kept = serializer.serialize_json(flow)
        while True:
            flow = serializer.deserialize_json(kept)
            task = flow.get_next_task(state=TaskState.READY, manual=True)
            if task is None:
                break
            task.data["go"] = True
            task.run()
            flow.do_engine_steps()
            kept = serializer.serialize_json(flow)
            done += 1
    return done / (time.perf_counter() - began)


def bare_sqlite(folder: Path, commits: int) -> float:
    """Commits per second of one changed row each, with the durability that we ask of SQLite."""
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, value TEXT)")
    connection.execute("INSERT INTO kept VALUES (1, '')")
    began = time.perf_counter()
    for n in range(commits):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE kept SET value = ? WHERE id = 1", (str(n),))
        connection.execute("COMMIT")
    rate = commits / (time.perf_counter() - began)
    connection.close()
    return rate


def bare_postgresql(url: str, commits: int) -> float:
    """The same on PostgreSQL."""
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (id integer PRIMARY KEY, value text)")
        connection.execute("INSERT INTO kept VALUES (1, '')")
        connection.commit()
        began = time.perf_counter()
        for n in range(commits):
            connection.execute("UPDATE kept SET value = %s WHERE id = 1", (str(n),))
            connection.commit()
        return commits / (time.perf_counter() - began)
