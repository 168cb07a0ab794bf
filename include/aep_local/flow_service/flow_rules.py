"""What a flow must look like: the rules of Flow Service and of the connectors behind it, each with its own code."""

from __future__ import annotations

import re
from typing import Any

from jsonschema import Draft7Validator

from aep_local import data_prep
from aep_local.core import holdings
from aep_local.core.clock import Clock
from aep_local.core.problems import Problem, connector, flow_service
from aep_local.core.specs import OPTION_SCHEMA, SCHEDULE_SCHEMA, TRANSFORMATION_SCHEMAS
from aep_local.core.store import Document
from aep_local.web.gateway import Caller
from aep_local.web.services import Services

FREQUENCIES = ("once", "minute", "hour", "day", "week")
_MINIMUM_MINUTES = 15


def integer(value: Any) -> Any:
    """A number that may have been sent as text; anything else as it is."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
        return int(value)
    return value


def boolean(value: Any) -> Any:
    """A boolean that may have been sent as text; anything else as it is."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def schedule(params: Document) -> Document:
    """``scheduleParams`` with their types: ``startTime`` (epoch seconds), ``frequency``, ``interval``, ``backfill``."""
    readers = {"startTime": integer, "interval": integer, "backfill": boolean}
    return {key: readers[key](value) if key in readers else value for key, value in params.items()}


def transformation(transformations: list[Document], name: str) -> Document | None:
    """The params of a transformation, found by its name; None when the flow has none of that name."""
    return next((each.get("params") or {} for each in transformations if each.get("name") == name), None)


def check_schedule(params: Any, clock: Clock, *, skew: float | None = 0) -> Document:
    """Check ``scheduleParams`` and give them back with their types.

    :param skew: how many seconds the start may lie in the past; None for any.
    :raises Problem: 1317, 1360 to 1364, 1394, 1397, 1304.
    """
    if not isinstance(params, dict) or not params:
        raise connector(1317, "scheduleParams must not be empty")
    typed = schedule(params)
    frequency = typed.get("frequency")
    if frequency is not None and frequency not in FREQUENCIES:
        raise connector(1397, f"frequency is not supported, it must be one of {', '.join(FREQUENCIES)}")
    if frequency == "once":
        if "interval" in typed:
            raise connector(1361, "interval is not allowed with frequency once")
        if "backfill" in typed:
            raise connector(1364, "backfill is not allowed with frequency once")
    elif "interval" in typed:
        _check_interval(typed["interval"], frequency)
    _fits(typed, SCHEDULE_SCHEMA, "scheduleParams")
    if skew is not None and typed["startTime"] < clock.now_ms() // 1000 - skew:
        raise connector(1360, "startTime is in the past")
    return typed


def _check_interval(interval: Any, frequency: Any) -> None:
    if isinstance(interval, bool) or not isinstance(interval, int):
        raise connector(1363, "interval must be a whole number")
    if frequency == "minute" and interval < _MINIMUM_MINUTES:
        raise connector(1362, f"interval must be at least {_MINIMUM_MINUTES} for frequency minute")
    if interval < 1:
        raise connector(1394, "interval must be at least one")


def check_transformations(given: Any, frequency: str, written: Document | None = None) -> list[Document]:
    """Check ``transformations`` and give them back as answers show them (``mappingVersion`` as text).

    :param written: the delta column that the flow's first posted run wrote, which a flow of frequency once may keep.
    :raises Problem: 1367, 1369, 1370, 1412, 1304.
    """
    transformations = [] if given is None else given
    if not isinstance(transformations, list) or not all(isinstance(each, dict) for each in transformations):
        raise connector(1304, "transformations must be an array of objects")
    mapping = transformation(transformations, "Mapping")
    if not isinstance(mapping, dict) or not mapping.get("mappingId"):
        raise connector(1370, "Mapping transformation is missing")
    copy = transformation(transformations, "Copy")
    has_delta = isinstance(copy, dict) and bool(copy.get("deltaColumn"))
    if frequency == "once" and isinstance(copy, dict) and has_delta and copy["deltaColumn"] != written:
        raise connector(1369, "deltaColumn is not allowed with frequency once")
    if frequency != "once" and not has_delta:
        raise connector(1367, "deltaColumn is required in the Copy transformation")
    return [_checked_transformation(each) for each in transformations]


