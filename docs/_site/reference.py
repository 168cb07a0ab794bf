"""The reference, written into `docs/reference` at each build: nothing in there is kept, and nothing is written by hand."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from navigation import ROOT, ROOT_PAGES, led
from parsers import commands, plain
from sphinx.application import Sphinx

from aep_local.core.settings import Assumptions
from aep_provider.dataflows.json_schema import dataflow_schema
from aep_provider.provider_info import get_provider_info

FOLDER = Path(__file__).resolve().parents[1] / "reference"
LIBRARY = {
    "dag-factory": ("DAGs of dataflows' files", ["aep_provider.dag_factory", "aep_provider.dataflows.reading.load"]),
    "task-group": ("A dataflow as a task group", ["aep_provider.task_group"]),
    "waiting": ("What operators and sensor say of a wait", ["aep_provider.operators.waiting"]),
    "trigger": ("The trigger", ["aep_provider.triggers.flow_run"]),
    "hook": ("The hook", ["aep_provider.hooks.aep"]),
    "retries-and-links": ("Retries and links", ["aep_provider.retries", "aep_provider.links"]),
    "verdicts": ("What a run's end means", ["aep_provider.verdict"]),
    "errors": ("Errors", ["aep_provider.errors"]),
}


def titled(title: str, *parts: str) -> str:
    return "\n\n".join([f"{title}\n{'=' * len(title)}", *parts]) + "\n"


def public(module_name: str) -> list[str]:
    """Return what a module exports: `__all__`, or the classes and functions that are its own and no secret of it."""
    module = importlib.import_module(module_name)
    own = [
        name
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module_name
        and not name.startswith("_")
    ]
    return [name for name in own if name in getattr(module, "__all__", own)]


def described(module_name: str, name: str, members: str = "") -> str:
    value = getattr(importlib.import_module(module_name), name)
    kind = "class" if inspect.isclass(value) else "function"
    options = "\n   :members:\n   :member-order: bysource" if members and kind == "class" else ""
    return f".. auto{kind}:: {value.__module__}.{name}{options}"


def exported(package: str, title: str) -> str:
    """A page of what a package exports, each below a heading of its own."""
    names = importlib.import_module(package).__all__
    parts = [f"{name}\n{'-' * len(name)}\n\n{described(package, name)}" for name in names]
    return titled(title, f"To be imported from ``{package}``.", *parts)


def library(title: str, modules: list[str]) -> str:
    parts = []
    for module in modules:
        names = public(module)
        parts.append(f"``{module}``\n{'-' * (len(module) + 4)}")
        parts += [described(module, name, members="all") for name in names]
    return titled(title, *parts)


def configuration() -> str:
    """The options of Airflow's configuration, as the provider declares them."""
    lines = []
    for section, content in get_provider_info()["config"].items():
        for name, option in content["options"].items():
            default = f" Default: ``{option['default']}``." if option["default"] else ""
            example = f" Example: ``{option['example']}``." if option.get("example") else ""
            lines += [
                f".. describe:: [{section}] {name}",
                f"   {plain(option['description'])}{default}{example}",
                f"   As an environment variable: ``AIRFLOW__{section.upper()}__{name.upper()}``",
            ]
    return titled(
        "Configuration", "Options of Airflow's configuration, and the fields of a connection.", *lines, form()
    )


def form() -> str:
    """The fields of a connection's form."""
    parts = []
    for kind in get_provider_info()["connection-types"]:
        title = f"Connections of the type {kind['connection-type']}"
        parts.append(f"{title}\n{'-' * len(title)}")
        parts += [
            f".. describe:: {name}\n\n   {label}" for name, label in kind["ui-field-behaviour"]["relabeling"].items()
        ]
        parts += [
            f".. describe:: {name}\n\n   {field['label']}. {plain(field['description'])}"
            for name, field in kind["conn-fields"].items()
        ]
    return "\n\n".join(parts)


def fields() -> str:
    """The fields of a dataflow's file, as its JSON Schema has them."""
    schema = dataflow_schema()
    return titled(
        "Fields of a dataflow's file", "Only ``table`` is required of every file.", *_fields(schema, schema, "")
    )


def _fields(part: dict[str, Any], schema: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, field in part["properties"].items():
        inner = [one["$ref"].rpartition("/")[2] for one in field.get("anyOf", []) if "$ref" in one]
        told = field["description"]
        if told.partition(" ")[0].isalpha():
            told = told[0].upper() + told[1:]
        default = f" Default: ``{json.dumps(field['default'])}``." if "default" in field else ""
        allowed = [one for kind in [field, *field.get("anyOf", [])] for one in kind.get("enum", []) if one is not None]
        choices = f" One of {', '.join(f'``{one}``' for one in allowed)}." if allowed else ""
        yield f".. describe:: {prefix}{name}\n\n   {plain(told).rstrip('.')}.{choices}{default}"
        for one in inner:
            yield from _fields(schema["$defs"][one], schema, f"{prefix}{name}.")


def switches() -> str:
    """What `--assume` can set."""
    text = "\n".join(f"   {line}" for line in Assumptions.describe().splitlines())
    told = "What AEP's public documents leave open, as ``aep-local assumptions`` lists it, with the defaults."
    return titled("Switches of the local AEP", told, f".. code-block:: text\n\n{text}")


PAGES: dict[str, Callable[[], str]] = {
    "operators": lambda: exported("aep_provider.operators", "Operators"),
    "sensors": lambda: exported("aep_provider.sensors", "Sensor"),
    **{name: lambda told=told: library(*told) for name, told in LIBRARY.items()},  # type: ignore[misc]
    "dataflow-fields": fields,
    "configuration": configuration,
    "command-line": lambda: titled("Command line", *commands()),
    "switches": switches,
}


def write(_: Sphinx | None = None) -> None:
    """Write every page; one that says the same stays as it is, so that it is not read again."""
    FOLDER.mkdir(exist_ok=True)
    texts = {f"{name}.rst": make() for name, make in PAGES.items()}
    for name in ROOT_PAGES:
        if (ROOT / f"{name}.md").exists():
            texts[f"{name.lower()}.md"] = led((ROOT / f"{name}.md").read_text(encoding="utf-8"), 1)
    for old in FOLDER.glob("*"):
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        file = FOLDER / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Join the build, before it looks for pages."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
