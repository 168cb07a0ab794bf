"""The troubles of the table, each as rules of a faults file (docs/faults.md); one fifth of all requests that fit are hit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CHANCE = 0.2
ELSEWHERE = "http://127.0.0.2:9"
"""Another host, on which nobody listens."""
Rules = Sequence[Mapping[str, Any]]


def _rules(*faults: Mapping[str, Any] | str, chance: float = CHANCE, **which: Any) -> list[Mapping[str, Any]]:
    """Rules that share a chance."""
    return [{"fault": fault, "chance": chance / len(faults), **which} for fault in faults]


_FAILURES = (500, 502, 503, 504)

FAULTS: dict[str, Rules] = {
    "nothing": [],
    "answer lost after the work": _rules({"kind": "hang_up", "when": "after"}),
    "connection reset before the work": _rules({"kind": "hang_up", "when": "before"}),
    "connection cut in the middle of the answer": _rules(
        {"kind": "hang_up", "when": "middle"}, {"kind": "hang_up", "when": "middle", "by": "close"}
    ),
    "429, with any Retry-After and none": _rules(
        *({"kind": "status", "status": 429, "retry_after": after} for after in (0, 1, -5, "soon", {"date_in": 1})),
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 429, "retry_after": {"date_in": 10**8}},
        {"kind": "status", "status": 429, "retry_after": 10**9},
    ),
    "500, 502, 503, 504 before the work": _rules(*({"kind": "status", "status": each} for each in _FAILURES)),
    "500, 502, 503, 504 after the work": _rules(
        *({"kind": "status", "status": each, "when": "after"} for each in _FAILURES)
    ),
    "slow first byte, slow drip": _rules(
        {"kind": "slow_start", "seconds": 0.3}, {"kind": "drip", "bytes_per_second": 20_000}
    ),
    "no answer ever": _rules({"kind": "never", "when": "before"}, {"kind": "never", "when": "after"}, chance=0.02),
    "JSON that is cut, or of another type": _rules(
        "cut_json", *({"kind": "wrong_json", "to": each} for each in ("list", "object", "text", "number", "none"))
    ),
    "HTML of a gateway, empty bodies": _rules(
        *({"kind": "html", "status": 200, "when": when} for when in ("before", "after")),
        {"kind": "html", "status": 502, "when": "after"},
        *({"kind": "empty", "when": when} for when in ("before", "after")),
    ),
    "lists that lag, or show something twice": _rules(
        {"kind": "lagging_list", "seconds": 0.5}, "duplicate_item", chance=2 * CHANCE
    ),
    "cursors that repeat, or hold = and &": _rules("repeating_cursor", "special_cursor", chance=2 * CHANCE),
    "tokens revoked or expired early": [
        *_rules("token_revoked"),
        *_rules({"kind": "token_expires_early", "seconds": 0.1}),
    ],
    "IMS out of order, tokens revoked": [
        *_rules({"kind": "status", "status": 503}, {"kind": "hang_up", "when": "before"}, chance=0.5, service="ims"),
        *_rules("token_revoked", chance=0.1),
    ],
    "412 by a concurrent edit": _rules("concurrent_edit", chance=0.5),
    "permission withdrawn for a while": _rules("forbidden", chance=0.01, in_a_row=3),
    "redirect to another host": _rules(
        *({"kind": "redirect", "status": each, "to": ELSEWHERE} for each in (301, 302, 307, 308)), chance=0.05
    ),
    "runs stuck or vanished for a while": [
        *_rules({"kind": "run_stuck", "seconds": 0.5}),
        *_rules({"kind": "run_vanished", "seconds": 0.3}),
    ],
    "runs in other words": _rules(
        {"kind": "run_words", "words": {"success": "SUCCESS", "inProgress": "In_Progress", "failed": "Failed"}},
        chance=0.5,
    ),
}
EVERYTHING = "all of them at once"
FAULTS[EVERYTHING] = [
    {**rule, "chance": rule["chance"] / (len(FAULTS) - 1)} for rules in list(FAULTS.values()) for rule in rules
]
