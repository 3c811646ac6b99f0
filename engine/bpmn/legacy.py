"""Older dialects, read into ours: `camunda:`, `flowable:` and `activiti:` attributes, and `${…}` expressions.

Only what means the same is translated: who does a task, its form and due date, a decision, a call, a
collection, and expressions made of names, comparisons, arithmetic and `&& || !`. What cannot be said in
FEEL stays a problem with its element. Each translation is told as information, so that a designer sees
that the model was not drawn for this engine.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lxml import etree

if TYPE_CHECKING:
    from engine.bpmn.model import Element, Loop

NAMESPACES = {
    "http://camunda.org/schema/1.0/bpmn": "camunda",
    "http://flowable.org/bpmn": "flowable",
    "http://activiti.org/bpmn": "activiti",
}
_OUTER = re.compile(r"[$#]\{(.*)\}", re.S)
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_OPERATORS = (
    (re.compile(r"&&|\band\b"), " and "), (re.compile(r"\|\||\bor\b"), " or "), (re.compile(r"==|\beq\b"), "="),
    (re.compile(r"\bne\b"), "!="), (re.compile(r"\bgt\b"), ">"), (re.compile(r"\blt\b"), "<"),
    (re.compile(r"\bge\b"), ">="), (re.compile(r"\ble\b"), "<="), (re.compile(r"\bempty\s+([\w.]+)"), r"is empty(\1)"),
    (re.compile(r"(?:\bnot\b|!(?!=))\s*([\w.]+|\([^()]*\))"), r"not(\1)"),
)  # fmt: skip


def expression(text: str) -> str:
    """`${amount > 100 && kind == 'x'}` as `=amount > 100 and kind = "x"`; anything else as it stands."""
    match = _OUTER.fullmatch(text.strip())
    if match is None or "${" in match[1] or "#{" in match[1]:
        return text
    return "=" + _translated(match[1]).strip()


def _translated(code: str) -> str:
    """Operators outside of strings, and strings with double quotes."""
    parts, at = [], 0
    for string in _STRING.finditer(code):
        parts += [_operators(code[at : string.start()]), _quoted(string[0])]
        at = string.end()
    return "".join([*parts, _operators(code[at:])])


def _operators(code: str) -> str:
    for pattern, said in _OPERATORS:
        code = pattern.sub(said, code)
    return code


def _quoted(string: str) -> str:
    inner = string[1:-1]
    return string if string[0] == '"' else '"' + inner.replace("\\'", "'").replace('"', '\\"') + '"'


def attribute(node, name: str) -> str | None:
    """An attribute of any of the older dialects."""
    return next((value for space in NAMESPACES if (value := node.get(f"{{{space}}}{name}"))), None)


def result_variable(node) -> str | None:
    return attribute(node, "resultVariable")


def version_tag(node) -> str | None:
    return attribute(node, "versionTag")


#: attribute -> (field of the element, whether it is a formula)
_FIELDS = {
    "assignee": ("assignee", True), "candidateGroups": ("candidate_groups", True),
    "candidateUsers": ("candidate_users", True), "dueDate": ("due", True), "followUpDate": ("follow_up", True),
    "priority": ("priority", True), "formKey": ("form_key", False), "formRef": ("form_key", False),
    "decisionRef": ("decision", True), "topic": ("service_type", True), "resultVariable": ("result_variable", False),
}  # fmt: skip
#: what runs code of the older engines, and can never run here
_CODE = ("class", "delegateExpression", "expression")


def translate(parser, element: Element, node) -> None:
    """Attributes of older dialects, where ours says nothing."""
    found = {etree.QName(name).localname for name in node.attrib if etree.QName(name).namespace in NAMESPACES}
    for name in sorted(found & _FIELDS.keys()):
        field, is_formula = _FIELDS[name]
        text = attribute(node, name)
        if getattr(element, field) is None:
            setattr(element, field, parser.formula(element.id, text) if is_formula else text)
    if element.kind == "callActivity" and element.called is None and node.get("calledElement"):
        element.called = parser.formula(element.id, node.get("calledElement"))
    if found:
        parser.problem(
            element.id, "import.translated", "Attributes of another dialect were read: %(names)s.", "info",
            names=", ".join(sorted(found)),
        )  # fmt: skip
    for name in sorted(found & set(_CODE)):
        if element.kind in ("serviceTask", "sendTask", "businessRuleTask") and element.service_type is None:
            parser.problem(
                element.id, "import.code", "'%(name)s' calls code of another engine (%(attribute)s); name a service instead.",
                "warning", name=element.name or element.id, attribute=name,
            )  # fmt: skip


def loop(parser, element: Element, node, loop: Loop) -> None:
    """Collections of older dialects."""
    text = attribute(node, "collection")
    if loop.collection is None and text:
        loop.collection = parser.formula(element.id, text if text.startswith(("$", "#", "=")) else f"={text}")
    loop.element_variable = loop.element_variable or attribute(node, "elementVariable")
