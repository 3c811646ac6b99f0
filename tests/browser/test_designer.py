"""The designer's canvas in a real browser: a model is opened, its problems stand beside it, a click mends one."""

from __future__ import annotations

import os
import re

import pytest

from tests.engine.small import flow, model
from tests.webapp.test_designer import CHOICE

#: folder for pictures of what was seen, for who wants to look
SHOTS = os.environ.get("SHOTS")
pytestmark = pytest.mark.browser


def test_the_canvas_shows_the_model_its_problems_and_mends_it_by_a_click(site):
    context = site.context("dirk", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto("/designer")
    page.wait_for_selector("form[data-modeler][data-ready='1']")
    page.set_input_files("[data-modeler-open]", {"name": "x.bpmn", "mimeType": "application/xml", "buffer": drawn(CHOICE)})
    page.click("[data-modeler-problems] .btn-outline-primary")
    page.wait_for_selector("[data-modeler-problems] .btn-outline-primary", state="detached")
    assert page.locator(".djs-element[data-element-id='g']").count() == 1
    context.close()
    assert not wrong


def test_an_expression_of_a_problem_is_tried_beside_the_drawing(site):
    context = site.context("dirk", viewport={"width": 390, "height": 844})
    context.set_default_timeout(20_000)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto("/designer")
    page.wait_for_selector("form[data-modeler][data-ready='1']")
    odd = drawn(CHOICE.replace(b"=1 = 1", b'=amount + &quot;a&quot; = cuont([1])'))
    page.set_input_files("[data-modeler-open]", {"name": "x.bpmn", "mimeType": "application/xml", "buffer": odd})
    row = page.locator("[data-modeler-problems] li", has_text="cuont")
    assert row.first.locator("mark").inner_text() == "cuont"
    row.first.get_by_role("button", name="Try this expression").click()
    assert page.input_value("#try-expression") == 'amount + "a" = cuont([1])'
    page.fill("#try-values", '{"amount": 5}')
    page.press("#try-values", "Tab")
    page.get_by_role("button", name="Try the expression").press("Enter")
    page.wait_for_selector("[data-try-answer] mark")
    assert "'+' does not work on a number and a string." in page.inner_text("[data-try-answer]")
    assert page.locator(".djs-element[data-element-id='g']").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
    assert not wrong


BARE = model(
    '<bpmn:startEvent id="s" name="Asked"/><bpmn:exclusiveGateway id="g" name="Enough?"/><bpmn:userTask id="t" name="Look again"/>'
    '<bpmn:subProcess id="u" name="Order"><bpmn:startEvent id="us" name="Begun"/><bpmn:task id="ut" name="Order it"/>'
    '<bpmn:endEvent id="ue" name="Ordered"/>' + flow("us", "ut") + flow("ut", "ue") + '</bpmn:subProcess>'
    '<bpmn:boundaryEvent id="b" name="Late" attachedToRef="t"><bpmn:timerEventDefinition><bpmn:timeDuration>P1D</bpmn:timeDuration>'
    '</bpmn:timerEventDefinition></bpmn:boundaryEvent><bpmn:endEvent id="e" name="Done"/>'
    + flow("s", "g") + flow("g", "u", "=1 = 1") + flow("g", "t") + flow("t", "g") + flow("u", "e") + flow("b", "e")
    + '<bpmn:sequenceFlow id="loose" sourceRef="t" targetRef="gone"/>'
)  # fmt: skip


@pytest.mark.parametrize("locale", ["en", "zh_Hans_CN"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_file_without_a_picture_opens_drawn_and_one_mend_is_made_and_nothing_else(site, locale, width):
    context = site.context("dirk", locale, viewport={"width": width, "height": 900})
    context.set_default_timeout(20_000)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto("/designer")
    page.wait_for_selector("form[data-modeler][data-ready='1']")
    data = BARE if locale == "en" else in_chinese(BARE)
    page.set_input_files("[data-modeler-open]", {"name": "bare.bpmn", "mimeType": "application/xml", "buffer": data})
    for id in ("s", "g", "t", "u", "us", "ut", "b", "e"):
        page.wait_for_selector(f".djs-element[data-element-id='{id}']", state="attached")
    mends = page.locator("[data-modeler-problems] .btn-outline-primary")
    mends.nth(1).wait_for()
    assert mends.count() == 2
    before = model_of(page)
    assert b'"loose"' in before and ("提出" if locale != "en" else "Asked").encode() in before
    shoot(page, f"open-{locale}-{width}")
    mends.filter(has_text="loose").click()
    mends.nth(1).wait_for(state="detached")
    shoot(page, f"mended-{locale}-{width}")
    assert set(before.splitlines()) - set(model_of(page).splitlines()) == {
        line for line in before.splitlines() if b"loose" in line
    }
    assert set(model_of(page).splitlines()) <= set(before.splitlines())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
    assert not wrong


def test_a_file_that_does_not_open_is_said_so_and_the_draft_stays(site):
    context = site.context("dirk", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto("/designer")
    page.wait_for_selector("form[data-modeler][data-ready='1']")
    page.wait_for_selector("[data-modeler-problems] li")
    page.set_input_files("[data-modeler-open]", {"name": "x.bpmn", "mimeType": "application/xml", "buffer": b"<mxfile/>"})
    page.wait_for_selector("[data-modeler-problems] li:has-text('draw.io')")
    assert page.locator(".djs-element[data-element-id='Start']").count() == 1
    context.close()


def in_chinese(data: bytes) -> bytes:
    """As an older tool of a Chinese office would save it."""
    text = data.decode().replace('"Asked"', '"提出"')
    return ('<?xml version="1.0" encoding="GB18030"?>' + text[text.index("<bpmn:") :]).encode("gb18030")


def shoot(page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def model_of(page) -> bytes:
    """What is drawn, as it would be saved."""
    said = page.evaluate("document.querySelector('[data-modeler]').bdModeler.saveXML({ format: true })")
    return said["xml"].encode()


LATIN = re.compile(r"[A-Za-z]{3,}")


def test_the_drawing_tool_speaks_the_readers_language(site):
    context = site.context("dirk", "zh_Hans_CN", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto("/designer")
    page.wait_for_selector("form[data-modeler][data-ready='1']")
    page.set_input_files("[data-modeler-open]", {"name": "x.bpmn", "mimeType": "application/xml", "buffer": drawn(CHOICE)})
    page.wait_for_selector(".djs-element[data-element-id='g']")
    said = page.evaluate(SAID)
    assert "令牌模拟" in said and "排他网关" in said and "并行网关" in said
    assert not [one for one in said if LATIN.search(one)]
    context.close()


#: selects the gateway, opens what it may become, and reads every word of the tool
SAID = """() => {
  const modeler = document.querySelector("form[data-modeler]").bdModeler;
  const gateway = modeler.get("elementRegistry").get("g");
  modeler.get("selection").select(gateway);
  modeler.get("popupMenu").open(gateway, "bpmn-replace", { x: 400, y: 300 });
  return new Promise((done) => setTimeout(() => {
    const shown = [".djs-palette [title]", ".djs-context-pad [title]"].flatMap((one) =>
      [...document.querySelectorAll(one)].map((node) => node.title));
    const read = [".bts-toggle-mode", ".djs-minimap .toggle", ".djs-popup-label", ".bio-properties-panel-header-type",
      ".bio-properties-panel-group-header-title", ".bio-properties-panel-label"].flatMap((one) =>
      [...document.querySelectorAll(one)].map((node) => node.textContent.trim()));
    done([...shown, ...read]);
  }, 500));
}"""


def drawn(data: bytes) -> bytes:
    """The model with a picture, as a tool would save it."""
    shapes = "".join(
        f'<bpmndi:BPMNShape id="{key}_di" bpmnElement="{key}"><dc:Bounds x="{x}" y="{y}" width="50" height="50"/></bpmndi:BPMNShape>'
        for key, x, y in (("s", 100, 100), ("g", 200, 100), ("e", 300, 50), ("f", 300, 150))
    )
    edges = "".join(
        f'<bpmndi:BPMNEdge id="{key}_di" bpmnElement="{key}"><di:waypoint xmlns:di="http://www.omg.org/spec/DD/20100524/DI" '
        f'x="{x}" y="{y}"/><di:waypoint xmlns:di="http://www.omg.org/spec/DD/20100524/DI" x="{u}" y="{v}"/></bpmndi:BPMNEdge>'
        for key, x, y, u, v in (("s-g", 150, 125, 200, 125), ("g-e", 250, 125, 300, 75), ("g-f", 250, 125, 300, 175))
    )
    plane = f'<bpmndi:BPMNDiagram id="dia"><bpmndi:BPMNPlane id="pl" bpmnElement="small">{shapes}{edges}</bpmndi:BPMNPlane></bpmndi:BPMNDiagram>'
    return data.replace(b"</bpmn:definitions>", plane.encode() + b"</bpmn:definitions>")
