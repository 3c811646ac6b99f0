"""A platform for tests of single rooms: real policies, a fresh SQLite database, a clock moved by hand.

Nothing is deployed and no room of a higher floor is attached. Passwords are hashed with the cheapest
Argon2id, so that a test of lock-out takes no second. `Clock` stands still on a working Monday at 09:30 in
Shanghai; `person` makes an account, `actor` reads it as verbs see it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from engine import people
from engine.platform import Platform, Settings

SECRET = "a secret for tests that nobody else uses"
MONDAY = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self, now: datetime = MONDAY):
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by) -> datetime:
        self.now += timedelta(**by)
        return self.now


def opened(var: Path, database: str = "") -> Iterator[Platform]:
    """For a fixture: `yield from opened(tmp_path)`."""
    platform = Platform.open(
        Settings(var=var, database=database, secret=SECRET), clock=Clock(), chance=random.Random(7)
    )
    platform.cache["hasher"] = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    platform.create_tables()
    yield platform
    platform.close()


#: for fixtures that run a test on SQLite and, where its binaries are, on PostgreSQL
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


def opened_on(kind: str, var: Path) -> Iterator[Platform]:
    """The same on one of `BOTH`."""
    if kind == "postgresql":
        from tests.services import fresh_postgresql

        yield from opened(var, fresh_postgresql())
    else:
        yield from opened(var)


def person(platform, login: str, *groups: str, password: str | None = None, **fields) -> str:
    """An account with these groups; returns its id."""
    with platform.work(people.SYSTEM) as work:
        person_id = people.add_person(work, login, login.title(), **fields)
        for group in groups:
            people.join(work, person_id, group)
        if password:
            people.set_password(work, person_id, password)
    return person_id


def actor(platform, login: str, acting_for: str | None = None) -> people.Actor:
    with platform.read(people.SYSTEM) as work:
        absent = people.resolve(work, acting_for) if acting_for else None
        return people.actor(work, people.resolve(work, login), acting_for=absent)


def rows(platform, statement) -> list:
    with platform.read(people.SYSTEM) as work:
        return list(work.all(statement))
