"""From a file to a model: BPMN 2.0 with the `zeebe:` extension elements of Camunda 8.

The tree has passed the gate. Every element of every scope becomes an `Element` with the node that runs it;
what stands in older dialects (`camunda:`, `flowable:`, `activiti:`) is translated by `legacy` and said so.
Parsing never stops at the first problem and never runs anything: each thing that is wrong or not supported
becomes a `Problem` with its element's id, and a model with an error is not deployed. Nothing here recurses
over flows, so that two thousand elements in a row are no harder than two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from engine import feel, xmlgate
from engine.bpmn import activities, data, events, formats, gateways, legacy, timers
from engine.bpmn.limits import ElementError
from engine.bpmn.machine import Specification
from engine.bpmn.model import Element, EventDefinition, Flow, Formula, Loop, Model, Process, Start
from engine.errors import Problem

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
ZEEBE = "{http://camunda.org/schema/zeebe/1.0}"

#: tag -> what runs it
NODES = {
    "startEvent": events.StartEvent, "endEvent": events.EndEvent, "intermediateCatchEvent": events.IntermediateCatch,
    "intermediateThrowEvent": events.Throw, "boundaryEvent": events.BoundaryEvent, "task": activities.Activity,
    "userTask": activities.UserTask, "manualTask": activities.ManualTask, "serviceTask": activities.ServiceTask,
    "sendTask": activities.SendTask, "receiveTask": events.ReceiveTask, "scriptTask": activities.ScriptTask,
    "businessRuleTask": activities.BusinessRuleTask, "callActivity": activities.CallActivity,
    "subProcess": activities.SubProcess, "transaction": activities.SubProcess,
    "adHocSubProcess": activities.AdHocSubProcess, "exclusiveGateway": gateways.ExclusiveGateway,
    "parallelGateway": gateways.ParallelGateway, "inclusiveGateway": gateways.InclusiveGateway,
    "complexGateway": gateways.ComplexGateway, "eventBasedGateway": gateways.EventBasedGateway,
}  # fmt: skip
SCOPES = ("subProcess", "transaction", "adHocSubProcess")
#: what may stand in a process and never gets a token
SILENT = frozenset({
    "documentation", "extensionElements", "ioSpecification", "property", "laneSet", "sequenceFlow", "dataObject",
    "dataObjectReference", "dataStoreReference", "dataInputAssociation", "dataOutputAssociation", "association",
    "textAnnotation", "group", "incoming", "outgoing", "auditing", "monitoring", "multiInstanceLoopCharacteristics",
    "standardLoopCharacteristics", "completionCondition", "resourceRole", "potentialOwner", "performer",
    "humanPerformer", "supportedInterfaceRef", "correlationSubscription", "supports", "category", "relationship",
})  # fmt: skip
UNSUPPORTED = frozenset({
    "implicitThrowEvent", "subChoreography", "choreographyTask", "callChoreography", "subConversation",
})  # fmt: skip
EVENTS = {
    "timerEventDefinition": "timer", "messageEventDefinition": "message", "signalEventDefinition": "signal",
    "errorEventDefinition": "error", "escalationEventDefinition": "escalation",
    "conditionalEventDefinition": "conditional", "linkEventDefinition": "link",
    "compensateEventDefinition": "compensation", "cancelEventDefinition": "cancel",
    "terminateEventDefinition": "terminate",
}  # fmt: skip


def parse(data: bytes) -> Model:
    """A file as a model. Raises Invalid when it is not BPMN at all; what else is wrong is in `problems`."""
    root = xmlgate.read(data)
    if root.tag != f"{BPMN}definitions":
        raise formats.refusal(root)
    return _Parser(root).model()


def local(node) -> str:
    return etree.QName(node).localname


class _Parser:
    """One file being read."""

    def __init__(self, root):
        self.root = root
        self.problems: list[Problem] = []
        self.named = {
            tag: {n.get("id"): n for n in root.iterfind(f"{BPMN}{tag}") if n.get("id")}
            for tag in ("message", "signal", "error", "escalation", "itemDefinition")
        }
        self.events = {n.get("id"): n for n in root if local_event(n) and n.get("id")}
        #: element -> id of the message that a message flow brings to it or takes from it, where it names none itself
        self.flowing: dict[str, str] = {}

    def model(self) -> Model:
        processes: dict[str, Process] = {}
        self._message_flows()
        for node in self.root.iterfind(f"{BPMN}process"):
            one = _ProcessParser(self, node).process()
            if one.id in processes:
                self.problem(one.id, "bpmn.duplicate-id", "Two processes have the id '%(id)s'.", id=one.id)
            processes[one.id] = one
        if not processes:
            self.problem("", "bpmn.no-process", "The file has no process.")
        return Model(processes, tuple(self.problems))

    def _message_flows(self) -> None:
        """A message flow joins a throw and a catch of two pools: both mean one message, which one of the three names."""
        named = {node.get("id"): ref for node in self.root.iter(f"{BPMN}*") if (ref := _message_of(node))}
        known = {node.get("id"): node for node in self.root.iterfind(f"{BPMN}process//{BPMN}*")}
        for flow in self.root.iterfind(f"{BPMN}collaboration/{BPMN}messageFlow"):
            ends = [known.get(_plain(flow.get(side))) for side in ("sourceRef", "targetRef")]
            said = {ref for one in ends if one is not None and (ref := named.get(one.get("id")))}
            said |= {flow.get("messageRef")} if flow.get("messageRef") else set()
            names = {self.named["message"][ref].get("name") for ref in said if ref in self.named["message"]}
            if len(names) > 1 and None not in ends and all(_is_executed(one) for one in ends):
                self.problem(
                    flow.get("id") or "", "bpmn.message-flow",
                    "A message flow joins different messages (%(names)s); nothing would arrive.",
                    mend="Let both ends name one message.", names=", ".join(sorted(map(str, names))),
                )  # fmt: skip
            elif said:
                for one in ends:
                    if one is not None and one.get("id") not in named:
                        self.flowing[one.get("id")] = sorted(said)[0]

    def problem(
        self, where: str, rule: str, sentence: str, severity: str = "error", mend: str = "", **params
    ) -> None:
        self.problems.append(
            Problem(where, rule, sentence, severity, mend, tuple((k, str(v)) for k, v in params.items()))
        )


def _plain(ref: str | None) -> str:
    return (ref or "").rpartition(":")[2]


def _message_of(node) -> str | None:
    """Id of the message that a task or an event names."""
    found = node.find(f"{BPMN}messageEventDefinition")
    return _plain((node if found is None else found).get("messageRef")) or None


def _is_executed(node) -> bool:
    process = next((one for one in node.iterancestors() if one.tag == f"{BPMN}process"), None)
    return process is not None and process.get("isExecutable") == "true"


def local_event(node) -> str | None:
    return EVENTS.get(local(node)) if isinstance(node.tag, str) else None


class _ProcessParser:
    """One process of a file being read."""

    def __init__(self, file: _Parser, node):
        self.file = file
        self.node = node
        self.id = node.get("id") or ""
        self.elements: dict[str, Element] = {}
        self.flows: dict[str, Flow] = {}
        self.nodes: dict[str, Any] = {}
        self.root = Element(self.id, "process", node.get("name") or "", documentation(node))
        self.problem = file.problem
        #: id of a data object or of a reference to one -> variable
        self.data_objects: dict[str, str] = {}
        #: id of a reference to a data store -> (its name for all processes, variable of formulas)
        self.data_stores: dict[str, tuple[str, str]] = {}

    def process(self) -> Process:
        self._collect()
        for element in self.elements.values():
            data.associate(self, element, self.nodes[element.id])
        self._link()
        self._attach()
        self._lanes()
        legacy.beside(self)
        spec = self._specify()
        self._check()
        return Process(
            self.id, self.node.get("name") or "", self.node.get("isExecutable") == "true", version_tag(self.node),
            self.root.documentation, self.elements, self.flows, self._starts(), self.root, spec,
        )  # fmt: skip

    # --- elements -------------------------------------------------------------------------------
    def _collect(self) -> None:
        """Every element, scope by scope, without recursion."""
        rest = [(self.node, self.root)]
        while rest:
            node, parent = rest.pop(0)
            data.declare(self, node, parent)
            for child in node:
                tag = local(child) if isinstance(child.tag, str) and child.tag.startswith(BPMN) else ""
                if tag == "sequenceFlow":
                    self._flow(child)
                elif tag in NODES:
                    element = self._element(child, tag, parent)
                    if element is not None and tag in SCOPES:
                        rest.append((child, element))
                elif tag and (tag in UNSUPPORTED or (tag not in SILENT and tag not in EVENTS)):
                    self.problem(
                        child.get("id") or parent.id, "bpmn.unsupported",
                        "An element of kind '%(kind)s' cannot be executed.", kind=tag,
                    )  # fmt: skip

    def _flow(self, node) -> None:
        flow_id = node.get("id") or f"flow_{len(self.flows)}"
        if flow_id in self.flows:
            self.problem(flow_id, "bpmn.duplicate-id", "Two flows have the id '%(id)s'.", id=flow_id)
            return
        flow = self.flows[flow_id] = Flow(flow_id, node.get("name") or "")
        self.nodes[flow_id] = node
        condition = node.find(f"{BPMN}conditionExpression")
        text = "".join(condition.itertext()).strip() if condition is not None else ""
        if text:
            flow.condition = self.formula(flow_id, text, always=True)
            self._condition_language(flow_id, condition)

    def _condition_language(self, flow_id: str, condition) -> None:
        """A condition that says it is written in a script language means something else than FEEL."""
        language = (condition.get("language") or "").rsplit("/", 1)[-1].lower()
        if any(one in language for one in ("script", "groovy", "python", "ruby", "java", "xpath", "mvel")):
            self.problem(
                flow_id, "bpmn.condition-language",
                "The condition of '%(name)s' is written in %(language)s; conditions are FEEL.",
                name=self.flows[flow_id].name or flow_id, language=condition.get("language")[:120],
            )  # fmt: skip

    def _element(self, node, tag: str, parent: Element) -> Element | None:
        element_id = node.get("id")
        if not element_id:
            self.problem(parent.id, "bpmn.no-id", "An element of kind '%(kind)s' has no id.", kind=tag)
            return None
        if element_id in self.elements or element_id == self.id:
            self.problem(element_id, "bpmn.duplicate-id", "Two elements have the id '%(id)s'.", id=element_id)
            return None
        element = Element(
            element_id, tag, " ".join((node.get("name") or "").split()), documentation(node), parent,
            default=node.get("default"), for_compensation=node.get("isForCompensation") == "true",
            triggered_by_event=node.get("triggeredByEvent") == "true", line=node.sourceline or 0,
        )  # fmt: skip
        self.elements[element_id] = element
        self.nodes[element_id] = node
        parent.children.append(element)
        if element.triggered_by_event:
            parent.event_subprocesses.append(element)
        self._details(element, node)
        return element

    def _details(self, element: Element, node) -> None:
        element.interrupting = node.get("cancelActivity", node.get("isInterrupting", "true")) != "false"
        element.parallel_multiple = node.get("parallelMultiple") == "true"
        element.instantiate = node.get("instantiate") == "true"
        element.all_events = element.instantiate and node.get("eventGatewayType") == "Parallel"
        element.ordering = node.get("ordering", "Parallel")
        element.cancel_remaining = node.get("cancelRemainingInstances") != "false"
        element.events = tuple(self._events(element, node))
        element.loop = self._loop(element, node)
        for tag, name in (("activationCondition", "activation"), ("completionCondition", "completion")):
            found = node.find(f"{BPMN}{tag}")
            if found is not None and (text := "".join(found.itertext()).strip()):
                setattr(element, name, self.formula(element.id, text, always=True))
        for one in extensions(node):
            _ZEEBE.get(local(one), _nothing)(self, element, one)
        ref = node.get("messageRef") or self.file.flowing.get(element.id)
        if element.kind in ("sendTask", "receiveTask") and ref:
            element.events = (self._message(element, ref, EventDefinition("message"), node),)
        script = node.find(f"{BPMN}script")
        if (
            element.kind == "scriptTask"
            and element.script is None
            and script is not None
            and (script.text or "").strip()
        ):
            self._plain_script(element, node, script)
        legacy.translate(self, element, node)

    def _plain_script(self, element: Element, node, script) -> None:
        language = (node.get("scriptFormat") or "").lower()
        if "feel" in language:
            element.script = self.formula(element.id, script.text, always=True)
            element.result_variable = element.result_variable or legacy.result_variable(node)
        else:
            self.problem(
                element.id, "bpmn.script-language", "The script of '%(name)s' is written in %(language)s; scripts are FEEL.",
                name=element.name or element.id, language=language or "an unnamed language",
            )  # fmt: skip

    # --- events ---------------------------------------------------------------------------------
    def _events(self, element: Element, node) -> Iterator[EventDefinition]:
        for child in node:
            if not isinstance(child.tag, str):
                continue
            if (kind := local_event(child)) is not None:
                yield self._event(element, child, kind, node)
            elif (
                local(child) == "eventDefinitionRef"
                and (child.text or "").strip().rpartition(":")[2] in self.file.events
            ):
                found = self.file.events[child.text.strip().rpartition(":")[2]]
                yield self._event(element, found, EVENTS[local(found)], node)

    def _event(self, element: Element, node, kind: str, holder) -> EventDefinition:
        event = EventDefinition(kind, node.get("id") or "")
        if kind == "timer":
            self._timer(element, node, event)
        elif kind == "message":
            self._message(element, node.get("messageRef") or self.file.flowing.get(element.id), event, holder)
        elif kind in ("signal", "error", "escalation"):
            self._reference(element, node, event)
        elif kind == "conditional":
            text = (
                "".join(node.find(f"{BPMN}condition").itertext()).strip()
                if node.find(f"{BPMN}condition") is not None
                else ""
            )
            event.formula = self.formula(element.id, text, always=True) if text else None
            self._filter(element, node, event)
            if event.formula is None:
                self.problem(
                    element.id,
                    "bpmn.no-condition",
                    "'%(name)s' waits for a condition that is empty.",
                    name=element.name or element.id,
                )
        elif kind == "link":
            event.name = Formula((node.get("name") or "").lstrip("="))
        elif kind == "compensation":
            event.activity = node.get("activityRef")
            event.wait_for_completion = node.get("waitForCompletion") != "false"
        return event

    def _filter(self, element: Element, node, event: EventDefinition) -> None:
        for one in extensions(node):
            if local(one) == "conditionalFilter":
                event.only_variables = _words(one.get("variableNames"))
                event.only_changes = _words(one.get("variableEvents"))
        event.only_variables = event.only_variables or _words(legacy.attribute(node, "variableName"))
        event.only_changes = event.only_changes or _words(legacy.attribute(node, "variableEvents"))
        if event.only_changes - {"create", "update"}:
            self.problem(
                element.id, "bpmn.conditional-filter",
                "The condition of '%(name)s' looks for '%(said)s'; variables are created and updated.",
                name=element.name or element.id, said=", ".join(sorted(event.only_changes)),
            )  # fmt: skip

    def _timer(self, element: Element, node, event: EventDefinition) -> None:
        for tag, kind in (("timeDate", "date"), ("timeDuration", "duration"), ("timeCycle", "cycle")):
            found = node.find(f"{BPMN}{tag}")
            text = "".join(found.itertext()).strip() if found is not None else ""
            if text:
                event.timer = kind
                event.formula = self.formula(element.id, text)
                self._check_timer(element, event)
                return
        self.problem(
            element.id, "bpmn.timer-empty", "The timer of '%(name)s' says no moment.", name=element.name or element.id
        )

    def _check_timer(self, element: Element, event: EventDefinition) -> None:
        if event.formula is None or event.formula.reads:
            return
        try:
            timers.check(event.timer, event.formula)
        except ElementError as error:
            self.problem(
                element.id,
                "bpmn.timer",
                "The timer of '%(name)s' is wrong: %(why)s",
                name=element.name or element.id,
                why=error.sentence,
            )

    def _message(self, element: Element, ref: str | None, event: EventDefinition, holder) -> EventDefinition:
        node = self._named(element, "message", ref)
        event.name = (
            self.formula(element.id, node.get("name") or "") if node is not None and node.get("name") else None
        )
        throwing = element.kind in ("intermediateThrowEvent", "endEvent", "sendTask")
        found = node.find(f"{BPMN}extensionElements/{ZEEBE}subscription") if node is not None else None
        if found is not None and found.get("correlationKey"):
            event.correlation_key = self.formula(element.id, found.get("correlationKey"))
        for one in extensions(holder):
            if local(one) == "publishMessage" and throwing:
                event.correlation_key = self._attribute(element, one, "correlationKey") or event.correlation_key
                event.message_id = self._attribute(element, one, "messageId")
                event.ttl = self._attribute(element, one, "timeToLive")
        return event

    def _reference(self, element: Element, node, event: EventDefinition) -> None:
        ref = node.get(f"{event.kind}Ref")
        if ref is None:
            return
        found = self._named(element, event.kind, ref)
        if found is None:
            return
        code = found.get(f"{event.kind}Code") if event.kind != "signal" else found.get("name")
        event.name = self.formula(element.id, code) if code else None

    def _named(self, element: Element, kind: str, ref: str | None):
        """The message, signal, error or escalation that an event names; a name before a colon is a prefix."""
        if not ref:
            return None
        found = (
            self.file.named[kind].get(ref)
            if ref in self.file.named[kind]
            else self.file.named[kind].get(ref.rpartition(":")[2])
        )
        if found is None:
            self.problem(
                element.id, "bpmn.missing-reference", "'%(name)s' names the %(kind)s '%(ref)s', which the file does not have.",
                name=element.name or element.id, kind=kind, ref=ref,
            )  # fmt: skip
        return found

    # --- loops ----------------------------------------------------------------------------------
    def _loop(self, element: Element, node) -> Loop | None:
        standard = node.find(f"{BPMN}standardLoopCharacteristics")
        if standard is not None:
            return self._standard_loop(element, standard)
        multi = node.find(f"{BPMN}multiInstanceLoopCharacteristics")
        if multi is None:
            return None
        loop = Loop("multi", multi.get("isSequential") == "true")
        for tag, name in (("loopCardinality", "cardinality"), ("completionCondition", "completion")):
            found = multi.find(f"{BPMN}{tag}")
            if found is not None and (text := "".join(found.itertext()).strip()):
                setattr(loop, name, self.formula(element.id, text, always=True))
        for one in extensions(multi):
            if local(one) == "loopCharacteristics":
                loop.collection = self._attribute(element, one, "inputCollection")
                loop.element_variable = one.get("inputElement") or None
                loop.output_collection = one.get("outputCollection") or None
                loop.output_element = self._attribute(element, one, "outputElement")
        data.refer_loop(self, element, node, multi, loop)
        legacy.loop(self, element, multi, loop)
        self._behaviour(element, multi)
        if loop.collection is None and loop.cardinality is None:
            self.problem(
                element.id, "bpmn.loop-empty", "'%(name)s' is done many times, but neither a collection nor a number is given.",
                name=element.name or element.id,
            )  # fmt: skip
        return loop

    def _behaviour(self, element: Element, multi) -> None:
        """Events that a multi-instance activity throws by itself when its children end (BPMN 2.0, 13.3.7)."""
        throws = multi.find(f"{BPMN}complexBehaviorDefinition") is not None or any(
            multi.get(name) for name in ("noneBehaviorEventRef", "oneBehaviorEventRef")
        )
        if throws and multi.get("behavior", "All") != "All":
            self.problem(
                element.id, "bpmn.loop-behavior",
                "'%(name)s' throws an event whenever one of its children ends; draw a throwing event instead.",
                name=element.name or element.id,
            )  # fmt: skip

    def _standard_loop(self, element: Element, node) -> Loop:
        loop = Loop("standard", True, test_before=node.get("testBefore") == "true")
        condition = node.find(f"{BPMN}loopCondition")
        if condition is not None and (text := "".join(condition.itertext()).strip()):
            loop.condition = self.formula(element.id, text, always=True)
        if (most := node.get("loopMaximum")) and most.isdigit():
            loop.maximum = int(most)
        if loop.condition is None and loop.maximum is None:
            self.problem(
                element.id,
                "bpmn.loop-empty",
                "The loop of '%(name)s' has neither a condition nor a maximum.",
                name=element.name or element.id,
            )
        return loop

    # --- linking --------------------------------------------------------------------------------
    def _link(self) -> None:
        """Flows to their ends, in the order of the document."""
        for flow_id, flow in list(self.flows.items()):
            node = self.nodes[flow_id]
            source, target = self.elements.get(node.get("sourceRef")), self.elements.get(node.get("targetRef"))
            if source is None or target is None:
                self.problem(
                    flow_id,
                    "bpmn.loose-flow",
                    "A flow leads from or to nothing.",
                    mend="Draw it from one element to another or remove it.",
                )
                del self.flows[flow_id]
                continue
            if source.parent is not target.parent:
                self.problem(flow_id, "bpmn.flow-crosses-scope", "A flow crosses the border of a sub-process.")
                del self.flows[flow_id]
                continue
            flow.source, flow.target = source, target
            source.outgoing.append(flow)
            target.incoming.append(flow)
        for element in self.elements.values():
            if element.default and element.default not in {flow.id for flow in element.outgoing}:
                self.problem(
                    element.id,
                    "bpmn.default",
                    "The default flow of '%(name)s' does not leave it.",
                    name=element.name or element.id,
                )

    def _attach(self) -> None:
        """Boundary events to their hosts, compensation handlers to their boundaries."""
        for element in self.elements.values():
            if element.kind != "boundaryEvent":
                continue
            host = self.elements.get(self.nodes[element.id].get("attachedToRef"))
            if host is None or host.parent is not element.parent:
                self.problem(
                    element.id,
                    "bpmn.no-host",
                    "The boundary event '%(name)s' is attached to nothing.",
                    name=element.name or element.id,
                )
                continue
            if host.kind.endswith(("Gateway", "Event")):
                self.problem(
                    element.id, "bpmn.no-host", "The boundary event '%(name)s' is not attached to a task or sub-process.",
                    name=element.name or element.id,
                )  # fmt: skip
                continue
            element.attached_to = host
            host.boundaries.append(element)
        for node in self.node.iter(f"{BPMN}association"):
            source, target = self.elements.get(node.get("sourceRef")), self.elements.get(node.get("targetRef"))
            if (
                source is not None
                and target is not None
                and source.event == "compensation"
                and target.for_compensation
            ):
                source.handler = target

    def _lanes(self) -> None:
        for lane in self.node.iter(f"{BPMN}lane"):
            for ref in lane.iterfind(f"{BPMN}flowNodeRef"):
                if (element := self.elements.get((ref.text or "").strip())) is not None:
                    element.lane = lane.get("name") or lane.get("id") or ""

    def _specify(self) -> Specification:
        """SpiffWorkflow's specification: a node for each element, connected as drawn."""
        spec = Specification(self.id)
        for element in self.elements.values():
            NODES[element.kind](spec, element)
        for flow in self.flows.values():
            flow.source.node.connect(flow.target.node)
        return spec

    def _starts(self) -> list[Start]:
        """How the process begins: its start events, and what nothing leads to when it has none."""
        found: list[Start] = []
        for element in self.root.children:
            if element.kind == "startEvent":
                found += [Start("none", element.id)] if not element.events else []
                found += [_start(element, event) for event in element.events]
            elif element.kind == "receiveTask" and element.instantiate:
                found += [_start(element, event) for event in element.events]
            elif element.kind == "eventBasedGateway" and element.instantiate:
                found += [_start(flow.target, event) for flow in element.outgoing for event in flow.target.events]
        return found or [Start("none", one.id) for one in self.root.children if one.is_entry][:1]

    # --- what the standard forbids --------------------------------------------------------------
    def _check(self) -> None:
        from engine.bpmn import soundness

        for rule in soundness.RULES:
            for element in self.elements.values():
                rule(self, element)

    # --- values ---------------------------------------------------------------------------------
    def formula(self, where: str, text: str | None, *, always: bool = False) -> Formula | None:
        """A text as a formula; a mistake in its FEEL becomes a problem at `where`."""
        if text is None or not text.strip():
            return None
        try:
            return Formula(legacy.expression(text), always_feel=always)
        except feel.FeelError as error:
            self.problem(
                where, "feel.syntax", "The expression '%(text)s' cannot be read: %(why)s", text=text.strip()[:120], why=error,
            )  # fmt: skip
            return None

    def _attribute(self, element: Element, node, name: str) -> Formula | None:
        return self.formula(element.id, node.get(name))


