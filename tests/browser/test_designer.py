"""The designer's canvas in a real browser: a model is opened, its problems stand beside it, a click mends one."""

from __future__ import annotations

import re

import pytest

from tests.webapp.test_designer import CHOICE

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
