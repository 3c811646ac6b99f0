"""What browser tests ask for: the platform served on a port of its own, and Chromium.

`site` is the demo organisation with the small process of `tests.webapp.visitor`, served by waitress until the
module's tests are over. `browser` is Debian's Chromium; where it is missing, these tests are skipped. Nobody
types a password here: `Site.open` puts the cookie of a session into the browser.
"""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import open_at
from tests.services import missing
from tests.webapp import visitor
from webapp import create_app

CHROMIUM = next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)
FLAGS = ("--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
         "--disable-component-update --disable-sync").split()  # fmt: skip
BUILD = Path(__file__).resolve().parents[2] / "webapp" / "static" / "build" / "app.js"


@dataclass
class Site:
    """A served platform, and pages of it as somebody in particular sees them."""

    app: object
    address: str
    browser: object

    @property
    def platform(self):
        return self.app.extensions["platform"]

    def context(self, login: str | None, locale: str = "en", **more):
        """A browser window in which `login` is signed in."""
        somebody = visitor.Visitor(self.app, login, locale)
        made = self.browser.new_context(base_url=self.address, locale="en-US" if locale == "en" else "zh-CN", **more)
        cookie = somebody.client.get_cookie("bizday")
        made.add_cookies([{"name": "bizday", "value": cookie.value, "url": self.address}])
        return made


@pytest.fixture(scope="session")
def browser():
    sync = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None or not BUILD.exists():
        missing("browser", "Chromium or the browser bundle is not here: run `make setup` and `make bundle`.")
    with sync.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def site(browser, demo_files, tmp_path_factory):
    from waitress.server import create_server

    var = tmp_path_factory.mktemp("site") / "var"
    shutil.copytree(demo_files, var)
    platform = open_at(var)
    visitor.deploy_leave(platform)
    app = create_app(platform)
    server = create_server(app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield Site(app, f"http://127.0.0.1:{server.effective_port}", browser)
    server.close()
    thread.join(5)
    platform.close()
