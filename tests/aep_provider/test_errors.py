"""The exception tree: what it says, and what it survives."""

from __future__ import annotations

import copy
import pickle

import pytest

from aep_provider import errors
from aep_provider.errors import (
    AepAnswerLostError,
    AepApiError,
    AepAuthenticationError,
    AepConfigError,
    AepConnectError,
    AepError,
    AepNotFoundError,
    AepRunPartialError,
    AepSandboxError,
    AepServerError,
    AepThrottledError,
    one_line,
)

CLASSES = [getattr(errors, name) for name in errors.__all__]


def test_every_error_is_public_and_in_the_tree() -> None:
    defined = {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert defined == set(errors.__all__)
    assert all(issubclass(kind, AepError) for kind in CLASSES)
    drawn = errors.__doc__ or ""
    assert all(name in drawn for name in errors.__all__)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_copies(kind: type[AepError]) -> None:
    fields = {"method": "GET", "path": "/a", "sandbox": "dev", "request_id": "r", "ambiguous": True, "final": True}
    if issubclass(kind, AepApiError):
        fields |= {"status": 400, "code": "FLOW-1-400", "number": 1, "title": "t", "detail": "d"}
    if issubclass(kind, AepThrottledError):
        fields |= {"retry_after": 5.0}
    error = kind("message", hint="Do it", **fields)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)
        assert twin.args == error.args
    for name, value in fields.items():
        assert getattr(error, name) == value


def test_a_subclass_with_fields_of_its_own_survives_too() -> None:
    error = AepRunPartialError("3 rows were rejected")
    error.rows = 3  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(error)).rows == 3


def test_one_line_says_it_all() -> None:
    error = AepNotFoundError(
        status=404,
        code="FLOW-1439-404",
        number=1439,
        title="Resource not found",
        detail="no flow\nwith that id",
        method="GET",
        path="/data/foundation/flowservice/flows/1?property=secret==1#x",
        sandbox="dev",
        request_id="r-1",
    )
    assert str(error) == (
        "AEP refused (HTTP 404 FLOW-1439-404): Resource not found - no flow with that id "
        "[GET /data/foundation/flowservice/flows/1, sandbox dev, request id r-1]"
    )


def test_a_hint_closes_the_line() -> None:
    assert str(AepAuthenticationError(status=401)).startswith("AEP refused (HTTP 401). Check login (client id), ")
    assert "Check the sandbox" in str(AepSandboxError(status=404))
    assert str(AepConfigError("No window", hint="Give one")) == "No window. Give one"
    assert str(AepConfigError("No window.", hint="Give one")) == "No window. Give one"
    assert str(AepConfigError("No window.", path="/a")) == "No window [/a]"
    assert str(AepConfigError("No window.")) == "No window."


def test_an_error_without_words_says_its_name() -> None:
    assert str(AepConnectError()) == "AepConnectError"


def test_by_nature() -> None:
    assert AepConfigError.final
    assert not AepConfigError.ambiguous
    assert not AepServerError.final
    assert AepRunPartialError.final
    assert AepAnswerLostError("x", ambiguous=True).ambiguous
    assert not AepAnswerLostError.ambiguous


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\r\n\tb", "a b"),
        ("a\x1b]0;title\x07b", "a ]0;title b"),
        ("\u202eabc\u2066", "abc"),
        ("x" * 20, "x" * 9 + "…"),
        ("\ud800x", "x"),
        (5, "5"),
        ("é ✓", "é ✓"),
    ],
)
def test_a_text_on_one_line(text: object, line: str) -> None:
    assert one_line(text, 10 if text == "x" * 20 else 100) == line
