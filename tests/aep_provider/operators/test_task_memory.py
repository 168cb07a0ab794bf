"""What a task remembers is asked for by one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from aep_provider.operators.base import TaskMemory


class OneAtATime:
    """As Airflow's state store within `airflow dags test`: nobody is there for a thread while another one is answered."""

    def __init__(self) -> None:
        self.notes: dict[str, Any] = {}
        self._busy = threading.Lock()

    def get(self, key: str) -> Any:
        with self._alone():
            return self.notes.get(key)

    def set(self, key: str, note: Any) -> None:
        with self._alone():
            self.notes[key] = note

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise ImportError("cannot import name 'SUPERVISOR_COMMS'")
        # Long enough for every other thread to come by.
        threading.Event().wait(0.005)
        yield
        self._busy.release()


def test_threads_wait_for_each_other() -> None:
    store = OneAtATime()

    def work(kind: str) -> Any:
        memory = TaskMemory({"task_state_store": store}, kind)  # type: ignore[arg-type,typeddict-item]
        memory.remember({"kind": kind})
        return memory.recall()

    kinds = [f"kind {number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, kinds)) == [{"kind": kind} for kind in kinds]
