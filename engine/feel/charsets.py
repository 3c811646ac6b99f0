"""Sets of characters for regular expressions: categories and blocks of Unicode and the short escapes of XPath.

A set is a function that says whether a character belongs to it. Categories come from Python's Unicode tables; of the blocks
those that business texts are made of are known, any other name is refused.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

CharSet = Callable[[str], bool]
CATEGORIES = {
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps", "Pe", "Pi",
    "Pf", "Po", "Z", "Zs", "Zl", "Zp", "S", "Sm", "Sc", "Sk", "So", "C", "Cc", "Cf", "Co", "Cn",
}  # fmt: skip
BLOCKS = {
    "BasicLatin": (0x0, 0x7F), "Latin-1Supplement": (0x80, 0xFF), "LatinExtended-A": (0x100, 0x17F),
    "LatinExtended-B": (0x180, 0x24F), "IPAExtensions": (0x250, 0x2AF), "SpacingModifierLetters": (0x2B0, 0x2FF),
    "CombiningDiacriticalMarks": (0x300, 0x36F), "Greek": (0x370, 0x3FF), "GreekandCoptic": (0x370, 0x3FF),
    "Cyrillic": (0x400, 0x4FF), "CyrillicSupplement": (0x500, 0x52F), "Armenian": (0x530, 0x58F),
    "Hebrew": (0x590, 0x5FF), "Arabic": (0x600, 0x6FF), "Syriac": (0x700, 0x74F), "Thaana": (0x780, 0x7BF),
    "Devanagari": (0x900, 0x97F), "Bengali": (0x980, 0x9FF), "Tamil": (0xB80, 0xBFF), "Thai": (0xE00, 0xE7F),
    "Lao": (0xE80, 0xEFF), "Tibetan": (0xF00, 0xFFF), "Georgian": (0x10A0, 0x10FF), "HangulJamo": (0x1100, 0x11FF),
    "Ethiopic": (0x1200, 0x137F), "Mongolian": (0x1800, 0x18AF), "LatinExtendedAdditional": (0x1E00, 0x1EFF),
    "GreekExtended": (0x1F00, 0x1FFF), "GeneralPunctuation": (0x2000, 0x206F),
    "SuperscriptsandSubscripts": (0x2070, 0x209F), "CurrencySymbols": (0x20A0, 0x20CF),
    "LetterlikeSymbols": (0x2100, 0x214F), "NumberForms": (0x2150, 0x218F), "Arrows": (0x2190, 0x21FF),
    "MathematicalOperators": (0x2200, 0x22FF), "MiscellaneousTechnical": (0x2300, 0x23FF),
    "BoxDrawing": (0x2500, 0x257F), "BlockElements": (0x2580, 0x259F), "GeometricShapes": (0x25A0, 0x25FF),
    "MiscellaneousSymbols": (0x2600, 0x26FF), "Dingbats": (0x2700, 0x27BF), "CJKRadicalsSupplement": (0x2E80, 0x2EFF),
    "KangxiRadicals": (0x2F00, 0x2FDF), "CJKSymbolsandPunctuation": (0x3000, 0x303F), "Hiragana": (0x3040, 0x309F),
    "Katakana": (0x30A0, 0x30FF), "Bopomofo": (0x3100, 0x312F), "EnclosedCJKLettersandMonths": (0x3200, 0x32FF),
    "CJKCompatibility": (0x3300, 0x33FF), "CJKUnifiedIdeographsExtensionA": (0x3400, 0x4DBF),
    "CJKUnifiedIdeographs": (0x4E00, 0x9FFF), "HangulSyllables": (0xAC00, 0xD7A3), "PrivateUse": (0xE000, 0xF8FF),
    "CJKCompatibilityIdeographs": (0xF900, 0xFAFF), "HalfwidthandFullwidthForms": (0xFF00, 0xFFEF),
    "Specials": (0xFFF0, 0xFFFF),
}  # fmt: skip


def category(name: str) -> CharSet | None:
    """`L`, `Nd`, … or `IsBasicLatin`; None for a name that is not known."""
    if name in CATEGORIES:
        return lambda sign: unicodedata.category(sign).startswith(name)
    if name.startswith("Is") and name[2:] in BLOCKS:
        first, last = BLOCKS[name[2:]]
        return lambda sign: first <= ord(sign) <= last
    return None


def opposite(held: CharSet) -> CharSet:
    return lambda sign: not held(sign)


def one(wanted: str) -> CharSet:
    return lambda sign: sign == wanted


def between(first: str, last: str) -> CharSet:
    return lambda sign: first <= sign <= last


def any_of(parts: list[CharSet]) -> CharSet:
    return lambda sign: any(part(sign) for part in parts)


def without(held: CharSet, taken: CharSet) -> CharSet:
    return lambda sign: held(sign) and not taken(sign)


def in_either_case(held: CharSet) -> CharSet:
    """The set for a comparison that does not tell capitals from small letters."""
    return lambda sign: held(sign) or any(held(other) for other in {sign.lower(), sign.upper()} if len(other) == 1)


def _starts_name(sign: str) -> bool:
    return sign in "_:" or unicodedata.category(sign).startswith("L") or unicodedata.category(sign) == "Nl"


def _in_name(sign: str) -> bool:
    return _starts_name(sign) or sign in ".-·" or unicodedata.category(sign)[:2] in ("Nd", "Mn", "Mc")


ESCAPED_SETS: dict[str, CharSet] = {
    "s": lambda sign: sign in " \t\n\r",
    "d": lambda sign: unicodedata.category(sign) == "Nd",
    "w": lambda sign: unicodedata.category(sign)[0] not in "PZC",
    "i": _starts_name,
    "c": _in_name,
}
ESCAPED_SETS |= {name.upper(): opposite(held) for name, held in list(ESCAPED_SETS.items())}
NOT_NEWLINE: CharSet = lambda sign: sign not in "\n\r"  # noqa: E731 - a set like the others
ANYTHING: CharSet = lambda sign: True  # noqa: E731
