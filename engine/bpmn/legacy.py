"""Older dialects, read into ours: `camunda:`, `flowable:` and `activiti:` attributes, and `${…}` expressions.

Only what means the same is translated: who does a task or began the case, its form and due date, a decision, a call, a
collection, and expressions made of names, comparisons, arithmetic and `&& || !`. What cannot be said in
FEEL stays a problem with its element. Each translation is told as information, so that a designer sees
that the model was not drawn for this engine.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lxml import etree

from engine.bpmn import juel
from engine.feel import FeelError

if TYPE_CHECKING:
    from engine.bpmn.model import Element, Loop

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
NAMESPACES = {
    "http://camunda.org/schema/1.0/bpmn": "camunda",
    "http://flowable.org/bpmn": "flowable",
    "http://activiti.org/bpmn": "activiti",
}
_OUTER = re.compile(r"[$#]\{(.*)\}", re.S)


def expression(text: str) -> str:
    """`${amount > 100 && kind == 'x'}` as `=amount > 100 and kind = "x"`; what is no such expression as it stands.

    Raises FeelError when it cannot be said in FEEL with the same meaning.
    """
    match = _OUTER.fullmatch(text.strip())
    if match is None or "${" in match[1] or "#{" in match[1]:
        return text
    return "=" + juel.translated(match[1])


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
    """Attributes and extension elements of older dialects, where ours says nothing."""
    found = {etree.QName(name).localname for name in node.attrib if etree.QName(name).namespace in NAMESPACES}
    for name in sorted(found & _FIELDS.keys()):
        field, is_formula = _FIELDS[name]
        text = attribute(node, name)
        if getattr(element, field) is None:
            setattr(element, field, parser.formula(element.id, text) if is_formula else text)
    if element.kind == "callActivity" and element.called is None and node.get("calledElement"):
        element.called = parser.formula(element.id, node.get("calledElement"))
        if NAMESPACES.keys() & set(node.nsmap.values()):  # there, a call hands over what is named and no more
            element.propagate_all_parent = attribute(node, "inheritVariables") == "true"
            element.propagate_all_child = False
    read = (found & _FIELDS.keys()) | _extensions(parser, element, node) | _resources(parser, element, node)
    read |= _binding(element, node) | _initiator(parser, element, node) | (found & {"inheritVariables"})
    _say(parser, element, "import.translated", "Parts of another dialect were translated: %(names)s.", read)
    idle = found - read - _FIELDS.keys() - set(_CODE) - _changing(element, node)
    _say(parser, element, "import.ignored", "Attributes of another dialect say nothing here: %(names)s.", idle)
    for name in sorted(_changing(element, node) & (found | {"mapDecisionResult"})):
        _not_translated(parser, element.id, name, "error")
    for name in sorted(found & set(_CODE)):
        if element.kind in ("serviceTask", "sendTask", "businessRuleTask") and element.service_type is None:
            parser.problem(
                element.id, "import.code",
                "'%(name)s' calls code of another engine (%(attribute)s); name a service instead.",
                "warning", name=element.name or element.id, attribute=name,
            )  # fmt: skip


def _initiator(parser, element: Element, node) -> set[str]:
    """`initiator` of a start event: the variable that holds the login of who starts the case."""
    name = attribute(node, "initiator")
    if element.kind != "startEvent" or name is None or element.events:
        return set()
    if (formula := parser.formula(element.id, "=starter.login")) is not None:
        element.outputs += ((name, formula),)
    return {"initiator"}


def _binding(element: Element, node) -> set[str]:
    """Which version of a process or decision is called: the newest, that of the same deployment, or by its tag."""
    for kind in ("calledElement", "decisionRef"):
        said = attribute(node, f"{kind}Binding")
        if said in ("latest", "deployment") or (said == "versionTag" and attribute(node, f"{kind}VersionTag")):
            element.binding, element.version_tag = said, attribute(node, f"{kind}VersionTag")
            return {f"{kind}Binding"} | ({f"{kind}VersionTag"} if said == "versionTag" else set())
    return set()


def _changing(element: Element, node) -> set[str]:
    """Attributes that would change what happens, and cannot be done here."""
    found = {
        name for name in ("skipExpression", "calledElementVersion", "decisionRefVersion", "calledElementTenantId",
                          "decisionRefTenantId", "variableMappingClass", "variableMappingDelegateExpression")
        if attribute(node, name)
    }  # fmt: skip
    if element.kind == "startEvent" and element.events and attribute(node, "initiator"):
        found.add("initiator")  # nobody starts what a message or a timer begins
    for name in ("calledElementBinding", "decisionRefBinding"):
        if attribute(node, name) and not _binding(element, node):
            found.add(name)
    camunda = "{http://camunda.org/schema/1.0/bpmn}"
    is_kept = node.get(f"{camunda}decisionRef") and node.get(f"{camunda}resultVariable")
    if is_kept and node.get(f"{camunda}mapDecisionResult", "resultList") != "singleEntry":
        found.add("mapDecisionResult")  # a list or a row there; here the value itself
    return found


def _say(parser, element: Element, rule: str, sentence: str, names: set[str]) -> None:
    if names:
        parser.problem(element.id, rule, sentence, "info", names=", ".join(sorted(names)))


# --- extension elements -----------------------------------------------------------------------------
#: extension elements that run code or change what happens, and cannot be done here
_REFUSED = frozenset({
    "executionListener", "taskListener", "connector", "inputOutput", "in", "out", "formData", "formProperty", "eventListener",
    "mapException", "variableAggregation",
})  # fmt: skip


def _extensions(parser, element: Element, node) -> set[str]:
    """Translate what can be; say what cannot. Local names of what was translated."""
    read = set()
    for one in _elements(node.find(f"{BPMN}extensionElements")):
        name = etree.QName(one).localname
        if etree.QName(one).namespace not in NAMESPACES:
            continue
        if name in _ELEMENTS and _ELEMENTS[name](parser, element, one):
            read.add(name)
        else:
            is_empty = name == "formData" and not _elements(one)
            _not_translated(parser, element.id, name, "error" if name in _REFUSED and not is_empty else "warning")
    return read


def _elements(node) -> list:
    return [one for one in (node if node is not None else ()) if isinstance(one.tag, str)]


def _retries(parser, element: Element, node) -> bool:
    """`R5/PT10M`: five tries; when the next one comes changes nothing of the outcome."""
    said = re.match(r"R(\d+)/", (node.text or "").strip())
    if said and element.retries is None:
        element.retries = parser.formula(element.id, said[1])
    return True


def _fields(parser, element: Element, node) -> bool:
    """Fields that a person is asked for need a form; where ours is named, that one is shown in their place."""
    return element.form_key is not None


def _properties(parser, element: Element, node) -> bool:
    given = {one.get("name"): one.get("value") or "" for one in _elements(node) if one.get("name")}
    element.properties = given | element.properties
    return True


def _mapping(parser, element: Element, node) -> bool:
    """`inputOutput`: each parameter a text, an expression, a list or a map; scripts are not translated."""
    sides: dict[str, list] = {"inputParameter": [], "outputParameter": []}
    for one in _elements(node):
        side = sides.get(etree.QName(one).localname)
        try:
            text = _value(one)
        except FeelError:
            return False
        if side is None or text is None or not one.get("name"):
            return False
        if (formula := parser.formula(element.id, text or "=null")) is not None:
            side.append((one.get("name"), formula))
    element.inputs = element.inputs or tuple(sides["inputParameter"])
    element.outputs = element.outputs or tuple(sides["outputParameter"])
    return True


def _value(node) -> str | None:
    """A parameter's value as ours; None for what runs code."""
    inner = _elements(node)
    kind = etree.QName(inner[0]).localname if inner else ""
    if not kind:
        return (node.text or "").strip()
    if kind == "list" and not any(_elements(one) for one in inner[0]):
        return "=[" + ", ".join(_feel(one.text) for one in _elements(inner[0])) + "]"
    if kind == "map" and not any(_elements(one) for one in inner[0]):
        entries = (f"{juel.quoted(one.get('key') or '')}: {_feel(one.text)}" for one in _elements(inner[0]))
        return "={" + ", ".join(entries) + "}"
    return None


