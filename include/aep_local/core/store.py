"""What the platform holds: JSON documents in one SQLite file that survives being killed.

Every write is on disk before the call returns (WAL, ``synchronous=FULL``). A document belongs to a kind, an
organisation and a sandbox; nothing is ever found from another scope.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple

Document = dict[str, Any]


class Scope(NamedTuple):
    """The organisation and the sandbox that a document belongs to."""

    org: str
    sandbox: str


PLATFORM_SCOPE: Final = Scope("", "")
"""For what belongs to no organisation, such as access tokens."""


class _Unchanged(Enum):
    UNCHANGED = "unchanged"


UNCHANGED: Final = _Unchanged.UNCHANGED

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    org TEXT NOT NULL,
    sandbox TEXT NOT NULL,
    ref TEXT,
    due_ms INTEGER,
    doc TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS documents_by_id ON documents (kind, org, sandbox, id);
CREATE INDEX IF NOT EXISTS documents_by_age ON documents (kind, org, sandbox, seq);
CREATE INDEX IF NOT EXISTS documents_by_ref ON documents (kind, org, sandbox, ref, seq);
CREATE INDEX IF NOT EXISTS documents_by_due ON documents (kind, due_ms) WHERE due_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS numbers (id INTEGER PRIMARY KEY, last INTEGER NOT NULL);
"""
_PAGE = 200
_KEPT_CHARACTERS: Final = 32 * 1024 * 1024
_LAST = 2**62
"""Beyond every position; what a caller names may be further out than SQLite's integers go."""


