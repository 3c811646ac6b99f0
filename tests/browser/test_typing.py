"""What scripts add to forms and lists: drafts that save themselves, fields that follow others, keys."""

from __future__ import annotations

import pytest

from engine import tasks
from tests.webapp import visitor

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.browser
KEY = visitor.KEY


@pytest.fixture
def page_of(site):
    opened = []

    def open_for(login: str, path: str):
        context = site.context(login, viewport={"width": 1280, "height": 900})
        opened.append(context)
        page = context.new_page()
        page.goto(path)
        return page

    yield open_for
    for context in opened:
        context.close()


def test_what_is_typed_is_kept_in_one_draft(site, page_of):
    page = page_of("anna", f"/start/{KEY}")
    for word in ("A wedding", "A wedding by the sea"):
        page.fill("#f-why", word)
        with page.expect_response(lambda answer: answer.url.endswith("/draft")) as kept:
            page.locator("#f-why").blur()
        assert kept.value.ok
    expect(page.locator("[data-draft-state]")).to_contain_text("Saved")
    with site.platform.read(visitor.actor(site.platform, "anna")) as work:
        drafts = tasks.inbox(work, "drafts").rows
    assert [draft["answers"]["why"] for draft in drafts] == ["A wedding by the sea"]


def test_fields_of_a_data_set_stand_with_its_choice(page_of):
    page = page_of("anna", "/start/data_sharing_request")
    assert not page.locator("[data-of-set]").first.is_visible()
    option = page.locator("select[data-chooses-set] option").nth(1).get_attribute("value")
    page.select_option("select[data-chooses-set]", option)
    assert page.locator(f"[data-of-set={option}]").is_visible()
    assert page.locator("[data-of-set]:not([hidden])").count() == 1


def test_a_field_that_is_not_asked_for_hides_and_comes_back(page_of):
    page = page_of("anna", "/start/permission_change")
    expect(page.locator("[data-field=resource]")).to_be_hidden()
    assert page.locator("[data-field=group]").is_visible()
    page.check("input[name=what][value=permission]")
    expect(page.locator("[data-field=resource]")).to_be_visible()
    expect(page.locator("[data-field=group]")).to_be_hidden()


def test_a_task_is_chosen_and_claimed_by_keys(site, page_of):
    visitor.ask_for_leave(site.platform, "clara", 6)
    visitor.decided(site.platform)
    page = page_of("fiona", "/inbox?view=group")
    page.keyboard.press("j")
    assert page.locator("tr.bd-current").count() == 1
    with page.expect_navigation():
        page.keyboard.press("c")
    assert "The task is yours." in page.locator("main .alert").inner_text()
    assert page.url.endswith("/inbox?view=group")


def test_the_list_follows_the_world_without_a_reload(site, page_of):
    page = page_of("bert", "/inbox")
    before = page.locator("tr[data-row]").count()
    page.wait_for_load_state("networkidle")
    visitor.ask_for_leave(site.platform, "anna", 2)
    expect(page.locator("tr[data-row]")).to_have_count(before + 1, timeout=40_000)
    assert f"({before + 1})" in page.title()