def _checked_transformation(given: Document) -> Document:
    name = given.get("name")
    if not isinstance(name, str) or name not in TRANSFORMATION_SCHEMAS:
        raise connector(1304, "transformations: name must be Copy or Mapping")
    params = given.get("params")
    if name == "Mapping" and isinstance(params, dict) and "mappingVersion" in params:
        version = integer(params["mappingVersion"])
        if isinstance(version, bool) or not isinstance(version, int) or version < 0:
            raise flow_service(1412, 400, "mappingVersion is not valid")
        params = {**params, "mappingVersion": str(version)}
    _fits(params, TRANSFORMATION_SCHEMAS[name], f"transformations.{name}.params")
    return {**given, "params": params}


def delta_column(transformations: list[Document]) -> Document | None:
    """The delta column in the Copy transformation; None when there is none."""
    return (transformation(transformations, "Copy") or {}).get("deltaColumn")


def check_delta_column(given: Any) -> None:
    """Check a delta column as the Copy transformation takes it.

    :raises Problem: 1304.
    """
    _fits({"deltaColumn": given}, TRANSFORMATION_SCHEMAS["Copy"], "params")


def check_options(given: Any) -> Document:
    """Check ``options``; a threshold sent as text comes back as a number.

    :raises Problem: 1304.
    """
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise connector(1304, "options must be an object")
    options = dict(given)
    if isinstance(options.get("partialIngestionPercent"), str):
        options["partialIngestionPercent"] = _number(options["partialIngestionPercent"])
    if "errorDiagnosticsEnabled" in options:
        options["errorDiagnosticsEnabled"] = boolean(options["errorDiagnosticsEnabled"])
    _fits(options, OPTION_SCHEMA, "options")
    return options


def check_mapping(transformations: list[Document], target: Document, caller: Caller, services: Services) -> None:
    """The mapping set must exist and lead to the very schema of the target dataset.

    :raises Problem: 1419 for an unknown id or version, 1425 for another schema or another version of it.
    """
    params = transformation(transformations, "Mapping") or {}
    version = int(params["mappingVersion"]) if "mappingVersion" in params else None
    refuse_too_new(services, caller, holdings.MAPPING_SETS, params["mappingId"])
    mapping = data_prep.mapping_set(services.store, caller.scope, params["mappingId"], version)
    if mapping is None:
        raise flow_service(1419, 400, "mapping id and version could not be validated")
    refuse_too_new(services, caller, holdings.DATASETS, target["params"]["dataSetId"])
    dataset = holdings.dataset(services.store, caller.scope, target["params"]["dataSetId"])
    if dataset is None:
        raise connector(1325, "the target connection's dataset does not exist any more")
    if _schema(dataset.get("schemaRef")) != _schema(mapping["outputSchema"]["schemaRef"]):
        raise flow_service(1425, 400, "schema of the target dataset differs from the schema of the mapping")


def refuse_too_new(services: Services, caller: Caller, kind: str, id: str) -> None:
    """Where the settings say so, Catalog and Data Prep cannot be asked for what was only just made.

    :raises Problem: 2200-500 for a dataset, 2250-500 for a mapping set.
    """
    lag_ms = services.clock.scaled(services.settings.assume.validation_lag_seconds) * 1000
    doc = services.store.get(kind, id, caller.scope) if lag_ms else None
    if doc is None:
        return
    made = doc["created"] if kind == holdings.DATASETS else doc["versions"][0]["modifiedDate"]
    if services.clock.now_ms() < made + lag_ms:
        code, service = (2200, "Catalog") if kind == holdings.DATASETS else (2250, "Data Prep")
        raise flow_service(code, 500, f"the call of {service} to validate {id} failed")


def _schema(reference: Any) -> tuple[str, str]:
    reference = reference if isinstance(reference, dict) else {}
    version = re.search(r"version=(\d+)", str(reference.get("contentType", "")).replace(" ", ""))
    return str(reference.get("id")), version[1] if version else "1"


def _number(text: str) -> int | float | str:
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return int(text)
    return float(text) if re.fullmatch(r"\d{1,9}\.\d{1,9}", text, re.ASCII) else text


def _fits(value: Any, schema: Document, where: str) -> None:
    error = next(Draft7Validator(schema).iter_errors(value), None)
    if error is not None:
        raise _unfit(where, error.message)


def _unfit(where: str, message: str) -> Problem:
    return connector(1304, f"{where}: {message[:300]}")
