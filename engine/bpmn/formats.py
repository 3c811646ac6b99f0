"""What a file is that is no BPMN 2.0, as far as its outermost element tells, so that its owner knows what to export."""

from __future__ import annotations

from lxml import etree

from engine.errors import Invalid

#: part of the namespace of the outermost element, or its local name -> what programs call that format
SPACES = {
    "omg.org/spec/CMMN": "CMMN", "wfmc.org": "XPDL", "schemas.microsoft.com/visio": "Visio",
    "schemas.microsoft.com/office/visio": "Visio",
    "wsbpel": "BPEL", "business-process/": "BPEL", "stp.eclipse.org/bpmn": "BPMN 1.x", "jbpm.org": "jPDL",
    "jboss.com/products/jbpm": "jPDL", "omg.org/spec/XMI": "XMI (UML)", "omg.org/XMI": "XMI (UML)",
    "w3.org/1999/xhtml": "HTML", "w3.org/2000/svg": "SVG", "yawl": "YAWL", "pnml": "PNML", "schemas.microsoft.com/winfx": "XAML",
}  # fmt: skip
TAGS = {
    "VisioDocument": "Visio", "Package": "XPDL", "mxfile": "draw.io", "mxGraphModel": "draw.io", "html": "HTML", "svg": "SVG",
    "AML": "ARIS AML", "ADOXML": "ADONIS", "epml": "EPML", "XMI": "XMI (UML)", "process-definition": "jPDL", "pnml": "PNML",
    "graphml": "GraphML", "BpmnDiagram": "BPMN 1.x", "BusinessProcessDiagram": "BPMN 1.x",
}  # fmt: skip
#: namespace of BPMN before it was BPMN 2.0, followed by the version
DRAFTS = ("http://schema.omg.org/spec/BPMN/", "http://www.omg.org/spec/BPMN/1", "http://www.omg.org/bpmn")


def refusal(root) -> Invalid:
    """One sentence on a file whose outermost element is not BPMN 2.0's `definitions`."""
    name = etree.QName(root)
    space = name.namespace or ""
    if "omg.org/spec/DMN" in space:
        return Invalid("The file holds decisions (DMN) and no process.")
    if (kind := _kind(space, name.localname)) is not None:
        return Invalid("The file is %(format)s, not BPMN 2.0; export it as BPMN 2.0 where it was drawn.", format=kind)
    if name.localname == "definitions":
        return Invalid("The file is not a BPMN 2.0 model: its outermost element 'definitions' lacks the namespace of BPMN 2.0.")
    return Invalid("The file is not a BPMN 2.0 model: its outermost element is '%(tag)s'.", tag=name.localname)


def _kind(space: str, tag: str) -> str | None:
    if space.startswith(DRAFTS):
        return "BPMN 2.0 beta" if "/BPMN/2" in space else "BPMN 1.x"
    return next((kind for part, kind in SPACES.items() if part.lower() in space.lower()), TAGS.get(tag))