def _start(element: Element, event: EventDefinition) -> Start:
    name = event.name.fixed if event.name is not None else None
    return Start(event.kind, element.id, name, event.timer, event.formula)


def _words(text: str | None) -> frozenset[str]:
    return frozenset(word.strip() for word in (text or "").split(",") if word.strip())


def documentation(node) -> str:
    found = node.find(f"{BPMN}documentation")
    return " ".join("".join(found.itertext()).split()) if found is not None else ""


def extensions(node) -> Iterator:
    """The zeebe extension elements of a node."""
    for holder in node.iterfind(f"{BPMN}extensionElements"):
        for one in holder:
            if isinstance(one.tag, str) and one.tag.startswith(ZEEBE):
                yield one


def version_tag(node) -> str | None:
    found = next((one for one in extensions(node) if local(one) == "versionTag"), None)
    return found.get("value") if found is not None else legacy.version_tag(node)


# --- zeebe extension elements: (parser, element, node) -------------------------------------------------
def _nothing(parser: _ProcessParser, element: Element, node) -> None:
    """What says nothing to the engine, such as the mark of a user task or a template's id."""


def _form(parser, element, node) -> None:
    element.form_key = node.get("formId") or node.get("formKey") or node.get("externalReference")


def _assignment(parser, element, node) -> None:
    element.assignee = parser._attribute(element, node, "assignee")
    element.candidate_groups = parser._attribute(element, node, "candidateGroups")
    element.candidate_users = parser._attribute(element, node, "candidateUsers")


