"""Opens the platform with every room attached.

Lower rooms ask for a few things that only higher ones know, such as the element of a deployed model.
Those are lent to the platform here, once, so that imports keep running one way.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from engine import handlers, indicators, jobs, people, repository, retention  # noqa: F401  handlers registers the services by being imported
from engine.platform import Platform, Settings
from engine.schema import job


def open_platform(settings: Settings, *, clock=None, chance=None) -> Platform:
    """A `Platform` ready for use; its database must have been created or migrated."""
    platform = Platform.open(settings, clock=clock, chance=chance)
    indicators.check(platform.policies)
    retention.check(platform.policies)
    platform.lend("element", repository.element)
    return platform


#: what is done once a day, each by a job that plans the next one
DAILY = ("seal", "sweep")


def prepare(work) -> None:
    """What a database needs besides its tables: the daily sealing of the log and cleaning by policy."""
    wanted = select(job.c.kind).where(job.c.kind.in_(DAILY), job.c.state == "open")
    planned = set(work.execute(wanted).scalars())
    for kind in DAILY:
        if kind not in planned:
            jobs.schedule(work, kind, work.now + timedelta(days=1))
