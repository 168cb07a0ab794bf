"""Waiting for flow runs."""

from __future__ import annotations

from aep_provider.sensors.flow_run import AepFlowRunSensor

__all__ = ["AepFlowRunSensor"]
