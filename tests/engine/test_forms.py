"""Between what somebody posts and the variables of a case: forms are read strictly and answers cut, typed and checked."""

from __future__ import annotations

import hashlib
import io
import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from engine import documents, forms, people
from engine.errors import Invalid, NotFound
from engine.schema import content, draft, instance
from tests.engine.rooms import MONDAY, actor, opened, person
from tests.engine.test_history import CASE, a_case
from tests.processes.walk import HOME

FILES = sorted((HOME / "forms").glob("*/*.json"))


@pytest.fixture
def room(tmp_path):
    for platform in opened(tmp_path / "var"):
        person(platform, "anna", "staff")
        person(platform, "bert", "staff", "finance")
        yield platform


def a_form(properties: dict, **head) -> forms.Form:
    return forms.parse(written(properties, **head), "k/f")


def written(properties: dict, **head) -> bytes:
    return json.dumps({"type": "object", "title": "A form", "properties": properties, **head}).encode()


def checked(platform, form, answers, login="anna", **context):
    with platform.read(actor(platform, login)) as work:
        return forms.check(form, answers, context=context, work=work)


def refused(platform, form, answers, login="anna", **context) -> dict[str, str]:
    """field -> sentence of everything that is wrong."""
    with pytest.raises(Invalid) as caught:
        checked(platform, form, answers, login, **context)
    return {problem.where: str(problem) for problem in caught.value.problems}


def wrong_file(properties: dict, **head) -> set[str]:
    with pytest.raises(Invalid) as caught:
        a_form(properties, **head)
    return {problem.rule for problem in caught.value.problems}


TEXT = {"type": "string", "title": "Text"}


# --- reading a form -----------------------------------------------------------------------------
@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}-{f.stem}")
def test_every_form_of_the_project_can_be_read(file):
    form = forms.parse(file.read_bytes(), f"{file.parent.name}/{file.stem}")
    assert [one.name for one in form.fields] == form.schema["x-order"]
    assert all(one.title for one in form.fields)


def test_a_field_knows_how_it_is_drawn():
    form = a_form(
        {
            "when": {"type": "string", "format": "date-time"},
            "kind": {"type": "string", "enum": ["a", "b"], "x-labels": {"a": "Apple"}, "title": "Kind", "x-help": "Choose."},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["x"]}},
            "done": {"type": "boolean"},
        },
        **{"x-order": ["kind", "when"], "required": ["kind"]},
    )
    kind = form.field("kind")
    assert [one.name for one in form.fields] == ["kind", "when", "tags", "done"]
    assert (kind.enum, kind.help, kind.required) == ((("a", "Apple"), ("b", "b")), "Choose.", True)
    assert [one.widget for one in form.fields] == ["select", "datetime", "checkboxes", "checkbox"]
    assert form.field("tags").enum == (("x", "x"),)


def test_the_choice_called_decision_is_the_outcome_unless_another_is_marked():
    choice = {"type": "string", "enum": ["yes", "no"]}
    assert a_form({"decision": choice, "verdict": choice}).decision == "decision"
    assert a_form({"decision": choice, "verdict": choice | {"x-decision": True}}).decision == "verdict"
    assert a_form({"decision": TEXT}).decision is None


BAD_FIELDS = [
    ({"$ref": "file:///etc/passwd"}, "form.keyword"),
    ({"type": "object", "properties": {}}, "form.keyword"),
    ({"type": "string", "if": {}, "then": {}}, "form.keyword"),
    ({"type": "null"}, "form.type"),
    ({"type": ["string", "null"]}, "form.type"),
    ({"type": "array"}, "form.items"),
    ({"type": "array", "items": {"type": "array", "items": TEXT}}, "form.items"),
    ({"type": "array", "items": {"type": "string", "$ref": "#"}}, "form.keyword"),
    ({"type": "string", "minLength": "many"}, "form.schema"),
    ({"type": "string", "format": "regex"}, "form.format"),
    ({"type": "string", "pattern": "(["}, "form.pattern"),
    ({"type": "string", "enum": [{"a": 1}]}, "form.choices"),
    ({"type": "string", "x-labels": {"a": "A"}}, "form.labels"),
    ({"type": "string", "x-widget": "script"}, "form.widget"),
    ({"type": "string", "x-widget": "people"}, "form.widget"),
    ({"type": "string", "x-widget": ["text"]}, "form.widget"),
    ({"type": "string", "x-widget": "radio"}, "form.widget"),
    ({"type": "string", "x-classification": "top secret"}, "form.class"),
    ({"type": "string", "x-decision": True}, "form.decision"),
    ({"type": "string", "x-when": "1 +"}, "form.expression"),
    ({"type": "string", "x-source": 7}, "form.expression"),
    ({"type": "string", "title": {"a": 1}}, "form.text"),
    ({"type": "integer", "default": "three"}, "form.default"),
]


