"""A writer of BPMN files that reads like the drawing: each element is a call, a file is `model(...)`.

Everything is text. Events name their message, signal, error or escalation; `model` finds these names and
writes the definitions at the top of the file. A correlation key is part of the message's id, so two events
may wait for one message with different keys. Conditions and formulas are FEEL, with the "=" where Camunda
Modeler writes one.
"""

from __future__ import annotations

import re
from itertools import pairwise
from xml.sax.saxutils import quoteattr

NAMESPACES = (
    'xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" '
    'xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
KEY = '="k"'
_MAPPING = "<zeebe:ioMapping"
_REFERENCE = re.compile(r'(message|signal|error|escalation)Ref="(\w+?)_([0-9a-f]+)(?:_([0-9a-f]*))?"')


def model(*parts: str, id: str = "p", beside: str = "") -> bytes:
    """A file with one executable process `id`; `beside` is written before it."""
    body = "".join(parts)
    return (
        f'<?xml version="1.0"?><definitions {NAMESPACES} id="d" targetNamespace="urn:test">'
        f"{_definitions(body)}{beside}"
        f'<process id="{id}" isExecutable="true">{body}</process></definitions>'
    ).encode()


def element(tag: str, id: str, *inner: str, **attributes) -> str:
    """Any element; texts that stand inside are sorted into extension elements and the rest."""
    said = [part for part in inner if part.startswith("<zeebe:")]
    extensions = "".join(sorted(said, key=lambda part: part.startswith(_MAPPING)))
    extensions = extensions.replace(f"</{_MAPPING[1:]}>{_MAPPING}>", "")
    rest = "".join(part for part in inner if not part.startswith("<zeebe:"))
    said = "".join(f" {name.rstrip('_')}={quoteattr(str(value))}" for name, value in attributes.items())
    holder = f"<extensionElements>{extensions}</extensionElements>" if extensions else ""
    return f'<{tag} id="{id}"{said}>{holder}{rest}</{tag}>'


# --- flows ------------------------------------------------------------------------------------
def flow(source: str, target: str, condition: str | None = None, id: str | None = None) -> str:
    id = id or f"{source}_to_{target}"
    inner = f"<conditionExpression>{_escape('=' + condition)}</conditionExpression>" if condition else ""
    return f'<sequenceFlow id="{id}" sourceRef="{source}" targetRef="{target}">{inner}</sequenceFlow>'


def path(*ids: str) -> str:
    """Flows from each to the next."""
    return "".join(flow(one, other) for one, other in pairwise(ids))


def association(source: str, target: str) -> str:
    return f'<association id="{source}_undone_by_{target}" sourceRef="{source}" targetRef="{target}"/>'


# --- events -----------------------------------------------------------------------------------
def start(id: str = "start", *inner: str, interrupting: bool = True, **attributes) -> str:
    more = {} if interrupting else {"isInterrupting": "false"}
    return element("startEvent", id, *inner, **more, **attributes)


def end(id: str = "end", *inner: str, **attributes) -> str:
    return element("endEvent", id, *inner, **attributes)


def catch(id: str, *inner: str, **attributes) -> str:
    return element("intermediateCatchEvent", id, *inner, **attributes)


def throw(id: str, *inner: str, **attributes) -> str:
    return element("intermediateThrowEvent", id, *inner, **attributes)


def boundary(id: str, host: str, *inner: str, interrupting: bool = True, **attributes) -> str:
    more = {} if interrupting else {"cancelActivity": "false"}
    return element("boundaryEvent", id, *inner, attachedToRef=host, **more, **attributes)


def timer(said: str, kind: str = "Duration") -> str:
    return f"<timerEventDefinition><time{kind}>{_escape(said)}</time{kind}></timerEventDefinition>"


def message(name: str, key: str = KEY) -> str:
    return f'<messageEventDefinition messageRef="{message_ref(name, key)}"/>'


def message_ref(name: str, key: str = KEY) -> str:
    return f"Message_{_hex(name)}_{_hex(key)}"


def signal(name: str) -> str:
    return f'<signalEventDefinition signalRef="Signal_{_hex(name)}"/>'


def error(code: str | None = None) -> str:
    ref = f' errorRef="Error_{_hex(code)}"' if code else ""
    return f"<errorEventDefinition{ref}/>"


def escalation(code: str | None = None) -> str:
    ref = f' escalationRef="Escalation_{_hex(code)}"' if code else ""
    return f"<escalationEventDefinition{ref}/>"


def conditional(condition: str) -> str:
    said = _escape("=" + condition)
    return f"<conditionalEventDefinition><condition>{said}</condition></conditionalEventDefinition>"


def link(name: str) -> str:
    return f'<linkEventDefinition name="{name}"/>'


def compensation(activity: str | None = None) -> str:
    ref = f' activityRef="{activity}"' if activity else ""
    return f"<compensateEventDefinition{ref}/>"


CANCEL = "<cancelEventDefinition/>"
TERMINATE = "<terminateEventDefinition/>"


# --- activities -------------------------------------------------------------------------------
def task(id: str, *inner: str, **attributes) -> str:
    return element("task", id, *inner, **attributes)


def user(id: str, *inner: str, **attributes) -> str:
    return element("userTask", id, *inner, **attributes)


def service(id: str, *inner: str, type: str = "work", **attributes) -> str:
    return element("serviceTask", id, f'<zeebe:taskDefinition type="{type}"/>', *inner, **attributes)


def script(id: str, expression: str, result: str, *inner: str, **attributes) -> str:
    said = quoteattr("=" + expression)
    return element("scriptTask", id, f'<zeebe:script expression={said} resultVariable="{result}"/>', *inner, **attributes)


def rule(id: str, decision: str, result: str, *inner: str) -> str:
    called = f'<zeebe:calledDecision decisionId="{decision}" resultVariable="{result}"/>'
    return element("businessRuleTask", id, called, *inner)


def receive(id: str, name: str, *inner: str, key: str = KEY, **attributes) -> str:
    return element("receiveTask", id, *inner, messageRef=message_ref(name, key), **attributes)


def send(id: str, name: str, *inner: str, key: str = KEY) -> str:
    return element("sendTask", id, *inner, messageRef=message_ref(name, key))


def call(id: str, process: str, *inner: str, **attributes) -> str:
    said = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return element("callActivity", id, f'<zeebe:calledElement processId="{process}"{said}/>', *inner)


def sub(id: str, *inner: str, **attributes) -> str:
    return element("subProcess", id, *inner, **attributes)


def event_sub(id: str, *inner: str) -> str:
    return element("subProcess", id, *inner, triggeredByEvent="true")


def inputs(**mapping: str) -> str:
    return _mapping("input", mapping)


def outputs(**mapping: str) -> str:
    return _mapping("output", mapping)


def multi(
    collection: str | None = None, item: str | None = None, *, count: str | None = None, sequential: bool = False,
    results: str | None = None, result: str | None = None, until: str | None = None,
) -> str:  # fmt: skip
    """Multi-instance characteristics, over a list or a number."""
    said = {"inputCollection": collection and f"={collection}", "inputElement": item,
            "outputCollection": results, "outputElement": result and f"={result}"}  # fmt: skip
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in said.items() if value)
    holder = f"<extensionElements><zeebe:loopCharacteristics{attributes}/></extensionElements>" if attributes else ""
    number = f"<loopCardinality>{_escape('=' + count)}</loopCardinality>" if count else ""
    enough = f"<completionCondition>{_escape('=' + until)}</completionCondition>" if until else ""
    return (
        f'<multiInstanceLoopCharacteristics isSequential="{str(sequential).lower()}">'
        f"{holder}{number}{enough}</multiInstanceLoopCharacteristics>"
    )


