"""No page breaks a rule of accessibility, in both languages, on a desk and in a hand.

axe-core walks each page after its scripts have run; every violation is an error. Besides, no page is wider
than its window, nothing fails to load, and the content security policy stops nothing that a page needs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.webapp import visitor

pytestmark = pytest.mark.browser

AXE = Path(__file__).resolve().parents[2] / "webapp" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
RUN = "axe.run(document, {resultTypes: ['violations']})"
WIDTHS = {"desk": (1280, 900), "hand": (390, 844)}
KEY = visitor.KEY
#: login -> pages as she sees them; {case}, {task}, {done} and {person} are filled in
PAGES = {
    None: ("/sign-in", "/help"),
    "anna": ("/inbox?view=started", "/inbox?view=drafts", "/start", f"/start/{KEY}", f"/start/{KEY}/upload", "/me", "/nowhere",
             "/cases/{case}", "/cases/{case}?tab=path", "/cases/{case}?tab=papers", "/tasks/{task}", "/notifications",
             "/shares"),
    "bert": ("/inbox", "/tasks/{task}", "/tasks/{done}", "/cases/{done_case}", "/inbox?view=done", "/tasks/{approval}",
             "/tasks/{signing}"),
    "clara": ("/inbox?view=copies", "/tasks/{to_sign}", "/cases/{copied}"),
    "fiona": ("/inbox?view=group",),
    "olga": ("/cases", "/cases/{case}?tab=technical", "/cases/{case}?tab=data", "/incidents"),
    "dirk": ("/processes", f"/processes/{KEY}", "/processes/deploy", "/designer/try"),
    "ada": ("/administration", "/administration/people/{person}", "/administration/people/new", "/administration/groups",
            "/administration/departments", "/administration/substitutions", "/administration/announcements",
            "/administration/messages", "/administration/platform", f"/processes/{KEY}?version=1",
            "/cases/{case}/migration", "/definitions/{definition}/migration", "/cases", "/batches", "/batches/{batch}"),
    "cora": ("/compliance", "/compliance/indicators", "/compliance/log", "/compliance/policies", "/compliance/trail",
             "/compliance/cases", "/compliance/cases/{case}"),
}  # fmt: skip


@pytest.fixture(scope="module")
def places(site) -> dict[str, str]:
    """A case that waits for Bert, one that waits for finance, a draft, an incident, a next version, and ids for addresses."""
    from engine import batches, people, repository, runtime, tasks
    from engine.worker import Worker

    done_case = visitor.ask_for_leave(site.platform, "clara", 8)
    done = visitor.task_of(site.platform, "bert")
    visitor.decided(site.platform)
    case = visitor.ask_for_leave(site.platform, "anna")
    with site.platform.work(visitor.actor(site.platform, "anna")) as work:
        tasks.keep_start_draft(work, KEY, {"why": "Perhaps."})
        tasks.save_filter(work, "cases", "Leaves", "q=leave")
    with site.platform.work(people.SYSTEM) as work:
        runtime.raise_incident(work, done_case, "service", "The service does not answer.")
        definition = repository.latest(work, KEY)["id"]
        repository.deploy(work, {f"{KEY}.bpmn": visitor.MODEL.replace('"decide"', '"judge"').encode()})
    with site.platform.work(visitor.actor(site.platform, "ada")) as work:
        batch = batches.begin(work, "resume", [case, done_case], "It is clear now.")
    Worker(site.platform).beat()
    signed = _signed(site.platform)
    task, person = visitor.task_of(site.platform, "bert"), visitor.actor(site.platform, "anna").id
    return {"case": case, "task": task, "done": done, "done_case": done_case, "person": person,
            "definition": definition, "batch": batch, **signed}  # fmt: skip


def _signed(platform) -> dict[str, str]:
    """An approval with signers before it, one that waits for those after it, and a case of which Clara got a copy."""
    from engine import copies, runtime, tasks

    approval, signing = visitor.signed_leave(platform, "dora"), visitor.signed_leave(platform, "otto")
    clara, dirk = (visitor.actor(platform, login).id for login in ("clara", "dirk"))
    with platform.work(visitor.actor(platform, "bert")) as work:
        runtime.add_signers(work, approval, [clara, dirk], "Four eyes.", "before", True)
        runtime.add_signers(work, signing, [dirk], "Four eyes.", "after")
        runtime.complete(work, signing, visitor.AGREED)
        copied = runtime.load(work, tasks.find(work, approval)["instance_id"]).row
        copies.send(work, copied, [clara, dirk], "For your files.")
    with platform.read(visitor.actor(platform, "clara")) as work:
        to_sign = next(row["id"] for row in tasks.inbox(work, "mine").rows if row["parent_id"] == approval)
    return {"approval": approval, "signing": signing, "to_sign": to_sign, "copied": copied["id"]}


def audit(page, path: str) -> list[str]:
    """Everything that is wrong with the page at `path`."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"{path}: {error}"))
    page.on("console", lambda said: wrong.append(f"{path}: {said.text}") if _is_fault(said) else None)
    page.goto(path)
    if page.locator("[data-diagram]").count():
        page.wait_for_selector("[data-diagram][data-ready='1']", timeout=15_000)
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        wrong.append(f"{path}: wider than its window")
    page.evaluate(AXE.read_text("utf-8"))
    for rule in page.evaluate(RUN)["violations"]:
        places = ", ".join(str(node["target"]) for node in rule["nodes"][:3])
        wrong.append(f"{path}: {rule['id']} ({rule['help']}) at {places}")
    return wrong


def _is_fault(said) -> bool:
    """Errors but that of the page that is not there on purpose."""
    return said.type == "error" and "404" not in said.text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("locale", ["en", "zh_Hans_CN"])
@pytest.mark.parametrize("login", PAGES)
def test_no_page_breaks_a_rule_of_accessibility(site, places, login, locale, width):
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    context = site.context(login, locale, viewport=size)
    wrong = []
    for path in PAGES[login]:
        page = context.new_page()
        wrong += audit(page, path.format(**places))
        page.close()
    context.close()
    assert not wrong, "\n".join(wrong)


def test_colours_keep_their_contrast_in_the_dark(site, places):
    context = site.context("bert", color_scheme="dark", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wrong = [fault for path in ("/inbox", "/tasks/{task}", "/cases/{case}") for fault in audit(page, path.format(**places))]
    context.close()
    assert not wrong, "\n".join(wrong)


def test_the_open_verb_and_the_palette_are_sound_too(site, places):
    context = site.context("bert", viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"/tasks/{places['task']}")
    page.evaluate(AXE.read_text("utf-8"))
    page.keyboard.press("t")
    assert page.locator("#verb-transfer select").evaluate("node => node === document.activeElement")
    assert not page.evaluate(RUN)["violations"]
    page.keyboard.press("Escape")
    assert not page.locator("#verb-transfer .bd-verb-panel").is_visible()
    page.keyboard.press("Control+k")
    assert page.locator("dialog[open] input").is_visible()
    assert not page.evaluate(RUN)["violations"]
    context.close()