@pytest.mark.parametrize(("schema", "rule"), BAD_FIELDS, ids=lambda one: json.dumps(one)[:60])
def test_a_wrong_field_is_refused_with_its_place(schema, rule):
    with pytest.raises(Invalid) as caught:
        a_form({"it": schema})
    assert rule in {problem.rule for problem in caught.value.problems}
    assert {problem.where for problem in caught.value.problems} == {"it"}


@pytest.mark.parametrize("name", ["__proto__", "constructor()", "case", "starter", "completedBy", "a b", "ä", "x" * 65])
def test_no_field_can_be_called_like_what_the_platform_gives(name):
    assert "form.name" in wrong_file({name: TEXT})


def test_a_wrong_head_is_refused():
    assert wrong_file({"a": TEXT}, additionalProperties=True) == {"form.type"}
    assert wrong_file({"a": TEXT}, allOf=[]) == {"form.keyword"}
    assert wrong_file({"a": TEXT}, required=["b"]) == {"form.required"}
    assert wrong_file({"a": TEXT}, required=[["a"]]) == {"form.required"}
    assert wrong_file({"a": TEXT}, **{"x-order": ["a", "a"]}) == {"form.x-order"}
    assert wrong_file({"a": TEXT | {"x-widget": "readonly"}}, required=["a"]) == {"form.required"}
    assert wrong_file({"a": TEXT}, **{"x-rules": [{"when": "a ="}]}) == {"form.text", "form.expression"}
    assert wrong_file({"a": TEXT}, **{"x-rules": "no"}) == {"form.rules"}
    assert wrong_file({"a": TEXT}, **{"$schema": "http://json-schema.org/draft-07/schema#"}) == {"form.dialect"}
    assert wrong_file({f"f{n}": TEXT for n in range(201)}) == {"form.too-many"}


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(Invalid) as caught:
        a_form({"a": {"type": "what"}, "b": TEXT | {"x-when": "("}}, required=["c"])
    assert {problem.where for problem in caught.value.problems} == {"a", "b", ""}


HOSTILE = [
    b"",
    b"[]",
    b"\xff\xfe",
    b'{"a": NaN}',
    b'{"type": "object", "type": "object"}',
    b"[" * 100_000,
    b'{"properties":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"a": ' + b"9" * 10_000 + b"}",
    b" " * (256 * 1024 + 1),
]


@pytest.mark.parametrize("data", HOSTILE, ids=lambda data: f"{data[:12]!r}-{len(data)}")
def test_a_file_that_is_no_form_is_refused_quickly(data):
    begun = time.process_time()
    with pytest.raises(Invalid):
        forms.parse(data, "k/f")
    assert time.process_time() - begun < 2


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from([*sorted(forms.HEAD), *sorted(forms.KEYWORDS), "a"]), inner)))  # fmt: skip
def test_whatever_is_uploaded_it_is_a_form_or_refused(value):
    for raw in (value, {"type": "object", "properties": value}, {"type": "object", "properties": {"a": value}}):
        try:
            forms.parse(json.dumps(raw).encode(), "k/f")
        except Invalid as why:
            assert str(why)


def test_a_deployed_form_is_read_once(room):
    data = written({"a": TEXT})
    digest = hashlib.sha256(data).hexdigest()
    with room.work(people.SYSTEM) as work:
        work.execute(insert(content), {"digest": digest, "bytes": data})
        assert forms.load(work, digest) is forms.load(work, digest)
        with pytest.raises(NotFound):
            forms.load(work, "0" * 64)


