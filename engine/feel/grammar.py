"""The grammar of FEEL (DMN 1.5, 10.3.1.2) as lark's LALR(1), and the tree it makes.

The parser is built once when this file is loaded. `parse` answers a `Node`: a kind, its parts and where it stands.
Chains such as a + b + c become one flat node, so that depth is only what brackets and keywords nest; a tree deeper than
`DEEPEST` is refused. Nothing is evaluated here and nothing recurses over the text.
"""

from __future__ import annotations

from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import VisitError

from engine.feel.errors import FeelError
from engine.feel.lexer import Names, Words

DEEPEST = 90
GRAMMAR = r"""
expression: expr
tests: MINUS                      -> any_value
     | test_list                  -> some_test

?expr: or_

?or_: and_ (OR and_)*             -> disjunction
?and_: compared (AND compared)*   -> conjunction
?compared: sum
     | compared COMPARE sum                    -> comparison
     | compared BETWEEN sum BETWEEN_AND sum    -> between
     | compared IN sum                         -> in_
     | compared IN COMPARE sum                 -> in_test
?sum: product ((PLUS | MINUS) product)*        -> chain
?product: power ((TIMES | OVER) power)*        -> chain
?power: sign (POWER sign)*                     -> chain
?sign: MINUS sign                              -> negation
     | typed
?typed: postfix
     | typed INSTANCE OF TYPE                  -> instance_of
?postfix: primary
     | postfix DOT NAME                        -> path
     | postfix LSQB expr RSQB                  -> filter
     | postfix LPAR [arguments] RPAR           -> call
arguments: expr (COMMA expr)*                  -> positional
     | named (COMMA named)*                    -> named_arguments
named: NAME COLON expr
?primary: NUMBER                               -> number
     | STRING                                  -> string
     | AT                                      -> at
     | TRUE                                    -> true
     | FALSE                                   -> false
     | NULL                                    -> null
     | NAME                                    -> name
     | LPAR test_list RPAR                     -> bracket
     | LSQB [test_list] RSQB                   -> list
     | (LPAR | LSQB | ROPEN) expr DOTS expr (RPAR | RSQB | RCLOSE) -> range
     | LBRACE [entry (COMMA entry)*] RBRACE    -> context
     | FOR iterators RETURN expr               -> for_
     | IF expr THEN expr ELSE expr             -> if_
     | SOME iterators SATISFIES expr           -> some
     | EVERY iterators SATISFIES expr          -> every
     | FUNCTION LPAR [parameters] RPAR expr    -> function
     | FUNCTION LPAR [parameters] RPAR EXTERNAL expr -> external
test_list: test (COMMA test)*
?test: expr
     | COMPARE sum                             -> half
entry: (NAME | STRING) COLON expr
iterators: iterator (COMMA iterator)*
iterator: NAME IN expr [DOTS expr]
parameters: parameter (COMMA parameter)*
parameter: NAME [COLON TYPE]

%declare NUMBER STRING AT NAME TYPE TRUE FALSE NULL LPAR RPAR LSQB RSQB ROPEN RCLOSE LBRACE RBRACE
%declare COMMA COLON DOT DOTS PLUS MINUS TIMES OVER POWER COMPARE OR AND BETWEEN BETWEEN_AND IN INSTANCE OF
%declare FOR RETURN IF THEN ELSE SOME EVERY SATISFIES FUNCTION EXTERNAL
"""


class Node:
    """A piece of the tree: what it is, its parts, where it begins and how deep it goes."""

    __slots__ = ("at", "depth", "kind", "parts")

    def __init__(self, kind: str, parts: tuple, at: int):
        self.kind = kind
        self.parts = parts
        self.at = at
        self.depth = 1 + max((_depth(part) for part in parts), default=0)
        if self.depth > DEEPEST:
            raise FeelError("The expression is nested too deeply.", at)

    def __repr__(self) -> str:
        return f"{self.kind}{self.parts!r}"


def _depth(part: Any) -> int:
    if type(part) is Node:
        return part.depth
    if type(part) is tuple:
        return max((_depth(one) for one in part), default=0)
    return 0


def _start(part: Any) -> int:
    if isinstance(part, Token):
        return part.start_pos
    return part.at if isinstance(part, Node) else 0


