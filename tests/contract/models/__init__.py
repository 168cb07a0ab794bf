"""What AEP's answers look like, as models of their own: strict types, and no key that nobody spoke of.

Written for these tests alone. A model is open (``extra="allow"``) only where AEP's documents say that more keys come.
"""

from __future__ import annotations

from .base import Created, Listing, One, OnlyCount
from .connections import Connection, Explored, Previewed, Root, SourceConnection, TargetConnection, Tested
from .data import (
    Batch,
    Batches,
    DataSetCreated,
    DataSets,
    Entries,
    MappingPreview,
    MappingSet,
    MappingSetCreated,
    MappingSetList,
    Validated,
)
from .errors import FlowErrorOlder, FlowProblem, GatewayError, ImsError, PlaceholderError, Problem, RegistryError, Token
from .flows import Copy, Flow, MappingStep
from .registry import FullSchema, FullSchemaWithoutText, Schema, SchemaList, SchemaWithoutText, ShortSchema, Stats
from .runs import ItemsCreated, Run, ScheduledRun
from .specs import AnySpec, ConnectionSpec, FlowSpec

__all__ = [
    "AnySpec",
    "Batch",
    "Batches",
    "Connection",
    "ConnectionSpec",
    "Copy",
    "Created",
    "DataSetCreated",
    "DataSets",
    "Entries",
    "Explored",
    "Flow",
    "FlowErrorOlder",
    "FlowProblem",
    "FlowSpec",
    "FullSchema",
    "FullSchemaWithoutText",
    "GatewayError",
    "ImsError",
    "ItemsCreated",
    "Listing",
    "MappingPreview",
    "MappingSet",
    "MappingSetCreated",
    "MappingSetList",
    "MappingStep",
    "One",
    "OnlyCount",
    "PlaceholderError",
    "Previewed",
    "Problem",
    "RegistryError",
    "Root",
    "Run",
    "ScheduledRun",
    "Schema",
    "SchemaList",
    "SchemaWithoutText",
    "ShortSchema",
    "SourceConnection",
    "Stats",
    "TargetConnection",
    "Tested",
    "Token",
    "Validated",
]