# --- what is cut --------------------------------------------------------------------------------
def test_only_fields_of_the_form_become_variables(room):
    form = a_form({"a": TEXT, "shown": TEXT | {"x-widget": "readonly", "x-source": "secret"}})
    said = checked(room, form, {"a": "x", "shown": "forged", "__proto__": {}, "typename": "T", "case": {"id": "other"}})
    assert said == {"a": "x"}


def test_a_hidden_field_is_filled_by_the_platform_alone(room):
    form = a_form({"route": TEXT | {"x-widget": "hidden", "x-source": 'if amount > 5 then "long" else "short"'}})
    assert checked(room, form, {"route": "forged"}, amount=9) == {"route": "long"}


def test_a_draft_keeps_what_a_field_could_hold():
    form = a_form({"a": TEXT, "b": {"type": "integer"}, "shown": TEXT | {"x-widget": "readonly"}})
    answers = {"a": {"deep": 1}, "b": "twelve", "shown": "x", "other": 1}
    assert forms.cut(form, answers) == {"b": "twelve"}


def test_what_was_left_empty_is_null_so_that_no_older_answer_shines_through(room):
    form = a_form({"a": TEXT, "b": TEXT})
    assert checked(room, form, {"a": "  "}, a="old", b="old") == {"a": None, "b": None}


def test_answers_that_are_no_object_are_refused(room):
    for answers in (None, [], "x", 7):
        with pytest.raises(Invalid):
            checked(room, a_form({"a": TEXT}), answers)


# --- what is typed ------------------------------------------------------------------------------
NUMBERS = {"n": {"type": "number", "title": "Amount"}}
WHOLE = {"n": {"type": "integer", "title": "Count"}}


@pytest.mark.parametrize(
    ("properties", "said", "value"),
    [
        (NUMBERS, "12.50", 12.5), (NUMBERS, " 12 ", 12), (NUMBERS, 3, 3), (NUMBERS, "1e3", 1000.0), (NUMBERS, "", None),
        (WHOLE, "12", 12), (WHOLE, 12.0, 12), (WHOLE, "3.0", 3),
        ({"n": {"type": "boolean"}}, "true", True), ({"n": {"type": "boolean"}}, "false", False),
        ({"n": {"type": "boolean"}}, "是", True), ({"n": {"type": "boolean"}}, False, False),
        ({"n": {"type": "array", "items": {"type": "integer"}}}, ["1", 2], [1, 2]),
        ({"n": {"type": "array", "items": {"type": "string"}}}, "one", ["one"]),
        ({"n": {"type": "array", "items": {"type": "string"}}}, ["", None], None),
        ({"n": TEXT | {"format": "date"}}, "2026-03-02", "2026-03-02"),
        ({"n": TEXT | {"format": "date-time"}}, "2026-03-02T09:30", "2026-03-02T09:30:00+08:00"),
        ({"n": TEXT | {"format": "date-time"}}, "2026-03-02T09:30:00Z", "2026-03-02T09:30:00+00:00"),
        ({"n": TEXT}, " trimmed ", "trimmed"),
        ({"n": TEXT | {"x-widget": "textarea"}}, "one\r\ntwo", "one\ntwo"),
    ],
)  # fmt: skip
def test_texts_become_what_a_browser_means(room, properties, said, value):
    found = checked(room, a_form(properties), {"n": said})["n"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("properties", "said", "sentence"),
    [
        (NUMBERS, "a lot", "'Amount' must be a number, such as 1200.50."),
        (NUMBERS, "1_000", "'Amount' must be a number, such as 1200.50."),
        (NUMBERS, "nan", "'Amount' must be a number, such as 1200.50."),
        (NUMBERS, "1e999", "'Amount' must be a number, such as 1200.50."),
        (NUMBERS, float("inf"), "'Amount' must be a number, such as 1200.50."),
        (NUMBERS, True, "'Amount' must be a number, such as 1200.50."),
        (NUMBERS, "9" * 20, "'Amount' is too large a number."),
        (WHOLE, "1.5", "'Count' must be a whole number."),
        ({"n": {"type": "boolean", "title": "Ready"}}, "perhaps", "'Ready' is answered with yes or no."),
        ({"n": TEXT | {"format": "date"}}, "2026-02-30", "'Text' must be a day, such as 2026-03-02."),
        ({"n": TEXT | {"format": "date"}}, "20260302", "'Text' must be a day, such as 2026-03-02."),
        ({"n": TEXT | {"format": "date-time"}}, "soon", "'Text' must be a day and a time, such as 2026-03-02T09:30."),
        ({"n": TEXT | {"format": "email"}}, "nobody", "'Text' must be a mail address."),
        ({"n": TEXT | {"format": "uri"}}, "javascript:alert(1)",
         "'Text' must be an address that begins with https:// or http://."),
        ({"n": TEXT}, 7, "'Text' must be a text."),
        ({"n": TEXT}, "a\0b", "'Text' has characters that cannot be kept."),
        ({"n": TEXT}, "a\ud800b", "'Text' has characters that cannot be kept."),
        ({"n": TEXT}, "x" * 20_001, "'Text' has more than 20000 characters."),
        ({"n": {"type": "array", "title": "List", "items": {"type": "string"}}}, ["x"] * 501,
         "'List' takes a list of at most 500 values."),
        ({"n": {"type": "array", "title": "List", "items": {"type": "string"}}}, {"a": 1},
         "'List' takes a list of at most 500 values."),
    ],
    ids=lambda one: str(one)[:30],
)  # fmt: skip
def test_what_is_no_such_value_is_told_beside_its_field(room, properties, said, sentence):
    assert refused(room, a_form(properties), {"n": said}) == {"n": sentence}