PUNCTUATION = {
    "LPAR", "RPAR", "LSQB", "RSQB", "ROPEN", "RCLOSE", "LBRACE", "RBRACE", "COMMA", "COLON", "DOT", "DOTS", "OR", "AND",
    "BETWEEN", "BETWEEN_AND", "IN", "INSTANCE", "OF", "FOR", "RETURN", "IF", "THEN", "ELSE", "SOME", "EVERY",
    "SATISFIES", "FUNCTION", "EXTERNAL",
}  # fmt: skip


class Build(Transformer):
    """Makes nodes while the parser goes; signs that only hold things together are dropped."""

    def expression(self, children):
        return children[0]

    def bracket(self, children):
        inner = children[1].parts
        if len(inner) > 1:
            return Node("bracket", inner, _start(children[0]))
        return Node("half_range", inner, _start(children[0])) if inner[0].kind == "half" else inner[0]

    def list(self, children):
        held = children[1]
        return Node("list", tuple(held.parts) if held is not None else (), _start(children[0]))

    def range(self, children):
        opens, low, _dots, high, closes = children
        return Node("range", (low, high, opens.type == "LSQB", closes.type == "RSQB"), _start(opens))

    def context(self, children):
        entries = tuple(one for one in children if isinstance(one, Node))
        return Node("context", entries, _start(children[0]))

    def iterator(self, children):
        name, _in, low, _dots, high = (*children, None, None)[:5] if len(children) < 5 else children
        return Node("iterator", (name.value, low, high), _start(name))

    def path(self, children):
        return Node("path", (children[0], children[2].value), _start(children[2]))

    def call(self, children):
        return Node("call", (children[0], children[2]), _start(children[0]))

    def function(self, children):
        return Node("function", (children[2], children[-1]), _start(children[0]))

    def external(self, children):
        return Node("external", (children[2], children[-1]), _start(children[0]))

    def parameter(self, children):
        kind = children[2].value if len(children) > 2 and children[2] is not None else None
        return Node("parameter", (children[0].value, kind), _start(children[0]))

    def any_value(self, children):
        return Node("any_value", (), 0)


def _is_sign(part: Any) -> bool:
    return isinstance(part, Token) and part.type in PUNCTUATION


def _value(part: Any) -> Any:
    return (part.type, part.value, part.start_pos) if isinstance(part, Token) else part


def _plain(kind: str):
    def build(_self, children):
        at = _start(children[0]) if children else 0
        return Node(kind, tuple(_value(one) for one in children if not _is_sign(one)), at)

    return build


def _flat(kind: str):
    """A level of precedence: one operand alone stands for itself."""

    def build(_self, children):
        if len(children) == 1:
            return children[0]
        return Node(kind, tuple(_value(one) for one in children if not _is_sign(one)), _start(children[0]))

    return build


#: kinds whose parts are what the grammar says, signs left out
PLAIN = (
    "some_test comparison between in_ in_test negation instance_of filter "
    "positional named_arguments named number string at true false null name for_ if_ some every test_list half entry "
    "iterators parameters"
)
for kind in PLAIN.split():
    setattr(Build, kind, _plain(kind))
for kind in ("disjunction", "conjunction", "chain"):
    setattr(Build, kind, _flat(kind))

PARSER = Lark(
    GRAMMAR, parser="lalr", lexer=Words, start=["expression", "tests"], transformer=Build(), maybe_placeholders=True
)


def parse(text: str, names: Names, start: str = "expression") -> Node:
    """The tree of a text. Raises FeelError."""
    try:
        return PARSER.parse((text, names), start=start)
    except UnexpectedInput as error:
        raise _unexpected(error, text) from None
    except VisitError as error:
        raise _placed(error.orig_exc, text) from None
    except FeelError as error:
        raise _placed(error, text) from None


def _placed(error: Exception, text: str) -> Exception:
    return FeelError(error.message, error.position, text, **error.params) if isinstance(error, FeelError) else error


def _unexpected(error: UnexpectedInput, text: str) -> FeelError:
    token = getattr(error, "token", None)
    if token is None or token.type == "$END":
        sentence = "The expression ends too early." if text.strip() else "The expression is empty."
        return FeelError(sentence, len(text), text)
    return FeelError("'%(text)s' is not expected here.", token.start_pos, text, text=text[token.start_pos : token.end_pos])
