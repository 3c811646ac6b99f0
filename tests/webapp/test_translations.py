"""Everything that people read is said in Chinese too, with the same places for names and numbers."""

from __future__ import annotations

import re

import pytest

from engine.bpmn.soundness import CATCHABLE
from webapp import extract, render

PLACES = re.compile(r"%\((\w+)\)[sd]")


@pytest.fixture(scope="module")
def messages():
    return [message for message in extract.extract() if message.id]


@pytest.fixture(scope="module")
def chinese():
    return extract.load("zh_Hans_CN")


def sides(message):
    ids = message.id if isinstance(message.id, tuple) else (message.id,)
    strings = message.string if isinstance(message.string, tuple) else (message.string,)
    return ids, strings


def test_every_sentence_has_its_chinese(messages, chinese):
    missing = [
        message.id
        for message in messages
        if (kept := chinese.get(message.id, message.context)) is None or not extract.translated(kept)
    ]
    assert not missing, "run `make translations`, then write what is missing"


def test_placeholders_are_the_same_on_both_sides(chinese):
    wrong = []
    for message in chinese:
        if message.id and extract.translated(message):
            ids, strings = sides(message)
            known = set().union(*(PLACES.findall(text) for text in ids))
            wrong += [message.id for text in strings if not set(PLACES.findall(text)) <= known]
            wrong += [message.id for text in strings if known - {"count", "num"} - set(PLACES.findall(text))]
    assert not wrong


def test_a_percent_sign_that_is_no_placeholder_is_not_one_in_chinese_either(chinese):
    for message in chinese:
        for text in sides(message)[1] if message.id and extract.translated(message) else ():
            if "python-format" in message.flags:
                assert not re.search(r"%(?!\(\w+\)[sd]|%)", text), text


def test_the_catalogue_holds_nothing_that_is_no_longer_said(messages, chinese):
    said = {message.id if isinstance(message.id, str) else message.id[0] for message in messages}
    kept = {message.id if isinstance(message.id, str) else message.id[0] for message in chinese if message.id}
    assert not kept - said, "run `make translations`"


def test_sentences_in_tables_of_python_are_found(messages):
    """A sentence that is raised from a table of sentences stands in no call."""
    said = {message.id for message in messages}
    assert "Task '%(task)s' is already done." in said


def test_texts_of_models_tables_forms_and_policies_are_found(messages):
    places = {message.locations[0][0].split("/")[0] for message in messages}
    assert {"engine", "webapp", "processes", "forms", "policies"} <= places


#: places that could only be filled with a word of the database or of a program
CODES = {"state", "status", "verb", "act", "action", "outcome", "role"}


def test_no_sentence_is_filled_with_a_word_of_the_database(messages):
    """A state or a verb put into a Chinese sentence would stay English: there is a sentence for each instead."""
    coded = [one.id for one in messages for text in sides(one)[0] if CODES & set(PLACES.findall(text))]
    assert not coded


def test_kinds_of_events_that_sentences_name_have_their_chinese(chinese):
    said = {one.id for one in chinese if extract.translated(one)}
    assert set().union(*CATCHABLE.values()) <= said


def test_names_in_a_sentence_are_said_in_its_language_by_the_platform_too(demo):
    said = demo.translate("zh_Hans_CN", "A %(kind)s event such as '%(name)s' always interrupts.", kind="error", name="x")
    assert said == "像“x”这样的错误事件总是中断型的。"


def test_the_list_of_steps_tells_each_kind_of_element_in_chinese(chinese):
    words = {word for word in render.ELEMENTS.values()}
    assert not [word for word in words if not extract.translated(chinese.get(word)) or chinese.get(word).string.isascii()]
