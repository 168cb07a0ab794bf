"""
One snapshot of each sandbox in the API server's memory, served at once and made anew in the background.

Nobody who opens the page waits for AEP, and however many do, one thread reads. Where nobody looks, nothing is read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, Final, Protocol

from airflow.sdk.exceptions import AirflowException

from aep_provider.dataflows.spec import DataflowSpec
from aep_provider.errors import AepError
from aep_provider.operators.windows import configured_edges
from aep_provider.resources.window import Edges
from aep_provider.ui.declared import Declared
from aep_provider.ui.due_windows import DueWindows
from aep_provider.ui.places import Place
from aep_provider.ui.reading import Reading
from aep_provider.ui.rows import Dataflow, Judge, Row, dataflows_of
from aep_provider.ui.seen_run import SeenRun
from aep_provider.ui.trouble import Trouble, trouble_of

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient

log = logging.getLogger(__name__)

FRESH_SECONDS: Final = 60.0
"""A snapshot that is younger is not made anew."""
AFTER_TROUBLE: Final = 30.0
"""AEP is asked again only so long after an error: a wrong secret must not be tried with every look."""
_BREATH: Final = 0.001
_JUDGED_AT_ONCE: Final = 10
"""Dataflows, after which whoever waits for the interpreter gets it: the API server has other things to do."""
KEPT_UNSEEN: Final = 3600.0
"""A snapshot that nobody has looked at for so long is let go."""


class Hook(Protocol):
    """What is used of :class:`~aep_provider.hooks.aep.AepHook`."""

    @property
    def settings(self) -> Any: ...
    @property
    def client(self) -> AepClient: ...


OpenHook = Callable[[Place], AbstractContextManager[Hook]]


@dataclass(frozen=True)
class Address:
    """Where in AEP the objects are, for links to them."""

    sandbox: str = ""
    ims_org_id: str = ""


@dataclass(frozen=True)
class Snapshot:
    """
    A sandbox as it was at one moment. Nothing in it changes.

    :param read_at: epoch seconds, None before anything was read.
    :param known_since: since when runs are known, epoch seconds.
    :param is_whole: whether that is as far back as it will be.
    :param trouble: why the last reading failed.
    """

    place: Place
    address: Address = Address()
    rows: tuple[Row, ...] = ()
    flows: Mapping[str, Mapping[str, Any]] | None = None
    by_flow: Mapping[str, tuple[SeenRun, ...]] | None = None
    specs: Mapping[str, DataflowSpec] | None = None
    edges: Edges = Edges.START_INCLUSIVE
    read_at: float | None = None
    known_since: int = 0
    is_whole: bool = False
    is_cut: bool = False
    is_reading: bool = False
    notes: tuple[str, ...] = ()
    trouble: Trouble | None = None

    def dataflow(self, name: str) -> Dataflow | None:
        """Return a dataflow by name."""
        specs = {name: self.specs[name]} if self.specs and name in self.specs else {}
        found = dataflows_of((self.flows or {}).values(), self.by_flow or {}, specs)
        return next((each for each in found if each.name == name), None)


class Snapshots:
    """
    The snapshots of all sandboxes that somebody looks at.

    :param open_hook: makes the hook of a sandbox.
    :param declared: reads the files of dataflows.
    :param start: runs something in the background.
    """

    def __init__(
        self,
        open_hook: OpenHook,
        declared: Callable[[], Declared],
        *,
        days: int = 30,
        clock: Callable[[], float] = time.time,
        start: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._open_hook = open_hook
        self._declared = declared
        self._days = days
        self._clock = clock
        self._start = start or _in_a_thread
        self._lock = threading.Lock()
        self._kept: dict[Place, _Kept] = {}

    def get(self, place: Place) -> Snapshot:
        """Return what is known now, and see to it that more will be. Never waits and never raises."""
        now = self._clock()
        with self._lock:
            self._let_go(now)
            kept = self._kept.setdefault(place, _Kept(Snapshot(place), Reading(self._days), DueWindows()))
            kept.seen_at = now
            starts = not kept.is_reading and now >= kept.next_at
            if starts:
                kept.is_reading = True
        if starts:
            self._start(lambda: self._refresh(place, kept))
        return replace(kept.snapshot, is_reading=kept.is_reading)

    def _let_go(self, now: float) -> None:
        for place, kept in list(self._kept.items()):
            if not kept.is_reading and now - kept.seen_at > KEPT_UNSEEN:
                del self._kept[place]

    def _refresh(self, place: Place, kept: _Kept) -> None:
        wait = AFTER_TROUBLE
        try:
            self._read(place, kept)
            wait = FRESH_SECONDS
        except (AepError, AirflowException) as error:
            kept.snapshot = replace(kept.snapshot, trouble=trouble_of(error, place, self._clock()))
        except Exception as error:
            # Neither its words nor what its frames hold: of an error that nobody thought of, either may be a secret.
            where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(extract_tb(error.__traceback__)))
            log.error("The page of dataflows could not read %s: %s in %s", place.label, type(error).__name__, where)
            kept.snapshot = replace(kept.snapshot, trouble=trouble_of(error, place, self._clock()))
        finally:
            kept.next_at = self._clock() + wait
            kept.is_reading = False

    def _read(self, place: Place, kept: _Kept) -> None:
        declared, edges = self._declared(), configured_edges()
        with self._open_hook(place) as hook:
            settings = hook.settings
            address = Address(settings.sandbox, settings.ims_org_id)
            specs = declared.of(place.conn_id, address.sandbox)
            for _ in kept.reading.read(hook.client, self._clock()):
                kept.publish(address, specs, edges, declared.notes, self._clock())
        kept.snapshot = replace(kept.snapshot, trouble=None)


@dataclass
class _Kept:
    snapshot: Snapshot
    reading: Reading
    due: DueWindows
    is_reading: bool = False
    next_at: float = 0
    seen_at: float = 0

    def publish(
        self, address: Address, specs: Mapping[str, DataflowSpec], edges: Edges, notes: tuple[str, ...], now: float
    ) -> None:
        """Judge what has changed, and show it."""
        reading, before = self.reading, self.snapshot
        since = reading.known_since // 1000
        judge = Judge(now, since, edges, self.due)
        old = {row.name: row for row in before.rows}
        same = before.is_whole and before.edges == edges
        rows = []
        for count, dataflow in enumerate(dataflows_of(reading.flows.values(), reading.by_flow, specs)):
            if count % _JUDGED_AT_ONCE == 0:
                time.sleep(_BREATH)
            row = old.get(dataflow.name)
            known = before.specs or {}
            fresh = (
                same
                and row is not None
                and now < row.valid_until
                and known.get(dataflow.name) == dataflow.spec
                and not any(str(flow.get("id")) in reading.changed for flow in dataflow.flows)
            )
            rows.append(row if fresh and row is not None else judge.row(dataflow))
        reading.changed = set()
        self.snapshot = replace(
            before,
            address=address,
            rows=tuple(rows),
            flows=reading.flows,
            by_flow=reading.by_flow,
            specs=specs,
            edges=edges,
            read_at=now,
            known_since=since,
            is_whole=reading.is_whole,
            is_cut=reading.is_cut,
            notes=(*notes, *reading.notes),
        )


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="aep-page", daemon=True).start()
