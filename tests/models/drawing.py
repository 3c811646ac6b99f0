"""A random model as a BPMN file. A flow is named by what it joins, so that another version of a model keeps the names."""

from __future__ import annotations

import json
from xml.sax.saxutils import quoteattr

from tests.models import xml
from tests.models.blocks import (
    NAMES,
    OBJECT,
    STORES,
    AdHoc,
    And,
    Block,
    Catch,
    End,
    Event,
    EventSub,
    Loop,
    Many,
    Model,
    Or,
    Race,
    Seq,
    Some,
    Sub,
    Task,
    Throw,
    Xor,
)  # fmt: skip


def drawn(model: Model) -> bytes:
    parts = _Drawing().scope("start", model.body, model.event_subs, _begin(model), dict.fromkeys(model.objects, OBJECT))
    return xml.model(*parts, beside="".join(f'<dataStore id="{one}" name="{one}"/>' for one in STORES))


class _Drawing:
    """One scope after the other; `parts` are those of the scope that is being drawn."""

    def __init__(self):
        self.parts: list[str] = []

    def scope(self, start: str, body: Block, event_subs: list[EventSub], first: str | None, locals) -> list[str]:
        outer, self.parts = self.parts, [f'<dataObject id="{one}"/>' for one, said in locals.items() if said == OBJECT]
        self.parts.append(first or xml.start(start))
        last = self.block(body, start)
        if last is not None:
            self.put(xml.end(f"{start}_end"), f"{start}_end", last)
        for one in event_subs:
            self.parts.append(self.event_sub(one))
        inner, self.parts = self.parts, outer
        return inner

    def event_sub(self, one: EventSub) -> str:
        begin = xml.start(one.start, _definition(one.event), interrupting=one.interrupting, **_all(one.event))
        inner = self.scope(one.start, one.body, one.event_subs, begin, one.locals)
        said = _locals(one)
        return xml.event_sub(one.id, *said, *inner)

    def put(self, part: str, id: str, source: str | None, condition: str | None = None) -> str:
        self.parts.append(part)
        if source is not None:
            self.flow(source, id, condition)
        return id

    def flow(self, source: str, target: str, condition: str | None = None, id: str | None = None) -> None:
        self.parts.append(xml.flow(source, target, condition, id=id))

    def block(self, block: Block, source: str, condition: str | None = None) -> str | None:
        """Draw it behind `source`; the id of what it is left by, None when the way ends in it."""
        return getattr(self, type(block).__name__.lower())(block, source, condition)

    def seq(self, block: Seq, source: str, condition: str | None) -> str | None:
        last: str | None = source
        for part in block.parts:
            last, condition = self.block(part, last, condition), None
        return last

    def task(self, block: Task, source: str, condition: str | None) -> str:
        self.put(self.task_itself(block), block.id, source, condition)
        if block.undo is not None:
            self.parts += [
                xml.boundary(f"{block.id}_undo", block.id, xml.compensation()),
                self.task_itself(block.undo, isForCompensation="true"),
                xml.association(f"{block.id}_undo", block.undo.id),
            ]
        return self.hosted(block)

    def task_itself(self, block: Task, **more) -> str:
        said = [_many(block.many)] if block.many else []
        said += [xml.inputs(w="v0 + 1"), xml.outputs(v1="w")] if block.mapped else []
        said += [_stored(block.id, block.stored)] if block.stored else []
        if block.kept:
            self.parts.append(f'<dataStoreReference id="{block.id}_store" dataStoreRef="{block.kept}"/>')
            said.append(_stored(block.id, f"{block.id}_store"))
        if block.kind == "script":
            name = f"n_{block.id}"
            return xml.script(block.id, f"if {name} = null then 1 else {name} + 1", name, *said, **more)
        if block.kind == "rule":
            return xml.rule(block.id, "twice", f"n_{block.id}", *said)
        if block.kind in ("receive", "send"):
            return getattr(xml, block.kind)(block.id, f"m_{block.id}", *said)
        if block.kind == "call":
            return xml.call(block.id, "other", *said)
        draw = {"user": xml.user, "service": xml.service, "task": xml.task}.get(block.kind)
        return draw(block.id, *said, **more) if draw else xml.element("manualTask", block.id, *said, **more)

    def hosted(self, block: Task | Sub | AdHoc) -> str:
        """Its boundary events; those that interrupt come back behind it."""
        back = []
        for one in block.catchers:
            definition = xml.CANCEL if one.event.kind == "cancel" else _definition(one.event)
            self.parts.append(xml.boundary(one.id, block.id, definition, interrupting=one.interrupting, **_all(one.event)))
            last = self.block(one.handler, one.id)
            if one.interrupting:
                back.append(last)
            else:
                self.put(xml.end(f"{one.id}_end"), f"{one.id}_end", last)
        return self.meet(f"{block.id}_on", [block.id, *back]) if back else block.id

    def meet(self, id: str, sources: list[str | None], draw=xml.exclusive) -> str | None:
        sources = [one for one in sources if one is not None]
        if not sources:
            return None
        self.parts.append(draw(id))
        for one in sources:
            self.flow(one, id)
        return id

    def sub(self, block: Sub, source: str, condition: str | None) -> str:
        beside = [*block.event_subs, *([block.undone_by] if block.undone_by else [])]
        inner = self.scope(f"{block.id}_start", block.body, beside, None, block.locals)
        said = [_many(block.many)] if block.many else []
        said += _locals(block)
        if block.sums:
            said.append(xml.outputs(**{block.sums: f"(if {block.sums} = null then 0 else {block.sums}) + acc"}))
        self.put(
            xml.element("transaction" if block.transaction else "subProcess", block.id, *said, *inner),
            block.id,
            source,
            condition,
        )
        return self.hosted(block)

    def branches(self, block: Xor | Or, source: str, condition: str | None, draw, join) -> str | None:
        default, host = f"{block.id}_default", getattr(block, "host", None)
        fork = host.id if host else block.id
        self.put(self.task_itself(host, default=default) if host else draw(fork, default=default), fork, source, condition)
        lasts = []
        for test, branch in block.branches:
            if test is None:
                self.parts.append(xml.exclusive(f"{block.id}_else"))
                self.flow(fork, f"{block.id}_else", id=default)
                lasts.append(self.block(branch, f"{block.id}_else"))
            else:
                lasts.append(self.block(branch, fork, test.feel))
        return self.meet(f"{block.id}_join", lasts, join)

    def xor(self, block: Xor, source: str, condition: str | None) -> str | None:
        return self.branches(block, source, condition, xml.exclusive, xml.exclusive)

    def or_(self, block: Or, source: str, condition: str | None) -> str | None:
        return self.branches(block, source, condition, xml.inclusive, xml.inclusive)

    def and_(self, block: And, source: str, condition: str | None) -> str | None:
        fork = block.host.id if block.host else block.id
        self.put(self.task_itself(block.host) if block.host else xml.parallel(fork), fork, source, condition)
        return self.meet(f"{block.id}_join", [self.block(branch, fork) for branch in block.branches], xml.parallel)

    def some(self, block: Some, source: str, condition: str | None) -> str | None:
        self.put(xml.parallel(block.id), block.id, source, condition)
        enough = xml.expression("activationCondition", f"activationCount >= {block.enough}")
        lasts = [self.block(branch, block.id) for branch in block.branches]
        join = self.meet(f"{block.id}_join", lasts, lambda id: xml.element("complexGateway", id, enough))
        if block.late is None:
            return join
        last = self.block(block.late, join, "not(waitingForStart)")
        self.put(xml.end(f"{block.id}_end"), f"{block.id}_end", last)
        return self.put(xml.exclusive(f"{block.id}_go"), f"{block.id}_go", join, "waitingForStart")

    def adhoc(self, block: AdHoc, source: str, condition: str | None) -> str:
        said = {"ordering": "Sequential"} if block.one_at_a_time else {}
        said |= {} if block.cancels else {"cancelRemainingInstances": "false"}
        inner = [_ad_hoc(block)] if block.results or block.begins is not None else []
        inner += [self.task_itself(one) for item in block.items for one in item]
        inner += [xml.path(*(one.id for one in item)) for item in block.items]
        inner += [xml.expression("completionCondition", block.until.feel)] if block.until else []
        self.put(xml.element("adHocSubProcess", block.id, *inner, **said), block.id, source, condition)
        return self.hosted(block)

    def loop(self, block: Loop, source: str, condition: str | None) -> str | None:
        name, meet, again = block.variable, f"{block.id}_in", f"{block.id}_out"
        self.put(xml.script(f"{block.id}_zero", "0", name), f"{block.id}_zero", source, condition)
        self.put(xml.exclusive(meet), meet, f"{block.id}_zero")
        last = self.block(block.body, meet)
        if last is None:
            return None
        self.put(xml.script(f"{block.id}_count", f"{name} + 1", name), f"{block.id}_count", last)
        self.put(xml.exclusive(again, default=f"{block.id}_leave"), again, f"{block.id}_count")
        self.flow(again, meet, f"{name} < {block.times}")
        self.parts.append(xml.exclusive(f"{block.id}_left"))
        self.flow(again, f"{block.id}_left", id=f"{block.id}_leave")
        return f"{block.id}_left"

    def race(self, block: Race, source: str, condition: str | None) -> str | None:
        self.put(xml.race(block.id), block.id, source, condition)
        lasts = []
        for id, event, branch in block.arms:
            self.put(xml.catch(id, _definition(event)), id, block.id)
            lasts.append(self.block(branch, id))
        return self.meet(f"{block.id}_join", lasts)

    def catch(self, block: Catch, source: str, condition: str | None) -> str:
        return self.put(xml.catch(block.id, _definition(block.event), **_all(block.event)), block.id, source, condition)

    def throw(self, block: Throw, source: str, condition: str | None) -> str:
        if block.event.kind == "link":
            self.put(xml.throw(f"{block.id}_to", xml.link(block.id)), f"{block.id}_to", source, condition)
            return self.put(xml.catch(block.id, xml.link(block.id)), block.id, None)
        return self.put(xml.throw(block.id, _definition(block.event)), block.id, source, condition)

    def end(self, block: End, source: str, condition: str | None) -> None:
        definition = {"cancel": xml.CANCEL, "terminate": xml.TERMINATE, "none": ""}.get(block.event.kind)
        said = _definition(block.event) if definition is None else definition
        self.put(xml.end(block.id, said), block.id, source, condition)