def _feel(text: str | None) -> str:
    said = expression((text or "").strip())
    return said[1:] if said.startswith("=") else juel.quoted(said)


def _handed_in(parser, element: Element, node) -> bool:
    """`in` of a call activity: one variable, an expression, or all."""
    if element.kind != "callActivity" or not _is_handed(node):
        return False
    said = _handed(parser, element, node)
    element.propagate_all_parent = node.get("variables") == "all" or (_has_all(node) and element.propagate_all_parent)
    element.inputs += (said,) if said else ()
    return True


def _handed_out(parser, element: Element, node) -> bool:
    if element.kind != "callActivity" or not _is_handed(node):
        return False
    said = _handed(parser, element, node)
    element.propagate_all_child = node.get("variables") == "all" or (_has_all(node) and element.propagate_all_child)
    element.outputs += (said,) if said else ()
    return True


def _is_handed(node) -> bool:
    """Whether it hands over what can be handed over here: no business key, no names made while running."""
    return node.get("variables") == "all" or bool((node.get("source") or node.get("sourceExpression")) and node.get("target"))


def _has_all(node) -> bool:
    """Whether one of its neighbours of the same kind hands over all."""
    return any(one.tag == node.tag and one.get("variables") == "all" for one in node.getparent())


def _handed(parser, element: Element, node):
    """(target, formula) of an `in` or `out`, or None."""
    text = node.get("sourceExpression") or (f"={node.get('source')}" if node.get("source") else None)
    formula = parser.formula(element.id, text) if text and node.get("target") else None
    return (node.get("target"), formula) if formula is not None else None


