"""Which flows have failed runs to do again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aep_provider.errors import AepConfigError
from aep_provider.resources.coverage import Generation, all_flows
from aep_provider.resources.watch_runs import runs_since
from aep_provider.verdict import RunState

if TYPE_CHECKING:
    from aep_provider.platform.client import AepClient


def flows_with_failed_runs(client: AepClient, since: float, names: Sequence[str] = ()) -> dict[str, str]:
    """
    Return the on-demand flows of which a run failed since a moment, names by id, in the order of their names.

    A window is loaded after it has begun, so the runs over the windows of a range are among those since its first moment.

    :param since: epoch seconds.
    :param names: only flows of these names; without any, all of the sandbox.
    :raises AepConfigError: there is no flow of a name.
    """
    flows = [flow for flow in map(Generation.of, all_flows(client)) if not flow.recurs]
    unknown = sorted(set(names) - {flow.name for flow in flows})
    if unknown:
        raise AepConfigError(
            f"Sandbox {client.settings.sandbox} has no on-demand flow of the name {', '.join(map(repr, unknown))}."
        )
    runs = runs_since(client, int(since * 1000)).values()
    failed = {run.flow_id for run in runs if run.verdict.state is RunState.FAILED}
    chosen = [flow for flow in flows if flow.id in failed and (not names or flow.name in names)]
    return {flow.id: flow.name for flow in sorted(chosen, key=lambda flow: (flow.name, flow.id))}
