"""Random models walked at random, against a second telling of what they mean.

Each seed draws a model and a path of outside actions. After every action the engine must wait for the same
things, hold the same variables and have done the same work as the reference, once in one go and once saved
and loaded after every step; and the path in its log must be one that the drawing allows. A run tells its
seeds; `make fuzz N=…` walks as many more as one likes, beginning where the day puts it.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from datetime import date

import pytest

from engine import bpmn
from engine.errors import Invalid, Refused
from tests.models.blocks import Model, Task, sequences
from tests.models.case import Case, World, process_of
from tests.models.drawing import drawn
from tests.models.generator import random_model
from tests.models.reference import Reference, Wait
from tests.models.wider import long_model, wide_model

ACTIONS = 30
#: how often a token is moved or returned on the way
MENDED = {wide_model: 0.15, long_model: 0.4}
SEEDS = 300
MORE = int(os.environ.get("FUZZ", "0"))
EVENTS = ("message", "signal", "timer")


#: seeds that once failed, and what they showed
WALKS = {
    75: "an inclusive join waits for no token whose way ends before it",
    102: "an error from an event sub-process that runs beside is caught by another one of its scope",
    108: "catchers of one signal are told in the order in which they began to listen, also after loading",
    109: "an inclusive join in a loop waits for no token whose way ends in the loop",
    197: "a way that ends in compensation comes to no join",
    301: "a condition that is true when its event begins to wait happens at once",
}
REPAIRS = {
    33: "an event that is only listened for cannot be moved",
    85: "an arm of an event-based gateway is not moved without its gateway",
    171: "tokens at a join stand in the order in which they came, also after loading",
    1459: "nobody is returned out of a handler that undoes a sub-process that has ended",
    2286: "a handler that is returned elsewhere would leave who waits for it waiting for ever",
}


@pytest.mark.parametrize("seed", WALKS, ids=WALKS.get)
def test_a_path_that_once_went_wrong(seed):
    walk(seed, random_model)


@pytest.mark.parametrize("seed", REPAIRS, ids=REPAIRS.get)
def test_a_repair_that_once_went_wrong(seed):
    repair(seed, random_model)


def test_the_models_hold_every_kind_that_is_told():
    """What is never drawn is never tested."""
    found = Counter(re.findall(rb"<(\w+)[ />]", ALL))
    kinds = {tag.decode() for tag in found}
    assert kinds >= KINDS, f"never drawn: {sorted(KINDS - kinds)}"


@pytest.mark.parametrize("said", (
    'cancelActivity="false"', 'isInterrupting="false"', 'parallelMultiple="true"', 'instantiate="true"',
    'ordering="Sequential"', 'cancelRemainingInstances="false"', 'isSequential="true"', 'isSequential="false"',
    'testBefore="true"', "loopMaximum=", "outputCollection=", "numberOfCompletedInstances", "numberOfInstances", 'activityRef="t',
    "<zeebe:input ", "<zeebe:output ", "<zeebe:calledDecision ", "<zeebe:calledElement ", "R3/PT1H", 'default="o', 'errorRef=',
    "<errorEventDefinition/>", "<escalationEventDefinition/>", 'waitForCompletion="false"', "<zeebe:conditionalFilter ",
    "not(waitingForStart)", "numberOfActiveInstances &lt;=", "numberOfTerminatedInstances &gt;", "activeElementsCollection=",
    'outputElement="=v0"', 'activityRef="s', 'variableEvents="create"', 'variableNames="v',
))  # fmt: skip
def test_the_models_hold_what_is_said_in_attributes(said):
    assert said.encode() in ALL


@pytest.mark.parametrize("shape", (
    rb'<startEvent id="begin\d+"><(message|signal|timer|conditional)EventDefinition',
    rb'<(userTask|serviceTask|scriptTask|task) id="t\d+" default=', rb'<boundaryEvent[^>]*>(<\w+EventDefinition[^>]*/>){2}',
    rb'<startEvent id="es\d+_on"[^>]*>(<\w+EventDefinition[^>]*/>){2}', rb'<intermediateThrowEvent id="w\d+"></',
    rb'<intermediateThrowEvent id="w\d+">(<\w+EventDefinition[^>]*/>){2}', rb'<endEvent id="z\d+">(<\w+EventDefinition[^>]*/>){2}',
    rb'<startEvent id="es\d+_on"><compensateEventDefinition/>', rb'<adHocSubProcess[^>]*ordering="Sequential"[^>]*>[^/]*activeElements',
    rb'<zeebe:output source="=w" target="v1"/></zeebe:ioMapping></extensionElements><(multiInstance|standard)Loop',
    rb'<subProcess id="es\d+" triggeredByEvent="true">(?:(?!</subProcess>).)*<subProcess id="es\d+" triggeredByEvent',
))  # fmt: skip
def test_the_models_hold_what_is_said_in_several_elements(shape):
    assert re.search(shape, ALL)


ALL = b"".join(drawn(wide_model(seed)) for seed in range(SEEDS))
KINDS = set(
    "startEvent endEvent intermediateCatchEvent intermediateThrowEvent boundaryEvent task userTask manualTask serviceTask "
    "sendTask receiveTask scriptTask callActivity subProcess transaction exclusiveGateway parallelGateway inclusiveGateway "
    "eventBasedGateway timerEventDefinition messageEventDefinition signalEventDefinition errorEventDefinition "
    "escalationEventDefinition conditionalEventDefinition linkEventDefinition compensateEventDefinition "
    "cancelEventDefinition terminateEventDefinition multiInstanceLoopCharacteristics standardLoopCharacteristics "
    "completionCondition conditionExpression association adHocSubProcess complexGateway activationCondition businessRuleTask "
    "dataStore dataStoreReference dataObject dataInputAssociation dataOutputAssociation loopCardinality loopCondition".split()
)  # fmt: skip


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_the_engine_does_what_the_model_means(first):
    for seed in range(first, first + 20):
        walk(seed)


@pytest.mark.parametrize("first", range(0, 100, 20))
def test_cases_that_are_returned_undo_what_followed_and_go_on_as_the_model_means(first):
    for seed in range(first, first + 20):
        walk(seed, long_model)


@pytest.mark.fuzz
@pytest.mark.skipif(not MORE, reason="FUZZ says how many")
def test_the_engine_does_what_many_more_models_mean():
    first = date.today().toordinal() * 1000
    for seed in range(first, first + MORE):
        walk(seed)
        walk(seed, long_model)


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_repairs_lose_nothing_and_a_stored_instance_is_repaired_as_a_running_one(first):
    for seed in range(first, first + 20):
        repair(seed)


@pytest.mark.fuzz
@pytest.mark.skipif(not MORE, reason="FUZZ says how many")
def test_many_more_repairs_lose_nothing():
    first = date.today().toordinal() * 1000
    for seed in range(first, first + MORE):
        repair(seed)


def walk(seed: int, draw=wide_model) -> Reference:
    """One model along one path; an assertion that fails names the seed and the path so far."""
    model = draw(seed)
    reference, path = Reference(model), []
    cases = both(model)
    chance, edits, repairs = (random.Random(f"{what} {seed}") for what in ("walk", "edit", "mend"))
    try:
        for number in range(ACTIONS):
            if draw is wide_model and edits.random() < 0.04:
                path.append(("edit", migrate(edits, model, cases, f"t{number}new")))
            for case in cases:
                compare(case, reference)
            if reference.completed:
                break
            step = choose(chance, reference)
            if step is not None and repairs.random() < MENDED.get(draw, 0):
                step = mend(repairs, reference) or step
            if step is None:
                break
            path.append(step)
            apply(step, reference, cases)
        for case in cases:
            if not any(step[:2] == ("edit", True) or step[0] in ("move", "send_back") for step in path):
                follow(case, model.at)
    except Exception as error:
        raise AssertionError(f"seed {seed} after {path}: {type(error).__name__}: {error}") from error
    return reference


def both(model: Model) -> list[Case]:
    """An instance in one go and one that is stored after every step."""
    process = process_of(drawn(model))
    given = {name: value for name, value in model.variables.items() if name not in model.objects}
    decisions = {"twice": lambda variables: variables["v0"] * 2}
    return [Case(process, given, at=model.at, world=World(decisions), reload=reload) for reload in (False, True)]


# --- acting -----------------------------------------------------------------------------------
def choose(chance: random.Random, reference: Reference) -> tuple | None:
    """(verb, name of the wait, which of those, arguments), or a change of variables."""
    able = [wait for wait in waits_in_order(reference) if wait.kind != "condition"]
    if not able or chance.random() < 0.1:
        return ("set", None, ({f"v{chance.randrange(3)}": chance.randint(0, 9)},), 0)
    busy = [wait for wait in able if wait.kind not in EVENTS]
    wait = chance.choice(busy) if busy and chance.random() < 0.6 else chance.choice(able)
    same = [one for one in waits_in_order(reference) if one.name == wait.name]
    return (*verb(chance, wait), same.index(wait))


def mend(chance: random.Random, reference: Reference) -> tuple | None:
    """A token that is put elsewhere in its sequence, or sent back with what followed undone."""
    able = [(wait, reference.ways_to(wait)) for wait in waits_in_order(reference)]
    able = [(wait, ways) for wait, ways in able if ways[0] or ways[1]]
    if not able:
        return None
    returning = [one for one in able if one[1][1]]
    wait, (along, back) = chance.choice(returning if returning and chance.random() < 0.8 else able)
    name, to = ("send_back", back) if back and (not along or chance.random() < 0.8) else ("move", along)
    same = [one for one in waits_in_order(reference) if one.name == wait.name]
    return name, wait.name, (chance.choice(to),), same.index(wait)


def verb(chance: random.Random, wait: Wait) -> tuple:
    values = {f"v{chance.randrange(3)}": chance.randint(0, 9)} if chance.random() < 0.5 else {}
    if wait.kind in EVENTS:
        return ("fire", wait.name, ({} if wait.kind == "timer" else values,))
    if wait.kind == "adhoc":
        return ("pick", wait.name, (picked(chance, [one[0].id for one in wait.host.block.items]),))
    if wait.kind == "incident":
        retried = hasattr(wait.host.block, "many") and chance.random() < 0.5
        return ("retry", wait.name, ()) if retried else ("skip", wait.name, (values if hasattr(wait.host.block, "many") else {},))
    if not wait.id.startswith("undo"):
        if wait.kind in ("service", "call") and chance.random() < 0.25:
            return ("fail", wait.name, (chance.choice("ABD"), values))
        if wait.kind == "user" and chance.random() < 0.15:
            return ("escalate", wait.name, (chance.choice("ABD"), values))
    return ("complete", wait.name, ({"w": 7} if getattr(wait.host.block, "mapped", False) else values,))


def picked(chance: random.Random, choices: list[str]) -> list[str]:
    """What a person picks; nothing: that it is over."""
    return [] if chance.random() < 0.3 else chance.choices(choices, k=chance.randint(1, 2))


def apply(step: tuple, reference: Reference, cases: list[Case]) -> None:
    if step[0] == "set":
        reference.set(*step[2])
        for case in cases:
            case.set(**step[2][0])
        return
    name, wanted, arguments, which = step
    wait = [one for one in waits_in_order(reference) if one.name == wanted][which]
    getattr(reference, {"skip": "complete"}.get(name, name))(wait, *arguments)
    for case in cases:
        token = [one for one in tokens_in_order(case) if name_of(case, one) == wanted][which]
        if name == "fail":
            case.run.throw_error(token, arguments[0], "It failed.", arguments[1])
        elif name == "pick":
            case.run.complete(token, {"activities": arguments[0]} if arguments[0] else {"done": True})
        else:
            getattr(case.run, name)(token, *arguments)
        case.settle()


def migrate(chance: random.Random, model: Model, cases: list[Case], id: str) -> bool:
    """Move to a version with one more task at the end of some sequence; False when there is no place for what is under way."""
    if not (places := sequences(model)):
        return False
    place, before = chance.choice(places), [case.run.state() for case in cases]
    place.parts.append(Task(id, "user"))
    process = process_of(drawn(model))
    if bpmn.migration.check(before[0], cases[0].process, process, {}):
        place.parts.pop()
        with pytest.raises(Invalid):
            cases[0].migrate(process)
        assert [case.run.state() for case in cases] == before, "what is refused must change nothing"
        return False
    for case in cases:
        case.migrate(process)
    return True


# --- repairing --------------------------------------------------------------------------------
def repair(seed: int, draw=wide_model) -> None:
    """One model along a path on which people return cases, move tokens and skip steps wherever they may."""
    path, (running, stored) = [], both(draw(seed))
    chance = random.Random(f"repair {seed}")
    elements = sorted(running.process.elements)
    try:
        for _ in range(ACTIONS):
            assert running.run.state() == stored.run.state(), "a stored instance has become another one"
            if running.completed or not running.run.waits:
                break
            path.append(repair_step(chance, running, elements))
            for case in (running, stored):
                do(case, path[-1])
    except bpmn.LimitExceeded:
        return
    except Exception as error:
        raise AssertionError(f"seed {seed} after {path}: {type(error).__name__}: {error}") from error


def repair_step(chance: random.Random, case: Case, elements: list[str]) -> tuple:
    """(verb, arguments) on something that waits."""
    token = chance.choice(sorted(case.run.waits))
    kind = case.run.waits[token].kind
    values = {f"v{chance.randrange(3)}": chance.randint(0, 9)}
    if kind == "adhoc" and chance.random() < 0.7:
        keys = [key for key, _ in case.run.waits[token].choices]
        return ("complete", token, {"activities": [chance.choice(keys)], "done": chance.random() < 0.2})
    if chance.random() < 0.25:
        return (chance.choice(("send_back", "send_back", "move")), token, chance.choice(elements))
    if kind == "incident":
        return chance.choice((("retry", token), ("skip", token, values)))
    if kind in EVENTS:
        return ("fire", token, values)
    if kind == "condition":
        return ("set_variables", 0, values)
    if chance.random() < 0.2:
        return (chance.choice(("throw_error", "escalate")), token, chance.choice("ABD"))
    return ("complete", token, values)


def do(case: Case, step: tuple) -> None:
    """A verb; one that is refused has changed nothing."""
    before = case.run.state()
    try:
        getattr(case.run, step[0])(*step[1:])
    except Refused:
        assert case.run.state() == before, "what is refused must change nothing"
    case.settle()


# --- comparing --------------------------------------------------------------------------------
def compare(case: Case, reference: Reference) -> None:
    said = {
        "waits": Counter(name_of(case, token) for token in case.run.waits), "variables": case.variables,
        "completed": case.completed, "thrown": Counter((one.kind, one.name) for one in case.thrown),
        "done": done(case, reference), "stores": case.world.stores,
    }  # fmt: skip
    meant = {
        "waits": Counter(wait.name for wait in reference.waits), "variables": reference.root.variables,
        "completed": reference.completed, "thrown": Counter(reference.thrown), "done": reference.done,
        "stores": reference.stores,
    }  # fmt: skip
    for key, value in meant.items():
        assert said[key] == value, f"{key}: {said[key]} is not {value}"


def done(case: Case, reference: Reference) -> Counter:
    """How often each activity was completed, each loop as a whole."""
    ended = (step.element_id for step in case.trail if step.type == "element.completed" and "loopCounter" not in step.data)
    return Counter(
        id for id in ended if id in reference.done or (id.startswith(("t", "undo", "s")) and "_" not in id and id != "start")
    )


def waits_in_order(reference: Reference) -> list[Wait]:
    return sorted(reference.waits, key=lambda wait: (wait.name, wait.place))


def tokens_in_order(case: Case) -> list[int]:
    return sorted(case.run.waits, key=lambda token: (name_of(case, token), place_of(case, token)))


def name_of(case: Case, token: int) -> tuple[str, str, tuple[int, ...]]:
    """(element, kind, which child of which loop)."""
    wait, here = case.run.waits[token], case.run.tasks[token]
    scopes = list(case.run.inner(here).chain())[::-1]
    counters = tuple(scope.variables["loopCounter"] for scope in scopes if "loopCounter" in scope.variables)
    return wait.element_id, wait.kind, counters


def place_of(case: Case, token: int) -> tuple[int, ...]:
    here = case.run.tasks[token]
    owners = [scope.data["owner"] for scope in here.scope.chain() if "owner" in scope.data][::-1]
    main = case.run.tasks[here.memo.get("of", token)]
    return (*owners, main.memo.get("host", main.memo.get("race", main.id)), token)


# --- the path that was logged -------------------------------------------------------------------
def follow(case: Case, at: str | None) -> None:
    """Every flow that was taken leaves an element that had just been completed, and leads on as drawn."""
    elements, flows = case.process.elements, case.process.flows
    arrived: Counter[str] = Counter(flow.id for flow in elements[at].incoming) if at else Counter()
    last: bpmn.Step | None = None
    left: list[str] = []
    for step in [*case.trail, bpmn.Step("end", "", None, {})]:
        if step.type == "flow.taken":
            flow = flows[step.data["flow"]]
            assert last is not None and (last.element_id, last.token) == (flow.source.id, step.token), (
                f"{flow.id} was taken too early"
            )
            left.append(flow.id)
            arrived[flow.id] += 1
            continue
        if last is not None:
            left_as_drawn(elements[last.element_id], left)
        last, left = None, []
        if step.type == "element.completed" and "loopCounter" not in step.data and "compensation" not in step.data:
            came_as_drawn(elements[step.element_id], arrived)
            last = step


def left_as_drawn(element: bpmn.Element, taken: list[str]) -> None:
    """Which flows an element may be left by."""
    drawn_flows = [flow.id for flow in element.outgoing]
    assert set(taken) <= set(drawn_flows) and len(set(taken)) == len(taken)
    if element.kind in ("exclusiveGateway", "eventBasedGateway"):
        assert len(taken) == 1, f"{element.id} was left by {taken}"
    elif element.kind == "inclusiveGateway" or any(flow.condition for flow in element.outgoing):
        assert taken, f"{element.id} was left by no flow"
    else:
        assert taken == drawn_flows, f"{element.id} was left by {taken}, not by {drawn_flows}"


def came_as_drawn(element: bpmn.Element, arrived: Counter[str]) -> None:
    """Take what came to an element: one token of each flow at a join, else one."""
    here = [flow.id for flow in element.incoming if arrived[flow.id]]
    if not element.incoming:
        return
    assert here, f"{element.id} was completed, but no token came to it"
    if element.kind == "complexGateway":  # it takes what came when it was its turn, which may be less than had come when it is logged
        here = here[:1]
    if element.kind == "parallelGateway":
        assert len(here) == len(element.incoming), f"{element.id} joined only {here}"
    for flow in here if element.kind in ("parallelGateway", "inclusiveGateway", "complexGateway") else here[:1]:
        arrived[flow] -= 1
