"""The watch after a commit, as one host keeps it: the guards go on looking, and what was seen is kept part by part.

The store says how long it lasts, and decides what follows. The host stays with the fleet: a guard that trips asks for
the way back of all, and this host goes when the others do.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from extraction_agent import profiles
from extraction_agent.observe import metrics
from extraction_agent.store.pools import Stats
from extraction_agent.store.rollout_rows import Point, Rollout
from extraction_agent.tuning.guards import ERRORS, POOL, THROUGHPUT, Watch, attempts

log = logging.getLogger(__name__)

PARTS = 48  # of a watch, each with a point: hourly, if it lasts two days
TOLD_EVERY = 60.0  # s between two tellings of the part under way: a start in it hides no more

Noted = tuple[int, Point]  # of which rollout


@dataclass(slots=True)
class _Part:
    """Under way: the counters as they were when it began."""

    no: int
    looked: float  # when it last did
    records: float
    busy: float
    done: float
    failed: float
    pool_active: int = 0
    seconds: float = 0.0  # seen
    told: float | None = None  # when it last was


class Vigil:
    """On the daemon's loop."""

    def __init__(
        self, host: str, watch: Watch, pool: Callable[[], Stats], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._host, self._watch, self._pool, self._clock = host, watch, pool, clock
        self._watched: Rollout | None = None
        self._guards, self._failed_before = profiles.Guards(), 0.0
        self._ends = 0.0
        self._part: _Part | None = None
        self._blind = False
        self.because: str | None = None  # why the fleet must go back
        self.to_tell: deque[Noted] = deque(maxlen=PARTS)  # the store does not know them yet
        for guard in (THROUGHPUT, ERRORS, POOL):
            metrics.WATCH_TRIPS.labels(guard)  # 0 until it trips: a rate sees the first time too

    @property
    def rollout(self) -> int | None:
        """The rollout that is watched."""
        return None if self._watched is None else self._watched.id

    @property
    def left(self) -> float:
        """Seconds of the watch."""
        return 0.0 if self._watched is None else max(self._ends - self._clock(), 0.0)

    def follow(self, committed: Rollout, guards: profiles.Guards, failed_before: float) -> None:
        """What the store says of the rollout whose generation is confirmed here. failed_before: see guards.Watch."""
        if self._watched is not None and (self._watched.id != committed.id or committed.watch_left <= 0):
            log.info("rollout %d is not watched any more", self._watched.id)
            self._close()
            self.end()
        if committed.watch_left <= 0:
            return
        self._ends, self._blind = self._clock() + committed.watch_left, False
        if self._watched is None:
            self._watched, self._guards, self._failed_before = committed, guards, failed_before
            self._watch.begin(guards, failed_before)
            log.info("watching rollout %d for %.0f s", committed.id, committed.watch_left)
        metrics.WATCH.set(self.left)

    def away(self) -> None:
        """The store does not answer: what the guards see meanwhile is its fault, and begins anew."""
        if self._watched is not None:
            self._blind = True
            if self.because is not None:  # nothing has tripped, then
                kept = [(rollout, replace(point, tripped=None)) for rollout, point in self.to_tell]
                self.to_tell = deque(kept, maxlen=PARTS)
            self.because = None
            self._watch.begin(self._guards, self._failed_before)

    def end(self) -> None:
        """Whatever is under way is not kept: a trial begins, say."""
        self._watched = self._part = self.because = None
        metrics.WATCH.set(0)

    def look(self) -> bool:
        """Once a second or so. Returns whether there is something to be told at once."""
        if self._watched is None or self.because:
            return self.because is not None
        self._see()
        if not self.left:
            self._close()
            return False
        every = max(self._watched.watch_seconds / PARTS, 1e-9)
        no = min(int((self._watched.watch_seconds - self.left) / every), PARTS - 1)
        if self._part is not None and self._part.no != no:
            self._close()
        if self._part is None:
            self._part = self._begun(no)
        self._part.pool_active = max(self._part.pool_active, self._pool().active)
        figure = self._watch.tripped()
        if figure is None:
            return False
        metrics.WATCH_TRIPS.labels(figure.guard).inc()
        self.because = f"host {self._host}: the guard {figure.guard} tripped: {figure.tripped}"
        log.warning("rollout %d is to be taken back: %s", self._watched.id, self.because)
        self._close(self.because)
        return True

    def telling(self) -> tuple[Noted, ...]:
        """What the store is to be told now: parts that have ended, and at times what there is of the one under way."""
        part, now = self._part, self._clock()
        due = part is not None and part.seconds > 0 and (part.told is None or now - part.told >= TOLD_EVERY)
        if part is None or self._watched is None or not due:
            return tuple(self.to_tell)
        part.told = now
        return (*self.to_tell, (self._watched.id, self._point(part)))

    def _see(self) -> None:
        part, now = self._part, self._clock()
        if part is not None:
            part.seconds += 0 if self._blind else now - part.looked
            part.looked = now

    def _begun(self, no: int) -> _Part:
        return _Part(no, self._clock(), *_counters())

    def _close(self, tripped: str | None = None) -> None:
        """Of the part under way, make a point."""
        self._see()
        part, self._part = self._part, None
        if part is not None and self._watched is not None:
            self.to_tell.append((self._watched.id, self._point(part, tripped)))

    def _point(self, part: _Part, tripped: str | None = None) -> Point:
        records, busy, done, failed = _counters()
        return Point(
            host=self._host,
            no=part.no,
            seconds=part.seconds,
            records=int(records - part.records),
            busy_seconds=busy - part.busy,
            attempts=int(done - part.done + failed - part.failed),
            failed=int(failed - part.failed),
            pool_active=part.pool_active,
            pool_maximum=self._pool().maximum,
            tripped=tripped,
        )


def _counters() -> tuple[float, float, float, float]:
    """Records, busy seconds, attempts that were done, attempts that failed; so far."""
    return (
        metrics.figures(metrics.RECORDS)[""],
        metrics.figures(metrics.BUSY)[""],
        *attempts(),
    )
