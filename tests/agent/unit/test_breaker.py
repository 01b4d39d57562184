"""The breaker's states, with a clock of the test's own."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from extraction_agent import errors
from extraction_agent.observe import metrics
from extraction_agent.protect.breaker import FAILURES, Breaker, State


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def broken() -> None:
    raise errors.SourceUnavailable("away")


def refused() -> None:
    raise errors.SourceError("no such table")


def cancelled() -> None:
    raise errors.Cancelled("stopped")


def call(breaker: Breaker, action: Callable[[], None]) -> bool:
    """Whether the action was reached."""
    reached = False
    try:
        with breaker:
            reached = True
            action()
    except errors.ExtractionError:
        pass
    return reached


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("source test:5432", errors.SourceUnavailable, clock)


def opened(breaker: Breaker) -> Breaker:
    for _ in range(FAILURES):
        assert call(breaker, broken)
    assert breaker.state is State.OPEN
    return breaker


def told() -> float | None:
    return metrics.REGISTRY.get_sample_value("extraction_breaker_state", {"database": "source test:5432"})


def test_opens_after_failures_in_a_row_only(breaker: Breaker) -> None:
    for _ in range(3):
        for _ in range(FAILURES - 1):
            call(breaker, broken)
        call(breaker, lambda: None)
    assert breaker.state is State.CLOSED
    assert told() == State.CLOSED
    opened(breaker)
    assert told() == State.OPEN


def test_the_first_opening_is_seen_by_a_rate() -> None:
    """A series that begins with 1 has not grown."""
    fresh = Breaker("source fresh:5432", errors.SourceUnavailable)
    counted = ("extraction_breaker_opened_total", {"database": fresh.name})
    assert metrics.REGISTRY.get_sample_value(*counted) == 0
    opened(fresh)
    assert metrics.REGISTRY.get_sample_value(*counted) == 1


def test_open_refuses_at_once_and_says_when_to_come_again(breaker: Breaker) -> None:
    opened(breaker)
    with pytest.raises(errors.SourceUnavailable, match="asked again in") as refusal, breaker:
        raise AssertionError("reached")
    assert str(breaker.refusal) == str(refusal.value)
    assert refusal.value.transient
    assert refusal.value.retry_after is not None
    assert 0.5 <= refusal.value.retry_after <= 1.2


def test_half_open_lets_one_through_and_closes_when_it_succeeds(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 1.3
    assert breaker.refusal is None
    with breaker:
        assert told() == State.HALF_OPEN
        assert breaker.refusal is not None
        assert not call(breaker, lambda: None)  # a second one meanwhile
    assert breaker.state is State.CLOSED
    assert call(breaker, broken)
    assert breaker.state is State.CLOSED  # it counts from the beginning


def test_the_while_doubles_up_to_a_limit_and_has_jitter(clock: Clock) -> None:
    firsts = set()
    for _ in range(20):
        breaker = opened(Breaker("source test:5432", errors.SourceUnavailable, clock))
        whiles = []
        for _ in range(9):
            begun = clock.now
            while not call(breaker, broken):
                clock.now += 0.05
            whiles.append(clock.now - begun)
        firsts.add(round(whiles[0], 2))
        assert whiles[0] <= 1.25
        assert whiles[2] > 2 * whiles[0]
        assert 3.9 < whiles[-1] < 6.2
    assert len(firsts) > 3


def test_days_of_an_outage_are_counted(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    for _ in range(2000):
        clock.now += 6.2
        assert call(breaker, broken)
    assert breaker.state is State.OPEN


def test_an_answer_that_refuses_is_an_answer(breaker: Breaker) -> None:
    for _ in range(3 * FAILURES):
        assert call(breaker, refused)
    assert breaker.state is State.CLOSED


def test_a_cancelled_trial_says_nothing_and_leaves_the_place_to_another(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 1.3
    assert call(breaker, cancelled)
    assert call(breaker, lambda: None)
    assert breaker.state is State.CLOSED


def test_a_trial_that_never_comes_back_does_not_keep_it_open_for_ever(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 1.3
    breaker.__enter__()
    clock.now += 10
    assert not call(breaker, lambda: None)
    clock.now += 60
    assert call(breaker, lambda: None)
    assert breaker.state is State.CLOSED


def test_calls_from_before_it_opened_do_not_lengthen_the_while(breaker: Breaker, clock: Clock) -> None:
    def slow() -> None:
        opened(breaker)
        broken()

    assert call(breaker, slow)
    clock.now += 1.3
    assert call(breaker, lambda: None)
