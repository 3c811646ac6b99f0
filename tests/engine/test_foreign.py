"""Files as other tools and other hands make them: they open, and what cannot run is refused at its element."""

from __future__ import annotations

import pytest

from engine import lint, xmlgate
from engine.errors import Invalid

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
