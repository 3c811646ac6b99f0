"""The gate that every XML upload passes before anything else looks at it.

Expat reads the bytes first and refuses what has no place in a model: a document type, an entity, an
inclusion, more size, depth, elements or attributes than a drawing needs. Only then does lxml build the
tree, without network and without entities. Schemas are the standards' own, as SpiffWorkflow's package
carries them. Whoever wants a tree asks `read`; nothing else in the project parses XML from a person.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from xml.parsers import expat

from lxml import etree

from engine.errors import Invalid, Problem

SIZE = 32 * 1024 * 1024
DEPTH = 200
ELEMENTS = 500_000
ATTRIBUTES = 200
#: how files begin that are often taken for models -> what they are
BINARY = {
    b"PK\x03\x04": "ZIP (.vsdx, .bpm)", b"\xd0\xcf\x11\xe0": "Visio (.vsd)", b"%PDF": "PDF", b"\x89PNG": "PNG",
    b"\x1f\x8b": "GZIP",
}  # fmt: skip
XINCLUDE = "http://www.w3.org/2001/XInclude"


_DECLARED = re.compile(rb"(<\?xml[^>]{0,100}?encoding\s*=\s*[\"'])([A-Za-z0-9._-]{1,40})")
_EAST_ASIAN = frozenset({"gb18030", "gbk", "gb2312", "big5", "big5-hkscs", "shift_jis", "euc-jp", "iso-2022-jp", "euc-kr"})


class _Gate:
    """Counts what expat sees, and stops at the first thing that has no place in a model."""

    def __init__(self):
        self.depth = 0
        self.elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.elements += 1
        if self.depth > DEPTH:
            raise Invalid("The file is nested deeper than %(limit)s levels.", limit=DEPTH)
        if self.elements > ELEMENTS:
            raise Invalid("The file has more than %(limit)s elements.", limit=ELEMENTS)
        if len(attributes) > ATTRIBUTES:
            raise Invalid("An element of the file has more than %(limit)s attributes.", limit=ATTRIBUTES)
        if name.startswith(XINCLUDE):
            raise Invalid("The file includes another file; a model must stand for itself.")

    def end(self, name: str) -> None:
        self.depth -= 1

    def refuse(self, *_) -> None:
        raise Invalid("The file declares a document type or an entity; a model needs neither.")


def read(data: bytes, *, whole: bool = False) -> etree._Element:
    """The root element of an XML document. Raises Invalid with a sentence, and the line where there is one.

    `whole` keeps comments and processing instructions, for who writes the document again.
    """
    if len(data) > SIZE:
        raise Invalid("The file is larger than %(limit)s MB.", limit=SIZE // 1024 // 1024)
    if (kind := next((name for begin, name in BINARY.items() if data.startswith(begin)), None)) is not None:
        raise Invalid("The file is %(format)s, not XML; export it as XML from the program that made it.", format=kind)
    data = _recoded(data)
    _pass(data)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=True,
        remove_comments=not whole, remove_pis=not whole,
    )  # fmt: skip
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise _not_xml(error.lineno or 0) from error


def _recoded(data: bytes) -> bytes:
    """A document in an East Asian encoding as UTF-8: expat reads none of more than one byte but Unicode's own."""
    said = _DECLARED.match(data)
    if said is None or said[2].decode().lower() not in _EAST_ASIAN:
        return data
    try:
        return said[1] + b"UTF-8" + data[said.end(2) :].decode(said[2].decode()).encode()
    except UnicodeDecodeError as error:
        raise _not_xml(data.count(b"\n", 0, said.end(2) + error.start) + 1) from error


def _pass(data: bytes) -> None:
    gate = _Gate()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = gate.start
    parser.EndElementHandler = gate.end
    parser.StartDoctypeDeclHandler = gate.refuse
    parser.EntityDeclHandler = gate.refuse
    parser.ExternalEntityRefHandler = gate.refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise _not_xml(error.lineno) from error
    except (ValueError, LookupError) as error:  # an encoding that expat does not know
        raise Invalid("The file's encoding is not known; save it as UTF-8.") from error


def _not_xml(line: int) -> Invalid:
    problem = Problem(
        str(line), "xml.malformed", "The file is not well-formed XML: line %(line)s.",
        mend="Save the file again in the program that made it.", params=(("line", str(line)),),
    )  # fmt: skip
    return Invalid("The file is not well-formed XML: line %(line)s.", (problem,), line=line)


@lru_cache(maxsize=4)
def bpmn_schema() -> etree.XMLSchema:
    """BPMN 2.0's own schema (OMG formal/2011-01-03)."""
    package = find_spec("SpiffWorkflow")
    return etree.XMLSchema(etree.parse(Path(package.origin).parent / "bpmn" / "parser" / "schema" / "BPMN20.xsd"))


def against_schema(root: etree._Element) -> list[Problem]:
    """Where a BPMN tree breaks the standard's schema, by line; each as a warning, for what counts is what lint says."""
    schema = bpmn_schema()
    if schema.validate(root):
        return []
    return [
        Problem(str(one.line), "bpmn.schema", "Line %(line)s: %(why)s", "warning",
                params=(("line", str(one.line)), ("why", one.message[:300])))
        for one in list(schema.error_log)[:50]
    ]  # fmt: skip
