"""One operator for each step of making and running a dataflow."""

from __future__ import annotations

from aep_provider.operators.apply import AepApplyDataflowsOperator
from aep_provider.operators.check import AepCheckDataflowOperator
from aep_provider.operators.connection import AepCreateConnectionOperator
from aep_provider.operators.dataflow import AepEnsureDataflowOperator
from aep_provider.operators.dataset import AepCreateDatasetOperator
from aep_provider.operators.explore import AepExploreOperator, AepTestConnectionOperator
from aep_provider.operators.flow import AepCreateFlowOperator
from aep_provider.operators.flow_run import AepCreateFlowRunOperator
from aep_provider.operators.flow_spec import AepGetFlowSpecOperator
from aep_provider.operators.lifecycle import AepDeleteFlowOperator, AepSetFlowStateOperator
from aep_provider.operators.mapping_set import AepCreateMappingSetOperator
from aep_provider.operators.plan import AepPlanDataflowsOperator
from aep_provider.operators.retrigger import AepRetriggerFlowRunOperator
from aep_provider.operators.schema import AepCreateSchemaOperator
from aep_provider.operators.source_connection import AepCreateSourceConnectionOperator
from aep_provider.operators.target_connection import AepCreateTargetConnectionOperator
from aep_provider.operators.watch import AepWatchFlowRunsOperator

__all__ = [
    "AepApplyDataflowsOperator",
    "AepCheckDataflowOperator",
    "AepCreateConnectionOperator",
    "AepCreateDatasetOperator",
    "AepCreateFlowOperator",
    "AepCreateFlowRunOperator",
    "AepCreateMappingSetOperator",
    "AepCreateSchemaOperator",
    "AepCreateSourceConnectionOperator",
    "AepCreateTargetConnectionOperator",
    "AepDeleteFlowOperator",
    "AepEnsureDataflowOperator",
    "AepExploreOperator",
    "AepGetFlowSpecOperator",
    "AepPlanDataflowsOperator",
    "AepRetriggerFlowRunOperator",
    "AepSetFlowStateOperator",
    "AepTestConnectionOperator",
    "AepWatchFlowRunsOperator",
]
