"""What AEP's errors within a flow run usually mean, and what to do next.

AEP's own words for them name the step that failed and seldom the reason. Codes are matched by their numeric tail, for what
stands before it is not certain; but where two of AEP's catalogues use one number for two things, the status or the word
before it must tell them apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Advice:
    """One sentence each."""

    meaning: str
    """What the error usually means."""
    remedy: str
    """What to do next."""


def advice(code: str, message: str = "") -> Advice | None:
    """
    Return what an error of a run usually means, None where that is not known.

    :param code: as AEP writes it: ``CONNECTOR-1001-500``, ``1308-400``, ``133``, or a URL that ends so.
    :param message: AEP's words, which may tell apart what the code does not. The source's own may follow.
    """
    parts = _CODE.fullmatch(code.strip()[-_LONGEST_CODE:].rpartition("/")[2].upper())
    if not parts:
        return None
    word, number, status = parts["word"] or "", int(parts["number"]), parts["status"]
    known = next((one for one in _KNOWN if one.fits(word, number, status)), None)
    if not known:
        return None
    words = message[:_READ]
    return next((better for tells, better in known.told_by_message if tells.search(words)), known.advice)


_LONGEST_CODE: Final = 100
_READ: Final = 4000
"""Characters of a message that are looked at."""
_CODE: Final = re.compile(r"(?:(?P<word>[A-Z][A-Z0-9_]*)-)?(?P<number>[0-9]{1,6})(?:-(?P<status>[0-9]{3}))?", re.ASCII)

_COPY = Advice(
    "AEP could not copy the rows from the source system, so none of this window has landed.",
    "Test the base connection and look at the source system at the time of the run; if both are well, run the window "
    "again.",
)
_SOURCE = Advice(
    "The source system answered with an error of its own, which AEP passes on.",
    "Look up the source's own words, which the message quotes, mend it there, and run the window again.",
)
_CREDENTIALS = Advice(
    "The source system refuses the credentials of the base connection: they were changed, have expired or are locked.",
    "Sign in to the source with them by hand, renew them if that fails, give them to the base connection, test it, "
    "and run the window again.",
)
_SOURCE_RIGHTS = Advice(
    "The account of the base connection may not read this table, or some of its columns, in the source system.",
    "Have the source's administrator grant it reading rights on the table and on every mapped column, then run the "
    "window again.",
)
_NO_TABLE = Advice(
    "The source system has no table of that name any more, or hides it from the account of the base connection.",
    "List the tables of the base connection: bring the table or the right to see it back, or make a new dataflow if "
    "it has another name now.",
)
_NO_COLUMN = Advice(
    "A column that the dataflow reads is gone from the source's table, or has another name.",
    "Compare the columns of the table with those of the source connection: bring the column back, or make a new "
    "dataflow without it.",
)
_LIMIT = Advice(
    "The source system's limit of requests is used up, so it turned AEP away.",
    "Run the window again once the limit has been reset; if it comes back, start fewer dataflows at the same time or "
    "ask for a higher limit.",
)
_CERTIFICATE = Advice(
    "AEP and the source system could not agree on an encrypted connection, most often because of the source's "
    "certificate.",
    "Check that certificate's date, name and chain, have the source's administrator renew it, then run the window "
    "again.",
)
_NETWORK = Advice(
    "AEP could not reach the source system over the network.",
    "Check that the host in the base connection is right and up and that its firewall lets in Adobe's addresses of "
    "your region, then run the window again.",
)
_SLOW = Advice(
    "The source system did not answer in time, as a rule because the window holds many rows or the source is busy.",
    "Run the window again at a quieter hour; if that fails too, take smaller windows or have the delta column indexed.",
)
_DATES = Advice(
    "AEP cannot read the dates of the delta column in the way that the flow describes them.",
    "Compare the delta column's format and time zone in the flow with what the source holds, then make the flow anew "
    "with the right ones.",
)
_FILTER = Advice(
    "The row filter of the source connection does not fit the table.",
    "Compare the filter's columns and values with the table, and make a new source connection and flow with a right "
    "one.",
)
_UNFIT = Advice(
    "AEP copied the rows but could not parse, convert or validate them.",
    "Look at the rejected rows and the other errors of this run, mend the values at the source or the mapping, and "
    "run the window again only if the whole run failed.",
)
_REJECTED = Advice(
    "AEP counted rejected rows, and fails the whole run where their share reaches the flow's threshold.",
    "Mend the values or the mapping as the rejected rows tell, and run the window again only if the whole run failed, "
    "for otherwise the other rows would land twice.",
)
_UNMAPPED = Advice(
    "The mapping set, schema or dataset that the flow uses are gone.",
    "Provision the dataflow again so that what is missing is made anew, then run the window again.",
)
_NO_BATCH = Advice(
    "AEP could not make the batch in which the rows should have landed.",
    "Check that the dataset is there and that the technical account may write to it, then run the window again.",
)
_NO_DATASET = Advice(
    "The dataset is gone, so the rows had nowhere to land.",
    "Find out who deleted it, provision the dataflow again so that it is made anew, and load again every window that "
    "it should hold.",
)
_DATASET_RIGHTS = Advice(
    "The technical account may not write to the dataset.",
    "Give it the permission to manage datasets in this sandbox (Adobe Admin Console), then run the window again.",
)
_SOME_ROWS = Advice(
    "Rows were rejected; the message says how many of them, and how many landed.",
    "Mend the values or the mapping as the rejected rows tell, and run the window again only if the whole run failed, "
    "for otherwise the other rows would land twice.",
)
_NO_DIAGNOSTICS = Advice(
    "Rows were rejected and AEP kept none of them, because error diagnostics are off for this flow.",
    "Switch errorDiagnosticsEnabled on in the flow's options, so that the next run tells which rows it rejects and "
    "why.",
)
_CORRUPT = Advice(
    "Rows could not be read at all, for example because of broken quotes, line breaks or characters.",
    "Look these rows up at the source and mend them there, and run the window again only if the whole run failed.",
)
_REQUIRED = Advice(
    "A field that the schema demands has no value in these rows.",
    "Fill the column at the source or give the mapping a default for it, and run the window again only if the whole "
    "run failed.",
)
_MAPPING = Advice(
    "The mapping could not turn some values into what the target fields hold, such as text into a number or a date.",
    "See which columns the rejected rows name, convert them in the mapping or mend them at the source, and run the "
    "window again only if the whole run failed.",
)
_NO_FILE = Advice(
    "No file reached the batch, as a rule because the copy found no row in this window.",
    "See whether the source has rows in this window: if it has none then nothing is lost, otherwise look at the copy "
    "activity and the delta column, and run the window again.",
)
_INSIDE = Advice(
    "Something failed inside AEP, and not in your data or your settings.",
    "Run the window again, and if it fails once more give Adobe's support the ids of run and request.",
)
_BUSY = Advice(
    "A service of AEP was not available or did not answer in time.",
    "Run the window again in a quarter of an hour, and look at status.adobe.com if that fails too.",
)
_LOCKED_OUT = Advice(
    "AEP does not let the account that the flow runs under into this organisation.",
    "Check that the technical account still exists and belongs to the organisation (Adobe Developer Console), then "
    "run the window again.",
)
_RIGHTS = Advice(
    "The account that the flow runs under lacks a permission in this sandbox.",
    "Give the technical account the permissions for sources and datasets in this sandbox (Adobe Admin Console), then "
    "run the window again.",
)
_GONE = Advice(
    "Something that the flow refers to is not there any more.",
    "Compare the flow's source connection, target connection, mapping set and dataset with what exists, and provision "
    "the dataflow again.",
)
_FORMAT = Advice(
    "The source connection's data format is not one that this source can be read in.",
    "Make a new source connection and flow with the format tabular.",
)


def _when(words: str, told: Advice) -> tuple[re.Pattern[str], Advice]:
    return re.compile(words, re.IGNORECASE), told


# The first that fits counts. What says more stands first: "connection timed out" is a matter of the network.
_AT_SOURCE: Final = (
    _when(
        r"\b401\b|credential|password|unauthori[sz]ed|authenticat|log(in|on) failed|invalid_(grant|client|login)"
        r"|(access|refresh|session)[ /\w]{0,20} (token|id)[^.]{0,20} (expired|invalid)|locked out",
        _CREDENTIALS,
    ),
    _when(r"\b403\b|forbidden|permission|privilege|access (is |was )?denied|insufficient[_ ]access", _SOURCE_RIGHTS),
    _when(
        r"\bno such column|(unknown|invalid) column|INVALID_FIELD|no column (named|of)"
        r"|\bcolumn [^.;]{0,80}(not found|does(n.t| not) exist|not exist)",
        _NO_COLUMN,
    ),
    _when(
        r"\bno such table|(unknown|invalid) (table|object)|INVALID_TYPE|ORA-00942|no columns were found"
        r"|\b(table|object|entity|view) [^.;]{0,80}(not found|does(n.t| not) exist|not exist|is not supported)",
        _NO_TABLE,
    ),
    _when(
        r"\b429\b|too many requests|rate[ -]?limit|REQUEST_LIMIT|throttl|quota|limits? (was |is |were )?exceeded",
        _LIMIT,
    ),
    _when(r"certificate|certification|\bPKIX\b|handshake|\b(SSL|TLS)\b", _CERTIFICATE),
    _when(
        r"network|unreachable|unknown ?host|\bDNS\b|socket|firewall|\bhost (has|did|could|is)\b"
        r"|name or service|connection [^.;]{0,30}(failed|refused|reset|closed|timed out|abort)"
        r"|could(n.t| not) (connect|reach|resolve)|fail(ed|s) to (connect|reach|resolve)",
        _NETWORK,
    ),
    _when(r"time[ -]?zone|date ?format|(parse|convert)\w* [^.;]{0,40}(date|time\b|timestamp)", _DATES),
    _when(r"tim(ed?|ing)[ -]?out|deadline|took too long", _SLOW),
)
_IN_AEP: Final = (
    _when(r"\b(mapping|schema|dataset)\b[^.;]{0,80}(not found|not exist|does(n.t| not) exist|gone|deleted)", _UNMAPPED),
    _when(r"threshold|rows? (were |was |are )?rejected|error rate", _REJECTED),
)
_ON_LANDING: Final = (
    _when(r"\bdata ?set\b[^.;]{0,80}(not found|not exist|does(n.t| not) exist|gone|deleted)", _NO_DATASET),
    _when(r"\b403\b|forbidden|permission|denied", _DATASET_RIGHTS),
)


@dataclass(frozen=True)
class _Known:
    numbers: tuple[int, ...]
    advice: Advice
    status: str | None = None
    """Where the number means something else with another status."""
    word: str | None = None
    """Where the number means something else after another word; empty for a number that stands alone."""
    told_by_message: tuple[tuple[re.Pattern[str], Advice], ...] = ()

    def fits(self, word: str, number: int, status: str | None) -> bool:
        return (
            number in self.numbers
            and (self.status is None or self.status == status)
            and (self.word is None or (self.word == word and (word != "" or status is None)))
        )


_KNOWN: Final = (
    # Of the run and its activities.
    _Known((1001,), _COPY, status="500", told_by_message=_AT_SOURCE),
    _Known((2001,), _UNFIT, status="500", told_by_message=_IN_AEP),
    _Known((3001,), _NO_BATCH, status="500", told_by_message=_ON_LANDING),
    # What copies the rows beneath AEP numbers a failed copy so; after FLOW- it is a failed look at Catalog.
    _Known((2200,), _COPY, word="", told_by_message=_AT_SOURCE),
    _Known((1212,), _SOME_ROWS),
    _Known((1211,), _NO_DIAGNOSTICS),
    _Known((1401,), _CORRUPT, word="INGEST"),
    _Known((1555,), _REQUIRED),
    _Known((3700,), _MAPPING),
    _Known((133,), _NO_FILE),
    # Of the connectors, which a run may wrap.
    _Known((1308,), _SOURCE, told_by_message=_AT_SOURCE),
    _Known((1330,), _NO_TABLE),
    _Known((1327,), _FORMAT),
    _Known((1340,), _DATES),
    _Known((*range(1349, 1358), 1377, 1378, 1379, 1389, 1390), _FILTER),
    # Sources and Flow Service count differently here, so the status is part of the number.
    _Known((1005, 1101, 1102, 1400, 1402, 1601, 2200, 2250), _INSIDE, status="500"),
    _Known((1006,), _BUSY, status="408"),
    _Known((1011, 1103, 1603), _BUSY, status="503"),
    _Known((1012, 1104, 1604), _BUSY, status="504"),
    _Known((1001, 1008, 1105, 1605), _LOCKED_OUT, status="401"),
    _Known((1002, 1106, 1606, 2118, 2120, 2121), _RIGHTS, status="403"),
    _Known((1003, 1101, 1102, 1439, 1602), _GONE, status="404"),
)
