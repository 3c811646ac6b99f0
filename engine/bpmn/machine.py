"""SpiffWorkflow as the machine that moves tokens, and what of it is put right here.

A token is a SpiffWorkflow `Task`, an element of the drawing is a SpiffWorkflow task specification, and an
instance is a SpiffWorkflow `BpmnWorkflow`: readiness, running, completion, cancellation and error go
through their life cycle. What 3.2.0 does wrongly is overridden once, in this file: predictions of
possible futures, which cost in proportion to the model; the walk over all tasks after each completion,
which stops at depth 1000; data copied from task to task; and Python as the language of a model. A finished
task leaves the machine at once, since the log holds the history.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.bpmn.specs.mixins.bpmn_spec_mixin import BpmnSpecMixin
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from engine.bpmn.limits import ElementError

if TYPE_CHECKING:
    from engine.bpmn.execution import Execution
    from engine.bpmn.model import Element
    from engine.bpmn.scopes import Scope, View

READY, WAITING, STARTED, ERROR = TaskState.READY, TaskState.WAITING, TaskState.STARTED, TaskState.ERROR
STATE_NAMES = {READY: "ready", WAITING: "waiting", STARTED: "started", ERROR: "error"}
STATES = {name: state for state, name in STATE_NAMES.items()}


class NoPython:
    """Stands where SpiffWorkflow keeps its script engine: nothing of a model is ever Python."""

    environment = None

    def evaluate(self, task, expression, external_context=None):
        raise ElementError("Models are written in FEEL; Python is not evaluated.")

    execute = call_service = evaluate


class Token(Task):
    """A task of SpiffWorkflow that lives in a scope. Its `internal_data` is what the element must remember."""

    def __init__(self, run: Execution, node: Node, scope: Scope, id: int, memo: dict[str, Any]):
        super().__init__(run, node, None, TaskState.FUTURE, id)
        self.internal_data = memo
        self.scope = scope

    @property
    def memo(self) -> dict[str, Any]:
        return self.internal_data

    @property
    def element(self) -> Element:
        return self.task_spec.element

    def _set_state(self, value: int) -> None:
        """3.2.0 builds a log record for each change, whether anybody reads it or not."""
        self._state = value
        self.workflow.touch(self)


class Specification(BpmnProcessSpec):
    """A process as SpiffWorkflow's specification: every element of every scope, connected as drawn."""

    def __init__(self, name: str):
        """SpiffWorkflow 3.2.0 adds specifications called Start, End and <name>.EndJoin; models call their elements so too."""
        super().__init__(name=name)
        self.task_specs.clear()


class Node(BpmnSpecMixin):
    """What one element does: the base of all. `enter` runs it, `choose` says where tokens go when it is left."""

    #: whether a token before it may wait for an event of its own
    listens = False
    #: whether it looks at its scope after each thing that was done in it, and not only at the end
    reviews = False

    def __init__(self, specification: Specification, element: Element):
        super().__init__(
            specification, element.id, bpmn_name=element.name, lane=element.lane, documentation=element.documentation
        )
        self.element = element
        element.node = self

    # --- SpiffWorkflow's hooks ------------------------------------------------------------------
    def test(self) -> None:
        """An element that nothing leads to may be entered all the same (ad hoc, by hand)."""

    def _predict(self, my_task, seen=None, looked_ahead=0, mask=None) -> None:
        """Futures are not predicted."""

    def _update(self, my_task: Token) -> None:
        if self.may_run(my_task.workflow, my_task):
            my_task._ready()

    def _on_ready(self, my_task: Token) -> None:
        my_task.workflow.queue.append(my_task)

    def _run(self, my_task: Token) -> bool | None:
        """3.2.0 marks a task as failed and raises on; here the instance decides what a failure means."""
        return self._run_hook(my_task)

    def _run_hook(self, my_task: Token) -> bool | None:
        return self.enter(my_task.workflow, my_task)

    def _on_complete(self, my_task: Token) -> None:
        self.leave(my_task.workflow, my_task)

    def _on_cancel(self, my_task: Token) -> None:
        """What hangs on a token is dropped by the instance."""

    # --- ours -----------------------------------------------------------------------------------
    def may_run(self, run: Execution, token: Token) -> bool:
        """Whether the token may run now; a join says no until it has what it waits for."""
        return True

    def enter(self, run: Execution, token: Token) -> bool | None:
        """True: done at once. None: waits for the outside."""
        return True

    def finish(self, run: Execution, token: Token, values: dict[str, Any]) -> None:
        """What it waited for has come; its values are written and the token goes on."""
        if values:
            run.write(run.inner(token), values, self.element.id)
        self.go_on(token)

    def go_on(self, token: Token) -> None:
        """From here on only leaving may fail, and is what a retry repeats."""
        token.memo["phase"] = "leave"
        token.complete()

    def reconsider(self, run: Execution, scope: Scope, place: dict[str, list[Token]]) -> bool:
        """All wait: may a join go on with what it has? True if it did."""
        return False

    def choose(self, run: Execution, token: Token) -> list:
        """The flows that are taken: every unconditional one, and each whose condition is true, else the default."""
        element = self.element
        if all(flow.condition is None for flow in element.outgoing):
            return element.outgoing
        free = [flow for flow in element.outgoing if flow.condition is None and flow.id != element.default]
        taken = free + (self.true_ones(run, token) or self.default())
        if not taken:
            raise ElementError(
                f"No condition of '{element.name or element.id}' is true and there is no default flow."
            )
        return taken

    def true_ones(self, run: Execution, token: Token) -> list:
        """The conditional flows whose condition is true, in the order of the document."""
        view = self.seen(run, token)
        conditional = (f for f in self.element.outgoing if f.condition is not None and f.id != self.element.default)
        return [flow for flow in conditional if flow.condition.truth(view, run.world)]

    def seen(self, run: Execution, token: Token) -> View:
        """What the conditions of its outgoing flows see."""
        return run.view(token)

    def default(self) -> list:
        return [flow for flow in self.element.outgoing if flow.id == self.element.default]

    def collect(self, run: Execution, token: Token, scope: Scope) -> None:
        """A way in a scope of this activity ends, before its last token goes."""

    def leave(self, run: Execution, token: Token) -> None:
        """Take the token out and put one on each flow that is taken."""
        run.pass_on(token, self.choose(run, token))


class Machine(BpmnWorkflow):
    """A workflow of SpiffWorkflow without a tree: live tasks alone, and a queue of those that are ready."""

    def __init__(self, specification: Specification):
        super().__init__(specification, script_engine=NoPython(), deserializing=True)
        self.queue: deque[Token] = deque()

    def touch(self, token: Token) -> None:
        """The token changed; the instance writes it down."""

    def _task_completed_notify(self, task: Token) -> None:
        """3.2.0 walks over every task of the instance here, after each completion."""

    def is_completed(self) -> bool:
        """3.2.0 looks no deeper than 1000 tasks; the instance knows from its tokens."""
        return self.completed

    def update_waiting_tasks(self) -> None:
        """What waits is told by whoever brings what it waits for."""
