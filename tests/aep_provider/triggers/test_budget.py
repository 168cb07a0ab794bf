"""However requests are asked for, no stretch of an interval has more of them than it may."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aep_provider.triggers.budget import Budget


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 30)), min_size=1, max_size=60),
    st.floats(0.1, 10),
    st.integers(1, 40),
)
def test_no_interval_has_too_many(steps: list[tuple[float, int]], interval: float, at_least: int) -> None:
    now, sent = 0.0, []
    budget = Budget(lambda: now)
    for pause, wanted in steps:
        now += pause
        taken = min(wanted, budget.room(interval, at_least))
        budget.spend(taken)
        sent += [now] * taken
        now = max(now, budget.next_at(interval, at_least))
        assert budget.room(interval, at_least) > 0
    for window, most in ((interval, max(10, at_least)), (interval / 5, -(-max(10, at_least) // 5))):
        assert max((sum(at <= later < at + window for later in sent) for at in sent), default=0) <= most


def test_nothing_spent_is_at_once() -> None:
    assert Budget(lambda: 7.0).next_at(5, 3) == 0.0
    assert Budget(lambda: 7.0).room(5, 3) == 2
