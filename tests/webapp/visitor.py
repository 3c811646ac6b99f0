"""A visitor of the pages, as a browser without scripts would be one.

`Visitor(app, login)` is signed in by a session of its own, sends the token of the page with every form and
reads answers as trees. `LEAVE` is a small process of three steps with its forms, so that tests of pages
depend on no process of the project: Anna asks for leave, Bert decides, and somebody of finance notes it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from lxml import html

from engine import people, repository, runtime, tasks

PASSWORD = "seven quiet horses graze"
KEY = "leave"


def _step(element_id: str, name: str, form: str, assignment: str, more: str = "") -> str:
    return f"""<bpmn:userTask id="{element_id}" name="{name}"><bpmn:extensionElements><zeebe:userTask/>
      <zeebe:formDefinition formId="{KEY}/{form}"/><zeebe:assignmentDefinition {assignment}/>{more}
      </bpmn:extensionElements></bpmn:userTask>"""


def _shape(element_id: str, x: int, width: int, height: int) -> str:
    return f"""<bpmndi:BPMNShape id="{element_id}_di" bpmnElement="{element_id}">
      <dc:Bounds x="{x}" y="{140 - height // 2}" width="{width}" height="{height}"/></bpmndi:BPMNShape>"""


def _edge(flow: str, start: int, end: int) -> str:
    return f"""<bpmndi:BPMNEdge id="{flow}_di" bpmnElement="{flow}"><di:waypoint x="{start}" y="140"/>
      <di:waypoint x="{end}" y="140"/></bpmndi:BPMNEdge>"""


_APART = '<zeebe:properties><zeebe:property name="bizday:separation" value="not-starter"/></zeebe:properties>'
MODEL = f"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"
  xmlns:di="http://www.omg.org/spec/DD/20100524/DI" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
  id="definitions_{KEY}" targetNamespace="https://bizday.example/tests">
  <bpmn:process id="{KEY}" name="Leave" isExecutable="true">
    <bpmn:startEvent id="asked" name="Leave asked for"><bpmn:extensionElements>
      <zeebe:formDefinition formId="{KEY}/start"/></bpmn:extensionElements></bpmn:startEvent>
    {_step("decide", "Decide on the leave", "decide", 'assignee="bert"', _APART)}
    {_step("note", "Note the leave", "note", 'candidateGroups="finance"')}
    <bpmn:endEvent id="noted" name="Leave noted"/>
    <bpmn:sequenceFlow id="f1" sourceRef="asked" targetRef="decide"/>
    <bpmn:sequenceFlow id="f2" sourceRef="decide" targetRef="note"/>
    <bpmn:sequenceFlow id="f3" sourceRef="note" targetRef="noted"/>
  </bpmn:process>
  <bpmndi:BPMNDiagram id="diagram"><bpmndi:BPMNPlane id="plane" bpmnElement="{KEY}">
    {_shape("asked", 100, 36, 36)}{_shape("decide", 200, 100, 80)}{_shape("note", 360, 100, 80)}
    {_shape("noted", 520, 36, 36)}{_edge("f1", 136, 200)}{_edge("f2", 300, 360)}{_edge("f3", 460, 520)}
  </bpmndi:BPMNPlane></bpmndi:BPMNDiagram>
</bpmn:definitions>"""


def _form(name: str, title: str, required: list[str], properties: dict) -> bytes:
    return json.dumps({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"{KEY}/{name}", "title": title,
        "type": "object", "additionalProperties": False, "required": required, "x-order": list(properties),
        "properties": properties,
    }).encode()  # fmt: skip


_WHY = {"type": "string", "title": "Why", "minLength": 2, "maxLength": 200, "x-widget": "textarea"}
LEAVE = {
    f"{KEY}.bpmn": MODEL.encode(),
    f"{KEY}/start.json": _form("start", "Ask for leave", ["days", "why"], {
        "days": {"type": "integer", "title": "Days", "minimum": 1, "maximum": 30},
        "why": _WHY,
        "papers": {"type": "array", "items": {"type": "string"}, "title": "Papers", "x-widget": "documents"},
    }),
    f"{KEY}/decide.json": _form("decide", "Decide on the leave", ["decision", "opinion"], {
        "days_shown": {"type": "integer", "title": "Days", "x-widget": "readonly", "x-source": "days"},
        "decision": {"type": "string", "title": "Decision", "enum": ["approve", "reject"], "x-widget": "radio",
                     "x-labels": {"approve": "Approve", "reject": "Reject"}},
        "opinion": {**_WHY, "title": "Opinion"},
    }),
    f"{KEY}/note.json": _form("note", "Note the leave", ["remark"], {"remark": {**_WHY, "title": "Remark"}}),
}  # fmt: skip


_APPROVAL = _APART.replace("</", '<zeebe:property name="bizday:approval" value="true"/></', 1)
#: the same, but the decision is an approval, to which signers can be added and which states a reason
SIGNED = {
    f"{KEY}.bpmn": MODEL.replace(_APART, _APPROVAL).encode(),
    f"{KEY}/decide.json": _form("decide", "Decide on the leave", ["decision", "opinion", "reason"], {
        "decision": {"type": "string", "title": "Decision", "enum": ["approve", "reject"], "x-widget": "radio",
                     "x-labels": {"approve": "Approve", "reject": "Reject"}},
        "opinion": {**_WHY, "title": "Opinion"}, "reason": {**_WHY, "title": "Reason"},
    }),
}  # fmt: skip
AGREED = {"decision": "approve", "opinion": "Go, and enjoy it.", "reason": "By the rule."}