def _schedule(parser, element, node) -> None:
    element.due = parser._attribute(element, node, "dueDate")
    element.follow_up = parser._attribute(element, node, "followUpDate")


def _priority(parser, element, node) -> None:
    element.priority = parser._attribute(element, node, "priority")


def _service(parser, element, node) -> None:
    element.service_type = parser._attribute(element, node, "type")
    element.retries = parser._attribute(element, node, "retries")


def _headers(parser, element, node) -> None:
    element.headers = {one.get("key"): one.get("value") or "" for one in node if one.get("key")}


def _called_decision(parser, element, node) -> None:
    element.decision = parser._attribute(element, node, "decisionId")
    element.result_variable = node.get("resultVariable") or None
    element.binding = node.get("bindingType") or "latest"
    element.version_tag = node.get("versionTag")


def _called_element(parser, element, node) -> None:
    element.called = parser._attribute(element, node, "processId")
    element.propagate_all_child = node.get("propagateAllChildVariables", "true") != "false"
    element.propagate_all_parent = node.get("propagateAllParentVariables", "true") != "false"
    element.binding = node.get("bindingType") or "latest"
    element.version_tag = node.get("versionTag")


def _script(parser, element, node) -> None:
    element.script = parser.formula(element.id, node.get("expression"), always=True)
    element.result_variable = node.get("resultVariable") or None


