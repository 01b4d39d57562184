"""Guards: what takes a host back by itself during a trial. Each looks at this process alone, and at nothing else.

Throughput per busy minute, the share of attempts at chunks that fail, and a pool without a free connection. A host
without enough to do trips none of them.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from extraction_agent import profiles
from extraction_agent.observe import metrics
from extraction_agent.observe.throughput import WINDOW, Throughput, of_this_agent
from extraction_agent.store.pools import Stats

THROUGHPUT, ERRORS, POOL = "throughput", "error_rate", "pool"
_KEPT = 660.0  # s of looks: the longest window of errors there may be, and some
_APART = 0.9  # s between two looks that are kept


@dataclass(frozen=True, slots=True)
class Figure:
    """One guard, and what it sees."""

    guard: str
    unit: str
    value: float | None  # None: not enough has happened to judge
    limit: float
    tripped: str | None  # why, in words


@dataclass(frozen=True, slots=True)
class _Look:
    at: float  # s, of the clock
    done: float  # attempts so far
    failed: float


def attempts() -> tuple[float, float]:
    """At chunks, so far: done, and failed. What never came to be one, for want of the store say, failed at nothing."""
    results = metrics.figures(metrics.CHUNKS)
    return results["done"], results["failed"]


class Watch:
    """Looks every second or so, during a trial or not, so that it knows what was before."""

    def __init__(
        self,
        pool: Callable[[], Stats],
        throughput: Throughput = of_this_agent,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool, self._throughput, self._clock = pool, throughput, clock
        self._looks: deque[_Look] = deque()
        self._exhausted_since: float | None = None
        self._begun = clock()
        self._guards = profiles.Guards()
        self._failed_before = 0.0
        for guard in (THROUGHPUT, ERRORS, POOL):
            metrics.TRIAL_TRIPS.labels(guard)  # 0 until it trips: a rate sees the first time too
        self.look()

    def begin(self, guards: profiles.Guards, failed_before: float) -> None:
        """From now on a trial is watched. failed_before: share of attempts that failed before it, see `failed`."""
        self._guards, self._failed_before = guards, failed_before
        self._exhausted_since = None
        self._look_now()
        self._begun = self._clock()

    def look(self) -> None:
        now = self._clock()
        if not self._looks or now - self._looks[-1].at >= _APART:
            self._look_now()
        pool = self._pool()
        if not (pool.active >= pool.maximum and pool.pending):
            self._exhausted_since = None
        elif self._exhausted_since is None:
            self._exhausted_since = now

    def failed(self, guards: profiles.Guards) -> float:
        """Share of the attempts of the last window that failed, as of now; 0 if there were too few to say."""
        share = self._failed(guards, self._clock() - guards.error_window_seconds)
        return share or 0.0

    def tripped(self) -> Figure | None:
        """The first that has."""
        return next((figure for figure in self.figures() if figure.tripped), None)

    def figures(self) -> list[Figure]:
        """Of the trial so far."""
        return [self._of_throughput(), self._of_errors(), self._of_pool()]

    # Each guard

    def _of_throughput(self) -> Figure:
        floor, enough = self._guards.throughput_records_per_minute, self._guards.throughput_busy_seconds
        seconds = min(int(self._clock() - self._begun), WINDOW)
        seen = self._throughput.recent(seconds)
        waiting = metrics.figures(metrics.QUEUE_DEPTH).get("", 0.0) - seen.chunks  # seconds old: these may have waited
        behind = waiting * seen.expected / seen.chunks if waiting > 0 and seen.chunks else 0.0  # not if unknown, NaN
        at_hand = seen.rows + seen.expected + behind  # had they come at the floor's pace, it would have lasted
        if seen.busy < enough or at_hand < floor * seen.busy / 60:
            return Figure(THROUGHPUT, "records per busy minute", None, floor, None)
        value = 60 * seen.rows / seen.busy
        why = f"{value:,.0f} records per busy minute, below the floor of {floor:,.0f}" if value < floor else None
        return Figure(THROUGHPUT, "records per busy minute", value, floor, why)

    def _of_errors(self) -> Figure:
        limit = self._failed_before + self._guards.tolerated_rise_of_error_rate
        share = self._failed(self._guards, max(self._clock() - self._guards.error_window_seconds, self._begun))
        why = None
        if share is not None and share > limit:
            why = f"{share:.1%} of the attempts at chunks failed, {self._failed_before:.1%} before the trial"
        return Figure(ERRORS, "share of attempts at chunks", share, limit, why)

    def _of_pool(self) -> Figure:
        limit, since = self._guards.pool_exhausted_seconds, self._exhausted_since
        value = 0.0 if since is None else self._clock() - since
        why = None
        if value >= limit:
            why = f"all {self._pool().maximum} connections of the pool in use and callers waiting for {value:.0f} s"
        return Figure(POOL, "seconds exhausted", value, limit, why)

    # Attempts

    def _look_now(self) -> None:
        now = self._clock()
        self._looks.append(_Look(now, *attempts()))
        while self._looks[0].at < now - _KEPT:
            self._looks.popleft()

    def _failed(self, guards: profiles.Guards, since: float) -> float | None:
        """None: too few attempts. A lone failure says nothing, so it counts as none."""
        first = next((look for look in self._looks if look.at >= since), self._looks[-1])
        done, failed = self._looks[-1].done - first.done, self._looks[-1].failed - first.failed
        if done + failed < guards.error_attempts:
            return None
        return failed / (done + failed) if failed > 1 else 0.0
