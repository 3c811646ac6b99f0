"""The heartbeat: claims what is due and has it done.

A `Worker` beats: it claims due jobs with a lease and does each in a `Work` of its own. Any number of
workers may beat at once, in the web server's process or apart from it; the lease and the fence keep
them from doing a job twice. APScheduler only wakes the loop at the next due moment; what is due is
always read from the job table. A job that meets a Conflict is looked at again at the next beat; one
that fails otherwise is tried again with growing pauses and becomes an incident at the end.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from engine import batches, bpmn, history, jobs, notifications, people, repository, retention, runtime, services, tasks
from engine.errors import Conflict
from engine.jobs import Job

log = structlog.get_logger("bizday.worker")
BATCH = 20


class Worker:
    """`beat()` does all that is due now and returns how many jobs that were; `start()` beats by itself."""

    def __init__(self, platform, name: str | None = None):
        self.platform = platform
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._beating = threading.Lock()
        self._scheduler: BackgroundScheduler | None = None

    def beat(self, limit: int = 10_000) -> int:
        """Do what is due, batch by batch, until nothing is or `limit` jobs were done."""
        done = 0
        with self._beating:
            while done < limit:
                claimed = jobs.claim_due(self.platform, people.SYSTEM, self.name, min(BATCH, limit - done))
                if not claimed:
                    break
                self._do_all(claimed)
                done += len(claimed)
            notifications.catch_up(self.platform)
        return done

    def _do_all(self, claimed: list[Job]) -> None:
        """A batch; what could not be begun in half the lease is given back, before another worker takes it too."""
        until = self.platform.clock() + jobs.LEASE / 2
        for job in claimed:
            if self.platform.clock() < until:
                self.do(job)
            else:
                self._give_back(job, timedelta(0))

    def do(self, job: Job) -> None:
        """One claimed job in its own Work; what goes wrong is kept with the job and never stops the loop."""
        try:
            _DO[job.kind](self.platform, job)
        except runtime.Stuck as stuck:  # the same step would run into the same limit again
            self._failed(job, stuck, for_good=True)
        except Conflict as conflict:
            log.info("job met a conflict", job=job.id, kind=job.kind, why=str(conflict))
            self._give_back(job)
        except Exception as error:  # the loop must live; the failure is kept with the job and becomes an incident
            log.warning("job failed", job=job.id, kind=job.kind, error=repr(error))
            self._failed(job, error)

    def _give_back(self, job: Job, pause: timedelta = jobs.CONFLICT_PAUSE) -> None:
        with self.platform.work(people.SYSTEM) as work:
            jobs.give_back(work, job, pause)

    def _failed(self, job: Job, error: Exception, *, for_good: bool = False) -> None:
        sentence = str(error) or type(error).__name__
        with self.platform.work(people.SYSTEM) as work:
            if jobs.failed(work, job, sentence, for_good=for_good) or not job.instance_id:
                return
            runtime.raise_incident(
                work, job.instance_id, job.kind, sentence, token=job.token, element_id=job.element_id, job_id=job.id
            )

    def start(self) -> None:
        """Beat in the background until `stop`: at once when something becomes due, and every `settings.beat` seconds."""
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self._scheduler.add_job(
            self._tick, "interval", seconds=self.platform.settings.beat, id="beat", max_instances=1, coalesce=True,
            next_run_time=self.platform.clock(),
        )  # fmt: skip
        self._scheduler.start()
        self.platform.on_wake(self._wake_at)

    def stop(self) -> None:
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=True)
            self._scheduler = None

    def _tick(self) -> None:
        self.beat()
        with self.platform.read(people.SYSTEM) as work:
            due = jobs.next_due(work)
        if due is not None and due <= self.platform.clock() + timedelta(seconds=self.platform.settings.beat):
            self._wake_at(max(due, self.platform.clock()))

    def _wake_at(self, moment: datetime) -> None:
        """Beat at `moment` unless an earlier beat is already planned."""
        scheduler = self._scheduler
        if scheduler is None or not scheduler.running:
            return
        planned = scheduler.get_job("wake")
        if planned is not None and planned.next_run_time and planned.next_run_time <= moment:
            return
        scheduler.add_job(
            self._tick, DateTrigger(moment), id="wake", replace_existing=True, misfire_grace_time=None, max_instances=1
        )


# --- how each kind of job is done -------------------------------------------------------------
def _within(verb: Callable) -> Callable:
    """A job that is one verb in one Work."""

    def do(platform, job: Job) -> None:
        with platform.work(people.SYSTEM) as work:
            verb(work, job)

    return do


def _service(platform, job: Job) -> None:
    """Call a service: within the Work when it acts on the platform itself, outside any transaction otherwise."""
    handler = services.find(job.payload["type"])
    if handler.within:
        with platform.work(people.SYSTEM) as work:
            _call_within(work, job, handler)
        return
    context = services.Context(
        instance_id=job.instance_id, root_id=None, token=job.token, element_id=job.element_id,
        key=f"{job.instance_id}:{job.token}", headers=job.payload["headers"], settings=platform.settings,
        policies=platform.policies,
    )  # fmt: skip
    try:
        result, error = handler.call(job.payload["variables"], context), None
    except services.BpmnError as raised:
        result, error = None, raised
    with platform.work(people.SYSTEM) as work:
        _hand_in(work, job, result, error)


def _call_within(work, job: Job, handler) -> None:
    loaded = runtime.load(work, job.instance_id)
    if loaded.row["state"] != "active" or job.token not in loaded.execution.waits:
        jobs.done(work, job)
        return
    context = services.Context(
        instance_id=job.instance_id, root_id=loaded.row["root_id"], token=job.token, element_id=job.element_id,
        key=f"{job.instance_id}:{job.token}", headers=job.payload["headers"], settings=work.platform.settings,
        policies=work.policies,
    )  # fmt: skip
    try:
        result, error = handler.call(work, job.payload["variables"], context), None
    except services.BpmnError as raised:
        result, error = None, raised
    _hand_in(work, job, result, error)


def _hand_in(work, job: Job, result, error) -> None:
    if error is None:
        runtime.finish_service(work, job, result)
    else:
        runtime.fail_service(work, job, error)


def _publish(work, job: Job) -> None:
    jobs.done(work, job)
    said = job.payload
    ttl = timedelta(seconds=said["ttl"]) if said.get("ttl") is not None else None
    runtime.publish(
        work, said["name"], said["correlation_key"], said["variables"], ttl=ttl, message_id=said["message_id"]
    )


def _broadcast(work, job: Job) -> None:
    jobs.done(work, job)
    runtime.broadcast(work, job.payload["name"], job.payload["variables"], thrown_by=job.payload["thrown_by"])


def _start(work, job: Job) -> None:
    """A timer start event: one instance per firing, and the next firing counts from this one's due moment."""
    jobs.done(work, job)
    following, payload = bpmn.next_start(job.payload, job.due_at, work.now, work.calendar.zone)
    if following is not None:
        jobs.schedule(
            work, "start", following, definition_id=job.definition_id, element_id=job.element_id, payload=payload
        )
    definition = repository.get(work, job.definition_id)
    if definition["state"] == "active":
        runtime.start_by(work, definition, job.element_id, {})


def _seal(work, job: Job) -> None:
    jobs.done(work, job)
    history.seal(work)
    jobs.schedule(work, "seal", job.due_at + timedelta(days=1))


def _sweep(work, job: Job) -> None:
    """What is done once a day: clean away by policy, and compute again what was provisional."""
    jobs.done(work, job)
    retention.sweep(work)
    tasks.compute_again(work)
    jobs.schedule(work, "sweep", job.due_at + timedelta(days=1))


def _mail(platform, job: Job) -> None:
    notifications.send(platform, job.payload)
    with platform.work(people.SYSTEM) as work:
        jobs.done(work, job)


_DO: dict[str, Callable] = {
    "timer": _within(runtime.fire), "service": _service, "sla": _within(runtime.act_on_time),
    "publish": _within(_publish), "broadcast": _within(_broadcast), "correlate": _within(runtime.correlate_kept),
    "deliver": _within(runtime.deliver_held),
    "start": _within(_start), "seal": _within(_seal), "sweep": _within(_sweep),
    "mail": _mail, "batch": batches.do,
}  # fmt: skip
