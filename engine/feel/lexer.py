"""Cuts a text into the words of FEEL.

FEEL's names may hold spaces, and even signs and keywords where the scope knows such a name ("Applicant data",
"days in weekend", "profit-margin"). So this lexer is told the known names and takes the longest one that fits; names
that the text itself declares (entries of contexts, parameters, iterators) are known from there on. Words that stand
side by side and are no keywords can only be one name, so they become one even when nobody declared it. It also settles
what one sign of lookahead cannot: whether `[` closes an open range, which `and` belongs to `between`, where a type
stands. It nests to a depth of 100 and reads texts up to 200,000 characters; beyond that it raises FeelError.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lark import Token
from lark.lexer import Lexer

from engine.feel.errors import FeelError
from engine.feel.types import scan_type

LONGEST = 200_000
DEEPEST = 100
KEYWORDS = {
    "for": "FOR", "return": "RETURN", "if": "IF", "then": "THEN", "else": "ELSE", "some": "SOME", "every": "EVERY",
    "satisfies": "SATISFIES", "and": "AND", "or": "OR", "between": "BETWEEN", "in": "IN", "instance": "INSTANCE",
    "function": "FUNCTION", "true": "TRUE", "false": "FALSE", "null": "NULL",
}  # fmt: skip
SIGNS = {
    "**": "POWER", "..": "DOTS", "<=": "COMPARE", ">=": "COMPARE", "!=": "COMPARE", "<": "COMPARE", ">": "COMPARE",
    "=": "COMPARE", "+": "PLUS", "-": "MINUS", "*": "TIMES", "/": "OVER", "(": "LPAR", ")": "RPAR", "[": "LSQB",
    "]": "RSQB", "{": "LBRACE", "}": "RBRACE", ",": "COMMA", ":": "COLON", ".": "DOT", "?": "NAME",
}  # fmt: skip
#: what can end an operand: a `[` after it is a filter, a `]` after it closes
ENDS = {"NAME", "NUMBER", "STRING", "AT", "RPAR", "RSQB", "RCLOSE", "RBRACE", "TRUE", "FALSE", "NULL", "TYPE"}
#: grammar rules 28, 29 and 61: what a name begins with, goes on with, and what counts as blank
BEGINS = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f\u2c00-\u2fef"
    "\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufefe\uff00-\ufffd\U00010000-\U000effff"
)
GOES = BEGINS + "0-9\u00b7\u0300-\u036f\u203f-\u2040"
BLANK = "\\s\u180e\u200b\ufeff"
SPACE = re.compile(rf"[{BLANK}]+")
NUMBER = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
WORD = re.compile(rf"[{BEGINS}][{GOES}]*")
DIGITS = re.compile(r"\d+(?![\w.])|\d+(?=\.\.)", re.ASCII)
SIGN = re.compile(r"\*\*|\.\.|<=|>=|!=|[-<>=+*/()\[\]{},:.?]")
PART = re.compile(r"\w+|[^\w\s]")
KEY = re.compile(rf"""\s*("(?:[^"\\]|\\.)*"|[?{BEGINS}][^"{{}}\[\](),:]*?)\s*:(?!:)""", re.DOTALL)
ITERATOR = re.compile(r"\s*([^\W\d][^,(){}\[\]\"]*?)\s+in\b")
PARAMETER = re.compile(r"\s*([^\W\d][^,(){}\[\]\":]*?)\s*(?=[,:)])")
EXTERNAL = re.compile(r"external(?=\s*\{)")
STARTS = re.compile(r"""[\w"@({\[?]""")
GOES_ON = re.compile(r"(?:and|or|then|else|return|satisfies|in|between|instance)\b")


COMMENT = re.compile(STRING.pattern + r"|(?P<comment>//[^\n\r]*|/\*.*?\*/)", re.DOTALL)


def without_comments(text: str) -> str:
    """The text with blanks for its comments, so that they may stand wherever a blank may. Places stay as they are."""
    if "//" not in text and "/*" not in text:
        return text
    return COMMENT.sub(lambda found: re.sub(r"[^\n\r]", " ", found[0]) if found["comment"] else found[0], text)


