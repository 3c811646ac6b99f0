"""Whole journeys in a real browser: each person signs in with her password and does what waits for her.

Every test serves a platform of its own with the demo organisation and all processes. `House` holds one window per
person; the worker beats after each thing that somebody did, and the clock is moved by hand. What a journey says
about the engine is proved in tests/processes; here it is proved that people can walk it: the form is found, a
refusal stands at its field, the page of the other follows, the keys and the phone work, and so does a browser
without scripts.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
from functools import cached_property

import pytest

from engine import people, repository
from engine.worker import Worker
from tests.conftest import open_at
from tests.processes import test_case_initiation as initiation
from tests.processes import test_data_sharing_request as sharing
from tests.processes import test_multi_level_approval as approval
from tests.processes import test_permission_change as permission
from tests.processes.walk import BACK, YES
from tests.services import served
from tests.webapp import visitor

sync = pytest.importorskip("playwright.sync_api")
expect = sync.expect
pytestmark = pytest.mark.browser
PASSWORD = visitor.PASSWORD
SEVEN_SECONDS = 7_000


class House:
    """People at their browsers."""

    def __init__(self, browser, server):
        self.browser, self.address, self.platform = browser, server.url, server.platform
        self.worker = Worker(self.platform, "journey")
        self.windows: dict[str, object] = {}
        self.wrong: list[str] = []

    # --- windows ------------------------------------------------------------------------------
    def open(self, login: str, path: str = "/inbox"):
        """Her window at `path`; where the platform does not know her it asks, and she signs in."""
        page = self.windows.get(login) or self.window(login)
        page.goto(path, wait_until="domcontentloaded")
        if "/sign-in" in page.url:
            self.sign_in(page, login)
        return page

    def window(self, login: str, locale: str = "en", **more):
        """A new window of hers, in which nobody has signed in yet."""
        with self.platform.work(people.SYSTEM) as work:
            person_id = people.by_login(work, login)["id"]
            people.set_password(work, person_id, PASSWORD)
            people.change_person(work, person_id, locale=locale)
        made = self.browser.new_context(base_url=self.address, locale="en-US", **more)
        made.set_default_timeout(SEVEN_SECONDS)
        page = self.windows[login] = made.new_page()
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: {error}"))
        return page

    def sign_in(self, page, login: str) -> None:
        page.fill("input[name=login]", login)
        page.fill("input[name=password]", PASSWORD)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(lambda url: "/sign-in" not in url, wait_until="domcontentloaded")

    def close(self) -> None:
        for page in self.windows.values():
            page.context.close()

    # --- what people do -----------------------------------------------------------------------
    def fill(self, page, answers: dict) -> None:
        for name, value in answers.items():
            for one in value if isinstance(value, list) else [value]:
                self._answer(page, name, str(self.logins.get(one, one)))

    def _answer(self, page, name: str, value: str) -> None:
        field = page.locator(f":is(#task-form, #start-form) [name='{name}']")
        kind = field.first.evaluate("one => one.tagName === 'SELECT' ? 'select' : one.type")
        if kind == "select":
            field.select_option(value)
        elif kind in ("radio", "checkbox"):
            page.locator(f"[name='{name}'][value='{value}']:visible").first.check()
        else:
            field.first.fill(value)

    def start(self, login: str, key: str, answers: dict, files: dict | None = None) -> str:
        """Fill in the start form and send it; returns the address of the case."""
        page = self.open(login, f"/start/{key}")
        self.fill(page, answers)
        for name, text in (files or {}).items():
            page.set_input_files("[name='documents.files']", {"name": name, "mimeType": "text/plain", "buffer": text.encode()})
        page.get_by_role("button", name="Start the case").click()
        page.wait_for_url("**/cases/*", wait_until="domcontentloaded")
        self.beat()
        return page.url

    def task(self, login: str, element_id: str):
        """Find a task in her inbox, or claim it from her groups in one click, and open it."""
        page, name = self.open(login), self.names[element_id]
        row = page.locator("tr[data-row]", has_text=name).first
        if not row.count():
            page = self.open(login, "/inbox?view=group")
            page.locator("tr[data-row]", has_text=name).first.get_by_role("button", name="Claim").click()
            expect(page.locator(".bd-flash")).to_contain_text("The task is yours.")
            page = self.open(login)
        row.locator("a[data-open]").click()
        page.wait_for_url("**/tasks/*", wait_until="domcontentloaded")
        return page

    def do(self, login: str, element_id: str, answers: dict) -> None:
        page = self.task(login, element_id)
        self.fill(page, answers)
        self.complete(page)

    def complete(self, page) -> None:
        page.get_by_role("button", name="Complete and close").click()
        page.wait_for_url("**/inbox", wait_until="domcontentloaded")
        expect(page.locator(".bd-flash")).to_contain_text("Done:")
        self.beat()

    def beat(self, **by) -> None:
        if by:
            self.platform.clock.move(**by)
        self.worker.beat()

    # --- what they know -----------------------------------------------------------------------
    @cached_property
    def logins(self) -> dict[str, str]:
        with self.platform.read(people.SYSTEM) as work:
            return {row["login"]: row["id"] for row in people.find(work, "", 500)}

    @cached_property
    def names(self) -> dict[str, str]:
        """Element id -> name of every step of every process."""
        with self.platform.read(people.SYSTEM) as work:
            drawn = [repository.process(work, row["id"]) for row in repository.definitions(work)]
        return {one.id: one.name for process in drawn for one in process.elements.values()}


@pytest.fixture
def house(browser, demo_files, tmp_path):
    shutil.copytree(demo_files, tmp_path / "var")
    platform = open_at(tmp_path / "var", seed=23)
    with served(platform) as server:
        one = House(browser, server)
        yield one
        one.close()
    platform.close()
    assert not one.wrong, one.wrong


# --- an approval by levels ----------------------------------------------------------------------
def test_an_approval_by_levels_is_refused_at_its_fields_returned_revised_and_closed(house):
    case = house.start("anna", approval.KEY, approval.FINANCE, {"offer.txt": "Twelve chairs, 100 000."})
    page = house.task("bert", approval.VOTE)
    page.check("input[name=decision][value=approve]")
    page.get_by_role("button", name="Complete and close").click()
    expect(page.locator("#form-errors")).to_contain_text("Opinion")
    for name in ("opinion", "reason"):
        expect(page.locator(f"#f-{name}")).to_have_attribute("aria-invalid", "true")
        expect(page.locator(f"#f-{name}-error")).to_be_visible()
    expect(page.locator("input[name=decision][value=approve]")).to_be_checked()
    house.fill(page, YES | {"opinion": "The manager agrees."})
    house.complete(page)
    house.do("bert", approval.VOTE, YES | {"opinion": "The department agrees."})
    house.do("fiona", approval.VOTE, YES | {"opinion": "The money is there."})
    house.do("frank", approval.VOTE, BACK | {"opinion": "Ask for a second offer."})
    house.do("anna", "revise_request", approval.REVISED)
    house.do("bert", approval.VOTE, YES | {"opinion": "Now it is cheap."})
    house.do("anna", approval.CLOSE, YES)
    anna = house.open("anna", case)
    expect(anna.locator(".bd-stamp")).to_contain_text("Approved")
    timeline = anna.locator(".bd-timeline").inner_text()
    for opinion in ("The manager agrees.", "The department agrees.", "The money is there.", "Ask for a second offer.", "Now it is cheap."):
        assert opinion in timeline
    assert BACK["reason"] in timeline and "Returned" in timeline
    expect(anna.locator("[data-diagram]")).to_have_attribute("data-ready", "1")


# --- data is shared -------------------------------------------------------------------------------
def test_data_is_asked_for_agreed_taken_within_its_limits_and_recalled(house):
    house.start("anna", sharing.KEY, sharing.OUTSIDE | {"max_uses": 2})
    house.do("dora", sharing.OWNER, YES)
    house.do("sara", sharing.SECURITY, YES)
    house.do("lena", sharing.LEGAL, YES)
    paula = house.open("paula", "/shares")
    file = take(paula)
    head, *rows = csv.reader(io.StringIO(file))
    mark = next(cell for row in rows for cell in row if re.search(r"\w+-1-[0-9a-f]{20}", cell))
    assert mark and "Invitations to the open day." in file and "Bert" in file
    assert "@bizday.example" not in file and "Telephone" not in head
    paula = house.open("paula", "/shares")
    expect(paula.locator(".bd-tile")).to_contain_text("1 of 2 used")
    dora = house.open("dora", "/shares")
    dora.locator("summary", has_text="Revoke").click()
    dora.fill("[name=reason]", "The open day is off.")
    dora.get_by_role("button", name="Revoke the share").click()
    expect(dora.locator(".bd-flash")).to_contain_text("it gives nothing any more")
    house.beat()
    paula.get_by_role("button", name="Download").click()  # her page is older than that
    paula.locator("dialog").get_by_role("button", name="Download").click()
    expect(paula.locator(".bd-flash")).to_have_text("This share was revoked.")
    expect(paula.locator(".bd-tile")).to_contain_text("Revoked")
    house.do("anna", sharing.CLOSE, YES)


def test_a_share_ends_with_its_time(house):
    case = house.start("anna", sharing.KEY, sharing.INSIDE)
    house.do("dora", sharing.OWNER, YES)
    assert "Bert" in take(house.open("clara", "/shares"))
    house.beat(days=31)
    clara = house.open("clara", "/shares")
    expect(clara.locator(".bd-tile")).to_contain_text("Expired")
    assert not clara.get_by_role("button", name="Download").count()
    house.do("anna", sharing.CLOSE, YES)
    expect(house.open("anna", case).locator(".bd-stamp")).to_contain_text("Expired")


def take(page) -> str:
    """Download what is shared: the page says first that it counts."""
    page.get_by_role("button", name="Download").click()
    expect(page.locator("dialog")).to_contain_text("counts as one of")
    with page.expect_download() as taken:
        page.locator("dialog").get_by_role("button", name="Download").click()
    with open(taken.value.path(), encoding="utf-8-sig") as file:
        return file.read()


# --- a permission ---------------------------------------------------------------------------------
def test_a_page_that_was_closed_to_her_opens_for_as_long_as_she_may(house):
    anna = house.open("anna", "/compliance/log")
    expect(anna.locator(".bd-error-code")).to_have_text("403")
    house.start("anna", permission.KEY, permission.SINGLE | {"resource": "log"})
    house.do("bert", permission.DEPARTMENT, YES)
    anna = house.open("anna", "/compliance/log")
    expect(anna.locator("h1")).to_contain_text("log")
    expect(anna.locator(".bd-nav")).to_contain_text("Compliance")
    house.beat(days=30)
    expect(house.open("anna", "/compliance/log").locator(".bd-error-code")).to_have_text("403")


# --- starting cases -------------------------------------------------------------------------------
def test_what_is_half_written_is_kept_by_itself_and_becomes_a_case(house):
    page = house.open("anna", f"/start/{initiation.KEY}")
    house.fill(page, {"title": "Chairs for the hall", "kind": "purchase"})
    expect(page.locator("[data-draft-state]")).to_contain_text("Saved")
    page = house.open("anna", "/inbox?view=drafts")
    page.locator("tr[data-row] a[data-open]").click()
    expect(page.locator("[name=title]")).to_have_value("Chairs for the hall")
    house.fill(page, initiation.SMALL)
    page.get_by_role("button", name="Start the case").click()
    page.wait_for_url("**/cases/*")
    expect(page.locator("h1")).to_have_text("Chairs")
    page = house.open("anna", "/inbox?view=drafts")
    expect(page.locator("main")).to_contain_text("You have no drafts.")


ROWS = """title,kind,description,amount,party,risk
Chairs,purchase,Twelve chairs for the new office.,5000,Chairs Ltd,low
Tables,purchase,Six tables for the new office.,{amount},Tables Ltd,low
Lamps,purchase,Thirty lamps for the new office.,5000,Lamps Ltd,low
"""


def test_of_a_file_with_a_bad_row_nothing_is_started_and_of_the_mended_one_all(house):
    page = house.open("anna", f"/start/{initiation.KEY}/upload")
    upload(page, ROWS.format(amount="many"))
    expect(page.locator(".alert-danger")).to_contain_text("1 row cannot start a case. Nothing was started.")
    expect(page.locator("table tbody tr")).to_have_count(1)
    expect(page.locator("table tbody tr")).to_contain_text("Amount")
    page = house.open("anna", "/inbox?view=started")
    expect(page.locator("main")).to_contain_text("You have started nothing yet.")
    page = house.open("anna", f"/start/{initiation.KEY}/upload")
    upload(page, ROWS.format(amount=6000))
    expect(page.locator(".alert-success li")).to_have_count(3)
    house.beat()
    bert = house.open("bert")
    expect(bert.locator("tr[data-row]")).to_have_count(3)
    bert.locator("tr[data-row] a[data-open]").first.click()
    for left in (2, 1):
        before = bert.url
        house.fill(bert, YES)
        bert.get_by_role("button", name="Complete", exact=True).click()
        bert.wait_for_url(lambda url, before=before: "/tasks/" in url and url != before)
        expect(bert.locator(".bd-flash")).to_contain_text("Done:")
        assert len(house.open("bert").query_selector_all("tr[data-row]")) == left
        bert.go_back()


def upload(page, text: str) -> None:
    page.set_input_files("#file", {"name": "cases.csv", "mimeType": "text/csv", "buffer": text.encode()})
    page.get_by_role("button", name="Try and start").click()


# --- two at once ------------------------------------------------------------------------------------
def test_the_page_of_a_case_follows_what_another_does(house):
    case = house.start("anna", approval.KEY, approval.SMALL)
    anna = house.windows["anna"]
    anna.clock.install()
    house.open("anna", case)
    anna.wait_for_load_state("networkidle")
    anna.evaluate("window.stayed = true")
    house.do("bert", approval.VOTE, YES)
    anna.clock.run_for(15_500)
    expect(anna.locator(".bd-timeline")).to_contain_text(YES["opinion"])
    expect(anna.locator(".bd-now-list")).to_contain_text(house.names[approval.CLOSE])
    assert anna.evaluate("window.stayed")


def test_whoever_comes_second_is_told_who_was_first(house):
    house.start("anna", sharing.KEY, sharing.MAILS)
    house.do("dora", sharing.OWNER, YES)
    sven = house.open("sven", "/inbox?view=group")
    sven.locator("tr[data-row] a[data-open]").click()
    house.fill(sven, YES)
    house.do("sara", sharing.SECURITY, YES)
    sven.get_by_role("button", name="Complete and close").click()
    told = f"Task '{house.names[sharing.SECURITY]}' was already done by 示例·萨拉 Sara."
    expect(sven.locator(".bd-flash")).to_have_text(told)
    assert sven.url.endswith("/inbox")


# --- publishing -------------------------------------------------------------------------------------
def test_a_model_with_faults_is_painted_and_a_sound_one_becomes_the_next_version(house, tmp_path):
    dirk = house.open("dirk", "/processes/deploy")
    publish(dirk, tmp_path, {'assignee="bert"': 'assignee="=nobody knows("', f'formId="{visitor.KEY}/note"': 'formId="leave/gone"'})
    expect(dirk.locator("[data-diagram]")).to_have_attribute("data-ready", "1")
    for element_id in ("decide", "note"):
        expect(dirk.locator(f".djs-element.bd-problem-error[data-element-id={element_id}]")).to_be_visible()
        expect(dirk.locator(f"#problems [data-show-element={element_id}]").first).to_be_visible()
    publish(dirk, tmp_path, {})
    expect(dirk.locator(".bd-flash")).to_contain_text("Leave is published as version 1.")
    dirk.goto("/processes/deploy")
    publish(dirk, tmp_path, {"Note the leave": "Write the leave down"})
    expect(dirk.locator(".bd-flash")).to_contain_text("Leave is published as version 2.")
    expect(dirk.locator("#versions tbody tr")).to_have_count(2)
    anna = house.open("anna", "/start")
    expect(anna.locator(".bd-tiles")).to_contain_text("Leave")


def publish(page, folder, changes: dict[str, str]) -> None:
    paths = []
    for name, data in visitor.LEAVE.items():
        text = data.decode()
        if name.endswith(".bpmn"):
            for old, new in changes.items():
                text = text.replace(old, new)
        paths.append(folder / name.rpartition("/")[2])
        paths[-1].write_text(text, "utf-8")
    page.set_input_files("input[name=files]", paths)
    page.fill("[name=folder]", visitor.KEY)
    page.get_by_role("button", name="Publish").click()


# --- keys, no scripts, languages, a phone ---------------------------------------------------------------
def test_a_day_at_the_keyboard(house):
    for _ in range(2):
        house.start("anna", sharing.KEY, sharing.INSIDE)
    dora = house.open("dora", "/inbox?view=group")
    keys = dora.keyboard
    keys.press("/")
    expect(dora.locator("#q")).to_be_focused()
    keys.type("jk?")
    expect(dora.locator("#q")).to_have_value("jk?")  # in a field a letter is a letter
    dora.locator("#q").fill("")
    dora.locator("#q").blur()
    keys.press("?")
    expect(dora.locator("dialog[open]")).to_contain_text("Claim")
    keys.press("Escape")
    expect(dora.locator("dialog")).to_have_count(0)
    chosen = dora.locator("tr[data-row]")
    for key, at in (("j", 0), ("j", 1), ("j", 1), ("k", 0)):
        keys.press(key)
        expect(chosen.nth(at)).to_have_class(re.compile("bd-current"))
    keys.press("c")
    expect(dora.locator(".bd-flash")).to_contain_text("The task is yours.")
    expect(chosen).to_have_count(1)
    keys.press("j")
    keys.press("o")
    dora.wait_for_url("**/tasks/*")
    keys.press("c")
    expect(dora.locator(".bd-flash")).to_contain_text("The task is yours.")


def test_without_scripts_everything_is_done_too(house):
    house.window("anna", java_script_enabled=False)
    house.start("anna", sharing.KEY, sharing.INSIDE)
    expect(house.windows["anna"].locator(".bd-flash")).to_contain_text("was started.")
    house.window("dora", java_script_enabled=False)
    house.do("dora", sharing.OWNER, YES)
    expect(house.open("dora").locator("main")).to_contain_text("Nothing waits for you.")


def test_the_language_changes_with_one_click_and_stays(house):
    page = house.open("bert", "/start?of=language")
    for name, language, words in (("中文", "zh-CN", "发起"), ("English", "en", "Start")):
        page.get_by_role("button", name=name).click()
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.locator("h1")).to_contain_text(words)
        assert page.url.endswith("/start?of=language")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page = house.window("bert", locale="zh_Hans_CN")  # elsewhere, before she has signed in, her browser's language
    page.goto("/inbox")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    house.sign_in(page, "bert")
    expect(page.locator("h1")).to_have_text("待我办理")


def test_a_task_is_done_on_a_phone_from_the_bar_at_the_foot(house):
    house.start("anna", approval.KEY, approval.SMALL)
    page = house.window("bert", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    house.open("bert")
    page.locator("tr[data-row] a[data-open]").tap()
    bar = page.locator(".bd-actions")
    expect(bar).to_be_in_viewport()
    box = bar.bounding_box()
    assert box["y"] + box["height"] >= 840 and box["width"] <= 390
    house.fill(page, YES)
    bar.get_by_role("button", name="Complete", exact=True).tap()
    expect(page.locator(".bd-flash")).to_contain_text("Done:")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