def loop(condition: str | None = None, *, maximum: int | None = None, before: bool = False) -> str:
    """Standard loop characteristics."""
    most = f' loopMaximum="{maximum}"' if maximum is not None else ""
    said = f"<loopCondition>{_escape('=' + condition)}</loopCondition>" if condition else ""
    head = f'<standardLoopCharacteristics testBefore="{str(before).lower()}"{most}>'
    return f"{head}{said}</standardLoopCharacteristics>"


def expression(tag: str, said: str) -> str:
    """`completionCondition` of an ad-hoc sub-process, `activationCondition` of a complex gateway."""
    return f"<{tag}>{_escape('=' + said)}</{tag}>"


# --- gateways ---------------------------------------------------------------------------------
def exclusive(id: str, **attributes) -> str:
    return element("exclusiveGateway", id, **attributes)


def parallel(id: str, **attributes) -> str:
    return element("parallelGateway", id, **attributes)


def inclusive(id: str, **attributes) -> str:
    return element("inclusiveGateway", id, **attributes)


def race(id: str, **attributes) -> str:
    return element("eventBasedGateway", id, **attributes)


# --- helpers ----------------------------------------------------------------------------------
def _definitions(body: str) -> str:
    found: dict[str, str] = {}
    for kind, head, name, key in _REFERENCE.findall(body):
        id = f"{head}_{name}" + (f"_{key}" if kind == "message" else "")
        found[id] = _DEFINITIONS[kind](id, quoteattr(_plain(name)), _plain(key))
    return "".join(found.values())


def _message(id: str, name: str, key: str) -> str:
    said = f"<extensionElements><zeebe:subscription correlationKey={quoteattr(key)}/></extensionElements>"
    return f'<message id="{id}" name={name}>{said if key else ""}</message>'


_DEFINITIONS = {
    "message": _message,
    "signal": lambda id, name, key: f'<signal id="{id}" name={name}/>',
    "error": lambda id, name, key: f'<error id="{id}" name={name} errorCode={name}/>',
    "escalation": lambda id, name, key: f'<escalation id="{id}" name={name} escalationCode={name}/>',
}


def _mapping(side: str, mapping: dict[str, str]) -> str:
    return f"<zeebe:ioMapping>{''.join(_sides(side, mapping))}</zeebe:ioMapping>"


def _sides(side: str, mapping: dict[str, str]):
    for target, source in mapping.items():
        yield f'<zeebe:{side} source={quoteattr("=" + source)} target="{target}"/>'


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _hex(text: str) -> str:
    return text.encode().hex()


def _plain(text: str) -> str:
    return bytes.fromhex(text).decode()
