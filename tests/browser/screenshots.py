"""`make screenshots`: the README's two pictures, from a fresh platform with a few cases walked by invented people.

The clock stands on a working Thursday, so that the pictures change only when the pages do.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from engine import people
from tests.conftest import deploy_everything, open_at, organise
from tests.processes.walk import YES, Walk
from tests.services import chromium, served

DOCS = Path(__file__).resolve().parents[2] / "docs"
PASSWORD = "seven quiet horses graze"
ANSWERS = {"kind": "purchase", "amount": 5000, "risk": "low"}
TITLES = ("会议室的十二把椅子", "机房的两台服务器", "前台的打印机", "培训用的投影仪")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        platform = open_at(Path(folder) / "var", seed=5)
        platform.create_tables()
        organise(platform)
        deploy_everything(platform)
        case = _walk(platform)
        with served(platform) as server, chromium() as browser:
            DOCS.mkdir(exist_ok=True)
            page = _signed_in(browser, server.url, platform, "bert")
            page.goto(f"{server.url}/inbox")
            page.wait_for_timeout(800)
            page.screenshot(path=str(DOCS / "inbox.png"))
            page.goto(f"{server.url}/cases/{case}?tab=path")
            page.wait_for_timeout(2500)
            page.screenshot(path=str(DOCS / "case.png"))


def _walk(platform) -> str:
    """Four requests of Anna, one of them decided; returns the first."""
    cases = []
    for title in TITLES:
        said = {**ANSWERS, "subject": title, "summary": "见所附的报价和说明。"}
        cases.append(Walk(platform).start("anna", "multi_level_approval", said))
        platform.clock.move(hours=5)
    cases[0].step("bert", "vote_together", YES)
    platform.clock.move(hours=27)
    cases[0].worker.beat()
    return cases[0].id


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


if __name__ == "__main__":
    main()
