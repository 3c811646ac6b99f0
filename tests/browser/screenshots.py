"""`make screenshots`: the README's two pictures, from a fresh platform with a few cases walked by invented people.

The week and everything asked for in it stand as a table; the clock stops on its Thursday, when some of what waits
for Bert is late and some is not, and two people decide about one request at the same time. So the pictures change
only when the pages do. Nothing else is served, and the folder of the platform is gone afterwards.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from engine import people
from tests.conftest import deploy_everything, open_at, organise
from tests.processes.walk import Walk, at
from tests.services import chromium, served

DOCS = Path(__file__).resolve().parents[2] / "docs"
PASSWORD = "seven quiet horses graze"
MOST = 250_000
APPROVAL, PERMISSION, SHARING = "multi_level_approval", "permission_change", "data_sharing_request"
WANTED = {"kind": "purchase", "amount": 5000, "risk": "low", "summary": "用途、数量和三家报价见附件。"}
RIGHT = {"action": "grant", "what": "group", "group": "finance", "until": "2026-03-31", "purpose": "三月份协助财务核对发票。"}
DATA = {
    "data_set": "staff_directory", "fields": ["name", "department", "email"], "recipient": "paula",
    "purpose": "给来宾发送公司开放日的请柬。", "days": 30, "max_uses": 3,
}  # fmt: skip
#: when on the wall of the office, who starts which process with which answers
WEEK = (
    ("2026-03-02 14:10", "anna", APPROVAL, WANTED | {"subject": "会议室的十二把椅子"}),
    ("2026-03-03 10:05", "clara", APPROVAL, WANTED | {"subject": "前台的打印机", "amount": 3200}),
    ("2026-03-03 14:20", "dora", PERMISSION, RIGHT | {"subject": "dora"}),
    ("2026-03-03 16:30", "clara", APPROVAL, WANTED | {"subject": "机房的两台备用电源", "amount": 8600}),
    ("2026-03-04 09:15", "anna", SHARING, DATA),
    ("2026-03-04 14:50", "dora", APPROVAL, WANTED | {"subject": "展会的布置", "kind": "service"}),
    ("2026-03-05 09:10", "anna", APPROVAL, WANTED | {"subject": "年度维保合同", "kind": "service", "amount": 9800}),
)
AGREED = {"decision": "approve", "opinion": "用途明确，范围适当。", "reason": "符合数据分级的规定。"}
NOW = "2026-03-05 10:30"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        platform = open_at(Path(folder) / "var", seed=5)
        platform.create_tables()
        organise(platform)
        deploy_everything(platform)
        shared = _walk(platform)
        with served(platform) as server, chromium() as browser:
            DOCS.mkdir(exist_ok=True)
            page = _signed_in(browser, server.url, platform, "bert")
            _picture(page, "inbox")
            page = _signed_in(browser, server.url, platform, "anna")
            page.goto(f"{server.url}/cases/{shared}?tab=path")
            page.locator("[data-diagram][data-ready='1'] .bd-is-now").first.wait_for()
            page.wait_for_timeout(300)
            _picture(page, "case")
        platform.close()


def _walk(platform) -> str:
    """Everything of the week; returns the request for data, which two people have before them."""
    cases = {}
    for when, login, process, answers in WEEK:
        platform.clock.set(at(when))
        cases[process] = Walk(platform).start(login, process, answers)
        if process == SHARING:
            platform.clock.move(minutes=50)
            cases[process].step("dora", "decide_owner", AGREED)
    platform.clock.set(at(NOW))
    for _ in range(3):
        cases[SHARING].worker.beat()
    return cases[SHARING].id


def _signed_in(browser, address: str, platform, login: str):
    with platform.work(people.SYSTEM) as work:
        people.set_password(work, people.by_login(work, login)["id"], PASSWORD)
    page = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 800}).new_page()
    page.goto(f"{address}/sign-in")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_load_state("networkidle")
    return page


def _picture(page, name: str) -> None:
    size = len(page.screenshot(path=str(DOCS / f"{name}.png")))
    assert size < MOST, f"{name}.png is too large for a README: {size} bytes"


if __name__ == "__main__":
    main()
