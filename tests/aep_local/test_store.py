"""The document store."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from aep_local.core.store import Scope, Store

HERE = Scope("org", "prod")
THERE = Scope("org", "stage")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "platform.db")
    yield store
    store.close()


def test_a_document_comes_back_only_in_its_own_scope(store: Store) -> None:
    store.insert("flows", "a", HERE, {"name": "ä", "n": [1, None, True]})
    assert store.get("flows", "a", HERE) == {"name": "ä", "n": [1, None, True]}
    assert store.get("flows", "a", THERE) is None
    assert store.get("runs", "a", HERE) is None
    assert store.all("flows", THERE) == []
    assert store.delete("flows", "a", THERE) is False
    assert store.delete("flows", "a", HERE) is True
    assert store.get("flows", "a", HERE) is None


def test_an_id_is_taken_once_per_kind_and_scope(store: Store) -> None:
    store.insert("flows", "a", HERE, {})
    store.insert("runs", "a", HERE, {})
    store.insert("flows", "a", THERE, {})
    with pytest.raises(ValueError, match="exists"):
        store.insert("flows", "a", HERE, {})


def test_put_replaces_and_needs_something_to_replace(store: Store) -> None:
    with pytest.raises(KeyError):
        store.put("flows", "a", HERE, {})
    store.insert("flows", "a", HERE, {"n": 1}, due_ms=5)
    store.put("flows", "a", HERE, {"n": 2})
    assert store.next_due("flows") == 5
    store.put("flows", "a", HERE, {"n": 3}, due_ms=None)
    assert store.next_due("flows") is None
    assert store.get("flows", "a", HERE) == {"n": 3}


def test_all_is_newest_first_and_filters_by_ref_and_ids(store: Store) -> None:
    for number in range(450):
        store.insert("runs", str(number), HERE, {"n": number}, ref=f"flow{number % 2}")
    assert [doc["n"] for doc in store.all("runs", HERE)] == list(range(449, -1, -1))
    assert [doc["n"] for doc in store.all("runs", HERE, ref="flow1")] == list(range(449, 0, -2))
    assert [doc["n"] for doc in store.all("runs", HERE, ids=["3", "77", "no", "3"])] == [77, 3]
    assert [doc["n"] for doc in store.all("runs", HERE, ref="flow0", ids=["3", "76"])] == [76]


def test_due_documents_come_in_order_over_all_scopes(store: Store) -> None:
    store.insert("flows", "late", HERE, {}, due_ms=30)
    store.insert("flows", "second", THERE, {"x": 1}, due_ms=20)
    store.insert("flows", "first", HERE, {}, due_ms=10)
    store.insert("flows", "never", HERE, {})
    assert [(id, scope) for id, scope, _ in store.due("flows", 20)] == [("first", HERE), ("second", THERE)]
    assert store.next_due("flows") == 10
    assert store.next_due("runs") is None


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    def both() -> None:
        with store.transaction():
            store.insert("flows", "a", HERE, {})
            with store.transaction():
                store.insert("flows", "b", HERE, {})
            assert store.get("flows", "b", HERE) is not None, "its own thread sees what it wrote"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        both()
    assert store.all("flows", HERE) == []


def test_others_see_a_transaction_only_when_it_ends_and_do_not_wait_for_it(store: Store) -> None:
    seen: list[int] = []
    with store.transaction():
        store.insert("flows", "a", HERE, {})
        reader = threading.Thread(target=lambda: seen.append(len(store.all("flows", HERE))))
        reader.start()
        reader.join(timeout=60)
        assert seen == [0]
    assert len(store.all("flows", HERE)) == 1


def test_numbers_rise_in_the_order_of_commits_and_outlive_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "platform.db")
    assert store.last_number() == 0
    first = store.next_number()
    seen: list[int] = []
    with store.transaction():
        second = store.next_number()
        assert store.last_number() == second
        reader = threading.Thread(target=lambda: seen.append(store.last_number()))
        reader.start()
        reader.join(timeout=60)
    assert seen == [first], "what is not committed is no number yet"

    def undone() -> None:
        with store.transaction():
            store.next_number()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()
    store.close()
    again = Store(tmp_path / "platform.db")
    assert again.last_number() == second
    assert first < second < again.next_number()
    again.close()


def test_threads_lose_no_update(store: Store) -> None:
    store.insert("flows", "a", HERE, {"n": 0})

    def count() -> None:
        for _ in range(25):
            with store.transaction():
                doc = store.get("flows", "a", HERE)
                assert doc is not None
                store.put("flows", "a", HERE, {"n": doc["n"] + 1})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("flows", "a", HERE) == {"n": 100}


def test_ten_thousand_runs_are_searched_in_milliseconds(store: Store) -> None:
    with store.transaction():
        for number in range(10_000):
            store.insert("runs", str(number), HERE, {"n": number}, ref=f"flow{number // 10}")
    began = time.perf_counter()
    assert len(store.all("runs", HERE, ref="flow500")) == 10
    assert len(store.all("runs", HERE, ids=[str(n) for n in range(100)])) == 100
    assert next(iter(store.scan("runs", HERE)))[1] == {"n": 9999}
    assert time.perf_counter() - began < 0.2


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from aep_local.core.store import Scope, Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "store.insert('flows', 'kept', Scope('org', 'prod'), {'n': 1})\n"
        "with store.transaction():\n"
        "    store.insert('flows', 'half', Scope('org', 'prod'), {'n': 2})\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "platform.db"
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -9
    store = Store(path)
    assert store.all("flows", HERE) == [{"n": 1}]
    store.close()


def test_a_list_is_parsed_once_and_never_old(store: Store) -> None:
    store.insert("flows", "a", HERE, {"n": 1})
    store.insert("flows", "b", HERE, {"n": 2})
    first, again = store.all("flows", HERE), store.all("flows", HERE, ids=["a", "b"])
    assert [one is other for one, other in zip(first, again, strict=True)] == [True, True]
    mine = store.get("flows", "a", HERE)
    assert mine is not None
    mine["n"] = 3
    assert store.all("flows", HERE) == [{"n": 2}, {"n": 1}], "what is got belongs to who got it"
    store.put("flows", "a", HERE, mine)
    assert store.all("flows", HERE) == [{"n": 2}, {"n": 3}]
    with suppress(InterruptedError), store.transaction():
        store.put("flows", "a", HERE, {"n": 4})
        assert store.all("flows", HERE) == [{"n": 2}, {"n": 4}]
        raise InterruptedError
    assert store.all("flows", HERE) == [{"n": 2}, {"n": 3}]
    assert store.delete("flows", "b", HERE)
    assert store.all("flows", HERE) == [{"n": 3}]


def test_what_is_kept_of_lists_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aep_local.core.store._KEPT_CHARACTERS", 100)
    store = Store(tmp_path / "platform.db")
    for n in range(50):
        store.insert("flows", str(n), HERE, {"n": n, "text": "x" * 20})
    listed = [store.all("flows", HERE) for _ in range(2)]
    assert [doc["n"] for doc in listed[1]] == list(range(49, -1, -1))
    assert sum(one is other for one, other in zip(*listed, strict=True)) <= 2
    store.close()
