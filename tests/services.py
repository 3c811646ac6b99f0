"""The world around the tests: a real PostgreSQL, a real Chromium, a real web server.

PostgreSQL is Debian's, started once per test run on a free port in a temporary folder, under the
`postgres` user when the tests run as root, and stopped at the end; each call of `fresh_postgresql` makes
a new, empty database in it. Chromium is Debian's too. Where one of them is missing its tests are
skipped, unless the environment demands it (`BIZDAY_REQUIRE=browser,postgresql`): then they fail.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

#: flags under which Chromium runs in a container and asks nobody outside for anything
CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Served:
    """A platform that answers on the loopback interface."""

    url: str
    app: Any
    platform: Any


def missing(what: str, sentence: str) -> None:
    """Skip the test that needs `what`, or fail it where the environment demands it."""
    if what in os.environ.get("BIZDAY_REQUIRE", "").split(","):
        pytest.fail(sentence)
    pytest.skip(sentence)


# --- PostgreSQL -------------------------------------------------------------------------------
def fresh_postgresql() -> str:
    """The address of a new, empty database."""
    if not _binaries():
        missing("postgresql", "PostgreSQL's binaries are not installed: run `make setup`.")
    port = _cluster()
    name = f"bizday_{os.getpid()}_{next(_numbers)}"
    subprocess.run(
        [
            *_as_postgres(), str(_binaries() / "createdb"),
            "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", name,
        ],
        check=True, cwd="/",
    )  # fmt: skip
    return f"postgresql://postgres@127.0.0.1:{port}/{name}"


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _as_postgres() -> list[str]:
    """initdb and postgres refuse to run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


@lru_cache(maxsize=1)
def _cluster() -> int:
    folder = Path(tempfile.mkdtemp(prefix="bizday-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data, port = folder / "data", free_port()
    run = {"check": True, "cwd": "/", "stdout": subprocess.DEVNULL}
    subprocess.run(
        [*_as_postgres(), str(_binaries() / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust",
         "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"], **run,
    )  # fmt: skip
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c max_connections=100"
    )
    control = [*_as_postgres(), str(_binaries() / "pg_ctl"), "-D", str(data), "-w"]
    atexit.register(_stop, control, folder)
    subprocess.run([*control, "-l", str(folder / "log"), "-o", options, "start"], **run)
    return port


def _stop(control: list[str], folder: Path) -> None:
    subprocess.run([*control, "-m", "immediate", "stop"], cwd="/", stdout=subprocess.DEVNULL, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- Chromium ---------------------------------------------------------------------------------
def chromium_path() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        missing("browser", "Chromium is not installed: run `make setup`.")
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """A running Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    path = chromium_path()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


# --- the web server ---------------------------------------------------------------------------
@contextmanager
def served(platform) -> Iterator[Served]:
    """Serve `platform` on a free port in a thread for as long as the block lasts."""
    from waitress.server import create_server

    from webapp import create_app

    app = create_app(platform)
    server = create_server(app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.effective_port}", app, platform)
    finally:
        server.close()
        thread.join(timeout=5)
