"""An example of a faults file: every kind of fault, and none that a careful caller could not outlive."""

from __future__ import annotations

from typing import Final

MIX: Final = """\
# The mix: about every fifth request meets a fault, and every kind of fault is among them. A caller that looks before it
# tries again outlives it: what would last for ever has "times", and what lasts for a while is over in seconds.
#
#   aep-local faults > faults.yaml
#   aep-local serve --tables tables --state state --faults faults.yaml
#
# Another seed hits other requests. All seconds are real ones.
seed: 1
rules:
  # What was asked for is done, and then the connection is reset: nobody is told. Once more with an orderly end.
  - {writes: true, chance: 0.02, fault: {kind: hang_up, when: after, by: reset}}
  - {writes: true, chance: 0.01, fault: {kind: hang_up, when: after, by: close}}
  # It is done, and the answer says that it failed.
  - {writes: true, chance: 0.01, fault: {kind: status, status: 500, when: after}}
  - {writes: true, chance: 0.01, fault: {kind: status, status: 504, when: after}}
  # Nothing is done, neither by a request that writes nor by one that looks.
  - {chance: 0.01, fault: {kind: hang_up, when: before, by: reset}}
  - {chance: 0.005, fault: {kind: hang_up, when: before, by: close}}
  - {chance: 0.01, fault: {kind: status, status: 500, when: before}}
  - {chance: 0.01, fault: {kind: status, status: 502, when: before}}
  - {chance: 0.01, fault: {kind: status, status: 503, when: before, retry_after: 1}}
  # The answer breaks off: by a reset, and with a body that is shorter than its Content-Length.
  - {chance: 0.01, fault: {kind: hang_up, when: middle, by: reset}}
  - {chance: 0.01, fault: {kind: hang_up, when: middle, by: close}}
  # Too many requests: wait a second, until a date, or as long as you like.
  - {chance: 0.01, fault: {kind: status, status: 429, retry_after: 1}}
  - {chance: 0.005, fault: {kind: status, status: 429, retry_after: {date_in: 1}}}
  - {chance: 0.005, fault: {kind: status, status: 429}}
  # Too many requests, with a Retry-After that nobody can mean.
  - {chance: 0.002, fault: {kind: status, status: 429, retry_after: -5}}
  - {chance: 0.002, fault: {kind: status, status: 429, retry_after: soon}}
  - {chance: 0.002, fault: {kind: status, status: 429, retry_after: {date_in: -86400}}}
  - {chance: 0.002, times: 2, fault: {kind: status, status: 429, retry_after: 1000000000}}
  - {chance: 0.002, times: 2, fault: {kind: status, status: 429, retry_after: {date_in: 1000000000}}}
  # Answers that are late, slow, or never come.
  - {chance: 0.005, fault: {kind: slow_start, seconds: 0.5, when: after}}
  - {chance: 0.005, fault: {kind: slow_start, seconds: 0.5, when: before}}
  - {chance: 0.01, fault: {kind: drip, bytes_per_second: 2000}}
  - {chance: 0.005, times: 1, fault: {kind: never, when: after}}
  - {chance: 0.005, times: 1, fault: {kind: never, when: before}}
  # Answers with a good status and a body that is none.
  - {chance: 0.01, fault: cut_json}
  - {chance: 0.003, fault: {kind: wrong_json, to: list}}
  - {chance: 0.002, fault: {kind: wrong_json, to: text}}
  - {chance: 0.002, fault: {kind: wrong_json, to: number}}
  - {chance: 0.003, fault: {kind: wrong_json, to: none}}
  - {chance: 0.1, service: catalog, writes: true, fault: {kind: wrong_json, to: object}}
  - {chance: 0.005, fault: {kind: empty, when: after}}
  # Pages of a gateway, where an answer should be.
  - {chance: 0.005, fault: {kind: html, status: 200, when: after}}
  - {chance: 0.005, fault: {kind: html, status: 502, when: before}}
  # A redirect to a host that has no business with it.
  - {chance: 0.003, times: 3, fault: {kind: redirect, status: 307, to: "https://elsewhere.invalid"}}
  # A permission is withdrawn for a while.
  - {chance: 0.003, in_a_row: 2, times: 4, fault: forbidden}
  # A token that is worth nothing before its time, and one whose time is shorter than was said.
  - {chance: 0.005, fault: token_revoked}
  - {chance: 0.1, fault: {kind: token_expires_early, seconds: 3}}
  # The identity service is down for two requests.
  - {service: ims, chance: 0.05, in_a_row: 2, times: 6, fault: {kind: status, status: 503}}
  - {service: ims, chance: 0.05, times: 3, fault: {kind: hang_up, when: before}}
  # Lists: something twice, something not there yet, a cursor with "=" and "&", a page that leads to itself.
  - {chance: 0.02, fault: duplicate_item}
  - {chance: 0.01, fault: {kind: lagging_list, seconds: 1}}
  - {chance: 0.1, fault: special_cursor}
  - {chance: 0.02, times: 2, fault: repeating_cursor}
  # Somebody else edits an object just before it is changed: 412.
  - {chance: 0.1, fault: concurrent_edit}
  # Runs: one of ten is stuck for a while, some cannot be found for a moment, some say it in other words.
  - {chance: 0.1, fault: {kind: run_stuck, seconds: 3}}
  - {chance: 0.02, times: 3, fault: {kind: run_vanished, seconds: 1}}
  - {chance: 0.05, fault: {kind: run_words, words: {inProgress: IN_PROGRESS, success: Completed, failed: FAILED}}}
  - {service: flowservice, path: "/runs**", chance: 0.05, fault: {kind: switches, set: {run_statuses: capitalised}}}
"""
"""What ``aep-local faults`` prints."""
