"""Data Access: the rows that a batch rejected, and the files that it landed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from aep_local.core.holdings import BATCHES
from aep_local.core.problems import Problem, generic
from aep_local.core.store import Document
from aep_local.rows.landing import lines
from aep_local.web.gateway import Caller, CallerDep
from aep_local.web.services import Services, ServicesDep

router = APIRouter()
_PATH = "/data/foundation/export"
_HOST = "https://platform.adobe.io"
_ROW_ERRORS = "row_errors"
_INPUT_FILES = "input_files"
_SAMPLE_ROWS = 100
_PART_ROWS = 1000
_MAX_ENTRIES = 100


@router.get(f"{_PATH}/batches/{{id}}/meta")
def meta(  # noqa: PLR0917 - a request's parameters
    id: str, caller: CallerDep, services: ServicesDep, path: str = "", limit: int = _MAX_ENTRIES, start: int = 0
) -> Response:
    """What is known about a batch beside its rows; ``path`` names a list of files or a file.

    ``row_errors`` lists the files with rejected rows, ``row_errors/<name>`` is one of them (a JSON document a line, at
    most a thousand of them),
    ``row_error_samples.json`` the first of those rows, ``input_files`` lists what was read. The contract's source spells
    the third in two ways (trap 38), so it has the one name that a switch gives it: only who follows the link finds it.
    """
    caller.require("datasets", "read")
    _found(services, caller, id)
    file = services.engine.landing.row_errors(id)
    if path == _INPUT_FILES:
        return _entries([], limit, start)
    if path == _ROW_ERRORS:
        return _entries([_error_entry(id, part) for part in _parts(file)], limit, start)
    if path.startswith(f"{_ROW_ERRORS}/"):
        return _content(file, path.removeprefix(f"{_ROW_ERRORS}/"))
    if path == services.settings.assume.sample_errors_file != "absent" and file.exists():
        return StreamingResponse(_encoded(islice(lines(file), _SAMPLE_ROWS)), media_type="application/json")
    raise _not_found("the batch has no such path")


@router.get(f"{_PATH}/batches/{{id}}/files")
def files(id: str, caller: CallerDep, services: ServicesDep, limit: int = _MAX_ENTRIES, start: int = 0) -> Response:
    """The files that a batch landed in its dataset."""
    caller.require("datasets", "read")
    file = _landed(services, _found(services, caller, id))
    entries: list[Document] = []
    if file is not None:
        entries = [
            {
                "dataSetFileId": id,
                "dataSetViewId": "",
                "version": "1.0.0",
                "created": str(int(file.stat().st_mtime * 1000)),
                "updated": str(int(file.stat().st_mtime * 1000)),
                "isValid": True,
                "_links": {"self": {"href": f"{_HOST}{_PATH}/files/{id}"}},
            }
        ]
    return _entries(entries, limit, start)


@router.get(f"{_PATH}/batches/{{id}}/failed")
def failed(id: str, caller: CallerDep, services: ServicesDep, limit: int = _MAX_ENTRIES, start: int = 0) -> Response:
    """The files with the rejected rows of a batch, the same as its ``row_errors``."""
    caller.require("datasets", "read")
    _found(services, caller, id)
    file = services.engine.landing.row_errors(id)
    return _entries([_error_entry(id, part) for part in _parts(file)], limit, start)


@router.get(f"{_PATH}/files/{{id}}")
def file_content(id: str, caller: CallerDep, services: ServicesDep, path: str | None = None) -> Response:
    """The parts of a dataset file, or with ``path`` one of them: the Parquet itself."""
    caller.require("datasets", "read")
    file = _landed(services, _found(services, caller, id))
    if file is None:
        raise _not_found("the batch has no file")
    if path is None:
        href = f"{_HOST}{_PATH}/files/{id}?path={file.name}"
        part = {"name": file.name, "length": str(file.stat().st_size), "_links": {"self": {"href": href}}}
        return _entries([part], _MAX_ENTRIES, 0)
    if path != file.name:
        raise _not_found("the file has no such part")
    return FileResponse(file, media_type="application/octet-stream")


def _landed(services: Services, batch: Document) -> Path | None:
    dataset_id = next(each["id"] for each in batch["relatedObjects"] if each["type"] == "dataSet")
    file = services.engine.landing.file(dataset_id, batch["id"])
    return file if batch["status"] == "success" and file.exists() else None


class _Part(NamedTuple):
    """A file with rejected rows as callers see it: a stretch of the one that is kept, in bytes."""

    name: str
    offset: int
    length: int


def _parts(file: Path) -> list[_Part]:
    if not file.exists():
        return []
    parts: list[_Part] = []
    offset = 0
    with file.open("rb") as lines_of_file:
        while length := sum(map(len, islice(lines_of_file, _PART_ROWS))):
            parts.append(_Part(f"{file.stem}_{len(parts)}.json", offset, length))
            offset += length
    return parts


def _content(file: Path, name: str) -> Response:
    part = next((each for each in _parts(file) if each.name == name), None)
    if part is None:
        raise _not_found("the batch has no such path")
    with file.open("rb") as kept:
        kept.seek(part.offset)
        return Response(kept.read(part.length), media_type="application/json")


def _error_entry(id: str, part: _Part) -> Document:
    href = f"{_HOST}{_PATH}/batches/{id}/meta?path={_ROW_ERRORS}/{part.name}"
    return {"name": part.name, "length": str(part.length), "_links": {"self": {"href": href}}}


def _entries(entries: list[Document], limit: int, start: int) -> Response:
    if not 1 <= limit <= _MAX_ENTRIES or start < 0:
        raise generic(400, "Bad Request", f"limit must be from 1 to {_MAX_ENTRIES}, start not negative")
    page = entries[start : start + limit]
    return JSONResponse({"data": page, "_page": {"count": len(page), "limit": limit}})


def _encoded(texts: Iterator[str]) -> Iterator[bytes]:
    return (text.encode() for text in texts)


def _found(services: Services, caller: Caller, id: str) -> Document:
    batch = services.store.get(BATCHES, id, caller.scope)
    if batch is None:
        raise _not_found(f"batch {id[:100]} not found")
    return batch


def _not_found(detail: str) -> Problem:
    return generic(404, "Not Found", detail)
