"""What a run's error usually means, and what to do about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aep_provider.resources import run_causes
from aep_provider.resources.run_causes import Advice, advice

NOT_OURS = ("airflow", "dag", "task", "operator", "xcom", "hook")


def told(code: str, message: str = "") -> Advice:
    found = advice(code, message)
    assert found is not None, code
    return found


@pytest.mark.parametrize(
    ("code", "means"),
    [
        ("CONNECTOR-1001-500", "could not copy the rows"),
        ("CONNECTOR-2001-500", "could not parse, convert or validate"),
        ("CONNECTOR-3001-500", "could not make the batch"),
        ("INGEST-1212-400", "Rows were rejected"),
        ("INGEST-1211-400", "kept none of them"),
        ("INGEST-1401-400", "could not be read at all"),
        ("INGEST-1555-400", "demands has no value"),
        ("MAPPER-3700-400", "mapping could not turn"),
        ("133", "No file"),
        ("1308", "source system answered with an error"),
        ("1330", "no table of that name"),
        ("2200", "could not copy the rows"),
    ],
)
def test_the_codes_of_runs(code: str, means: str) -> None:
    assert means in told(code).meaning


@pytest.mark.parametrize(
    ("code", "same_as"),
    [
        ("FLOW-1308-400", "1308"),
        ("CONNECTOR-1308-400", "1308"),
        ("1308-400", "1308"),
        ("https://ns.adobe.com/aep/errors/CONNECTOR-1308-400", "1308"),
        ("PROVIDER-2001-500", "CONNECTOR-2001-500"),
        ("connector-1001-500", "CONNECTOR-1001-500"),
        (" CONNECTOR-1001-500 ", "CONNECTOR-1001-500"),
        ("BATCH-133-400", "133"),
        ("3700", "MAPPER-3700-400"),
        ("FLOW-1011-503", "CONNECTOR-1104-504"),
    ],
)
def test_the_numeric_tail_counts_whatever_wraps_it(code: str, same_as: str) -> None:
    assert told(code) == told(same_as)


@pytest.mark.parametrize(
    ("code", "not_as"),
    [
        ("CONNECTOR-1001-401", "CONNECTOR-1001-500"),  # the sources' catalogue: not allowed in
        ("FLOW-2001-401", "CONNECTOR-2001-500"),  # Flow Service: the organisation's header is missing
        ("FLOW-1401-400", "INGEST-1401-400"),  # Flow Service: limit and count together
        ("CONNECTOR-1401-400", "INGEST-1401-400"),  # the sources' catalogue: an action that does not exist
        ("1401", "INGEST-1401-400"),
        ("FLOW-2200-500", "2200"),  # Flow Service: Catalog did not answer
        ("FLOW-1101-404", "CONNECTOR-1101-500"),
        ("CONNECTOR-1102-404", "FLOW-1102-500"),
    ],
)
def test_a_number_that_the_catalogues_use_twice_is_never_taken_for_the_other(code: str, not_as: str) -> None:
    assert told(not_as) is not None
    assert advice(code) != told(not_as)


@pytest.mark.parametrize(
    "code",
    ["", "?", "1001", "2001", "3001", "1401", "CONNECTOR-9999-500", "FLOW-1401-400", "FLOW-2001-401", "-", "500",
     "13300", "0", "CONNECTOR-1001-418", "CONNECTOR", "1001-", "MAPPER-", "x" * 10**6, "9" * 5000, "١٣٣", "133\n133"],
)  # fmt: skip
def test_of_unknown_codes_nothing_is_invented(code: str) -> None:
    assert advice(code, "password timeout network") is None


@pytest.mark.parametrize("code", ["CONNECTOR-1001-500", "1308", "2200"])
@pytest.mark.parametrize(
    ("message", "means"),
    [
        ("the source refused the connection: its credentials are not right", "credentials"),
        ("INVALID_LOGIN: Invalid username, password, security token; or user locked out.", "credentials"),
        ("Login failed for user 'x'", "credentials"),
        ("HTTP 401 Unauthorized", "credentials"),
        ("invalid_grant: expired access/refresh token", "credentials"),
        ("403 Forbidden", "may not read"),
        ("INSUFFICIENT_ACCESS: insufficient privileges on object", "may not read"),
        ("the source has no such table", "no table of that name"),
        ("ORA-00942: table or view does not exist", "no table of that name"),
        ("INVALID_TYPE: sObject type 'Cased' is not supported.", "no table of that name"),
        ("Invalid object name 'dbo.incident'", "no table of that name"),
        ("INVALID_FIELD: No such column 'Foo__c' on entity 'Case'", "column"),
        ("Unknown column 'foo' in 'field list'", "column"),
        ("the table has no column named opened", "column"),
        ("REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded.", "limit of requests"),
        ("429 Too Many Requests", "limit of requests"),
        ("A connection attempt failed because the connected party did not properly respond after a period of time, or "
         "established connection failed because connected host has failed to respond", "could not reach"),
        ("ErrorCode=SftpNetworkIssue, SocketErrorCode: 'TimedOut'", "could not reach"),
        ("java.net.UnknownHostException: dev1.example", "could not reach"),
        ("connection timed out", "could not reach"),
        ("PKIX path building failed: unable to find valid certification path", "certificate"),
        ("SSL handshake failed", "certificate"),
        ("The operation timed out while reading rows", "did not answer in time"),
        ("Query execution exceeded the deadline", "did not answer in time"),
        ("the delta column's timezone is not served here, only UTC is", "dates of the delta column"),
    ],
)  # fmt: skip
def test_the_message_tells_why_the_source_could_not_be_read(code: str, message: str, means: str) -> None:
    assert means in told(code, message).meaning
    assert told(code, message) != told(code)
    assert told(code, message.upper()) == told(code, message)


@pytest.mark.parametrize(
    ("code", "message", "means"),
    [
        ("CONNECTOR-2001-500", "the mapping set does not exist any more", "are gone"),
        ("CONNECTOR-2001-500", "the schema does not exist any more", "are gone"),
        ("CONNECTOR-2001-500", "4 of 5 rows were rejected; the threshold is 5 percent", "rejected rows"),
        ("CONNECTOR-2001-500", "Error occurred at promotion activity.", "could not parse, convert or validate"),
        ("CONNECTOR-3001-500", "the dataset does not exist any more", "dataset is gone"),
        ("CONNECTOR-3001-500", "403 Forbidden", "may not write"),
    ],
)
def test_the_message_tells_what_went_wrong_within_aep(code: str, message: str, means: str) -> None:
    assert means in told(code, message).meaning


@pytest.mark.parametrize("code", ["CONNECTOR-2001-500", "INGEST-1212-400", "MAPPER-3700-400", "INGEST-1555-400"])
def test_nobody_is_told_to_load_rows_twice(code: str) -> None:
    """Of a run that landed in part, the other rows are in the dataset."""
    assert "only if the whole run failed" in told(code).remedy


def test_every_piece_of_advice_is_two_plain_sentences() -> None:
    everything = [each for each in vars(run_causes).values() if isinstance(each, Advice)]
    assert len(everything) > 20
    for each in everything:
        for sentence in (each.meaning, each.remedy):
            assert sentence.endswith(".")
            assert sentence.count(". ") == 0, sentence
            assert sentence[0].isupper()
            assert len(sentence) <= 300, sentence
            assert not any(word in sentence.lower().split() for word in NOT_OURS), sentence


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_gives_advice_or_none(code: str, message: str) -> None:
    assert advice(code, message) is None or isinstance(advice(code, message), Advice)


def test_a_long_message_takes_no_time() -> None:
    for text in ("a" * 10**6, "connection " * 10**5, "table " * 10**5, " " * 10**6, "no such " * 10**5):
        assert told("CONNECTOR-1001-500", text)
