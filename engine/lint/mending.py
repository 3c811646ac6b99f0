"""Changes that cannot change what a model means, proposed as data and made only when a person asks.

Each `Mend` belongs to one problem: `mends` reads a file and proposes, `apply` takes the same file and one
mend and gives the file with just that change; comments and all else stay as they are. A mend that no
longer fits the file is refused. The result passes the gate like any upload.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from lxml import etree

from engine import xmlgate
from engine.bpmn.parser import BPMN, NODES
from engine.errors import Invalid

DI = "{http://www.omg.org/spec/BPMN/20100524/DI}"
FLOW = f"{BPMN}sequenceFlow"
_NODES = tuple(f"{BPMN}{tag}" for tag in NODES)
_TO_DEFAULT = "Make flow '%(where)s' the default of '%(what)s'."
_TO_REMOVE = "Remove flow '%(where)s', which leads from or to nothing."


@dataclass(frozen=True)
class Mend:
    """One proposed change."""

    #: what is done: a key of ACTS
    act: str
    #: where the problem is told
    where: str
    #: rule of the problem that is gone afterwards
    rule: str
    #: what is done, for a person: message id with %(where)s and %(what)s
    sentence: str
    #: id of the other element that it needs, or ""
    what: str = ""

    def __str__(self) -> str:
        return self.sentence % asdict(self)


def mends(data: bytes) -> list[Mend]:
    """What could be mended, in the order of the file. Raises Invalid for what is no XML."""
    root = xmlgate.read(data)
    found: list[Mend] = []
    for propose in PROPOSALS:
        found += propose(root)
    return found


def apply(data: bytes, mend: Mend) -> bytes:
    """The file with that one change. Raises Invalid when it does not fit the file."""
    if mend not in mends(data):
        raise Invalid("The model has changed since; look at its problems again.")
    root = xmlgate.read(data, whole=True)
    ACTS[mend.act](root, mend)
    made = etree.tostring(root.getroottree(), xml_declaration=True, encoding="UTF-8")
    xmlgate.read(made)
    return made


# --- proposing ----------------------------------------------------------------------------------
def _not_executable(root) -> list[Mend]:
    return [
        Mend("set-executable", one.get("id"), "model.not-executable", "Mark process '%(where)s' as executable.")
        for one in root.iterfind(f"{BPMN}process")
        if one.get("id") and one.get("isExecutable") != "true" and any(node.get("id") for node in one.iter(*_NODES))
    ]  # fmt: skip


def _without_default(root) -> list[Mend]:
    """An exclusive gateway whose flows all have conditions but one: that one is the default."""
    plain: dict[str, list[str]] = {}
    total: dict[str, int] = {}
    for flow in root.iter(FLOW):
        source = flow.get("sourceRef") or ""
        total[source] = total.get(source, 0) + 1
        if not _has_condition(flow):
            plain.setdefault(source, []).append(flow.get("id") or "")
    return [
        Mend("set-default", free[0], "bpmn.no-condition", _TO_DEFAULT, one.get("id"))
        for one in root.iter(f"{BPMN}exclusiveGateway")
        if not one.get("default") and len(free := plain.get(one.get("id") or "", ())) == 1 and free[0]
        and total[one.get("id")] > 1
    ]  # fmt: skip


def _has_condition(flow) -> bool:
    found = flow.find(f"{BPMN}conditionExpression")
    return found is not None and bool("".join(found.itertext()).strip())


def _loose_flows(root) -> list[Mend]:
    ids = {node.get("id") for node in root.iter(*_NODES)}
    return [
        Mend("remove-flow", flow.get("id"), "bpmn.loose-flow", _TO_REMOVE)
        for flow in root.iter(FLOW)
        if flow.get("id") and not {flow.get("sourceRef"), flow.get("targetRef")} <= ids
    ]  # fmt: skip


def _wrong_defaults(root) -> list[Mend]:
    """A default that does not leave its element, or has a condition that is never asked."""
    flows = {flow.get("id"): flow for flow in root.iter(FLOW)}
    found = []
    for one in root.iter(f"{BPMN}*"):
        default = one.get("default")
        flow = flows.get(default)
        if default and one.get("id") and (flow is None or flow.get("sourceRef") != one.get("id")):
            found.append(
                Mend(
                    "unset-default",
                    one.get("id"),
                    "bpmn.default",
                    "Take back that '%(what)s' is the default of '%(where)s', which it does not leave.",
                    default,
                )
            )
        elif flow is not None and _has_condition(flow):
            found.append(
                Mend(
                    "remove-condition",
                    default,
                    "gateway.default-condition",
                    "Remove the condition of default flow '%(where)s', which is never asked.",
                )
            )
    return found


PROPOSALS: tuple[Callable[[Any], list[Mend]], ...] = (
    _not_executable,
    _without_default,
    _loose_flows,
    _wrong_defaults,
)


# --- doing --------------------------------------------------------------------------------------
def _find(root, element_id: str):
    return next(one for one in root.iter(f"{BPMN}*") if one.get("id") == element_id)


def _set_executable(root, mend: Mend) -> None:
    _find(root, mend.where).set("isExecutable", "true")


def _set_default(root, mend: Mend) -> None:
    _find(root, mend.what).set("default", mend.where)


def _unset_default(root, mend: Mend) -> None:
    del _find(root, mend.where).attrib["default"]


def _remove_condition(root, mend: Mend) -> None:
    flow = _find(root, mend.where)
    for one in flow.findall(f"{BPMN}conditionExpression"):
        _remove(one)


def _remove_flow(root, mend: Mend) -> None:
    """The flow, what refers to it, and its edge in the diagram."""
    for one in list(root.iter(f"{BPMN}incoming", f"{BPMN}outgoing")):
        if (one.text or "").strip() == mend.where:
            _remove(one)
    for one in list(root.iter(f"{DI}BPMNEdge")):
        if one.get("bpmnElement") == mend.where:
            _remove(one)
    for one in list(root.iter(FLOW)):
        if one.get("id") == mend.where:
            _remove(one)


def _remove(node) -> None:
    """A node with the blank before it, so that no empty line is left."""
    before, parent = node.getprevious(), node.getparent()
    if before is not None:
        before.tail = node.tail
    else:
        parent.text = node.tail
    parent.remove(node)


ACTS: dict[str, Callable[[Any, Mend], None]] = {
    "set-executable": _set_executable, "set-default": _set_default, "unset-default": _unset_default,
    "remove-condition": _remove_condition, "remove-flow": _remove_flow,
}  # fmt: skip
