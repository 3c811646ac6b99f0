"""What every test may ask for: a real platform on a fresh database, a clock that is moved by hand, people.

`platform` runs on SQLite in a folder of the test's own. Tests that must hold on both databases ask for
`on_both`. `demo` has the demo organisation and all processes deployed; `person(login)` signs one in.
"""

from __future__ import annotations

import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine import demo as organisation
from engine import people, repository
from engine.assembly import open_platform, prepare
from engine.platform import Settings
from engine.worker import Worker

HOME = Path(__file__).resolve().parent.parent
SECRET = "a secret for tests that nobody else uses"


class Clock:
    """Time that stands still until a test moves it. It starts on a working Monday at 09:30 in Shanghai."""

    def __init__(self):
        self.now = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by) -> datetime:
        self.now += timedelta(**by)
        return self.now

    def set(self, moment: datetime) -> datetime:
        self.now = moment
        return self.now


def open_at(var: Path, database: str = "", clock: Clock | None = None, seed: int = 7):
    settings = Settings(var=var, database=database, secret=SECRET)
    return open_platform(settings, clock=clock or Clock(), chance=random.Random(seed))


@pytest.fixture
def platform(tmp_path):
    opened = open_at(tmp_path / "var")
    opened.create_tables()
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def on_both(request, tmp_path):
    """The platform on SQLite and, where its binaries are, on PostgreSQL."""
    database = ""
    if request.param == "postgresql":
        from tests.services import fresh_postgresql

        database = fresh_postgresql()
    opened = open_at(tmp_path / "var", database)
    opened.create_tables()
    yield opened
    opened.close()


def deploy_everything(platform) -> None:
    """Every process of the project with its tables and forms, called processes included, in one deployment."""
    files: dict[str, bytes] = {}
    for folder in sorted((HOME / "processes").iterdir()):
        if folder.is_dir():
            files |= repository.read_folder(folder, HOME / "forms" / folder.name)
    with platform.work(people.SYSTEM) as work:
        repository.deploy(work, files)


def organise(platform) -> None:
    with platform.work(people.SYSTEM) as work:
        prepare(work)
        organisation.organise(work)


@pytest.fixture(scope="session")
def demo_files(tmp_path_factory):
    """A database with the demo organisation and all processes, made once and copied for each test."""
    var = tmp_path_factory.mktemp("demo") / "var"
    opened = open_at(var, seed=1)  # a copy of it must not draw the same ids again at the same moment
    opened.create_tables()
    organise(opened)
    deploy_everything(opened)
    opened.close()
    return var


@pytest.fixture
def demo(demo_files, tmp_path):
    shutil.copytree(demo_files, tmp_path / "var")
    opened = open_at(tmp_path / "var")
    yield opened
    opened.close()


@pytest.fixture
def person(request):
    """`person(login)` is the actor of a demo person; `person(login, acting_for=login)` her substitute role."""
    opened = request.getfixturevalue("demo")

    def find(login: str, acting_for: str | None = None):
        with opened.read(people.SYSTEM) as work:
            other = people.by_login(work, acting_for)["id"] if acting_for else None
            return people.actor(work, people.by_login(work, login)["id"], acting_for=other)

    return find


@pytest.fixture
def beat(request):
    """`beat()` does all that is due; `beat(hours=3)` moves the clock first."""
    opened = request.getfixturevalue("demo" if "demo" in request.fixturenames else "platform")
    worker = Worker(opened, "test")

    def go(**by) -> int:
        if by:
            opened.clock.move(**by)
        return worker.beat()

    return go