for _name in ("and", "or"):
    setattr(_Drawing, _name, getattr(_Drawing, f"{_name}_"))


def _begin(model: Model) -> str | None:
    """Several starts, or one event-based gateway, meet at an element that is called `start`."""
    if not model.starts:
        return None
    draw = xml.catch if model.raced else xml.start
    parts = [draw(id, _definition(event)) + xml.flow(id, "start") for id, event in model.starts]
    if model.raced:
        parts += [xml.race("begin", instantiate="true"), *(xml.flow("begin", id) for id, _ in model.starts)]
    return "".join(parts) + xml.exclusive("start")


def _locals(scope: Sub | EventSub) -> list[str]:
    given = {name: said for name, said in scope.locals.items() if said != OBJECT}
    return [xml.inputs(**given)] if given else []


def _ad_hoc(block: AdHoc) -> str:
    begins = "" if block.begins is None else f" activeElementsCollection={quoteattr('=' + json.dumps(block.begins))}"
    results = f' outputCollection="{block.results}" outputElement="=v0"' if block.results else ""
    return f"<zeebe:adHoc{begins}{results}/>"


def _all(event: Event) -> dict[str, str]:
    return {"parallelMultiple": "true"} if event.all else {}


def _stored(id: str, name: str) -> str:
    """A data object comes in as `held` and goes out as one more."""
    return (
        f'<ioSpecification><dataInput id="{id}_in" name="held"/><dataOutput id="{id}_out" name="kept"/>'
        f"<inputSet><dataInputRefs>{id}_in</dataInputRefs></inputSet>"
        f"<outputSet><dataOutputRefs>{id}_out</dataOutputRefs></outputSet></ioSpecification>"
        f"<dataInputAssociation><sourceRef>{name}</sourceRef><targetRef>{id}_in</targetRef></dataInputAssociation>"
        f"<dataOutputAssociation><sourceRef>{id}_out</sourceRef><targetRef>{name}</targetRef>"
        f"<transformation>=if held = null then 1 else held + 1</transformation></dataOutputAssociation>"
    )


