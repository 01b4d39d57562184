"""One host's watch, second by second: which parts it keeps, and when it asks for the way back."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from extraction_agent import profiles
from extraction_agent.observe import metrics
from extraction_agent.observe.throughput import Throughput
from extraction_agent.store.pools import Stats
from extraction_agent.store.rollout_rows import Rollout, RolloutState
from extraction_agent.tuning.guards import Watch
from extraction_agent.tuning.vigil import PARTS, Vigil

GUARDS = profiles.Guards(throughput_records_per_minute=0)
FREE = Stats(minimum=0, maximum=4, active=3, idle=1, pending=0, timeouts=0, leaks=0)
FULL = replace(FREE, active=4, idle=0, pending=2)
HOURS = 48 * 3600.0
_NOW = datetime.now(UTC)
COMMITTED = Rollout(
    7, 1000, RolloutState.COMMITTED, "tried", {}, "a test", 60, 0, 0, 1, False, None, _NOW, _NOW, HOURS, HOURS,
    None, None,
)  # fmt: skip


class _Side:
    def __init__(self) -> None:
        self.now = 1000.0
        self.pool = FREE
        self.watch = Watch(lambda: self.pool, Throughput(lambda: self.now), lambda: self.now)
        self.vigil = Vigil("one", self.watch, lambda: self.pool, lambda: self.now)
        self.begun = self.now

    def follow(self, rollout: Rollout = COMMITTED) -> None:
        left = max(rollout.watch_left - (self.now - self.begun), 0)
        self.vigil.follow(replace(rollout, watch_left=left), GUARDS, 0)

    def pass_(self, seconds: int, step: int = 1) -> None:
        for _ in range(0, seconds, step):
            self.now += step
            self.watch.look()
            self.vigil.look()


@pytest.fixture
def side() -> Iterator[_Side]:
    made = _Side()
    made.follow()
    yield made
    made.vigil.end()


def test_two_days_are_forty_eight_points(side: _Side) -> None:
    """However often the store is asked, or not at all for a while."""
    for _ in range(47):
        side.pass_(3600, 30)
        side.follow()
    assert metrics.figures(metrics.WATCH)[""] == pytest.approx(3600)
    metrics.RECORDS.inc(500)
    side.pass_(3600, 30)
    side.follow()
    points = [point for _, point in side.vigil.to_tell]
    assert [point.no for point in points] == list(range(PARTS))
    assert all(point.seconds == pytest.approx(3600, abs=60) for point in points)
    assert [point.records for point in points] == [0] * 47 + [500]
    assert {(point.pool_active, point.pool_maximum) for point in points} == {(3, 4)}
    assert side.vigil.rollout is None
    assert metrics.figures(metrics.WATCH)[""] == 0


def test_a_guard_that_trips_asks_for_the_way_back_until_the_store_has_heard(side: _Side) -> None:
    side.pass_(10)
    side.pool = FULL
    side.pass_(5)
    assert side.vigil.because is None
    side.pass_(2)
    because = side.vigil.because
    assert (
        because == "host one: the guard pool tripped: all 4 connections of the pool in use and callers waiting for 5 s"
    )
    assert side.vigil.look(), "as long as nobody has heard"
    [(rollout, point)] = side.vigil.to_tell
    assert (rollout, point.no, point.tripped) == (7, 0, because)
    side.vigil.follow(replace(COMMITTED, id=8, watch_seconds=0, watch_left=0, undoes=7), GUARDS, 0)
    assert (side.vigil.rollout, side.vigil.because, side.vigil.look()) == (None, None, False)


def test_while_the_store_is_away_nothing_is_judged(side: _Side) -> None:
    side.pool = FULL
    for _ in range(20):
        side.pass_(3)
        side.vigil.away()
    assert side.vigil.because is None
    side.pass_(7)
    assert side.vigil.because, "it begins anew"
    side.vigil.away()
    assert side.vigil.because is None
    [(_, point)] = side.vigil.to_tell
    assert point.tripped is None, "nor is it told that a guard had tripped"


def test_time_without_the_store_is_not_called_seen(side: _Side) -> None:
    side.pass_(100)
    side.vigil.away()
    side.pass_(1000)
    side.follow()
    side.pass_(100)
    [(_, point)] = side.vigil.telling()
    assert point.seconds == pytest.approx(199, abs=1.5)


def test_what_is_seen_is_told_at_once_and_then_every_minute(side: _Side) -> None:
    """A gate asks soon after a commit who looks, and a start loses a minute of the hour, not all of it."""
    side.pass_(3)
    [(rollout, point)] = side.vigil.telling()
    assert (rollout, point.no, point.seconds) == (7, 0, 2)
    told = []
    for _ in range(60):
        side.pass_(2)
        told += [point for _, point in side.vigil.telling()]
    assert [point.seconds for point in told] == [62, 122]
    assert not side.vigil.to_tell, "the part is under way"


def test_what_the_store_does_not_hear_of_is_bounded(side: _Side) -> None:
    for number in range(8, 20):
        side.follow(replace(COMMITTED, id=number, watch_seconds=480, watch_left=side.now - side.begun + 480))
        side.pass_(400, 5)
    assert len(side.vigil.to_tell) == PARTS
    assert {rollout for rollout, _ in side.vigil.to_tell} == {18, 19}


def test_an_unwatched_rollout_is_not_watched() -> None:
    side = _Side()
    side.follow(replace(COMMITTED, watch_seconds=0, watch_left=0))
    side.pool = FULL
    side.pass_(60)
    assert (side.vigil.rollout, side.vigil.because, len(side.vigil.to_tell)) == (None, None, 0)
