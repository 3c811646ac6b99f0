"""What can go wrong with an expression, and how much it may use.

`FeelError` says that a text is no FEEL, with the place; `Exhausted` that an evaluation used more than its
`Budget` of steps, calls, time or size. Everything else that goes wrong while an expression runs is null with a
`Diagnosis`, as chapter 10 of DMN 1.5 asks. Nothing here knows the grammar or the values.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


class FeelError(Exception):
    """The text cannot be read as FEEL. The message is one sentence with parameters; `position` counts characters from 0."""

    def __init__(self, message: str, position: int = 0, text: str = "", /, **params: object):
        super().__init__(message)
        self.message = message
        self.params = params
        self.position = position
        self.line = text.count("\n", 0, position) + 1
        self.column = position - (text.rfind("\n", 0, position) + 1) + 1


    def __str__(self) -> str:
        return told(self.message, self.params)


class Exhausted(FeelError):
    """The expression used more steps, nesting, time or space than it may."""


def told(sentence: str, params: dict[str, object]) -> str:
    """A sentence in English; pages say it in the reader's language from the same two parts."""
    return sentence % params if params else sentence


@dataclass(frozen=True)
class Diagnosis:
    """Why something became null: a short kind, one sentence, and where it stands in the text."""

    #: "unknown-variable", "unknown-function", "type", "argument", "index", "value", "property", "external", "expression",
    #: "table" or "graph"
    kind: str
    #: message id in English with %(name)s parameters
    sentence: str
    position: int = -1
    params: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return told(self.sentence, dict(self.params))


class Budget:
    """What one evaluation may use. It is spent: give a fresh one to each evaluation, or share one on purpose."""

    __slots__ = ("calls", "deadline", "depth", "seconds", "size", "steps")

    def __init__(self, steps: int = 1_000_000, seconds: float = 2.0, depth: int = 100, size: int = 1_000_000):
        #: turns of loops, calls of functions and items of lists that are left
        self.steps = steps
        #: wall time of the whole evaluation
        self.seconds = seconds
        self.deadline = 0.0
        #: how deep functions of the model may call each other
        self.depth = depth
        self.calls = 0
        #: longest string (characters) and list (items)
        self.size = size

    def spend(self, steps: int = 1) -> None:
        """Take steps from the budget and look at the clock now and then. Raises Exhausted."""
        before = self.steps
        self.steps = before - steps
        if self.steps < 0:
            raise Exhausted("The expression takes more steps than it may.")
        if before >> 9 != self.steps >> 9 or not self.deadline:
            self.look()

    def look(self) -> None:
        """Raises Exhausted when the time is over. The clock starts at the first look."""
        now = time.monotonic()
        if not self.deadline:
            self.deadline = now + self.seconds
        elif now > self.deadline:
            raise Exhausted("The expression takes longer than it may.")

    def room(self, size: int) -> None:
        """Raises Exhausted when a string or list would be larger than it may be."""
        if size > self.size:
            raise Exhausted("The expression makes a value larger than it may.")

    def enter(self) -> None:
        self.calls += 1
        if self.calls > self.depth:
            raise Exhausted("Functions of the expression call each other too deeply.")
        self.spend()

    def leave(self) -> None:
        self.calls -= 1
