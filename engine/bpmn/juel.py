"""Expressions of older engines (JUEL, the unified expression language of JSR 341), written again as FEEL.

Only what means the same is written again: names and their properties, texts, numbers, comparisons,
arithmetic, `&& || !`, `empty` and `a ? b : c`. Methods, functions, places in lists (counted from 0 there),
remainders and what only the older engines know (`execution`, `task`) are refused, never guessed.
"""

from __future__ import annotations

import re

from engine.feel import FeelError

#: brackets and signs within one another
DEPTH = 50
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<number>\d+(?:\.\d+)?(?![\w.]))"
    r"|(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)|(?P<sign>&&|\|\||[=!<>]=|[-+*/<>!?:()]))", re.S,
)  # fmt: skip
_WORDS = {
    "and": "&&", "or": "||", "not": "!", "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">=", "div": "/",
}  # fmt: skip
#: binary operators as FEEL says them, the weakest first; of comparisons FEEL allows no chain
_LEVELS = (
    {"||": "or"}, {"&&": "and"}, {"==": "=", "!=": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">="},
    {"+": "+", "-": "-"}, {"*": "*", "/": "/"},
)  # fmt: skip
_COMPARISONS = 2
#: words that FEEL reads otherwise, and things that only the older engines have
_UNKNOWN = frozenset(
    "between every for function if in instance mod not return satisfies some then else "
    "execution task caseExecution externalTask authenticatedUserId".split()
)
_EMPTY = 'list contains([null, "", [], {{}}], {})'


def translated(code: str) -> str:
    """The inside of `${…}` as FEEL. Raises FeelError when it cannot be said with the same meaning."""
    reader = _Reader(_tokens(code))
    said = reader.choice(0)
    reader.expect("end")
    return said


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refuse() -> FeelError:
    return FeelError("It says more than names, comparisons and arithmetic, and is not translated; write it as FEEL.")


def _tokens(code: str) -> list[tuple[str, str]]:
    code, at, found = code.rstrip(), 0, []
    while at < len(code):
        match = _TOKEN.match(code, at)
        if match is None:
            raise _refuse()
        kind, text = match.lastgroup or "", match[match.lastgroup or 0]
        found.append(("sign", _WORDS[text]) if kind == "name" and text in _WORDS else (kind, text))
        at = match.end()
    return [*found, ("end", "end")]


class _Reader:
    """Reads tokens from left to right; each method gives the FEEL of what it read."""

    def __init__(self, tokens: list[tuple[str, str]]):
        self.tokens = tokens
        self.at = 0

    def has(self, *texts: str) -> bool:
        kind, text = self.tokens[self.at]
        return kind in ("sign", "end") and text in texts

    def take(self) -> tuple[str, str]:
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, sign: str) -> None:
        if not self.has(sign):
            raise _refuse()
        self.take()

    def choice(self, depth: int) -> str:
        if depth > DEPTH:
            raise _refuse()
        condition = self.binary(0, depth)
        if not self.has("?"):
            return condition
        self.take()
        yes = self.choice(depth + 1)
        self.expect(":")
        return f"(if {condition} then {yes} else {self.choice(depth + 1)})"

    def binary(self, level: int, depth: int) -> str:
        if level == len(_LEVELS):
            return self.unary(depth)
        said, read = self.binary(level + 1, depth), 0
        while self.has(*_LEVELS[level]):
            sign = _LEVELS[level][self.take()[1]]
            other, read = self.binary(level + 1, depth), read + 1
            is_chain, is_text = level == _COMPARISONS and read > 1, '"' in said[:1] + other[:1]
            if is_chain or (sign == "+" and is_text):  # `+` is always a sum there
                raise _refuse()
            said = f"{said} {sign} {other}"
        return said

    def unary(self, depth: int) -> str:
        if depth > DEPTH:
            raise _refuse()
        if self.has("!"):  # what is missing counts as false there, and `not(null)` would be null
            self.take()
            return f"({self.unary(depth + 1)} != true)"
        if self.has("-"):
            self.take()
            return f"-{self.unary(depth + 1)}"
        return self.value(depth)

    def value(self, depth: int) -> str:
        if self.has("("):
            self.take()
            inner = self.choice(depth + 1)
            self.expect(")")
            return f"({inner})"
        kind, text = self.take()
        if kind == "name" and text == "empty":
            return _EMPTY.format(self.unary(depth + 1))
        if kind == "name" and not _UNKNOWN & set(text.split(".")):
            return "(loopCounter - 1)" if text == "loopCounter" else text  # counted from 0 there
        if kind not in ("text", "number"):
            raise _refuse()
        return quoted(re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.S)) if kind == "text" else text
