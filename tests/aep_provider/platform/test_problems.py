"""Error bodies of every service, and of none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aep_provider.errors import (
    AepApiError,
    AepAuthenticationError,
    AepConflictError,
    AepInvalidRequestError,
    AepNotFoundError,
    AepPermissionError,
    AepPreconditionError,
    AepSandboxError,
    AepServerError,
    AepThrottledError,
)
from aep_provider.platform.problems import read_problem, refusal

TYPE = "https://ns.adobe.com/aep/errors/"


def refused(status: int, body: Any, **options: Any) -> AepApiError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return refusal(status, raw, method="GET", path="/data/foundation/flowservice/flows", sandbox="stage", **options)


@pytest.mark.parametrize("code", ["403025", 403025])
def test_the_gateway(code: Any) -> None:
    error = refused(403, {"error_code": code, "message": "Profile is not valid"})
    assert isinstance(error, AepPermissionError)
    assert (error.code, error.number, error.detail) == ("403025", 403025, "Profile is not valid")


def test_flow_service() -> None:
    report = {"detailed-message": "No flow with that id", "id": "1", "request-id": "r-1", "type": "flows"}
    body = {"type": f"{TYPE}FLOW-1439-404", "title": "Resource not found", "status": 404, "report": report}
    error = refused(404, {**body, "errorMessage": "other", "errorDetails": "another"})
    assert isinstance(error, AepNotFoundError)
    assert (error.code, error.number, error.title) == ("FLOW-1439-404", 1439, "Resource not found")
    assert (error.detail, error.request_id) == ("No flow with that id", "r-1")


def test_flow_service_of_old() -> None:
    error = refused(412, {"errorMessage": 'Supplied version=["a"]', "errorDetails": "the same"}, request_id="ours")
    assert isinstance(error, AepPreconditionError)
    assert (error.code, error.number, error.detail) == (None, None, 'Supplied version=["a"]')
    assert error.request_id == "ours"


def test_the_schema_registry() -> None:
    report = {"registryRequestId": "r-2", "detailed-message": "Title must be unique", "sub-errors": [{}]}
    body = {"type": "http://ns.adobe.com/aep/errors/XDM-1521-400", "title": "Title", "status": 400, "report": report}
    error = refused(400, {**body, "detail": "less"})
    assert isinstance(error, AepInvalidRequestError)
    assert (error.code, error.number, error.detail) == ("XDM-1521-400", 1521, "Title must be unique")
    assert error.request_id == "r-2"


def test_a_placeholder_is_no_code() -> None:
    body = {
        "type": "/placeholder/type/uri",
        "status": 406,
        "title": "NotAcceptableError",
        "detail": "Accept is missing",
    }
    error = refused(406, body)
    assert isinstance(error, AepInvalidRequestError)
    assert (error.code, error.title, error.detail) == (None, "NotAcceptableError", "Accept is missing")


def test_a_service_that_says_nothing() -> None:
    assert str(refused(500, b"")).startswith("AEP refused (HTTP 500) [GET /data/foundation/flowservice/flows, sandbox")


@pytest.mark.parametrize("wrapper", ["CONNECTOR", "FLOW", "PROVIDER2"])
def test_the_number_is_found_in_any_wrapper(wrapper: str) -> None:
    error = refused(400, {"type": f"{TYPE}{wrapper}-1360-400", "title": "startTime is in the past"})
    assert (error.code, error.number) == (f"{wrapper}-1360-400", 1360)
    assert error.final


def test_the_number_is_found_without_a_wrapper() -> None:
    assert refused(400, {"code": "1360-400"}).number == 1360


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, AepInvalidRequestError),
        (401, AepAuthenticationError),
        (402, AepInvalidRequestError),
        (403, AepPermissionError),
        (404, AepNotFoundError),
        (406, AepInvalidRequestError),
        (408, AepServerError),
        (409, AepConflictError),
        (412, AepPreconditionError),
        (415, AepInvalidRequestError),
        (422, AepInvalidRequestError),
        (429, AepThrottledError),
        (500, AepServerError),
        (503, AepServerError),
        (599, AepServerError),
        (999, AepServerError),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[AepApiError]) -> None:
    assert type(refused(status, {})) is kind


@pytest.mark.parametrize("number", [2100, 2101, 2103, 2105, 2110, 2111])
@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_sandbox_that_is_not_there_is_no_object_that_is_not_there(status: int, number: int) -> None:
    error = refused(status, {"type": f"{TYPE}FLOW-{number}-{status}", "title": "Sandbox not found"})
    assert isinstance(error, AepSandboxError)
    assert "sandbox stage" in str(error)
    assert "Check the sandbox" in str(error)


def test_the_registrys_numbers_are_its_own() -> None:
    assert isinstance(refused(404, {"type": f"{TYPE}XDM-2100-404"}), AepNotFoundError)


def test_a_token_that_flow_service_refuses_with_400() -> None:
    assert isinstance(refused(400, {"type": f"{TYPE}FLOW-2115-400"}), AepAuthenticationError)


def test_words_of_the_source_system_may_pass() -> None:
    assert not refused(400, {"type": f"{TYPE}CONNECTOR-1308-400"}).final


def test_a_long_story_is_cut() -> None:
    error = refused(400, {"message": "x" * 10_000_000, "title": "y" * 1000})
    assert len(error.detail or "") == 500
    assert len(str(error)) < 1500


def test_control_characters_are_removed() -> None:
    error = refused(400, {"message": "a\x1b[31mred\r\nb\x00c\u202ed\u2028e"})
    assert error.detail == "a [31mred b c d e"


@pytest.mark.parametrize("text", ["is p8e-s/cret.", "is p8e-s%2Fcret.", "is eyJhbGciOi.eyJzdWIi.sig-_x"])
def test_secrets_are_removed(text: str) -> None:
    error = refused(400, {"message": text, "title": text}, hidden=("p8e-s/cret", ""))
    assert "***" in str(error)
    assert "cret" not in str(error)
    assert "eyJ" not in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        b"<html>",
        b"null",
        b'"text"',
        b"[1]",
        b'{"type": 5, "title": [], "status": "x", "report": "none", "errorMessage": {}, "message": null}',
        b'{"report": {"detailed-message": ["a"], "request-id": {"b": 1}}}',
        b'{"error_code": 1e400, "message": NaN}',
        b'{"error_code": ' + b"9" * 5000 + b"}",
        b'{"error_code": true}',
        b'{"type": "https://ns.adobe.com/aep/errors/FLOW-' + b"1" * 5000 + b'-400"}',
        '{"error_code": "٤٠٣"}'.encode(),
    ],
)
def test_a_hostile_body_is_still_one_of_our_errors(body: bytes) -> None:
    error = refused(400, body)
    assert isinstance(error, AepInvalidRequestError)
    assert error.number is None
    assert str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "title", "report", "detailed-message", "request-id", "error_code", "message", "error"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_document_is_read(document: Any) -> None:
    problem = read_problem(json.dumps(document).encode())
    for value in (problem.code, problem.title, problem.detail, problem.request_id):
        assert value is None or isinstance(value, str)
    assert "\n" not in str(refused(418, document))


@given(st.binary(max_size=200))
def test_any_bytes_are_read(body: bytes) -> None:
    assert isinstance(refused(500, body), AepServerError)
