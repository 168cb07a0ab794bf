"""What AEP says is told in lines that are fit for a log, whoever tells it."""

from __future__ import annotations

from typing import Any

import pytest

from aep_provider.errors import AepAnswerError, AepError
from aep_provider.resources.fingerprint import contradictions, differences
from aep_provider.resources.shapes import SHAPES, relied_on

from .mutants import TEXTS, Raw
from .texts import flaws
from .world import TOKEN

STRANGE = [text for text in TEXTS if not isinstance(text, Raw) and TOKEN not in text and text]


@pytest.mark.parametrize("text", STRANGE)
def test_what_differs_is_told_without_control_characters(text: str) -> None:
    there, wanted = (
        {text: text, "a": {f"b{text}": text}, "c": [text]},
        {"a": {f"b{text}": 1}, "c": ["x"], f"d{text}": text},
    )
    lines = [*differences(there, wanted), *contradictions(there, wanted)]
    assert len(lines) >= 4
    assert [flaw for line in lines for flaw in flaws(line, longest=20_000)] == []


def test_letters_of_all_languages_stay_what_they_are() -> None:
    assert differences({"name": "Łódź 東京 😀"}, {"name": "x"}) == ['name: "Łódź 東京 😀" in AEP, "x" wanted']


@pytest.mark.parametrize("collection", SHAPES)
@pytest.mark.parametrize("text", STRANGE[::4])
def test_what_is_not_of_aeps_form_is_named_in_one_line(collection: str, text: str) -> None:
    documents: list[Any] = [
        {"id": text, "$id": f"{text} "},
        {name: {text: text} for name in SHAPES[collection]},
        {name: [{text: text}] for name in SHAPES[collection]},
        {"id": "x", "$id": "x", "tags": {text: text}, "definitions": {text: text}, "params": text},
    ]
    for document in documents:
        try:
            relied_on(document, collection)
        except AepAnswerError as error:
            told: AepError = error
            assert list(flaws(str(told))) == []


@pytest.mark.parametrize("collection", SHAPES)
def test_what_is_not_told_is_no_flaw(collection: str) -> None:
    named = {"id": "x", "$id": "x"}
    assert relied_on(named, collection) == named
    nothing = dict.fromkeys(SHAPES[collection]) | named
    assert relied_on(nothing, collection) == nothing