_ELEMENTS = {
    "properties": _properties, "inputOutput": _mapping, "in": _handed_in, "out": _handed_out,
    "failedJobRetryTimeCycle": _retries, "formData": _fields, "formProperty": _fields,
}  # fmt: skip


# --- what stands beside the elements ------------------------------------------------------------------
#: attributes of processes, flows, loops and event definitions that would change what happens
_CHANGE = frozenset({
    "elementIndexVariable", "errorCodeVariable", "errorMessageVariable", "errorVariableName", "errorVariableLocalScope",
    "errorVariableTransient", "escalationCodeVariable", "skipExpression", "signalExpression", "messageExpression",
})  # fmt: skip
_MAY_START = ("candidateStarterGroups", "candidateStarterUsers")


def beside(parser) -> None:
    """Processes, flows, loops and event definitions: what of them would change what happens is refused by name."""
    translated = {id(parser.nodes[one]) for one in parser.elements}
    for node in parser.node.iter(f"{BPMN}*"):
        if id(node) in translated:
            continue
        where = _drawn(parser, node)
        for name in _CHANGE:
            if attribute(node, name):
                _not_translated(parser, where, name, "error")
        for one in _elements(node.find(f"{BPMN}extensionElements")):
            if etree.QName(one).namespace in NAMESPACES and etree.QName(one).localname in _REFUSED:
                _not_translated(parser, where, etree.QName(one).localname, "error")
    for name in _MAY_START:
        if attribute(parser.node, name):
            _not_translated(parser, parser.id, name, "warning")


def _drawn(parser, node) -> str:
    """Id of the nearest thing of the drawing around a node, itself included."""
    around = (one.get("id") for one in (node, *node.iterancestors()))
    return next((one for one in around if one in parser.elements or one in parser.flows), parser.id)


def _not_translated(parser, where: str, kind: str, severity: str) -> None:
    one = parser.elements.get(where) or parser.flows.get(where) or parser.root
    parser.problem(
        where, "import.not-translated", "'%(name)s' has a '%(kind)s' of another dialect, which is not translated.",
        severity, name=one.name or where, kind=kind,
    )  # fmt: skip


# --- the standard's own words for who does a task -----------------------------------------------------
_RESOURCE = re.compile(r"(?:(user|group)\(([^()]*)\)|([^,()]+))\s*(?:,|$)")


def _resources(parser, element: Element, node) -> set[str]:
    """`humanPerformer` and `potentialOwner` (BPMN 2.0, 10.3.1), read as the older engines do: `user(…)`, `group(…)`."""
    if element.kind not in ("userTask", "manualTask") or element.assignee or element.candidate_groups or element.candidate_users:
        return set()
    read, groups, users = set(), [], []
    for role, formal in _assigned(node):
        said = [(kind or "group", (name or bare).strip()) for kind, name, bare in _RESOURCE.findall(formal)]
        read |= {role} if said else set()
        if role == "potentialOwner":
            groups += [name for kind, name in said if kind == "group"]
            users += [name for kind, name in said if kind == "user"]
        elif said:
            element.assignee = parser.formula(element.id, said[0][1])
    element.candidate_groups = parser.formula(element.id, ",".join(groups))
    element.candidate_users = parser.formula(element.id, ",".join(users))
    return read


def _assigned(node) -> list[tuple[str, str]]:
    """(role, what its assignment says) of each person or group that the standard's elements name."""
    found = []
    for role in ("humanPerformer", "potentialOwner"):
        for one in node.iterfind(f"{BPMN}{role}/{BPMN}resourceAssignmentExpression/{BPMN}formalExpression"):
            found.append((role, "".join(one.itertext()).strip()))
    return found


# --- loops ------------------------------------------------------------------------------------------
def loop(parser, element: Element, node, loop: Loop) -> None:
    """Collections of older dialects, and the standard's reference where it names a variable."""
    text = attribute(node, "collection") or _referred(parser, node)
    if loop.collection is None and text:
        loop.collection = parser.formula(element.id, text if text.startswith(("$", "#", "=")) else f"={text}")
    item = node.find(f"{BPMN}inputDataItem")
    named = item.get("name") or item.get("id") if item is not None else None
    loop.element_variable = loop.element_variable or attribute(node, "elementVariable") or named


def _referred(parser, node) -> str | None:
    """The variable that `loopDataInputRef` names; None when it is the id of a data object of the drawing."""
    found = node.find(f"{BPMN}loopDataInputRef")
    text = (found.text or "").strip() if found is not None else ""
    is_drawn = text and any(one.get("id") == text for one in parser.node.iter(f"{BPMN}*"))
    return None if is_drawn else text or None
