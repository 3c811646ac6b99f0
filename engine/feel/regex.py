"""Regular expressions as XPath writes them (F&O 3.1, 5.6.1), in a machine of our own that cannot hang.

A pattern is read into a small program (take a character, split, save a place) which a loop runs over the text, first
choice first. A pair of instruction and place that failed once is never tried again, so that the cost is the length of the
text times that of the pattern, whatever quantifiers stand in each other; only patterns that refer back to a group are
exempt and live on the steps of the budget. Patterns are at most 1,000 characters and 5,000 instructions. What XPath does
not know (look-around, possessive quantifiers, unknown escapes) is refused: the function answers null.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from engine.feel import charsets
from engine.feel.builtins.registry import Nothing
from engine.feel.charsets import CharSet

LONGEST_PATTERN = 1000
LONGEST_PROGRAM = 5000
#: pairs of instruction and place that may be remembered
MOST_PAIRS = 30_000_000
DEEPEST = 50
TAKE, SPLIT, JUMP, SAVE, BEGIN, END, BACK, DONE = range(8)


class _Wrong(Exception):
    """The pattern is no regular expression of XPath."""


@dataclass(frozen=True)
class Program:
    steps: tuple[tuple, ...]
    groups: int
    refers_back: bool
    multiline: bool
    ignores_case: bool


# --- what the functions ask -------------------------------------------------------------------
def search(pattern: str, flags: str, text: str, budget) -> bool:
    return next(_matches(_program(pattern, flags), text, budget), None) is not None


def replace(pattern: str, flags: str, text: str, replacement: str, budget) -> str:
    """Every match replaced; `$1` stands for a group, `\\$` for a dollar. Raises Nothing when the pattern takes nothing."""
    program = _that_takes(pattern, flags, budget)
    parts = [replacement] if "q" in flags else _replacement(replacement, program.groups)
    made, last, size = [], 0, 0
    for saved in _matches(program, text, budget):
        made.append(text[last : saved[0]])
        made.extend(part if isinstance(part, str) else _group(saved, part, text) for part in parts)
        last = saved[1]
        size += sum(map(len, made[-len(parts) - 1 :]))
        budget.room(size)
    return "".join([*made, text[last:]])


def split(pattern: str, text: str, budget) -> list[str]:
    program = _that_takes(pattern, "", budget)
    made, last = [], 0
    for saved in _matches(program, text, budget):
        made.append(text[last : saved[0]])
        last = saved[1]
    return [*made, text[last:]]


def find_all(pattern: str, text: str, budget) -> list[str]:
    return [text[saved[0] : saved[1]] for saved in _matches(_program(pattern, ""), text, budget)]


def _program(pattern: str, flags: str) -> Program:
    made = _read(pattern, flags)
    if isinstance(made, str):
        raise Nothing("The pattern is no regular expression: %(why)s.", why=made)
    return made


def _that_takes(pattern: str, flags: str, budget) -> Program:
    program = _program(pattern, flags)
    if _run(program, "", 0, bytearray(len(program.steps)), budget) is not None:
        raise Nothing("A pattern that takes no character cannot part a text.")
    return program


def _group(saved: list, number: int, text: str) -> str:
    begin, end = saved[2 * number], saved[2 * number + 1]
    return "" if begin is None or end is None else text[begin:end]


def _replacement(text: str, groups: int) -> list[str | int]:
    """Texts and numbers of groups."""
    parts: list[str | int] = []
    place = 0
    while place < len(text):
        sign, following = text[place], text[place + 1 : place + 2]
        if sign == "\\" and following in ("\\", "$") and following:
            parts.append(following)
            place += 2
        elif sign == "$" and following.isascii() and following.isdigit():
            number, place = _number_of_group(text, place + 1, groups)
            parts.append(number if number <= groups else "")
        elif sign in "\\$":
            raise Nothing("In a replacement '$' is followed by the number of a group, '\\' by '\\' or '$'.")
        else:
            parts.append(sign)
            place += 1
    return parts


def _number_of_group(text: str, place: int, groups: int) -> tuple[int, int]:
    """As many digits as there are groups for."""
    number, place = int(text[place]), place + 1
    while text[place : place + 1].isascii() and text[place : place + 1].isdigit():
        longer = number * 10 + int(text[place])
        if longer > groups:
            break
        number, place = longer, place + 1
    return number, place


# --- running ----------------------------------------------------------------------------------
def _matches(program: Program, text: str, budget) -> Iterator[list]:
    """The places of every match and its groups, from left to right, none overlapping another."""
    if len(program.steps) * (len(text) + 1) > MOST_PAIRS:
        budget.room(budget.size + 1)
    tried = bytearray(len(program.steps) * (len(text) + 1))
    start = 0
    while start <= len(text):
        saved = _run(program, text, start, tried, budget)
        if saved is None:
            start += 1
            continue
        yield saved
        start = saved[1] if saved[1] > saved[0] else saved[1] + 1


def _run(program: Program, text: str, start: int, tried: bytearray, budget) -> list | None:
    """The saved places of the first match that begins at `start`, or None."""
    steps, width = program.steps, len(text) + 1
    waiting: list[tuple[int, int, tuple | None]] = [(0, start, None)]
    touched: list[int] = []
    turns = 0
    while waiting:
        step, place, saved = waiting.pop()
        while True:
            turns += 1
            if turns & 255 == 0:
                budget.spend(16)
            if not program.refers_back:
                pair = step * width + place
                if tried[pair]:
                    break
                tried[pair] = 1
                touched.append(pair)
            elif turns > 200_000:
                budget.spend(budget.steps + 1)
            what = steps[step]
            kind = what[0]
            if kind == TAKE:
                if place < len(text) and what[1](text[place]):
                    step, place = step + 1, place + 1
                    continue
                break
            if kind == SPLIT:
                waiting.append((what[2], place, saved))
                step = what[1]
            elif kind == JUMP:
                step = what[1]
            elif kind == SAVE:
                saved, step = (what[1], place, saved), step + 1
            elif kind == DONE:
                for pair in touched:  # what led to a match has not failed
                    tried[pair] = 0
                return _places(program, start, place, saved)
            else:
                moved = _stands(program, what, text, place, saved)
                if moved is None:
                    break
                step, place = step + 1, moved
    return None


def _places(program: Program, start: int, end: int, saved: tuple | None) -> list:
    """The saved places by number; the newest of each counts."""
    found: list = [None] * (2 * program.groups + 2)
    found[0], found[1] = start, end
    while saved is not None:
        number, place, saved = saved
        if found[number] is None:
            found[number] = place
    return found


def _stands(program: Program, what: tuple, text: str, place: int, saved: tuple | None) -> int | None:
    """Where the text goes on after `^`, `$` or a reference back; None when it does not stand here."""
    if what[0] == BEGIN:
        begins_line = program.multiline and place < len(text) and text[place - 1] == "\n"
        return place if place == 0 or begins_line else None
    if what[0] == END:
        return place if place == len(text) or (program.multiline and text[place] == "\n") else None
    said = _group(_places(program, 0, 0, saved), what[1], text)
    here = text[place : place + len(said)]
    same = here.lower() == said.lower() if program.ignores_case else here == said
    return place + len(said) if same else None


# --- reading ----------------------------------------------------------------------------------
@lru_cache(maxsize=500)
def _read(pattern: str, flags: str) -> Program | str:
    """The program of a pattern, or why there is none."""
    if len(pattern) > LONGEST_PATTERN:
        return "it is too long"
    if set(flags) - set("smixq"):
        return "the flags of a pattern are s, m, i, x and q"
    try:
        return _Reader(pattern, flags).program()
    except _Wrong as wrong:
        return str(wrong)


class _Reader:
    """Reads a pattern from left to right; each method answers the steps of what it read, with jumps relative to them."""

    def __init__(self, pattern: str, flags: str):
        self.text = pattern
        self.at = 0
        self.groups = 0
        self.closed: set[int] = set()
        self.deep = 0
        self.refers_back = False
        self.dot = charsets.ANYTHING if "s" in flags else charsets.NOT_NEWLINE
        self.flags = flags

    def program(self) -> Program:
        steps = [self.take(charsets.one(sign)) for sign in self.text] if "q" in self.flags else self.choice()
        if self.at < len(self.text) and "q" not in self.flags:
            raise _Wrong("a bracket closes that was not opened")
        steps = [*steps, (DONE,)]
        if len(steps) > LONGEST_PROGRAM:
            raise _Wrong("it repeats too much")
        absolute = tuple(_absolute(step, place) for place, step in enumerate(steps))
        return Program(absolute, self.groups, self.refers_back, "m" in self.flags, "i" in self.flags)

    def peek(self) -> str:
        if "x" in self.flags:
            while self.text[self.at : self.at + 1] and self.text[self.at] in " \t\n\r":
                self.at += 1
        return self.text[self.at : self.at + 1]

    def next(self) -> str:
        sign = self.peek()
        if not sign:
            raise _Wrong("it ends too early")
        self.at += 1
        return sign

    def take(self, held: CharSet) -> tuple:
        return (TAKE, charsets.in_either_case(held) if "i" in self.flags else held)

    # --- structure ---
    def choice(self) -> list[tuple]:
        self.deep += 1
        if self.deep > DEEPEST:
            raise _Wrong("it is nested too deeply")
        branches = [self.branch()]
        while self.peek() == "|":
            self.at += 1
            branches.append(self.branch())
        self.deep -= 1
        return _either(branches)

    def branch(self) -> list[tuple]:
        steps: list[tuple] = []
        while self.peek() and self.peek() not in "|)":
            steps += self.piece()
            if len(steps) > LONGEST_PROGRAM:
                raise _Wrong("it repeats too much")
        return steps

    def piece(self) -> list[tuple]:
        atom = self.atom()
        sign = self.peek()
        if not sign or sign not in "?*+{":
            return atom
        least, most = self.quantifier()
        lazy = self.peek() == "?"
        self.at += lazy
        if self.peek() and self.peek() in "?*+{":
            raise _Wrong("two quantifiers stand side by side")
        return _repeated(atom, least, most, lazy)

    def quantifier(self) -> tuple[int, int | None]:
        sign = self.next()
        if sign != "{":
            return {"?": (0, 1), "*": (0, None), "+": (1, None)}[sign]
        end = self.text.find("}", self.at)
        inner = self.text[self.at : end] if end >= 0 else ""
        least, comma, most = inner.partition(",")
        if not (least.isascii() and least.isdigit()) or (most and not (most.isascii() and most.isdigit())):
            raise _Wrong("a quantity is written {n}, {n,} or {n,m}")
        self.at = end + 1
        low = int(least[:6])
        high = (int(most[:6]) if most else None) if comma else low
        if high is not None and high < low:
            raise _Wrong("a quantity runs backwards")
        if max(low, high or 0) > LONGEST_PROGRAM:
            raise _Wrong("it repeats too much")
        return low, high

    def atom(self) -> list[tuple]:
        sign = self.next()
        if sign == "(":
            return self.group()
        if sign == "[":
            return [self.take(self.set())]
        if sign == ".":
            return [(TAKE, self.dot)]
        if sign == "^":
            return [(BEGIN,)]
        if sign == "$":
            return [(END,)]
        if sign == "\\":
            return self.escape()
        if sign in "?*+{})]":
            raise _Wrong(f"'{sign}' has nothing to stand on")
        return [self.take(charsets.one(sign))]

    def group(self) -> list[tuple]:
        if self.text.startswith("?:", self.at):
            self.at += 2
            return self.closed_by_bracket()
        if self.peek() == "?":
            raise _Wrong("look-around is not known")
        self.groups += 1
        number = self.groups
        inner = self.closed_by_bracket()
        self.closed.add(number)
        return [(SAVE, 2 * number), *inner, (SAVE, 2 * number + 1)]

    def closed_by_bracket(self) -> list[tuple]:
        inner = self.choice()
        if self.next() != ")":
            raise _Wrong("a bracket is not closed")
        return inner

    def escape(self) -> list[tuple]:
        sign = self.peek()
        if sign and sign in "123456789":
            return [self.reference()]
        return [(TAKE, self.escaped_set())]  # a category of characters stays as it is under "i"

    def reference(self) -> tuple:
        number, self.at = _number_of_group(self.text, self.at, self.groups)
        if number not in self.closed:
            raise _Wrong("it refers to a group that is not there yet")
        self.refers_back = True
        return (BACK, number)

    # --- sets ---
    def escaped_set(self) -> CharSet:
        """What stands after a backslash."""
        sign = self.text[self.at : self.at + 1]
        self.at += 1
        if sign in charsets.ESCAPED_SETS:
            return charsets.ESCAPED_SETS[sign]
        if sign and sign in "pP":
            return self.property(sign == "P")
        if sign and sign in "nrt":
            return charsets.one({"n": "\n", "r": "\r", "t": "\t"}[sign])
        if sign and sign in "\\|.?*+(){}[]-^$":
            return charsets.one(sign)
        raise _Wrong(f"'\\{sign}' has no meaning")

    def property(self, negated: bool) -> CharSet:
        end = self.text.find("}", self.at)
        found = charsets.category(self.text[self.at + 1 : end]) if self.text[self.at : self.at + 1] == "{" else None
        if found is None or end < 0:
            raise _Wrong("a category of characters is not known")
        self.at = end + 1
        return charsets.opposite(found) if negated else found

    def set(self) -> CharSet:
        """A class in square brackets, with what a second one takes away."""
        self.deep += 1
        if self.deep > DEEPEST:
            raise _Wrong("it is nested too deeply")
        negated = self.text[self.at : self.at + 1] == "^"
        self.at += negated
        parts: list[CharSet] = []
        taken: CharSet | None = None
        while (sign := self.text[self.at : self.at + 1]) != "]":
            if not sign:
                raise _Wrong("a class is not closed")
            if sign == "-" and self.text[self.at + 1 : self.at + 2] == "[" and parts:
                self.at += 2
                taken = self.set()
                if self.text[self.at : self.at + 1] != "]":
                    raise _Wrong("a class is not closed")
                break
            parts.append(self.part())
        if not parts:
            raise _Wrong("a class is empty")
        self.at += 1
        self.deep -= 1
        held = charsets.any_of(parts) if len(parts) > 1 else parts[0]
        held = charsets.opposite(held) if negated else held
        return charsets.without(held, taken) if taken else held

    def part(self) -> CharSet:
        """One character, an escape or a range inside a class."""
        first = self.single()
        if not isinstance(first, str):
            return first
        rest = self.text[self.at : self.at + 2]
        if rest[:1] != "-" or rest[1:] in ("]", "[", ""):
            return charsets.one(first)
        self.at += 1
        last = self.single()
        if not isinstance(last, str) or last < first:
            raise _Wrong("a range of characters runs backwards")
        return charsets.between(first, last)

    def single(self) -> str | CharSet:
        sign = self.text[self.at : self.at + 1]
        self.at += 1
        if sign == "[":
            raise _Wrong("'[' inside a class needs a backslash")
        if sign != "\\":
            return sign
        escaped = self.text[self.at : self.at + 1]
        if escaped and escaped in "\\|.?*+(){}[]-^$":
            self.at += 1
            return escaped
        if escaped and escaped in "nrt":
            self.at += 1
            return {"n": "\n", "r": "\r", "t": "\t"}[escaped]
        return self.escaped_set()


# --- putting steps together: jumps are relative until the program is whole ---------------------
def _absolute(step: tuple, place: int) -> tuple:
    if step[0] == SPLIT:
        return (SPLIT, place + step[1], place + step[2])
    return (JUMP, place + step[1]) if step[0] == JUMP else step


def _either(branches: list[list[tuple]]) -> list[tuple]:
    steps = branches[-1]
    for branch in reversed(branches[:-1]):
        steps = [(SPLIT, 1, len(branch) + 2), *branch, (JUMP, len(steps) + 1), *steps]
    return steps


def _split(lazy: bool, inner: int, past: int) -> tuple:
    return (SPLIT, past, inner) if lazy else (SPLIT, inner, past)


def _repeated(atom: list[tuple], least: int, most: int | None, lazy: bool) -> list[tuple]:
    size = len(atom)
    if size * max(least, most or 0, 1) > LONGEST_PROGRAM:
        raise _Wrong("it repeats too much")
    steps = atom * least
    if most is None:
        return [*steps, _split(lazy, 1, size + 2), *atom, (JUMP, -size - 1)]
    rest: list[tuple] = []
    for _ in range(most - least):
        rest = [_split(lazy, 1, size + len(rest) + 1), *atom, *rest]
    return steps + rest