# --- what is validated --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("more", "said", "sentence"),
    [
        ({"minLength": 3}, "ab", "'Text' needs at least 3 characters."),
        ({"maxLength": 3}, "abcd", "'Text' may have at most 3 characters."),
        ({"enum": ["a", "b"]}, "c", "'Text' must be one of the choices that are offered."),
        ({"pattern": "^[A-Z]{2}\\d+$"}, "ab12", "'Text' is not written as it should be."),
        ({"type": "number", "minimum": 1}, "0", "'Text' must be at least 1."),
        ({"type": "number", "maximum": 1}, "2", "'Text' must be at most 1."),
        ({"type": "number", "exclusiveMinimum": 0}, "0", "'Text' must be more than 0."),
        ({"type": "number", "multipleOf": 0.01}, "0.071", "'Text' must be a multiple of 0.01."),
        ({"type": "boolean", "const": True}, "false", "'Text' must be ticked."),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2}, ["a"], "'Text' needs at least 2 of them."),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 1}, ["a", "b"], "'Text' takes at most 1 of them."),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, ["a", "a"],
         "'Text' names something twice."),
    ],
    ids=lambda one: json.dumps(one)[:50],
)  # fmt: skip
def test_an_answer_against_the_schema_is_a_sentence(room, more, said, sentence):
    assert refused(room, a_form({"n": TEXT | more}), {"n": said}) == {"n": sentence}


def test_hundredths_are_multiples_of_a_hundredth(room):
    form = a_form({"n": {"type": "number", "multipleOf": 0.01}})
    assert [checked(room, form, {"n": said})["n"] for said in ("0.07", "1.1", "19.99")] == [0.07, 1.1, 19.99]


def test_a_pattern_cannot_hang_the_server(room):
    form = a_form({"n": TEXT | {"pattern": "^(a+)+$"}})
    begun = time.process_time()
    assert refused(room, form, {"n": "a" * 5000 + "b"})
    assert time.process_time() - begun < 3


def test_each_wrong_field_has_its_own_sentence(room):
    form = a_form({"a": TEXT, "b": NUMBERS["n"], "c": TEXT}, required=["a", "c"])
    assert refused(room, form, {"b": "x", "c": "here"}) == {
        "a": "'Text' is required.", "b": "'Amount' must be a number, such as 1200.50.",
    }  # fmt: skip


def test_no_is_an_answer_and_nothing_is_none(room):
    form = a_form({"ok": {"type": "boolean", "title": "Ready"}, "n": NUMBERS["n"]}, required=["ok", "n"])
    assert checked(room, form, {"ok": False, "n": 0}) == {"ok": False, "n": 0}
    assert set(refused(room, form, {})) == {"ok", "n"}


