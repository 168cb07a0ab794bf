"""The chains of objects of the dataflows that somebody looked at: read in the background, and kept for a while."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from airflow.sdk.exceptions import AirflowException

from aep_provider.errors import AepError, one_line
from aep_provider.resources.flow_chain import Part, read_chain, told_by
from aep_provider.ui.places import Place
from aep_provider.ui.snapshots import OpenHook

MOST: Final = 200
KEPT_SECONDS: Final = 600.0
_AFTER_TROUBLE: Final = 30.0
_PATIENCE: Final = 0.05
"""Seconds that a page waits for it, off the event loop."""


@dataclass(frozen=True)
class Chain:
    """
    The objects of a dataflow.

    :param flaw: why most of it is not known; empty where it is, or is being read.
    """

    parts: list[Part]
    is_reading: bool = False
    flaw: str = ""


class Chains:
    """
    :param open_hook: makes the hook of a sandbox.
    :param patience: how many seconds a page waits for a chain.
    """

    def __init__(
        self, open_hook: OpenHook, clock: Callable[[], float] = time.monotonic, patience: float = _PATIENCE
    ) -> None:
        self._open_hook = open_hook
        self._patience = patience
        self._clock = clock
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="aep-page-chain")
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Place, str], tuple[float, object, Future[list[Part]]]] = OrderedDict()

    def get(self, place: Place, flow: Mapping[str, Any]) -> Chain:
        """Return the chain of a flow, or as much of it as the flow's own document tells. Never raises."""
        future = self._reading(place, flow)
        try:
            return Chain(future.result(self._patience))
        except TimeoutError:
            return Chain(told_by(flow), is_reading=True)
        except (AepError, AirflowException) as error:
            return Chain(told_by(flow), flaw=one_line(error, 300))
        except Exception as error:
            return Chain(told_by(flow), flaw=type(error).__name__)

    def close(self) -> None:
        """Let its threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _reading(self, place: Place, flow: Mapping[str, Any]) -> Future[list[Part]]:
        key, now = (place, str(flow.get("id"))), self._clock()
        with self._lock:
            kept = self._kept.get(key)
            # A flow that was changed may lead to other objects.
            if kept and kept[1] == flow.get("updatedAt") and now - kept[0] < self._keeps(kept[2]):
                self._kept.move_to_end(key)
                return kept[2]
            future = self._pool.submit(self._read, place, dict(flow))
            self._kept[key] = now, flow.get("updatedAt"), future
            self._kept.move_to_end(key)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
            return future

    def _keeps(self, future: Future[list[Part]]) -> float:
        went_wrong = future.done() and future.exception() is not None
        return _AFTER_TROUBLE if went_wrong else KEPT_SECONDS

    def _read(self, place: Place, flow: Mapping[str, Any]) -> list[Part]:
        with self._open_hook(place) as hook:
            return read_chain(hook.client, flow)