def signed_leave(platform, login: str = "anna") -> str:
    """A case whose decision, which waits for Bert, is an approval; returns the id of his task."""
    with platform.work(people.SYSTEM) as work:
        repository.deploy(work, SIGNED)
    case_id = ask_for_leave(platform, login)
    with platform.read(actor(platform, "bert")) as work:
        return next(row["id"] for row in tasks.inbox(work, "mine", sort="created").rows if row["root_id"] == case_id)


def deploy_leave(platform) -> None:
    with platform.work(people.SYSTEM) as work:
        repository.deploy(work, LEAVE)


def actor(platform, login: str) -> people.Actor:
    with platform.read(people.SYSTEM) as work:
        return people.actor(work, people.by_login(work, login)["id"])


def ask_for_leave(platform, login: str = "anna", days: int = 3, why: str = "The sea is calling.") -> str:
    """A running case of the small process; returns its id."""
    with platform.work(actor(platform, login)) as work:
        return runtime.start(work, KEY, {"days": days, "why": why}, title=f"{days} days of leave")["id"]


def task_of(platform, login: str, view: str = "mine") -> str:
    """The first task that waits for somebody, or for her groups."""
    with platform.read(actor(platform, login)) as work:
        return tasks.inbox(work, view).rows[0]["id"]


def decided(platform, login: str = "bert") -> None:
    """Bert has agreed; the case waits for finance."""
    with platform.work(actor(platform, login)) as work:
        mine = tasks.inbox(work, "mine", process=KEY).rows
        runtime.complete(work, mine[0]["id"], {"decision": "approve", "opinion": "Go."})


_PART = re.compile(r"(?P<tag>^[a-z0-9*]+)|\.(?P<cls>[\w-]+)|#(?P<id>[\w-]+)"
                   r"|(?P<no>:not\()?\[(?P<attr>[\w-]+)(?:=['\"]?(?P<value>[^'\"\]]*)['\"]?)?\]\)?")  # fmt: skip


def _step_of(simple: str) -> str:
    """One simple selector as a step of XPath."""
    tag, conditions = "*", []
    for part in _PART.finditer(simple):
        if part["tag"]:
            tag = part["tag"]
        elif part["cls"]:
            conditions.append(f"contains(concat(' ', normalize-space(@class), ' '), ' {part['cls']} ')")
        elif part["id"]:
            conditions.append(f"@id='{part['id']}'")
        else:
            said = f"@{part['attr']}" + (f"='{part['value']}'" if part["value"] is not None else "")
            conditions.append(f"not({said})" if part["no"] else said)
    return tag + "".join(f"[{one}]" for one in conditions)


def pick(tree, selector: str) -> list:
    """Elements below `tree` that fit a CSS selector of tags, classes, ids, attributes, descendants and commas."""
    paths = ("descendant-or-self::" + "//".join(map(_step_of, one.split())) for one in selector.split(","))
    return tree.xpath(" | ".join(paths))


@dataclass(frozen=True)
class Answer:
    """What came back, as a person without scripts sees it."""

    status: int
    headers: dict
    raw: str

    @property
    def tree(self):
        return html.document_fromstring(self.raw)

    @property
    def text(self) -> str:
        """Everything that is said on the page, in one line."""
        return " ".join(self.tree.find("body").text_content().split())

    @property
    def told(self) -> list[str]:
        """What the page says of the last act."""
        return [" ".join(one.text_content().split()) for one in self.all(".alert")]

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")

    def all(self, selector: str) -> list:
        return pick(self.tree, selector)

    def one(self, selector: str):
        found = self.all(selector)
        assert len(found) == 1, f"{len(found)} elements fit {selector}"
        return found[0]

    def form(self, action: str) -> dict[str, str]:
        """The hidden fields of the form that posts to `action`."""
        form = next(one for one in self.all("form") if one.get("action") == action)
        return {one.get("name"): one.get("value", "") for one in pick(form, "input[type=hidden]")}


class Visitor:
    """Somebody at a browser without scripts."""

    def __init__(self, app, login: str | None = None, locale: str = "en"):
        self.platform = app.extensions["platform"]
        self.client = app.test_client()
        #: the page that she looks at; a browser names it when it sends a form
        self.at = ""
        with self.client.session_transaction() as cookie:
            cookie["locale"] = locale
            if login:
                cookie["secret"] = self._secret(login, locale)

    def _secret(self, login: str, locale: str) -> str:
        with self.platform.work(people.SYSTEM) as work:
            person = people.by_login(work, login)
            people.change_person(work, person["id"], locale=locale)
            return people.open_session(work, person["id"], "127.0.0.1", "a test")

    def get(self, path: str, status: int = 200, **headers) -> Answer:
        self.at = path
        return self._answer(self.client.get(path, headers=headers), path, status)

    def post(self, path: str, data: dict | None = None, status: int = 303, *, token: bool = True, **headers) -> Answer:
        """Send a form. `data` may hold files as (stream, name)."""
        said = dict(data or {})
        if token:
            said.setdefault("csrf_token", self.token)
        headers = {"Referer": f"http://localhost{self.at}", **headers} if self.at else headers
        answer = self.client.post(path, data=said, headers=headers, content_type="multipart/form-data")
        return self._answer(answer, path, status)

    def follow(self, answer: Answer, status: int = 200) -> Answer:
        return self.get(answer.location, status)

    @property
    def token(self) -> str:
        page = self._answer(self.client.get("/help"), "/help", 200)
        return page.one("meta[name=csrf-token]").get("content")

    @staticmethod
    def _answer(answer, path: str, status: int) -> Answer:
        found = Answer(answer.status_code, dict(answer.headers), answer.get_data(as_text=True))
        assert found.status == status, f"{path} answered {found.status}: {found.raw[:2000]}"
        return found
