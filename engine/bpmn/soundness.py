"""What a model must be so that it can run as it is drawn: one short function per rule.

These are the rules of BPMN 2.0 and of this engine alone; what a company asks of its models besides is
`lint`. Each rule looks at one element and tells the parser of a problem. What the engine cannot do is
refused here by name, so that nothing ever runs differently from what is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.bpmn.model import Element

#: what may be caught where; what is not named is refused
CATCHABLE = {
    "startEvent": {"timer", "message", "signal", "conditional"},
    "event start": {"timer", "message", "signal", "conditional", "error", "escalation", "compensation"},
    "boundaryEvent": {
        "timer", "message", "signal", "conditional", "error", "escalation", "compensation", "cancel",
    },
    "intermediateCatchEvent": {"timer", "message", "signal", "conditional", "link"},
    "intermediateThrowEvent": {"message", "signal", "escalation", "compensation", "link"},
    "endEvent": {"message", "signal", "error", "escalation", "compensation", "cancel", "terminate"},
}  # fmt: skip


def name_of(element: Element) -> str:
    return element.name or element.id


def events_fit_their_place(parser, element: Element) -> None:
    place = "event start" if element.kind == "startEvent" and element.parent.triggered_by_event else element.kind
    allowed = CATCHABLE.get(place)
    if allowed is None:
        return
    for event in element.events:
        if event.kind not in allowed:
            parser.problem(
                element.id, "bpmn.event-place", "A %(kind)s event cannot stand where '%(name)s' stands.",
                kind=event.kind, name=name_of(element),
            )  # fmt: skip


def events_say_what_they_wait_for(parser, element: Element) -> None:
    if element.kind in ("intermediateCatchEvent", "boundaryEvent") and not element.events:
        parser.problem(
            element.id, "bpmn.event-empty", "'%(name)s' does not say what it waits for.", name=name_of(element)
        )
    for event in element.events:
        if event.kind in ("message", "signal") and event.name is None:
            parser.problem(
                element.id, "bpmn.event-name", "'%(name)s' names no %(kind)s.", name=name_of(element), kind=event.kind
            )


def messages_have_keys(parser, element: Element) -> None:
    at_start = element.kind == "startEvent" and not element.parent.triggered_by_event
    if element.kind in ("startEvent", "intermediateCatchEvent", "boundaryEvent", "receiveTask") and not at_start:
        for event in element.events:
            if event.kind == "message" and event.correlation_key is None and not element.instantiate:
                parser.problem(
                    element.id, "bpmn.no-correlation-key", "'%(name)s' waits for a message without a correlation key.",
                    name=name_of(element), mend="Give the message a zeebe:subscription with a correlationKey.",
                )  # fmt: skip


def starts_that_wait_for_several(parser, element: Element) -> None:
    """The first of several triggers begins the instance, which then waits for the others: it must know them by name."""
    if element.kind != "startEvent" or not element.parallel_multiple or element.parent.triggered_by_event:
        return
    if any(event.kind not in ("message", "signal") for event in element.events):
        parser.problem(
            element.id, "bpmn.parallel-start",
            "Start event '%(name)s' waits for several things together; these can be messages and signals.", name=name_of(element),
        )  # fmt: skip


def errors_interrupt(parser, element: Element) -> None:
    if element.kind in ("boundaryEvent", "startEvent") and not element.interrupting:
        for event in element.events:
            if event.kind in ("error", "cancel", "compensation"):
                parser.problem(element.id, "bpmn.must-interrupt", "A %(kind)s event such as '%(name)s' always interrupts.",
                               kind=event.kind, name=name_of(element))  # fmt: skip


def names_of_errors_are_fixed(parser, element: Element) -> None:
    catching = element.kind in ("boundaryEvent", "startEvent")
    for event in element.events:
        is_link = event.kind == "link"
        if (is_link or (catching and event.kind in ("error", "escalation"))) and event.name and event.name.expression:
            parser.problem(
                element.id,
                "bpmn.fixed-name",
                "The name or code that '%(name)s' catches must be fixed text.",
                name=name_of(element),
            )


def compensation_is_known(parser, element: Element) -> None:
    for event in element.events:
        if event.kind != "compensation":
            continue
        if element.kind == "boundaryEvent" and element.handler is None:
            parser.problem(element.id, "bpmn.no-handler", "Compensation event '%(name)s' has no handler.", name=name_of(element),
                           mend="Connect it by an association with the activity that undoes.")  # fmt: skip
        if event.activity and event.activity not in parser.elements:
            parser.problem(
                element.id,
                "bpmn.missing-reference",
                "'%(name)s' undoes an activity that the process does not have.",
                name=name_of(element),
            )


def handlers_stand_alone(parser, element: Element) -> None:
    if element.for_compensation and (element.incoming or element.outgoing):
        parser.problem(
            element.id,
            "bpmn.handler-flow",
            "Compensation handler '%(name)s' must have no sequence flow.",
            name=name_of(element),
        )


def cancel_belongs_to_transactions(parser, element: Element) -> None:
    if element.event != "cancel":
        return
    host = element.attached_to if element.kind == "boundaryEvent" else element.parent
    if host is None or host.kind != "transaction":
        parser.problem(
            element.id,
            "bpmn.cancel-place",
            "Cancel event '%(name)s' belongs to a transaction.",
            name=name_of(element),
        )
    elif element.kind == "endEvent" and not any(one.event == "cancel" for one in host.boundaries):
        parser.problem(
            element.id,
            "bpmn.no-cancel-boundary",
            "Transaction '%(name)s' can be cancelled, but has no cancel boundary event.",
            name=name_of(host),
        )


def links_meet(parser, element: Element) -> None:
    if element.event != "link":
        return
    other = "intermediateCatchEvent" if element.kind == "intermediateThrowEvent" else "intermediateThrowEvent"
    name = element.events[0].name.text if element.events[0].name else ""
    met = [
        one for one in element.siblings
        if one.kind == other and one.event == "link" and one.events[0].name and one.events[0].name.text == name
    ]  # fmt: skip
    if not name:
        parser.problem(element.id, "bpmn.link-name", "Link event '%(name)s' has no link name.", name=name_of(element))
    elif other == "intermediateCatchEvent" and len(met) != 1:
        parser.problem(
            element.id,
            "bpmn.link",
            "Link '%(link)s' leads to %(count)s places; it must lead to one.",
            link=name,
            count=len(met),
        )
    elif other == "intermediateThrowEvent" and not met:
        parser.problem(element.id, "bpmn.link", "Nothing leads to link '%(link)s'.", link=name)


def gateways_know_where_to_go(parser, element: Element) -> None:
    if element.kind != "exclusiveGateway" or len(element.outgoing) < 2:
        return
    for flow in element.outgoing:
        if flow.condition is None and flow.id != element.default:
            parser.problem(
                flow.id, "bpmn.no-condition", "Flow '%(flow)s' from '%(name)s' has neither a condition nor is it the default.",
                flow=flow.name or flow.id, name=name_of(element), mend="Give it a condition or make it the default flow.",
            )  # fmt: skip


def conditions_are_allowed(parser, element: Element) -> None:
    if element.kind in ("parallelGateway", "eventBasedGateway", "boundaryEvent", "startEvent"):
        for flow in element.outgoing:
            if flow.condition is not None:
                parser.problem(
                    flow.id,
                    "bpmn.condition-place",
                    "A flow that leaves '%(name)s' cannot have a condition.",
                    name=name_of(element),
                )


def event_gateways_lead_to_events(parser, element: Element) -> None:
    if element.kind != "eventBasedGateway":
        return
    for flow in element.outgoing:
        kind = flow.target.event
        waits = flow.target.kind == "receiveTask" or (
            flow.target.kind == "intermediateCatchEvent"
            and kind in ("timer", "message", "signal", "conditional", "multiple")
        )
        if not waits:
            parser.problem(
                flow.id,
                "bpmn.event-gateway",
                "Behind '%(name)s' there must be events that wait.",
                name=name_of(element),
            )
    if len(element.outgoing) < 2:
        parser.problem(
            element.id,
            "bpmn.event-gateway",
            "Event-based gateway '%(name)s' has fewer than two events behind it.",
            name=name_of(element),
        )


def complex_gateways_have_conditions(parser, element: Element) -> None:
    if element.kind == "complexGateway" and len(element.incoming) > 1 and element.activation is None:
        parser.problem(
            element.id,
            "bpmn.no-activation",
            "Complex gateway '%(name)s' has no activation condition.",
            name=name_of(element),
        )


def flows_start_and_end_where_they_may(parser, element: Element) -> None:
    if element.kind in ("startEvent", "boundaryEvent") and element.incoming:
        parser.problem(element.id, "bpmn.flow-into", "No flow may lead into '%(name)s'.", name=name_of(element))
    if element.kind == "endEvent" and element.outgoing:
        parser.problem(
            element.id, "bpmn.flow-out-of", "No flow may leave end event '%(name)s'.", name=name_of(element)
        )
    if element.triggered_by_event and (element.incoming or element.outgoing):
        parser.problem(
            element.id,
            "bpmn.event-subprocess-flow",
            "Event sub-process '%(name)s' must have no sequence flow.",
            name=name_of(element),
        )


def event_subprocesses_have_one_start(parser, element: Element) -> None:
    if not element.triggered_by_event:
        return
    starts = [one for one in element.children if one.kind == "startEvent"]
    if len(starts) != 1 or not starts[0].events:
        parser.problem(
            element.id,
            "bpmn.event-subprocess-start",
            "Event sub-process '%(name)s' needs exactly one start event with a trigger.",
            name=name_of(element),
        )


def subprocesses_begin_somewhere(parser, element: Element) -> None:
    if element.kind not in ("subProcess", "transaction", "adHocSubProcess") or element.triggered_by_event:
        return
    triggered = [c for c in element.children if c.kind == "startEvent" and c.events]
    if triggered:
        parser.problem(
            element.id,
            "bpmn.subprocess-trigger",
            "Sub-process '%(name)s' begins with an event that has a trigger.",
            name=name_of(element),
        )
    if sum(1 for c in element.children if c.kind == "startEvent" and not c.events) > 1:
        parser.problem(
            element.id,
            "bpmn.several-starts",
            "Sub-process '%(name)s' has several start events; BPMN 2.0 allows it one.",
            name=name_of(element),
        )
    if not element.starts:
        parser.problem(
            element.id,
            "bpmn.subprocess-empty",
            "Sub-process '%(name)s' has nothing to begin with.",
            name=name_of(element),
        )


def services_are_named(parser, element: Element) -> None:
    if element.kind == "serviceTask" and element.service_type is None:
        parser.problem(element.id, "bpmn.no-service", "Service task '%(name)s' names no service.", name=name_of(element),
                       mend="Give it a zeebe:taskDefinition with a type.")  # fmt: skip
    if (
        element.kind == "sendTask"
        and element.service_type is None
        and not (element.events and element.events[0].name)
    ):
        parser.problem(
            element.id,
            "bpmn.no-message",
            "Send task '%(name)s' names neither a message nor a service.",
            name=name_of(element),
        )
    if element.kind == "receiveTask" and not (element.events and element.events[0].name):
        parser.problem(
            element.id, "bpmn.no-message", "Receive task '%(name)s' names no message.", name=name_of(element)
        )


def decisions_and_scripts_are_named(parser, element: Element) -> None:
    if element.kind == "businessRuleTask" and element.decision is None and element.service_type is None:
        parser.problem(
            element.id, "bpmn.no-decision", "Business rule task '%(name)s' names no decision.", name=name_of(element)
        )
    if element.kind == "scriptTask" and element.script is None and element.service_type is None:
        parser.problem(element.id, "bpmn.no-script", "Script task '%(name)s' has no script.", name=name_of(element))
    if element.kind == "callActivity" and element.called is None:
        parser.problem(
            element.id, "bpmn.no-called-process", "Call activity '%(name)s' names no process.", name=name_of(element)
        )


def ends_that_stop_themselves(parser, element: Element) -> None:
    if element.kind == "intermediateThrowEvent" and element.event == "link" and element.outgoing:
        parser.problem(element.id, "bpmn.flow-out-of", "No flow may leave link '%(name)s'.", name=name_of(element))
    if element.kind == "endEvent" and element.event == "multiple":
        kinds = {event.kind for event in element.events}
        if kinds & {"error", "cancel", "terminate"}:
            parser.problem(
                element.id,
                "bpmn.event-place",
                "End event '%(name)s' cannot be multiple with an error, cancel or terminate.",
                name=name_of(element),
            )


RULES = (
    starts_that_wait_for_several, events_fit_their_place, events_say_what_they_wait_for, messages_have_keys, errors_interrupt,
    names_of_errors_are_fixed, compensation_is_known, handlers_stand_alone, cancel_belongs_to_transactions,
    links_meet, gateways_know_where_to_go, conditions_are_allowed, event_gateways_lead_to_events,
    complex_gateways_have_conditions, flows_start_and_end_where_they_may, event_subprocesses_have_one_start,
    subprocesses_begin_somewhere, services_are_named, decisions_and_scripts_are_named, ends_that_stop_themselves,
)  # fmt: skip
