"""Finds every sentence that people read, wherever it stands, for the catalogue of translations.

Five extraction methods for Babel: Python, BPMN models (names and documentation), DMN tables (names,
annotations, sentences in output cells), forms (titles, descriptions, help, labels of choices, sentences
of rules) and policies (names and texts). In Python a sentence is what stands in a call such as `_()` or
`Conflict()`, and besides every text that reads like one: tables of sentences are translated when they
are shown. `update` merges what was found into each catalogue and keeps what was translated;
`compile_all` makes the binary catalogues that the platform reads.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from engine import xmlgate

HOME = Path(__file__).resolve().parent.parent
LOCALES = ("zh_Hans_CN",)
FOLDERS = frozenset({"engine", "webapp", "processes", "forms", "policies"})

#: name of a call -> positions (from 0) of its arguments that are messages; two positions make a plural
CALLS = {
    "_": (0,), "gettext": (0,), "lazy_gettext": (0,), "_l": (0,), "N_": (0,),
    "ngettext": (0, 1), "lazy_ngettext": (0, 1),
    "Refused": (0,), "NotFound": (0,), "NotAllowed": (0,), "Conflict": (0,), "Invalid": (0,),
    "Misconfigured": (0,), "Problem": (2,),
}  # fmt: skip
#: keyword arguments that are messages in any of those calls
KEYWORDS = frozenset({"message", "sentence", "mend"})
#: a text that reads like a sentence: a capital or a placeholder first, two words, an end
SENTENCE = re.compile(r"^(?:[A-Z'%‘“]|\d+ )[^\n]*[ )][^\n]*[.?!…]$")

Found = Iterator[tuple[int, Any, Any, list[str]]]


# --- Python -----------------------------------------------------------------------------------
def sentences(fileobj, keywords, comment_tags, options) -> Found:
    """Messages of a Python module."""
    tree = ast.parse(fileobj.read())
    skipped = _docstrings(tree) | _within_calls(tree)
    seen: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _call(node, seen)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in skipped | seen and SENTENCE.match(node.value):
                yield node.lineno, None, node.value, []


def _docstrings(tree: ast.AST) -> set[int]:
    """Strings that stand alone: docstrings, and the parts of f-strings, which no catalogue can hold."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    return alone | parts


#: calls whose texts are for developers and operators, who read English
SILENT = frozenset({
    "info", "warning", "debug", "exception", "RuntimeError", "ValueError", "TypeError", "echo", "secho",
    "ClickException", "UsageError", "option", "argument", "Option", "command", "group", "doc", "described",
    "AssertionError", "NotImplementedError", "Counter", "Gauge", "Histogram", "APIFlask",
})  # fmt: skip


def _within_calls(tree: ast.AST) -> set[int]:
    silent = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node) in SILENT)
    return {id(child) for node in silent for child in ast.walk(node)}


def _name(call: ast.Call) -> str:
    return getattr(call.func, "id", None) or getattr(call.func, "attr", "")


def _call(node: ast.Call, seen: set[int]) -> Found:
    places = CALLS.get(_name(node))
    if places is None:
        return
    given = [node.args[place] for place in places if place < len(node.args)]
    if len(places) == 2 and len(given) == 2 and all(map(_is_text, given)):
        seen.update(map(id, given))
        yield node.lineno, "ngettext", tuple(one.value for one in given), []
        return
    given += [keyword.value for keyword in node.keywords if keyword.arg in KEYWORDS]
    for text in filter(_is_text, given):
        if id(text) not in seen and text.value:
            seen.add(id(text))
            yield text.lineno, None, text.value, []


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


# --- models and decisions ---------------------------------------------------------------------
#: elements whose names people see; names of data objects and messages are for the designer
UNSEEN = frozenset(
    {"message", "signal", "error", "escalation", "dataObject", "dataInput", "dataOutput", "definitions"}
)


def model(fileobj, keywords, comment_tags, options) -> Found:
    """Names and documentation of a BPMN model, and the texts of its annotations."""
    for element in _elements(fileobj):
        kind = _local(element)
        if kind in ("documentation", "text") and (element.text or "").strip():
            yield element.sourceline, None, _flat(element.text), []
        elif element.get("name", "").strip() and kind not in UNSEEN and "zeebe" not in element.tag:
            yield element.sourceline, None, _flat(element.get("name")), []


#: elements of a DMN model with a name or label that people see; an output's name is a variable's
NAMED = frozenset({"decision", "input", "output", "businessKnowledgeModel", "annotation"})


def decisions(fileobj, keywords, comment_tags, options) -> Found:
    """Names and column labels of a DMN model, annotations of its rules, names and sentences in its output cells."""
    for element in _elements(fileobj):
        kind = _local(element)
        text = element.get("label" if kind in ("input", "output") else "name")
        if text and kind in NAMED:
            yield element.sourceline, None, _flat(text), []
        if kind in ("description", "text") and (element.text or "").strip():
            yield from _cell(element)


