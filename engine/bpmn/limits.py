"""What one instance may use before it is stopped, and the two ways in which a step can go wrong.

A step that meets a limit is rolled back as a whole and becomes an incident that names the element: an
endless loop, a fork that doubles for ever or a list of a billion never hang the platform. An error of
one element, such as a condition that is null, stops that token alone and waits for a person. The numbers
are generous for people's processes and small for a machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """How much one advance and one instance may use."""

    #: elements run in one advance
    steps: int = 20_000
    #: tokens that one instance may have at once
    tokens: int = 10_000
    #: scopes inside each other, sub-processes and called instances of loops among them
    depth: int = 50
    #: children of one multi-instance activity
    children: int = 5_000
    #: values (numbers, texts, entries) that one variable may hold
    values: int = 200_000
    #: characters that one text in a variable may have
    text: int = 1_000_000


LIMITS = Limits()


class LimitExceeded(Exception):
    """A step used more than an instance may; nothing of it is kept. `sentence` is for a person."""

    def __init__(self, element_id: str, sentence: str):
        super().__init__(sentence)
        self.element_id = element_id
        self.sentence = sentence


class ElementError(Exception):
    """One element cannot go on, for the reason that the sentence gives; its token becomes an incident."""

    def __init__(self, sentence: str, kind: str = "expression"):
        super().__init__(sentence)
        self.sentence = sentence
        self.kind = kind


def weigh(element_id: str, name: str, value: Any, limits: Limits = LIMITS) -> None:
    """Refuse a variable that is larger than an instance may hold. Raises LimitExceeded."""
    if not isinstance(value, (str, list, dict)):
        return
    left = limits.values
    rest = [value]
    while rest:
        one = rest.pop()
        left -= 1
        if left < 0 or (isinstance(one, str) and len(one) > limits.text):
            raise LimitExceeded(element_id, f"Variable '{name}' is larger than an instance may hold.")
        if isinstance(one, dict):
            rest.extend(one.values())
        elif isinstance(one, list):
            rest.extend(one)
