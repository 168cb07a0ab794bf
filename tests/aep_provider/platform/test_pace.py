"""How many requests are sent at once, and how fast."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from aep_provider.errors import AepConfigError
from aep_provider.platform.pace import Pace, pace_of
from aep_provider.platform.settings import AepSettings


def test_no_more_at_once() -> None:
    pace, here, most, lock = Pace(3), 0, 0, threading.Lock()
    everybody = threading.Barrier(3)

    def send(_: int) -> None:
        nonlocal here, most
        with pace.turn():
            with lock:
                here += 1
                most = max(most, here)
            everybody.wait(10)
            with lock:
                here -= 1

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(send, range(9)))
    assert (most, here) == (3, 0)


def test_no_faster() -> None:
    now, slept = 100.0, []

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    pace = Pace(10, 4, clock=lambda: now, sleep=sleep)
    for _ in range(5):
        with pace.turn():
            pass
    assert slept == [0, 0.25, 0.25, 0.25, 0.25]
    now += 60
    with pace.turn():
        pass
    assert slept[-1] == 0  # a rest is not saved up, and nothing is waited for after it


def test_a_request_that_fails_gives_its_place_back() -> None:
    pace = Pace(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="lost"), pace.turn():
            raise ValueError("lost")


def test_one_account_has_one_pace() -> None:
    def settings(**more: object) -> AepSettings:
        return AepSettings.parse(**{"ims_org_id": "A@AdobeOrg", "client_id": "c", "client_secret": "a-secret", **more})

    assert pace_of(settings()) is pace_of(settings(sandbox="dev"))
    assert pace_of(settings()) is not pace_of(settings(client_id="d"))
    assert pace_of(settings()) is not pace_of(settings(requests_per_second=5))
    with pytest.raises(AepConfigError, match="requests_at_once"):
        settings(requests_at_once=0)
