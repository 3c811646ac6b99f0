"""Whole cases in a real browser: each person signs in with her password and does what waits for her.

The stories are those of the process tests, so that what the engine walks is walked by people too: the form is
filled in and sent, the task found in the inbox, the decision made with opinion and reason, the closing confirmed. The
worker does between two steps what is due; the clock is moved by hand.
"""

from __future__ import annotations

import shutil
import threading

import pytest
from sqlalchemy import select

from engine import people, runtime
from engine.schema import instance
from engine.worker import Worker
from tests.browser.conftest import Site
from tests.conftest import open_at
from tests.processes import test_data_sharing_request as sharing_stories
from tests.processes import test_multi_level_approval as approval_stories
from tests.processes.walk import CLOCK, MESSAGE, Story
from webapp import create_app

pytestmark = pytest.mark.browser
PASSWORD = "seven quiet horses graze"


@pytest.fixture
def site(browser, demo_files, tmp_path):
    """A platform of this test's own, served by a real server."""
    from waitress.server import create_server

    shutil.copytree(demo_files, tmp_path / "var")
    platform = open_at(tmp_path / "var", seed=23)
    app = create_app(platform)
    server = create_server(app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield Site(app, f"http://127.0.0.1:{server.effective_port}", browser)
    server.close()
    thread.join(5)
    platform.close()


class House:
    """People at their browsers."""

    def __init__(self, site: Site):
        self.site, self.platform = site, site.platform
        self.worker = Worker(self.platform, "journey")
        self.pages: dict[str, object] = {}
        self.wrong: list[str] = []

    def page(self, login: str):
        """Her browser; the first time she signs in with her password."""
        if login not in self.pages:
            with self.platform.work(people.SYSTEM) as work:
                people.set_password(work, self.id(work, login), PASSWORD)
                people.change_person(work, self.id(work, login), locale="en")
            made = self.site.browser.new_context(base_url=self.site.address, locale="en-US", accept_downloads=True)
            made.set_default_timeout(10_000)
            page = self.pages[login] = made.new_page()
            page.on("pageerror", lambda error: self.wrong.append(str(error)))
            page.goto("/inbox")
        page = self.pages[login]
        if "/sign-in" in page.url or self.has_ended(page):
            page.fill("input[name=login]", login)
            page.fill("input[name=password]", PASSWORD)
            page.press("input[name=password]", "Enter")
            page.wait_for_url("**/inbox")
        return page

    def has_ended(self, page) -> bool:
        """A session ends after a while; then the inbox leads to the sign-in page."""
        page.goto("/inbox")
        return "/sign-in" in page.url

    def id(self, work, login: str) -> str:
        return people.by_login(work, login)["id"]

    def fill(self, page, answers: dict) -> None:
        with self.platform.read(people.SYSTEM) as work:
            ids = {row["login"]: row["id"] for row in people.find(work, "", 500)}
        for name, value in answers.items():
            for one in value if isinstance(value, list) else [value]:
                self._answer(page, name, ids.get(one, one))

    def _answer(self, page, name: str, value) -> None:
        field = page.locator(f"#task-form [name='{name}'], #start-form [name='{name}']")
        kind = field.first.evaluate("one => one.tagName === 'SELECT' ? 'select' : one.type")
        if kind == "select":
            field.first.select_option(str(value))
        elif kind in ("radio", "checkbox"):
            chosen = page.locator(f"input[name='{name}'][value='{value}']:visible")
            chosen.first.check()
        else:
            field.first.fill(str(value))

    def start(self, login: str, key: str, answers: dict) -> str:
        page = self.page(login)
        page.goto(f"/start/{key}")
        self.fill(page, answers)
        page.click("button[form=start-form].btn-primary")
        page.wait_for_url("**/cases/*")
        self.beat()
        return page.url.rsplit("/", 1)[1].partition("?")[0]

    def beat(self, **by) -> None:
        if by:
            self.platform.clock.move(**by)
        self.worker.beat()

    def task(self, login: str, name: str):
        """Open a task of hers from her inbox, claiming it from her groups where it is not hers yet."""
        page = self.page(login)
        page.goto("/inbox")
        found = page.locator("tr[data-row]", has_text=name)
        if found.count() == 0:
            page.goto("/inbox?view=group")
            found = page.locator("tr[data-row]", has_text=name)
            found.first.locator("button[data-claim]").click()
            page.wait_for_load_state()
            page.goto("/inbox")
            found = page.locator("tr[data-row]", has_text=name)
        found.first.locator("a[data-open], a.bd-title").first.click()
        page.wait_for_selector("#task-form")
        return page

    def do(self, login: str, name: str, answers: dict) -> None:
        page = self.task(login, name)
        self.fill(page, answers)
        page.click("button[form=task-form][value=list]")
        page.wait_for_url("**/inbox*")
        self.beat()

    def walk(self, key: str, story: Story) -> str:
        case = self.start(story.login, key, story.answers)
        names = self.names(key)
        for who, where, what in story.steps:
            if who == CLOCK:
                self.beat(**what)
            elif who == MESSAGE:
                with self.platform.work(people.SYSTEM) as work:
                    number = work.execute(select(instance.c.number).where(instance.c.id == case)).scalar()
                    assert runtime.publish(work, where, number, what)["correlated"]
                self.beat()
            else:
                self.do(who, names[where], what)
        return case

    def names(self, key: str) -> dict[str, str]:
        from engine import repository

        with self.platform.read(people.SYSTEM) as work:
            known = [repository.latest(work, one)["id"] for one in (key, "case_closing")]
            return {e.id: e.name for one in known for e in repository.process(work, one).elements.values()}

    def close(self) -> None:
        for page in self.pages.values():
            page.context.close()


@pytest.fixture
def house(site):
    one = House(site)
    yield one
    one.close()
    assert not one.wrong, one.wrong


APPROVALS = ("returned, revised and approved", "one after the other, of whom the second rejects",
             "nobody is above her, so an administrator names who votes")  # fmt: skip


@pytest.mark.parametrize("name", APPROVALS)
def test_an_approval_by_levels_from_the_start_form_to_the_archive(house, name):
    story = approval_stories.STORIES[name]
    case = house.walk(approval_stories.KEY, story)
    page = house.page(story.login)
    page.goto(f"/cases/{case}")
    assert "Completed" in page.inner_text("main") or story.outcome.capitalize() in page.inner_text("main")
    assert "It follows the rule." in page.inner_text("main") or "It breaks the rule." in page.inner_text("main")


def test_a_vote_without_opinion_or_reason_is_refused_at_its_field(house):
    house.start("anna", approval_stories.KEY, approval_stories.SMALL)
    page = house.task("bert", "Vote, all at once")
    page.check("input[name=decision][value=approve]")
    page.click("button[form=task-form][value=list]")
    page.wait_for_selector("#form-errors")
    assert page.get_attribute("[name=opinion]", "aria-invalid") == page.get_attribute("[name=reason]", "aria-invalid") == "true"
    assert page.is_checked("input[name=decision][value=approve]")


def test_data_is_asked_for_agreed_downloaded_within_its_limits_and_revoked(house):
    asked = sharing_stories.MAILS | {"max_uses": 2}
    case = house.start("anna", sharing_stories.KEY, asked)
    names = house.names(sharing_stories.KEY)
    house.do("dora", names["decide_owner"], sharing_stories.YES)
    house.do("sara", names["decide_security"], sharing_stories.YES)
    clara = house.page("clara")
    clara.goto("/shares")
    clara.locator("form[action*='/shares/'] button").first.click()
    with clara.expect_download() as taken:
        clara.locator("dialog button.btn-primary").click()
    rows = open(taken.value.path(), encoding="utf-8-sig").read()
    assert "@" in rows and "phone" not in rows.lower() and "clara" in rows.lower()
    with house.platform.work(people.SYSTEM) as work:
        number = work.execute(select(instance.c.number).where(instance.c.id == case)).scalar()
        runtime.publish(work, "share.revoke", number, {"revoke_reason": "The open day is off."})
    house.beat()
    clara.goto("/shares")
    assert clara.locator("form[action*='/shares/'] button:enabled").count() == 0
    house.do("anna", names["confirm_closing"], sharing_stories.YES)
    anna = house.page("anna")
    anna.goto(f"/cases/{case}")
    assert "The sharing was revoked" in anna.inner_text("main")


@pytest.mark.parametrize("name", ["outside: owner, security and legal", "outside: one no is enough"])
def test_a_sharing_by_everybody_who_must_agree(house, name):
    case = house.walk(sharing_stories.KEY, sharing_stories.STORIES[name])
    page = house.page("anna")
    page.goto(f"/cases/{case}")
    assert page.locator("main").inner_text()


def test_who_completes_a_task_that_somebody_else_has_done_is_told(house):
    house.start("anna", approval_stories.KEY, approval_stories.SMALL)
    page = house.task("bert", "Vote, all at once")
    house.fill(page, approval_stories.YES)
    second = page.context.new_page()
    second.goto(page.url)
    house.fill(second, approval_stories.YES)
    page.click("button[form=task-form][value=list]")
    page.wait_for_url("**/inbox*")
    second.click("button[form=task-form][value=list]")
    second.wait_for_selector(".alert")
    assert "already done" in second.inner_text("main") or "no longer" in second.inner_text("main")


def test_the_page_of_a_case_follows_the_world_without_a_reload(house):
    case = house.start("anna", approval_stories.KEY, approval_stories.SMALL)
    anna = house.page("anna")
    anna.goto(f"/cases/{case}")
    anna.evaluate("window.stayed = true")
    house.do("bert", "Vote, all at once", approval_stories.YES)
    anna.wait_for_selector("text=It may be done.", timeout=30_000)
    assert anna.evaluate("window.stayed") is True


def test_without_scripts_a_case_is_started_claimed_and_done(site, house):
    from tests.webapp.visitor import Visitor

    Visitor(site.app, "anna", "en")
    context = site.context("anna", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"/start/{approval_stories.KEY}")
    for name, value in (("subject", "Chairs"), ("amount", "5000"), ("summary", "Twelve chairs for the office.")):
        page.fill(f"[name={name}]", value)
    page.select_option("select[name=kind]", "purchase")
    page.check("input[name=risk][value=low]")
    page.click("button[form=start-form].btn-primary")
    assert "/cases/" in page.url and "Chairs" in page.inner_text("main")
    context.close()