# --- what is asked for --------------------------------------------------------------------------
WHEN = {
    "kind": {"type": "string", "enum": ["a", "b"]},
    "party": TEXT | {"x-when": 'kind = "a"'},
    "why": TEXT | {"x-when": "party != null"},
}


def test_a_field_that_is_not_asked_for_is_neither_required_nor_kept(room):
    form = a_form(WHEN, required=["kind", "party"])
    assert checked(room, form, {"kind": "b", "party": "left over"}) == {"kind": "b", "party": None, "why": None}
    assert refused(room, form, {"kind": "a"}) == {"party": "'Text' is required."}


def test_what_is_not_asked_for_counts_as_unanswered_for_those_that_follow(room):
    form = a_form(WHEN)
    assert forms.asked(form, {"kind": "a", "party": "x"}, now=MONDAY) == ["kind", "party", "why"]
    assert forms.asked(form, {"kind": "b", "party": "x"}, now=MONDAY) == ["kind"]


def test_what_is_wrong_with_a_field_that_is_not_asked_for_does_not_matter(room):
    form = a_form({"kind": WHEN["kind"], "n": NUMBERS["n"] | {"x-when": 'kind = "a"'}})
    assert checked(room, form, {"kind": "b", "n": "nonsense"}) == {"kind": "b", "n": None}


def test_a_condition_may_speak_of_the_case(room):
    form = a_form({"until": TEXT | {"x-when": 'starter.kind = "partner"'}}, required=["until"])
    assert checked(room, form, {}, starter={"kind": "employee"}) == {"until": None}
    assert refused(room, form, {}, starter={"kind": "partner"}) == {"until": "'Text' is required."}


def test_rules_across_fields_speak_only_when_each_field_is_right(room):
    rule = {"when": "date(until) < today()", "sentence": "It lies in the past.", "field": "until"}
    form = a_form({"until": TEXT | {"format": "date"}}, **{"x-rules": [rule]})
    assert refused(room, form, {"until": "2026-03-01"}) == {"until": "It lies in the past."}
    assert checked(room, form, {"until": "2026-03-02"}) == {"until": "2026-03-02"}
    assert refused(room, form, {"until": "soon"}) == {"until": "'Text' must be a day, such as 2026-03-02."}


# --- what is shown ------------------------------------------------------------------------------
def test_a_form_shows_what_the_case_knows_and_else_its_default():
    form = a_form({
        "title": TEXT | {"x-source": "title"}, "n": {"type": "integer", "default": 3, "x-source": "count"},
        "all": TEXT | {"x-widget": "readonly", "x-source": 'string join(for p in points return p.text, " ")'},
        "empty": TEXT,
    })  # fmt: skip
    seen = {"title": "Chairs", "points": [{"text": "One."}, {"text": "Two."}]}
    assert forms.prefill(form, seen) == {"title": "Chairs", "n": 3, "all": "One. Two."}
    assert forms.prefill(form, {"count": 8, "points": []}) == {"n": 8, "all": ""}


def test_a_classified_field_is_seen_by_who_is_cleared(room):
    form = a_form({"iban": TEXT | {"x-classification": "confidential"}, "note": TEXT})
    values = {"iban": "DE00", "note": "n", "other": 1}
    assert forms.see(form, values, actor(room, "anna")) == {"iban": None, "note": "n"}
    assert forms.see(form, values, actor(room, "bert")) == {"iban": "DE00", "note": "n"}


def test_who_was_not_shown_a_value_does_not_empty_it(room):
    secret = TEXT | {"x-classification": "confidential", "x-source": "iban"}
    form = a_form({"iban": secret}, required=["iban"])
    assert checked(room, form, {}, "anna", iban="DE00") == {"iban": "DE00"}
    assert refused(room, form, {}, "bert", iban="DE00") == {"iban": "'Text' is required."}