def _cell(element) -> Found:
    parent = _local(element.getparent())
    if _local(element) == "description" or parent == "annotationEntry":
        yield element.sourceline, None, _flat(element.text), []
    elif parent in ("outputEntry", "literalExpression"):
        for text in re.findall(r'"([^"\\]+)"', element.text):
            if SENTENCE.match(text) or _is_name(element.getparent()):
                yield element.sourceline, None, text, []


def _is_name(entry) -> bool:
    """Whether an output cell stands in a column of names, which people read as they are."""
    rule = entry.getparent()
    if _local(entry) != "outputEntry" or _local(rule) != "rule":
        return False
    columns = [one for one in rule.getparent() if isinstance(one.tag, str) and _local(one) == "output"]
    cells = [one for one in rule if isinstance(one.tag, str) and _local(one) == "outputEntry"]
    return columns[cells.index(entry)].get("name") == "name"


def _elements(fileobj) -> Iterable:
    return (element for element in xmlgate.read(fileobj.read()).iter() if isinstance(element.tag, str))


def _local(element) -> str:
    return element.tag.rpartition("}")[2]


def _flat(text: str) -> str:
    """As it is looked up: one line, single spaces."""
    return " ".join(text.split())


# --- forms and policies -----------------------------------------------------------------------
#: keys of a form whose texts people read
FORM_TEXTS = frozenset({"title", "description", "x-help", "sentence", "x-placeholder", "x-unit"})
#: keys of a policy whose texts people read
POLICY_TEXTS = frozenset({
    "name", "title", "text", "sentence", "label", "subject", "description", "meaning", "chapter", "help",
    "unit", "reason", "how", "why",
})  # fmt: skip


def form(fileobj, keywords, comment_tags, options) -> Found:
    """Titles, help, labels of choices and sentences of rules of a JSON Schema form."""
    yield from _texts(json.load(fileobj), FORM_TEXTS)


def policy(fileobj, keywords, comment_tags, options) -> Found:
    """Names and texts of a policy file."""
    # a title of a process is a FEEL expression
    keys = POLICY_TEXTS - {"title"} if fileobj.name.endswith("processes.toml") else POLICY_TEXTS
    yield from _texts(tomllib.load(fileobj), keys)


def _texts(value: Any, keys: frozenset[str]) -> Found:
    if isinstance(value, list):
        for one in value:
            yield from _texts(one, keys)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key in keys and isinstance(one, str):
                if one.strip():
                    yield 1, None, one, []
            elif key == "x-labels" and isinstance(one, dict):
                yield from ((1, None, label, []) for label in one.values())
            else:
                yield from _texts(one, keys)


# --- catalogues -------------------------------------------------------------------------------
def extract(home: Path = HOME) -> Catalog:
    """Every message of the project."""
    with open(home / "babel.cfg", encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file, "babel.cfg")
    catalogue = Catalog(project="bizday", charset="utf-8")
    found = extract_from_dir(str(home), methods, options, directory_filter=partial(_wanted, home))
    for name, _line, message, comments, context in found:
        # file names without lines: a moved line is no change of the catalogue
        catalogue.add(message, None, [(name, 1)], auto_comments=comments, context=context)
    return catalogue


def _wanted(home: Path, path: str) -> bool:
    parts = Path(path).relative_to(home).parts
    return parts[0] in FOLDERS and not set(parts) & {"node_modules", "static", "versions", "__pycache__"}


def catalogue_path(locale: str, home: Path = HOME) -> Path:
    return home / "webapp" / "translations" / locale / "LC_MESSAGES" / "messages.po"


def load(locale: str, home: Path = HOME) -> Catalog:
    path = catalogue_path(locale, home)
    if not path.exists():
        return Catalog(locale=locale, project="bizday", charset="utf-8")
    return read_po(BytesIO(path.read_bytes()), locale=locale)


def update(home: Path = HOME) -> dict[str, int]:
    """Merge what was found into every catalogue; returns how many messages each still lacks."""
    template = extract(home)
    return {locale: _merge(template, locale, home) for locale in LOCALES}


def _merge(template: Catalog, locale: str, home: Path) -> int:
    kept = load(locale, home)
    kept.update(template, no_fuzzy_matching=True)
    kept.obsolete.clear()
    path = catalogue_path(locale, home)
    path.parent.mkdir(parents=True, exist_ok=True)
    out = BytesIO()
    write_po(out, kept, width=110, omit_header=False, sort_output=True, include_lineno=False)
    # the date of the run says nothing and would change the file each time
    path.write_bytes(
        re.sub(rb'"(POT-Creation-Date|PO-Revision-Date|Generated-By)[^\n]*\n', b"", out.getvalue())
    )
    return sum(1 for message in kept if message.id and not translated(message))


def translated(message) -> bool:
    return all(message.string) if isinstance(message.string, tuple) else bool(message.string)


def compile_all(home: Path = HOME) -> None:
    """Binary catalogues beside the text ones."""
    for locale in LOCALES:
        path = catalogue_path(locale, home)
        if path.exists():
            with open(path.with_suffix(".mo"), "wb") as file:
                write_mo(file, load(locale, home))


def main() -> None:
    if "--compile" not in sys.argv:
        for locale, missing in update().items():
            print(f"{locale}: {missing} messages without a translation")
    compile_all()


if __name__ == "__main__":
    main()
