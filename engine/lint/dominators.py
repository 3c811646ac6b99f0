"""Which element every token must pass before it reaches another one.

`immediate` finds for each element of a scope the last one that no way to it avoids, with the iteration of
Cooper, Harvey and Kennedy ("A Simple, Fast Dominance Algorithm", 2001). Ladders of thousands of rungs
make it slow, so it has a budget of steps; when that is used up it knows nothing rather than keep a
designer waiting.
"""

from __future__ import annotations

from engine.bpmn.model import Element
from engine.lint.look import edges, entries

#: steps up the tree in one scope
BUDGET = 400_000


def immediate(scope: Element, budget: int = BUDGET) -> dict[str, str]:
    """id -> id of its immediate dominator; elements that a scope begins with have none. {} beyond the budget."""
    order, before = _order(scope)
    number = {one: n for n, one in enumerate(order)}
    found: dict[str, str] = {"": ""}
    changed = True
    while changed:
        changed = False
        for one in order[1:]:
            nearest = None
            for other in (o for o in before[one] if o in found):
                nearest, budget = (
                    (other, budget) if nearest is None else _meet(nearest, other, found, number, budget)
                )
            if budget <= 0:
                return {}
            if found.get(one) != nearest:
                found[one], changed = nearest, True
    return {one: other for one, other in found.items() if other}


def _meet(
    one: str, other: str, found: dict[str, str], number: dict[str, int], budget: int
) -> tuple[str, int]:
    """The nearest element that dominates both."""
    while one != other and budget > 0:
        budget -= 1
        if number[one] > number[other]:
            one = found[one]
        else:
            other = found[other]
    return one, budget


def _order(scope: Element) -> tuple[list[str], dict[str, list[str]]]:
    """Ids in reverse postorder with "" as what is before all, and who leads to each."""
    before: dict[str, list[str]] = {}
    post: list[str] = []
    seen = {""}
    path = [("", iter(entries(scope)))]
    while path:
        here, rest = path[-1]
        one = next(rest, None)
        if one is None:
            post.append(here)
            path.pop()
            continue
        before.setdefault(one.id, []).append(here)
        if one.id not in seen:
            seen.add(one.id)
            path.append((one.id, iter(list(edges(one)))))
    return post[::-1], before