class Store:
    """A document store over one SQLite file, safe to use from several threads.

    One connection writes and one reads, so a long transaction never delays a reader; inside a transaction its own
    thread sees what it has written.

    :param path: the file; made when absent.
    """

    def __init__(self, path: Path) -> None:
        self._write_lock = threading.RLock()
        self._read_lock = threading.Lock()
        self._parsed = _Parsed(_KEPT_CHARACTERS)
        self._depth = 0
        self._owner: int | None = None
        self._writer = _connect(path)
        self._writer.executescript(_SCHEMA)
        self._reader = _connect(path)

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make several writes one: all of them are kept or none. Nested uses join the outermost one."""
        with self._write_lock:
            if self._depth == 0:
                self._writer.execute("BEGIN IMMEDIATE")
                self._owner = threading.get_ident()
            self._depth += 1
            try:
                yield
            except BaseException:
                self._leave("ROLLBACK")
                raise
            self._leave("COMMIT")

    def _leave(self, ending: str) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            self._writer.execute(ending)

    def insert(
        self, kind: str, id: str, scope: Scope, doc: Document, *, ref: str | None = None, due_ms: int | None = None
    ) -> None:
        """Add a document.

        :param ref: an indexed foreign key, for example the flow of a run.
        :param due_ms: when background work should look at it, epoch milliseconds.
        :raises ValueError: the id is taken within kind and scope.
        """
        with self.transaction():
            try:
                self._writer.execute(
                    "INSERT INTO documents (kind, id, org, sandbox, ref, due_ms, doc) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (kind, id, scope.org, scope.sandbox, ref, due_ms, json.dumps(doc)),
                )
            except sqlite3.IntegrityError:
                raise ValueError(f"{kind} {id} exists already") from None

    def put(
        self, kind: str, id: str, scope: Scope, doc: Document, *, due_ms: int | _Unchanged | None = UNCHANGED
    ) -> None:
        """Replace a document; its age and ``ref`` stay.

        :raises KeyError: there is no such document.
        """
        where = "WHERE kind = ? AND org = ? AND sandbox = ? AND id = ?"
        key = (kind, scope.org, scope.sandbox, id)
        with self.transaction():
            if isinstance(due_ms, _Unchanged):
                done = self._writer.execute(f"UPDATE documents SET doc = ? {where}", (json.dumps(doc), *key))  # noqa: S608 - the condition is a constant
            else:
                done = self._writer.execute(
                    f"UPDATE documents SET doc = ?, due_ms = ? {where}",  # noqa: S608 - the condition is a constant
                    (json.dumps(doc), due_ms, *key),
                )
            if done.rowcount == 0:
                raise KeyError(id)

    def delete(self, kind: str, id: str, scope: Scope) -> bool:
        """Remove a document; False when there was none."""
        with self.transaction():
            done = self._writer.execute(
                "DELETE FROM documents WHERE kind = ? AND org = ? AND sandbox = ? AND id = ?",
                (kind, scope.org, scope.sandbox, id),
            )
            return done.rowcount > 0

    def get(self, kind: str, id: str, scope: Scope) -> Document | None:
        """One document, or None."""
        rows = self._query(
            "SELECT doc FROM documents WHERE kind = ? AND org = ? AND sandbox = ? AND id = ?",
            (kind, scope.org, scope.sandbox, id),
        )
        return json.loads(rows[0][0]) if rows else None

    def all(
        self, kind: str, scope: Scope, *, ref: str | None = None, ids: Sequence[str] | None = None
    ) -> list[Document]:
        """Every document of a kind, the newest first, optionally only those with a ``ref`` or with one of the ids.

        They are shared by all who ask, to look at and never to change; :meth:`get` gives a document of one's own.
        """
        return [doc for _, doc in self.scan(kind, scope, ref=ref, ids=ids)]

    def scan(
        self,
        kind: str,
        scope: Scope,
        *,
        ref: str | None = None,
        ids: Sequence[str] | None = None,
        before: int | None = None,
    ) -> Iterator[tuple[int, Document]]:
        """Like :meth:`all`, but lazily, as pairs of position and document, starting below the position ``before``.

        A caller that stops early has read only what it used (and a little more).
        """
        if ids is not None:
            yield from self._scan_ids(kind, scope, ref, ids, before)
            return
        condition = "kind = ? AND org = ? AND sandbox = ?" + ("" if ref is None else " AND ref = ?")
        key = (kind, *scope) if ref is None else (kind, *scope, ref)
        sql = f"SELECT seq, doc FROM documents WHERE {condition} AND seq < ? ORDER BY seq DESC LIMIT {_PAGE}"  # noqa: S608 - built from constants
        position = _LAST if before is None else max(-_LAST, min(before, _LAST))
        while rows := self._query(sql, (*key, position)):
            for seq, doc in rows:
                yield seq, self._parsed.of(seq, doc)
            position = rows[-1][0]
            if len(rows) < _PAGE:
                return

    def _scan_ids(
        self, kind: str, scope: Scope, ref: str | None, ids: Sequence[str], before: int | None
    ) -> Iterator[tuple[int, Document]]:
        found: list[tuple[int, str]] = []
        for id in dict.fromkeys(ids):
            found += [
                (seq, doc)
                for seq, doc, its_ref in self._query(
                    "SELECT seq, doc, ref FROM documents WHERE kind = ? AND org = ? AND sandbox = ? AND id = ?",
                    (kind, *scope, id),
                )
                if (ref is None or its_ref == ref) and (before is None or seq < before)
            ]
        for seq, doc in sorted(found, reverse=True):
            yield seq, self._parsed.of(seq, doc)

    def next_number(self) -> int:
        """A number above all earlier ones, to tell in which order things happened, also within a millisecond.

        In the transaction that writes what it numbers it is in the order of commits.
        """
        with self.transaction():
            sql = "INSERT INTO numbers VALUES (0, 1) ON CONFLICT (id) DO UPDATE SET last = last + 1 RETURNING last"
            rows = self._writer.execute(sql).fetchall()
            number: int = rows[0][0]
            return number

    def last_number(self) -> int:
        """The highest number so far: whoever reads afterwards sees all that was numbered up to it."""
        rows = self._query("SELECT COALESCE(MAX(last), 0) FROM numbers", ())
        number: int = rows[0][0]
        return number

    def due(self, kind: str, now_ms: int) -> list[tuple[str, Scope, Document]]:
        """What background work should look at now, over all scopes, the most overdue first."""
        rows = self._query(
            "SELECT id, org, sandbox, doc FROM documents WHERE kind = ? AND due_ms <= ? ORDER BY due_ms, seq",
            (kind, now_ms),
        )
        return [(id, Scope(org, sandbox), json.loads(doc)) for id, org, sandbox, doc in rows]

    def next_due(self, kind: str) -> int | None:
        """When the next document of a kind becomes due, epoch milliseconds."""
        rows = self._query("SELECT MIN(due_ms) FROM documents WHERE kind = ? AND due_ms IS NOT NULL", (kind,))
        value: int | None = rows[0][0]
        return value

    def _query(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        if self._owner == threading.get_ident():
            return self._writer.execute(sql, values).fetchall()
        with self._read_lock:
            return self._reader.execute(sql, values).fetchall()


class _Parsed:
    """Documents as they were last read, so that a list of many does not parse all of them for each of its pages.

    :param most: how many characters of JSON are kept, the latest.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: dict[int, tuple[str, Document]] = {}
        self._characters = 0

    def of(self, seq: int, text: str) -> Document:
        """The document that a text is, by its place in the store."""
        kept = self._kept.get(seq)
        if kept is not None and kept[0] == text:
            return kept[1]
        doc: Document = json.loads(text)
        with self._lock:
            self._drop(seq)
            self._kept[seq] = (text, doc)
            self._characters += len(text)
            while self._characters > self._most:
                self._drop(next(iter(self._kept)))
        return doc

    def _drop(self, seq: int) -> None:
        kept = self._kept.pop(seq, None)
        if kept is not None:
            self._characters -= len(kept[0])


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection
