"""Which rule hits what, and how often each has: the state of the faults while the platform serves."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from aep_local.faults import cursors
from aep_local.faults.asked import Asked, asked
from aep_local.faults.exchange import Exchange
from aep_local.faults.rules import Plan, Rule
from aep_local.faults.runs import RunStuck, without_runs

_log = logging.getLogger("aep_local.faults")


@dataclass
class _Counted:
    """A rule and what became of it.

    :param matched: how many requests fitted, or for ``run_stuck`` runs.
    :param injected: how often the fault happened.
    :param begun: how many requests it is at that it may still find nothing to do with.
    :param runs: the runs that it has hit, each with the moment (monotonic seconds) until which.
    :param passed: the runs that it has left alone.
    """

    number: int
    rule: Rule
    matched: int = 0
    injected: int = 0
    begun: int = 0
    runs: dict[str, float] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)

    def draws(self, seed: int) -> bool:
        """Whether the next one that fits is hit."""
        self.matched += 1
        has_room = self.rule.times is None or self.injected + self.begun < self.rule.times
        return self.rule.hits(seed, self.number, self.matched) and has_room

    def hold_run(self, id: str, seconds: float | None) -> None:
        self.runs[id] = float("inf") if seconds is None else time.monotonic() + seconds


class _Hit:
    """A request that a rule has hit: what its fault tells is counted and logged here."""

    def __init__(self, counted: _Counted, asked: Asked, path: str, lock: threading.Lock) -> None:
        self.rule: Final = counted.rule
        self.happened = False
        self._counted = counted
        self._asked = asked
        self._path = path
        self._lock = lock

    def happens(self) -> None:
        with self._lock:
            self._counted.injected += 1
            self._counted.begun -= 1
        self.happened = True
        # never the query, which may hold credentials
        kind = self.rule.fault.kind
        _log.info("rule %d %s %s %r", self._counted.number, kind, self._asked.method, self._path)

    def hide_run(self, id: str, seconds: float | None) -> None:
        with self._lock:
            self._counted.hold_run(id, seconds)

    def end(self) -> None:
        """The request is answered, with or without the fault."""
        if not self.happened:
            with self._lock:
                self._counted.begun -= 1


class Faults:
    """What goes wrong on one platform.

    :param plan: the rules to begin with.
    """

    def __init__(self, plan: Plan) -> None:
        self.token: Final = secrets.token_urlsafe(32)
        """Who knows it may change the rules; it is kept nowhere else."""
        self.stopping: Final = asyncio.Event()
        self._lock = threading.Lock()
        self.replace(plan)

    def replace(self, plan: Plan) -> None:
        """Go by other rules from now on, with nothing counted yet; what is under way ends as it began."""
        with self._lock:
            self._seed = plan.seed
            self._counted = [_Counted(number, rule) for number, rule in enumerate(plan.rules, 1)]

    def report(self) -> dict[str, Any]:
        """The rules in force, and how often each fitted (``matched``) and its fault happened (``injected``)."""
        with self._lock:
            rules = [
                {
                    "number": each.number,
                    "kind": each.rule.fault.kind,
                    "matched": each.matched,
                    "injected": each.injected,
                    "rule": each.rule.model_dump(mode="json", exclude_unset=True),
                }
                for each in self._counted
            ]
            return {"seed": self._seed, "rules": rules}

    def hit(self, asked: Asked, path: str) -> _Hit | None:
        """The rule that hits a request, if any does: the first one of those that do."""
        with self._lock:
            hits = [each for each in self._counted if each.rule.fits(asked) and each.draws(self._seed)]
            if not hits:
                return None
            hits[0].begun += 1
            return _Hit(hits[0], asked, path, self._lock)

    def hidden_runs(self) -> set[str]:
        """The runs that are not to be seen."""
        with self._lock:
            now = time.monotonic()
            vanished = (each.runs for each in self._counted if not isinstance(each.rule.fault, RunStuck))
            return {id for runs in vanished for id, until in runs.items() if until > now}

    def held(self, run_id: str) -> bool:
        """Whether a run that is about to read its rows is to wait; to be asked again and again. Safe in every thread."""
        with self._lock:
            stuck = [each for each in self._counted if isinstance(each.rule.fault, RunStuck)]
            now = time.monotonic()
            holding = [each for each in stuck if self._holds(each, run_id, now)]
            return bool(holding)

    def _holds(self, counted: _Counted, run_id: str, now: float) -> bool:
        fault = counted.rule.fault
        if run_id not in counted.runs and run_id not in counted.passed and isinstance(fault, RunStuck):
            if counted.draws(self._seed):
                counted.injected += 1
                counted.hold_run(run_id, fault.seconds)
                _log.info("rule %d %s %s", counted.number, fault.kind, run_id)
            else:
                counted.passed.add(run_id)
        return counted.runs.get(run_id, now) > now


class Injection:
    """Lets faults happen to requests (an ASGI middleware); what is for no service passes by."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = asked(scope) if scope["type"] == "http" else None
        if request is None:
            await self._app(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        scope = {**scope, "query_string": cursors.understood(query).encode("latin-1")}
        hidden = self._faults.hidden_runs()
        if hidden:
            services = without_runs(scope["app"].state.services, hidden)
            scope["state"] = {**scope["state"], "services": services}
        hit = self._faults.hit(request, scope["path"])
        if hit is None:
            await self._app(scope, receive, send)
            return
        exchange = Exchange(self._app, scope, receive, send, request, query, self._faults.stopping)
        try:
            await hit.rule.fault.inject(exchange, hit)
            if not hit.happened:
                await exchange.go_on()
        finally:
            hit.end()