class Names:
    """Known names of several words or with signs, found by their first word; those of `up` are known too."""

    def __init__(self, names: Iterable[str] = (), up: Names | None = None):
        self.by_first: dict[str, list[tuple[str, ...]]] = {}
        self.up = up
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        parts = tuple(PART.findall(name))
        if len(parts) > 1:
            found = self.by_first.setdefault(parts[0], [])
            if parts not in found:
                found.append(parts)
                found.sort(key=len, reverse=True)

    def match(self, text: str, position: int, first: str) -> int:
        """Where the longest known name that begins here ends, or 0."""
        around = self.up.match(text, position, first) if self.up else 0
        for parts in self.by_first.get(first, ()):
            end = _match_parts(text, position, parts)
            if end:
                return max(end, around)
        return around


def _match_parts(text: str, position: int, parts: tuple[str, ...]) -> int:
    for part in parts:
        while position < len(text) and text[position].isspace():
            position += 1
        if not text.startswith(part, position):
            return 0
        position += len(part)
    last = parts[-1][-1]
    follows = text[position] if position < len(text) else " "
    return 0 if _is_word(last) and _is_word(follows) else position


def _is_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def one_name(text: str) -> str:
    """A name with its blanks evened out; signs stand as they were written."""
    return " ".join(text.split())


class Words(Lexer):
    """The door for lark: it is given (text, known names)."""

    def __init__(self, _conf=None):
        pass

    def lex(self, given) -> Iterator[Token]:
        return Cutter(*given).cut()


