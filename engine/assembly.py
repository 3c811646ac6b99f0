"""Opens the platform with every room attached.

Lower rooms ask for a few things that only higher ones know, such as the element of a deployed model.
Those are lent to the platform here, once, so that imports keep running one way.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from engine import handlers, jobs, people, repository  # noqa: F401  handlers registers the services by being imported
from engine.platform import Platform, Settings
from engine.schema import job


def open_platform(settings: Settings, *, clock=None, chance=None) -> Platform:
    """A `Platform` ready for use; its database must have been created or migrated."""
    platform = Platform.open(settings, clock=clock, chance=chance)
    platform.lend("element", repository.element)
    return platform


def prepare(work) -> None:
    """What a new database needs besides its tables: the daily sealing of the log."""
    if work.execute(select(job.c.id).where(job.c.kind == "seal", job.c.state == "open")).first() is None:
        jobs.schedule(work, "seal", work.now + timedelta(days=1))