def _definition(event: Event) -> str:
    if event.kind == "none":
        return ""
    if event.kind == "multiple":
        return "".join(_definition(one) for one in event.parts)
    if event.kind == "timer":
        return xml.timer(f"R{event.times}/PT1H", "Cycle") if event.times else xml.timer("PT1H")
    if event.kind == "message":
        return xml.message(f"m_{event.name}")
    if event.kind == "conditional":
        return xml.conditional(event.test.feel).replace("<condition>", f"{_filter(event)}<condition>")
    if event.kind == "compensation":
        said = xml.compensation(event.name if event.name not in NAMES else None)
        return said.replace("/>", ' waitForCompletion="false"/>') if event.beside else said
    return getattr(xml, event.kind)(event.name)


def _filter(event: Event) -> str:
    if not event.only and not event.change:
        return ""
    said = f'<zeebe:conditionalFilter variableNames="{", ".join(event.only)}" variableEvents="{event.change}"/>'
    return f"<extensionElements>{said}</extensionElements>"


def _many(many: Many) -> str:
    if many.kind == "loop":
        return xml.loop(f"loopCounter < {len(many.items)}", before=many.before, maximum=many.most)
    if many.counted:
        return _counted(many)
    return xml.multi(
        str(list(many.items)), "item", sequential=many.kind == "sequential", results=many.results,
        result="item * 10 + loopCounter" if many.results else None,
        until=f"numberOfCompletedInstances >= {many.until}" if many.until is not None else None,
    )  # fmt: skip


def _counted(many: Many) -> str:
    """A number of times, in other words: the counters say what is enough."""
    total = len(many.items)
    return xml.multi(
        count=str(total), sequential=many.kind == "sequential", results=many.results,
        result="numberOfInstances * 10 + loopCounter + numberOfTerminatedInstances" if many.results else None,
        until=None if many.until is None else _ENOUGH[many.by].format(many.until, total - many.until),
    )  # fmt: skip


#: {0} have ended, {1} are left; who ends others has not done so when she is asked
_ENOUGH = {
    "completed": "numberOfInstances - numberOfCompletedInstances <= {1}",
    "active": "numberOfActiveInstances <= {1}",
    "terminated": "numberOfTerminatedInstances > 0 or numberOfTerminatedInstances + numberOfCompletedInstances >= {0}",
}
