"""Variables live in scopes, not in tokens.

The process, each sub-process, each child of a multi-instance activity and each task with mappings has one
set of variables. Reading looks outward; writing follows Camunda 8: a variable is written where it is
found, else in the outermost scope. SpiffWorkflow's `task.data` stays empty, so that its copying and
merging have nothing to lose (3.2.0 overwrites newer values at a parallel join and merges lists element
by element). A `View` is what an expression sees from a scope.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.bpmn.limits import weigh
from engine.bpmn.rows import ScopeRow


class Scope:
    """One set of variables, and the tokens that live in it."""

    __slots__ = ("data", "derived", "element_id", "id", "listeners", "parent", "rows", "tokens", "variables")

    def __init__(self, id: int, parent: Scope | None, element_id: str, variables=None, data=None):
        self.id = id
        self.parent = parent
        self.element_id = element_id
        self.variables: dict[str, Any] = variables if variables is not None else {}
        #: owner token, counters of a loop, what can be compensated
        self.data: dict[str, Any] = data if data is not None else {}
        #: ids of live tokens; the scope ends when there are none
        self.tokens: set[int] = set()
        #: ids of tokens that only listen for an event sub-process, which never keep a scope alive
        self.listeners: set[int] = set()
        #: variables that are put together from the rows of others and not written with this scope
        self.derived: dict[str, Any] = {}
        #: ids of scopes that only keep a part of this one: results of a loop and what it has still to do
        self.rows: list[int] = []

    def row(self) -> ScopeRow:
        parent_id = self.parent.id if self.parent else None
        return ScopeRow(self.id, parent_id, self.element_id, dict(self.variables), dict(self.data))

    def chain(self) -> Iterator[Scope]:
        """This scope and those around it, outward."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    @property
    def depth(self) -> int:
        return sum(1 for _ in self.chain())

    def holder(self, name: str) -> Scope:
        """Where writing `name` from here goes: the nearest scope that has it, else the outermost."""
        for scope in self.chain():
            if name in scope.variables or name in scope.derived:
                return scope
        return scope


class View(Mapping):
    """What an expression sees from a scope: its variables, then those around it. `local` comes before all."""

    __slots__ = ("_local", "_scope")

    def __init__(self, scope: Scope, local: dict[str, Any] | None = None):
        self._scope = scope
        self._local = local or {}

    def __getitem__(self, name: str) -> Any:
        if name in self._local:
            return self._local[name]
        scope = self._scope
        while scope is not None:
            if name in scope.variables:
                return scope.variables[name]
            if name in scope.derived:
                return scope.derived[name]
            scope = scope.parent
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        if name in self._local:
            return True
        scope = self._scope
        while scope is not None:
            if name in scope.variables or name in scope.derived:
                return True
            scope = scope.parent
        return False

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def __iter__(self) -> Iterator[str]:
        return iter(self.flat())

    def __len__(self) -> int:
        return len(self.flat())

    def beside(self, values: dict[str, Any]) -> View:
        """The same with `values` before all."""
        return View(self._scope, self._local | values)

    def flat(self) -> dict[str, Any]:
        """Everything that can be seen, as one dict."""
        found: dict[str, Any] = {}
        for scope in reversed(list(self._scope.chain())):
            found |= scope.derived
            found |= scope.variables
        return found | self._local


def put(target: dict[str, Any], path: str, value: Any) -> None:
    """Set `a.b.c` in nested contexts, copying what is changed so that no other holder of it is touched."""
    head, _, rest = path.partition(".")
    if not rest:
        target[head] = value
        return
    inner = dict(target[head]) if isinstance(target.get(head), dict) else {}
    put(inner, rest, value)
    target[head] = inner


def write(scope: Scope, values: Mapping[str, Any], element_id: str, touched) -> None:
    """Write `values` from `scope` outward; `touched(scope, variable, "create" or "update")` is told of each."""
    for path, value in values.items():
        name = path.partition(".")[0]
        weigh(element_id, name, value)
        holder = scope.holder(name)
        how = "update" if name in holder.variables else "create"
        put(holder.variables, path, value)
        touched(holder, name, how)


def write_local(scope: Scope, values: Mapping[str, Any], element_id: str, touched) -> None:
    """Write `values` in `scope` itself, hiding what is around it."""
    for path, value in values.items():
        name = path.partition(".")[0]
        weigh(element_id, path, value)
        how = "update" if name in scope.variables else "create"
        put(scope.variables, path, value)
        touched(scope, name, how)
    touched(scope)
