"""What tasks tell OpenLineage: its provider asks them, where it is installed. No request is sent for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aep_provider.lineage.assets import is_told
from aep_provider.operators.ledger import assets_of
from aep_provider.resources.lineage import Lineage, dataset_of_uri, source_namespace

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from aep_provider.hooks.aep import AepHook
    from aep_provider.resources.check import Checked
    from aep_provider.verdict import Verdict

log = logging.getLogger(__name__)

XCOM_LINEAGE = "lineage"


class TellsLineage:
    """A task that loads rows, or waits for them. What it has seen is told when it ends, well or not."""

    lineage: Any = None
    outlets: Any
    _verdicts: Sequence[Verdict] = ()
    _window: Mapping[str, str] | None = None
    _how: str | None = None

    def get_openlineage_facets_on_start(self) -> OperatorLineage[Any, Any]:
        """Return where rows are to come from and to go."""
        return self._lineage()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:  # noqa: ARG002  Airflow's
        """Return what came from where, and how much."""
        return self._lineage(self._verdicts)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any]:  # noqa: ARG002  Airflow's
        """Return what came all the same: of a run with rejected rows the others are there."""
        return self._lineage(self._verdicts)

    def saw_arrive(self, verdicts: Sequence[Verdict]) -> None:
        """Keep what is known of runs, for whoever asks when the task has ended."""
        self._verdicts = verdicts

    def saw_window(self, window: Mapping[str, str], how: str | None = None) -> None:
        """Keep which window is loaded, and how it came by its run."""
        self._window, self._how = window, how

    def _lineage(self, verdicts: Sequence[Verdict] = ()) -> OperatorLineage[Any, Any]:
        from aep_provider.lineage.events import lineage_of_runs  # noqa: PLC0415  only where it is installed

        datasets = _datasets_of(self.outlets)
        return lineage_of_runs(Lineage.of(self.lineage), datasets, verdicts, self._window, self._how)


class TellsMadeDatasets:
    """A task that makes sure of datasets."""

    inlets: Any
    outlets: Any
    _made: Sequence[tuple[Lineage, bool]] = ()

    def get_openlineage_facets_on_start(self) -> OperatorLineage[Any, Any]:
        """Return the datasets that the task is for, as far as they are known: what it reads is not their rows."""
        return self._lineage()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:  # noqa: ARG002  Airflow's
        """Return the datasets, with their fields."""
        return self._lineage(self._made)

    def _lineage(self, made: Sequence[tuple[Lineage, bool]] = ()) -> OperatorLineage[Any, Any]:
        from aep_provider.lineage.events import lineage_of_made  # noqa: PLC0415  only where it is installed

        return lineage_of_made(made, [*_datasets_of(self.inlets), *_datasets_of(self.outlets)])


def where_told(make: Callable[[], Lineage]) -> Lineage | None:
    """Return what is known of a dataflow if anybody is told of it. What goes wrong here is no failure of the task."""
    if not is_told():
        return None
    try:
        return make()
    except Exception as error:
        log.warning("OpenLineage is not told where the rows come from: %s", type(error).__name__)
        return None


def lineage_of(
    hook: AepHook,
    *,
    source: str,
    source_conn_id: str | None,
    base_connection: str,
    table: str,
    dataset: str,
    checked: Checked | None,
) -> Lineage:
    """
    Return where the rows of a dataflow come from and where they go.

    :param source_conn_id: the Airflow connection of the source system, of which only the address is taken.
    :param base_connection: what else tells the source system from others of its kind.
    """
    login = hook.source_login(source_conn_id) if source_conn_id else None
    address = login.host if login else None
    if login and address and login.port:
        address = f"{address}:{login.port}"
    settings = hook.settings
    known = Lineage(
        sandbox=settings.sandbox,
        dataset=dataset,
        source=source_namespace(source, address, base_connection),
        table=table,
        organisation=settings.ims_org_id,
    )
    return known.settled(checked.columns, checked.mappings, checked.types) if checked else known


def _datasets_of(ports: Any) -> list[tuple[str, str]]:
    return [found for asset in assets_of(ports) if (found := dataset_of_uri(str(asset.uri)))]