# --- what is named ------------------------------------------------------------------------------
def test_people_are_kept_by_id_and_must_be_here(room):
    form = a_form({"who": TEXT | {"x-widget": "person"}, "all": {"type": "array", "items": {"type": "string"}, "title": "All",
                                                                 "x-widget": "people"}})  # fmt: skip
    anna, bert = actor(room, "anna").id, actor(room, "bert").id
    assert checked(room, form, {"who": "bert", "all": ["anna", bert, anna]}) == {"who": bert, "all": [anna, bert]}
    with room.work(people.SYSTEM) as work:
        people.deactivate(work, bert)
    assert set(refused(room, form, {"who": bert, "all": [anna, "nobody"]})) == {"who", "all"}


@pytest.mark.parametrize(
    ("widget", "good"), [("group", "finance"), ("resource", "cases"), ("data_set", "staff_directory")]
)
def test_what_policy_does_not_know_cannot_be_named(room, widget, good):
    form = a_form({"it": TEXT | {"x-widget": widget}})
    assert checked(room, form, {"it": good}) == {"it": good}
    assert set(refused(room, form, {"it": "no_such_thing"})) == {"it"}


def test_fields_are_those_of_the_chosen_data_set(room):
    form = a_form({"data_set": TEXT | {"x-widget": "data_set"},
                   "fields": {"type": "array", "items": {"type": "string"}, "x-widget": "fields"}})  # fmt: skip
    assert checked(room, form, {"data_set": "staff_directory", "fields": ["name", "email"]})["fields"] == ["name", "email"]
    assert set(refused(room, form, {"data_set": "staff_directory", "fields": ["password_hash"]})) == {"fields"}


PAPERS = {"papers": {"type": "array", "items": {"type": "string"}, "x-widget": "documents", "title": "Papers"}}


def of_draft(platform, login: str) -> str:
    """A paper that hangs on a draft of hers."""
    with platform.work(actor(platform, login)) as work:
        me = {"person_id": work.actor.id, "process_key": "k", "answers": {}, "at": work.now, "id": f"draft-{login}"}
        work.execute(insert(draft), me)
        return documents.attach(work, io.BytesIO(b"words"), "a.txt", draft_id=me["id"])["id"]


def test_one_names_papers_of_ones_own_draft_and_not_of_others(room):
    mine, hers = of_draft(room, "anna"), of_draft(room, "bert")
    form = a_form(PAPERS)
    assert checked(room, form, {"papers": [mine, mine]}) == {"papers": [mine]}
    assert refused(room, form, {"papers": [hers]}) == {"papers": "'Papers' names a document that is not there."}
    assert set(refused(room, form, {"papers": ["x" * 32]})) == {"papers"}


def test_a_paper_of_a_draft_is_no_paper_of_a_case(room):
    mine = of_draft(room, "anna")
    assert set(refused(room, a_form(PAPERS), {"papers": [mine]}, case={"id": CASE})) == {"papers"}


def test_one_names_papers_of_this_case_and_not_of_another(room):
    with room.work(people.SYSTEM) as work:
        a_case(work, CASE, "C-1")
        work.execute(instance.update().values(started_by=people.resolve(work, "anna")))
        paper = documents.attach(work, io.BytesIO(b"words"), "a.txt", instance_id=CASE)["id"]
    form = a_form(PAPERS)
    assert checked(room, form, {"papers": [paper]}, case={"id": CASE}) == {"papers": [paper]}
    assert set(refused(room, form, {"papers": [paper]}, case={"id": "e" * 32})) == {"papers"}
    assert set(refused(room, form, {"papers": [paper]}, "bert", case={"id": CASE})) == {"papers"}


# --- whatever comes -----------------------------------------------------------------------------
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
ANYTHING = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(max_size=5), PLAIN, max_size=3)


@pytest.mark.parametrize("file", FILES[::4], ids=lambda f: f"{f.parent.name}-{f.stem}")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_posted_it_is_taken_whole_or_refused_in_sentences(room, file, data):
    form = forms.parse(file.read_bytes(), "k/f")
    names = st.sampled_from([*(one.name for one in form.fields), "__proto__"])
    answers = data.draw(st.dictionaries(names, ANYTHING))
    known = {one.name for one in form.fields if one.widget not in forms.NOT_ASKED}
    try:
        assert set(checked(room, form, answers)) == known
    except Invalid as why:
        assert why.problems
        assert all(str(problem).endswith(".") and "%(" not in str(problem) for problem in why.problems)
