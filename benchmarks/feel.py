"""How long an expression and a decision table take, beside pySFeel and bkflow-feel where they are installed.

All three evaluate the same texts with the same variables. The peers read a text each time they evaluate it, so ours is
measured both ways: kept (as a process uses it) and read anew. A peer is only set beside an expression that it answers
rightly. Times are the best of several rounds, in microseconds an evaluation, so that a busy machine spoils little.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from engine import dmn, feel

#: name -> (text, variables, what it must come to)
EXPRESSIONS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "condition": ('amount > 1000 and risk = "high"', {"amount": 1500, "risk": "high"}, True),
    "arithmetic": ("(price + tax) * count - 10 / 4", {"price": 20, "tax": 1.5, "count": 3}, 62),
    "text": ('contains("foobar", part)', {"part": "oba"}, True),
    "list": ("list contains(kinds, kind)", {"kinds": ["a", "b", "c"], "kind": "c"}, True),
    "quantifier": ("some x in scores satisfies x > 80", {"scores": [50, 60, 70, 90]}, True),
}
RULES = 200


def measure() -> list[dict[str, Any]]:
    """Rows {"name", "value", "unit", "ratio_to"}; those of a peer stand before ours that name them."""
    rows: list[dict[str, Any]] = []
    for name, (text, variables, due) in EXPRESSIONS.items():
        rows += _expression(name, text, variables, due)
    rows.append(_row(f"FEEL: table of {RULES} rules", _best(_table()), None))
    return rows


def _expression(name: str, text: str, variables: dict[str, Any], due: Any) -> list[dict[str, Any]]:
    kept = feel.compile(text)
    ours = _best(lambda: kept.evaluate(variables))
    anew = _best(lambda: feel.build(text).evaluate(variables))
    rows = [_row(f"FEEL: {name}", ours, None), _row(f"FEEL: {name}, read anew", anew, f"FEEL: {name}")]
    for peer, start in PEERS.items():
        evaluate = start(text, variables)
        if evaluate is not None and _answers(evaluate, due):
            rows.append(_row(f"{peer}: {name}", _best(evaluate), None))
            rows.append(_row(f"FEEL: {name}, beside {peer}", ours, f"{peer}: {name}"))
            rows.append(_row(f"FEEL: {name}, read anew, beside {peer}", anew, f"{peer}: {name}"))
    return rows


def _row(name: str, seconds: float, ratio_to: str | None) -> dict[str, Any]:
    return {"name": name, "value": seconds * 1e6, "unit": "µs", "ratio_to": ratio_to}


def _best(action: Callable[[], Any], rounds: int = 5, span: float = 0.05) -> float:
    """Seconds of one call: the best of some rounds, each about `span` seconds long."""
    begun = time.perf_counter()
    action()
    once = max(time.perf_counter() - begun, 1e-7)
    times = max(1, min(20_000, int(span / once)))
    best = once
    for _ in range(rounds):
        begun = time.perf_counter()
        for _ in range(times):
            action()
        best = min(best, (time.perf_counter() - begun) / times)
    return best


# --- peers ------------------------------------------------------------------------------------
def _pysfeel(text: str, variables: dict[str, Any]) -> Callable[[], Any] | None:
    try:
        import pySFeel
    except ImportError:
        return None
    parser = pySFeel.SFeelParser()
    for name, value in variables.items():
        parser.sFeelParse(f"{name} <- {feel.literal(feel.from_json(value))}")
    return lambda: parser.sFeelParse(text)[1]


def _bkflow(text: str, variables: dict[str, Any]) -> Callable[[], Any] | None:
    try:
        from bkflow_feel.api import parse_expression
    except ImportError:
        return None
    return lambda: parse_expression(text, variables)


PEERS: dict[str, Callable[[str, dict[str, Any]], Callable[[], Any] | None]] = {
    "pySFeel": _pysfeel,
    "bkflow-feel": _bkflow,
}


def _answers(evaluate: Callable[[], Any], due: Any) -> bool:
    """Whether a peer comes to the same value; what it raises counts as no answer."""
    try:
        return evaluate() == due
    except Exception:  # a peer may fail in any way; then it is not measured
        return False


# --- a decision table -------------------------------------------------------------------------
MODEL = """<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="m" name="m" namespace="m">
<decision id="d" name="d"><decisionTable id="t"><input id="i1"><inputExpression><text>kind</text></inputExpression></input>
<input id="i2"><inputExpression><text>amount</text></inputExpression></input>
<input id="i3"><inputExpression><text>age</text></inputExpression></input><output id="o" name="o"/>{rules}
</decisionTable></decision></definitions>"""
RULE = (
    '<rule id="r{n}"><inputEntry><text>"k{kind}"</text></inputEntry><inputEntry><text>[{low}..{high}]</text></inputEntry>'
    '<inputEntry><text>{age}</text></inputEntry><outputEntry><text>"{n}"</text></outputEntry></rule>'
)


def _table() -> Callable[[], Any]:
    rules = "".join(
        RULE.format(n=n, kind=n % 50, low=n * 10, high=n * 10 + 9, age="-" if n % 2 else "&gt;= 18") for n in range(RULES)
    )
    model = dmn.parse(MODEL.format(rules=rules).encode())
    variables = {"kind": f"k{(RULES - 1) % 50}", "amount": RULES * 10 - 5, "age": 20}
    return lambda: dmn.evaluate(model, "d", variables)
