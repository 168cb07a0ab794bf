"""What the tasks that load one dataset know of each other, kept in Airflow's state of the dataset's asset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from aep_provider.resources.run_history import Ledger, NoLedger

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context


class AssetLedger:
    """Keeps JSON values with an asset."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def get(self, key: str) -> Any:
        """Return what was kept under ``key``, or None."""
        return self._store.get(key)

    def set(self, key: str, value: Any) -> None:
        """Keep ``value``."""
        self._store.set(key, value)


def assets_of(ports: Any) -> list[Any]:
    """Return the assets among a task's inlets or outlets."""
    return [asset for asset in ports or [] if isinstance(asset, Asset)]


def ledger_of(context: Context, task: BaseOperator) -> Ledger:
    """Return the ledger of the first asset that the task updates, or else reads; one that forgets where it has none."""
    for asset in (*assets_of(task.outlets), *assets_of(task.inlets)):
        return AssetLedger(context["asset_state_store"][asset])
    return NoLedger()
