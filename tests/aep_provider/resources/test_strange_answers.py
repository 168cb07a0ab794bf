"""An answer of another form than AEP's never counts as "it is not there", nor as "it is not right"."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from aep_provider.errors import AepAnswerError, AepConfigError
from aep_provider.resources import connection, flow_service, mapping_set, run

NO_LIST = [None, {}, "text", 0, True, {"items": []}]
NO_OBJECT = [None, [], "text", 0, {}, {"items": []}, {"items": [{}]}, {"items": [{"id": 5}]}, [{"id": "x"}]]


def answering(body: Any) -> Any:
    """A client to which AEP answers this, whatever it is asked."""
    answer = lambda *_, **__: SimpleNamespace(body=body)  # noqa: E731
    return SimpleNamespace(get=answer, post=answer, patch=answer)


@pytest.mark.parametrize("body", NO_LIST, ids=repr)
def test_tables(body: Any) -> None:
    with pytest.raises(AepAnswerError, match="is not told"):
        connection.tables(answering(body), "c")
    assert connection.tables(answering([]), "c") == []


@pytest.mark.parametrize("body", [None, [], {}, {"schema": {}}, {"schema": {"columns": {}}}], ids=repr)
def test_columns(body: Any) -> None:
    with pytest.raises(AepAnswerError, match="is not told"):
        connection.table_columns(answering(body), "c", "incident")
    assert connection.table_columns(answering({"schema": {"columns": []}}), "c", "incident") == []


@pytest.mark.parametrize("body", [None, [], {}, {"result": "true"}, {"result": None}, [{"result": True}]], ids=repr)
def test_whether_credentials_are_right(body: Any) -> None:
    with pytest.raises(AepAnswerError, match="is not told"):
        connection.test_connection(answering(body), "c")
    with pytest.raises(AepConfigError, match="cannot log in"):
        connection.test_connection(answering({"result": False}), "c")
    connection.test_connection(answering({"result": True}), "c")


@pytest.mark.parametrize("body", NO_OBJECT, ids=repr)
def test_one_object(body: Any) -> None:
    for read in (lambda client: flow_service.read(client, "flows", "f"), lambda client: run.read_run(client, "r")):
        with pytest.raises(AepAnswerError):
            read(answering(body))


@pytest.mark.parametrize("body", [None, [], {}, {"mappings": []}], ids=repr)
def test_a_mapping_set(body: Any) -> None:
    with pytest.raises(AepAnswerError):
        mapping_set.read(answering(body), "m")


@pytest.mark.parametrize("body", NO_OBJECT, ids=repr)
def test_what_may_have_been_made_although_the_answer_does_not_say_so(body: Any) -> None:
    with pytest.raises(AepAnswerError, match="bears no id") as lost:
        flow_service.create(answering(body), "flows", {})
    assert lost.value.ambiguous
