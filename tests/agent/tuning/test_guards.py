"""The guards' rules: when each trips, and when it must not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from extraction_agent import errors, profiles
from extraction_agent.observe import metrics
from extraction_agent.observe.throughput import Throughput
from extraction_agent.store.pools import Stats
from extraction_agent.tuning.guards import ERRORS, POOL, THROUGHPUT, Figure, Watch

RULES = profiles.Guards(throughput_records_per_minute=6000, throughput_busy_seconds=10, error_attempts=50)
FREE = Stats(minimum=0, maximum=4, active=3, idle=1, pending=0, timeouts=0, leaks=0)
FULL = replace(FREE, active=4, idle=0, pending=2)


class _Side:
    """A host, second by second."""

    def __init__(self) -> None:
        self.now = 1000.5
        self.pool = FREE
        self.throughput = Throughput(lambda: self.now)
        self.watch = Watch(lambda: self.pool, self.throughput, lambda: self.now)

    def pass_(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self.watch.look()

    def figure(self, guard: str) -> Figure:
        return next(figure for figure in self.watch.figures() if figure.guard == guard)

    def attempts(self, done: int, failed: int) -> None:
        metrics.CHUNKS.labels("done").inc(done)
        metrics.CHUNKS.labels("failed").inc(failed)


@pytest.fixture
def side() -> Iterator[_Side]:
    """On trial from its first second, with nothing waiting in the queue."""
    made = _Side()
    metrics.QUEUE_DEPTH.set(0)
    made.watch.begin(RULES, 0)
    yield made
    metrics.QUEUE_DEPTH.set(0)


# Throughput: 6,000 a minute are 100 a second


def test_below_the_floor_with_enough_to_do_trips(side: _Side) -> None:
    with side.throughput.busy(100_000), side.throughput.chunk() as moved:
        for second in range(1, 10):
            side.pass_(1)
            moved(50)
            assert side.figure(THROUGHPUT).value is None, f"{second} s are too few to judge"
        side.pass_(2)
        assert side.watch.tripped() == side.figure(THROUGHPUT)
        value = side.figure(THROUGHPUT).value
        assert value is not None
        assert 2000 < value < 3000


def test_a_little_above_the_floor_nothing_trips(side: _Side) -> None:
    with side.throughput.busy(100_000), side.throughput.chunk() as moved:
        for _ in range(100):
            moved(110)
            side.pass_(1)
            assert side.watch.tripped() is None
        assert side.figure(THROUGHPUT).value == pytest.approx(6600, rel=0.02)


@pytest.mark.parametrize(("rows", "judged"), [(200, False), (3000, True)])
def test_only_work_enough_to_reach_the_floor_is_judged(side: _Side, rows: int, judged: bool) -> None:
    """20 s at the floor are 2,000 rows: whoever had only 200 to move could not reach it."""
    with side.throughput.busy(rows), side.throughput.chunk() as moved:
        moved(10)
        side.pass_(20)
        assert (side.watch.tripped() is not None) is judged


def test_what_waits_in_the_queue_is_work(side: _Side) -> None:
    with side.throughput.busy(200), side.throughput.chunk() as moved:
        moved(10)
        side.pass_(20)
        for unknown_or_itself in (float("nan"), 1):
            metrics.QUEUE_DEPTH.set(unknown_or_itself)
            assert side.watch.tripped() is None
        metrics.QUEUE_DEPTH.set(30)
        assert side.watch.tripped() is not None


def test_rows_that_have_come_are_not_still_to_come(side: _Side) -> None:
    """A chunk whose rows are all there and that is still in flight is no proof of slowness."""
    with side.throughput.busy(3000):
        with side.throughput.chunk() as moved:
            moved(2900)
        side.watch.begin(RULES, 0)
        side.pass_(20)
        assert side.throughput.recent(20).expected == 0
        assert side.watch.tripped() is None
    assert side.throughput.recent(20).expected == 0


def test_what_was_before_the_trial_does_not_count(side: _Side) -> None:
    with side.throughput.busy(1_000_000), side.throughput.chunk() as moved:
        for _ in range(30):
            moved(10_000)
            side.pass_(1)
        assert side.watch.tripped() is None
        side.watch.begin(RULES, 0)
        side.pass_(12)
        assert side.figure(THROUGHPUT).value == 0
        assert side.watch.tripped() is not None


def test_an_idle_host_trips_nothing(side: _Side) -> None:
    side.pass_(600)
    assert side.watch.tripped() is None
    assert side.figure(THROUGHPUT).value is None
    assert side.figure(ERRORS).value is None


# Errors


@pytest.mark.parametrize(
    ("done", "failed", "before", "trips"),
    [
        (98, 2, 0.0, True),  # 2 % against 0
        (98, 2, 0.012, False),  # within a point of what was before
        (99, 1, 0.0, False),  # a lone failure
        (10, 10, 0.0, False),  # too few attempts
        (4900, 50, 0.0, True),
        (5000, 50, 0.0, False),  # 0.99 %
    ],
)
def test_the_share_of_failures_may_rise_by_a_point(
    side: _Side, done: int, failed: int, before: float, trips: bool
) -> None:
    side.watch.begin(RULES, before)
    side.pass_(2)
    side.attempts(done, failed)
    side.pass_(2)
    tripped = side.watch.tripped()
    assert (tripped is not None and tripped.guard == ERRORS) is trips


def test_failures_leave_the_window(side: _Side) -> None:
    side.attempts(50, 50)
    side.pass_(2)
    assert side.watch.tripped() is not None
    side.pass_(int(RULES.error_window_seconds) + 1)
    assert side.watch.tripped() is None


def test_failures_before_the_trial_are_known_and_not_of_it(side: _Side) -> None:
    side.attempts(90, 10)
    side.pass_(5)
    assert side.watch.failed(RULES) == pytest.approx(0.1)
    side.watch.begin(RULES, 0)
    side.attempts(60, 0)
    side.pass_(2)
    assert side.figure(ERRORS).value == 0


def test_what_never_came_to_be_an_attempt_failed_at_nothing(side: _Side) -> None:
    """Back from an outage, an agent meets its store's open breaker at one job after another for a moment."""
    for _ in range(100):
        metrics.error(errors.StoreUnavailable("planted."))
    side.attempts(60, 0)
    side.pass_(2)
    assert side.watch.tripped() is None
    assert side.figure(ERRORS).value == 0


# The pool


def test_a_pool_is_exhausted_after_five_seconds_without_a_break(side: _Side) -> None:
    side.pool = FULL
    side.pass_(5)
    side.pool = FREE
    side.pass_(1)
    side.pool = FULL
    side.pass_(5)
    assert side.watch.tripped() is None
    side.pass_(1)
    tripped = side.watch.tripped()
    assert tripped is not None
    assert (tripped.guard, tripped.value) == (POOL, 5)


@pytest.mark.parametrize("pool", [replace(FULL, pending=0), replace(FULL, active=3)])
def test_a_pool_in_full_use_or_one_that_connects_is_not_exhausted(side: _Side, pool: Stats) -> None:
    side.pool = pool
    side.pass_(60)
    assert side.watch.tripped() is None