def _mapping(parser, element, node) -> None:
    element.inputs, element.outputs = _side(parser, element, node, "input"), _side(parser, element, node, "output")


def _side(parser, element, node, tag: str) -> tuple[tuple[str, Formula], ...]:
    found = []
    for one in node.iterfind(f"{ZEEBE}{tag}"):
        formula = parser.formula(element.id, one.get("source") or "=null")
        if formula is not None and one.get("target"):
            found.append((one.get("target"), formula))
    return tuple(found)


def _properties(parser, element, node) -> None:
    element.properties = {one.get("name"): one.get("value") or "" for one in node if one.get("name")}
    element.copy_to = parser.formula(element.id, element.properties.get("bizday:copyTo"))
    if element.properties.get("bizday:addSigner") != "none":
        element.add_signer = parser.formula(element.id, element.properties.get("bizday:addSigner"))


def _ad_hoc(parser, element, node) -> None:
    element.active_elements = parser._attribute(element, node, "activeElementsCollection")
    element.output_collection = node.get("outputCollection") or None
    element.output_element = parser._attribute(element, node, "outputElement")


_ZEEBE = {
    "formDefinition": _form, "assignmentDefinition": _assignment, "taskSchedule": _schedule,
    "priorityDefinition": _priority, "taskDefinition": _service, "taskHeaders": _headers,
    "calledDecision": _called_decision, "calledElement": _called_element, "script": _script,
    "ioMapping": _mapping, "properties": _properties, "adHoc": _ad_hoc,
}  # fmt: skip
