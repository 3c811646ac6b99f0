"""Files as other tools and other hands make them: they open, and what cannot run is refused at its element."""

from __future__ import annotations

import pytest

from engine import lint, xmlgate
from engine.errors import Invalid
from tests.models.case import Case

MODEL = """<?xml version="1.0" encoding="{}"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t"><process id="p" isExecutable="true">
<startEvent id="s"/><task id="x" name="{}"/>{}<endEvent id="e"/><sequenceFlow id="f" sourceRef="s" targetRef="x"/>
<sequenceFlow id="g" sourceRef="x" targetRef="e"/></process></definitions>"""
BOUNDARY = """<boundaryEvent id="b" attachedToRef="{}"><timerEventDefinition><timeDuration>PT1H</timeDuration>
</timerEventDefinition></boundaryEvent><sequenceFlow id="h" sourceRef="b" targetRef="e"/>"""


@pytest.mark.parametrize("encoding", ["GB18030", "gbk", "GB2312", "Big5", "Shift_JIS", "UTF-16", "UTF-8"])
def test_a_file_in_an_east_asian_encoding_opens_with_its_names(encoding):
    data = MODEL.format(encoding, "任意", "").encode(encoding)
    assert lint.inspect(data).deployable
    assert xmlgate.read(data).find(".//{*}task").get("name") == "任意"


def test_bytes_that_do_not_belong_to_the_encoding_are_refused_with_their_line():
    with pytest.raises(Invalid, match="line 3"):
        xmlgate.read(MODEL.format("GB18030", "@", "").encode().replace(b"@", b"\xff\xff"))


def test_a_document_type_in_such_an_encoding_is_refused():
    with pytest.raises(Invalid, match="document type"):
        xmlgate.read(b'<?xml version="1.0" encoding="GBK"?><!DOCTYPE a><a/>')


@pytest.mark.parametrize("host", ["b", "s", "e", "w", "nowhere"])
def test_a_boundary_event_is_refused_at_what_is_no_activity(host):
    gateway = '<exclusiveGateway id="w"/>'
    report = lint.inspect(MODEL.format("UTF-8", "x", gateway + BOUNDARY.format(host)).encode())
    assert report.opens
    assert not report.deployable
    assert ("b", "bpmn.no-host") in {(p.where, p.rule) for p in report.problems}


OTHERS = {
    "XPDL": '<Package xmlns="http://www.wfmc.org/2009/XPDL2.2"/>', "Visio": '<VisioDocument xmlns="http://schemas.microsoft.com/visio/2003/core"/>',
    "draw.io": "<mxfile/>", "BPEL": '<process xmlns="http://docs.oasis-open.org/wsbpel/2.0/process/executable"/>',
    "BPMN 1.x": '<b:BpmnDiagram xmlns:b="http://stp.eclipse.org/bpmn"/>', "CMMN": '<definitions xmlns="http://www.omg.org/spec/CMMN/20151109/MODEL"/>',
    "BPMN 1.x,": '<definitions xmlns="http://schema.omg.org/spec/BPMN/1.2"/>', "BPMN 2.0 beta": '<definitions xmlns="http://schema.omg.org/spec/BPMN/2.0"/>',
    "XMI (UML)": '<xmi:XMI xmlns:xmi="http://www.omg.org/spec/XMI/20131001"/>', "HTML": "<html/>", "SVG": '<svg xmlns="http://www.w3.org/2000/svg"/>',
    "(DMN)": '<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/"/>', "'invoice'": "<invoice/>", "lacks the namespace": "<definitions/>",
    "ZIP (.vsdx": "PK\x03\x04\x14", "PDF": "%PDF-1.7",
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_of_another_format_is_named_in_one_sentence(name):
    report = lint.inspect(OTHERS[name].encode())
    (problem,) = report.problems
    assert not report.opens
    assert name in str(problem)
    assert str(problem).startswith("The file ") and str(problem).endswith(".")


def process(inner: str, executable: str = "true") -> bytes:
    head = '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t">'
    return f'{head}<process id="p" isExecutable="{executable}">{inner}</process></definitions>'.encode()


@pytest.mark.parametrize("inner", [
    "", '<dataObject id="d"/>', '<textAnnotation id="t"><text>Soon.</text></textAnnotation>', '<task id="a" isForCompensation="true"/>',
    '<subProcess id="u" triggeredByEvent="true"><startEvent id="s"><errorEventDefinition/></startEvent></subProcess>',
    '<task id="a"/><task id="b"/><sequenceFlow id="f" sourceRef="a" targetRef="b"/><sequenceFlow id="g" sourceRef="b" targetRef="a"/>',
])  # fmt: skip
def test_a_process_with_nothing_to_begin_with_is_a_draft_and_not_deployable(inner):
    report = lint.inspect(process(inner))
    assert (report.opens, report.deployable) == (True, False)
    assert ("p", "error") in {(p.where, p.severity) for p in report.problems if p.rule in ("flow.empty", "flow.no-begin")}


def test_a_pool_that_is_empty_and_not_to_be_executed_is_no_error():
    report = lint.inspect(process("", "false"))
    assert {p.severity for p in report.problems if p.rule == "flow.empty"} == {"warning"}


def test_a_process_without_start_event_begins_at_what_nothing_leads_to():
    """BPMN 2.0, 10.5.2: where there is no start event, all that nothing leads to begins with the process."""
    assert lint.inspect(process('<task id="a"/>')).deployable


def test_ids_may_be_those_that_the_library_gives_to_specifications_of_its_own():
    data = (
        '<startEvent id="Start"/><userTask id="p.EndJoin"/><endEvent id="End"/><sequenceFlow id="f" sourceRef="Start" targetRef="p.EndJoin"/>'
        '<sequenceFlow id="g" sourceRef="p.EndJoin" targetRef="End"/>'
    )
    assert lint.inspect(process(data)).deployable
    case = Case(process(data), {})
    case.do("p.EndJoin")
    assert case.completed and [step.element_id for step in case.trail if step.type == "element.completed"] == ["Start", "p.EndJoin", "End"]