class Cutter:
    """One walk through one text."""

    def __init__(self, text: str, names: Names):
        if len(text) > LONGEST:
            raise FeelError("The expression is too long.", LONGEST)
        self.text = text
        self.names = Names(up=names)
        self.at = 0
        #: open brackets: [sign, holds "..", betweens that wait for their and, declares iterators, header]
        self.open: list[list] = [["", False, 0, False, False]]
        self.last = ""
        self.before_last = ""

    def cut(self) -> Iterator[Token]:
        while self.skip() < len(self.text):
            start = self.at
            kind, value = self.next()
            self.before_last, self.last = self.last, kind
            yield Token(kind, value, start_pos=start, end_pos=self.at)

    def skip(self) -> int:
        found = SPACE.match(self.text, self.at)
        if found:
            self.at = found.end()
        return self.at

    def next(self) -> tuple[str, object]:
        declared = self.declared()
        if declared:
            return declared
        sign = self.text[self.at]
        if sign == '"' or sign == "@":
            return self.quoted()
        if sign.isdigit() or (sign == "." and self.text[self.at + 1 : self.at + 2].isdigit() and self.last not in ENDS):
            return self.number()
        found = WORD.match(self.text, self.at)
        return self.word(found) if found else self.sign()

    # --- names that the text declares ---
    def declared(self) -> tuple[str, object] | None:
        top = self.open[-1]
        if top[0] == "{" and self.last in ("LBRACE", "COMMA"):
            return self.key()
        if top[4] and self.last in ("LPAR", "COMMA"):
            return self.declare(PARAMETER)
        if top[4] and self.last == "COLON":
            return self.type()
        if self.last in ("FOR", "SOME", "EVERY") or (top[3] and self.last == "COMMA"):
            return self.declare(ITERATOR)
        if self.last == "OF":
            return self.type()
        return None

    def key(self) -> tuple[str, object] | None:
        found = KEY.match(self.text, self.at)
        if not found:
            return None
        self.at = found.end(1)
        if found[1][0] == '"':
            name = unquote(found[1], self.text, found.start(1))
            self.names.add(name)
            return "STRING", name
        self.names.add(found[1])
        return "NAME", one_name(found[1])

    def declare(self, pattern: re.Pattern) -> tuple[str, object] | None:
        found = pattern.match(self.text, self.at)
        if not found:
            return None
        self.at = found.end(1)
        self.names.add(found[1])
        return "NAME", one_name(found[1])

    def type(self) -> tuple[str, object]:
        kind, self.at = scan_type(self.text, self.at)
        return "TYPE", kind

    # --- what stands for itself ---
    def quoted(self) -> tuple[str, object]:
        is_at = self.text[self.at] == "@"
        found = STRING.match(self.text, self.at + is_at)
        if not found:
            raise FeelError("A text is not closed.", self.at, self.text)
        value = unquote(found[0], self.text, self.at)
        self.at = found.end()
        return ("AT" if is_at else "STRING"), value

    def number(self) -> tuple[str, object]:
        found = NUMBER.match(self.text, self.at)
        if not found:
            raise FeelError("This is no number.", self.at, self.text)
        self.at = found.end()
        return "NUMBER", found[0]

    def word(self, found: re.Match) -> tuple[str, object]:
        known = self.names.match(self.text, self.at, found[0])
        if not known and self.last != "DOT":
            keyword = self.keyword(found)
            if keyword:
                return keyword
        start, self.at = self.at, known or found.end()
        self.join()
        return "NAME", one_name(self.text[start : self.at])

    def join(self) -> None:
        """Take what follows into the name while it is a plain word or digits."""
        while True:
            space = SPACE.match(self.text, self.at)
            if not space:
                return
            found = WORD.match(self.text, space.end())
            if found and found[0] not in KEYWORDS and not (found[0] == "external" and self.last == "RPAR"):
                self.at = found.end()
                continue
            digits = None if found else DIGITS.match(self.text, space.end())
            if not digits:
                return
            self.at = digits.end()

    def keyword(self, found: re.Match) -> tuple[str, object] | None:
        word = found[0]
        if word == "of" and self.last == "INSTANCE":
            self.at = found.end()
            return "OF", word
        if word == "external" and EXTERNAL.match(self.text, self.at):
            self.at = found.end()
            return "EXTERNAL", word
        kind = KEYWORDS.get(word)
        if kind:
            self.at = found.end()
            kind = self.note(kind)
            return kind, word
        return None

    def note(self, kind: str) -> str:
        top = self.open[-1]
        if kind == "BETWEEN":
            top[2] += 1
        elif kind == "AND" and top[2]:
            top[2] -= 1
            return "BETWEEN_AND"
        elif kind in ("FOR", "SOME", "EVERY"):
            top[3] = True
        elif kind in ("RETURN", "SATISFIES"):
            top[3] = False
        return kind

    def sign(self) -> tuple[str, object]:
        found = SIGN.match(self.text, self.at)
        if not found:
            raise FeelError("'%(sign)s' has no meaning here.", self.at, self.text, sign=self.text[self.at])
        self.at = found.end()
        sign = found[0]
        if sign in "([{":
            return self.opening(sign), sign
        if sign in ")]}":
            return self.closing(sign), sign
        if sign == "..":
            self.open[-1][1] = True
        return SIGNS[sign], sign

    def opening(self, sign: str) -> str:
        if sign == "[" and self.open[-1][1] and self.last in ENDS and self.closes_range():
            self.open.pop()
            return "RCLOSE"
        return self.push(sign, SIGNS[sign])

    def push(self, sign: str, kind: str) -> str:
        if len(self.open) > DEEPEST:
            raise FeelError("The expression is nested too deeply.", self.at, self.text)
        self.open.append([sign, False, 0, False, sign == "(" and self.last == "FUNCTION"])
        return kind

    def closes_range(self) -> bool:
        """Whether the `[` that was just read ends a range: nothing follows that could begin a filter."""
        self.skip()
        return (not STARTS.match(self.text, self.at) and not self.text.startswith("-", self.at)) or bool(
            GOES_ON.match(self.text, self.at)
        )

    def closing(self, sign: str) -> str:
        if sign == "]" and self.last not in ENDS and self.begins_operand():
            return self.push("]", "ROPEN")
        if len(self.open) > 1:
            self.open.pop()
        return SIGNS[sign]

    def begins_operand(self) -> bool:
        """Whether the `]` that was just read begins a range: an operand follows. After `[` a sign would be arithmetic."""
        self.skip()
        begins = r'[\w"@]' if self.last == "LSQB" else r'[\w"@(\-]'
        return bool(re.match(begins, self.text[self.at : self.at + 1])) and not GOES_ON.match(self.text, self.at)


ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "'": "'", '"': '"', "\\": "\\"}
ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{6})|(.))", re.DOTALL)


def unquote(quoted: str, text: str, position: int) -> str:
    """The text between the quotes: \\n \\r \\t \\' \\" \\\\ \\uXXXX \\UXXXXXX are escapes, other pairs stay."""
    inner = quoted[1:-1]
    if "\\" not in inner:
        return inner
    try:
        said = ESCAPE.sub(_unescape, inner)
        return said.encode("utf-16", "surrogatepass").decode("utf-16")
    except (ValueError, OverflowError) as error:
        raise FeelError("An escape stands for no character.", position, text) from error


def _unescape(found: re.Match) -> str:
    if found[3] is None:
        return chr(int(found[1] or found[2], 16))
    return ESCAPES.get(found[3], "\\" + found[3])
