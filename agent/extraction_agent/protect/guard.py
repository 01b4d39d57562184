"""The guard of one database: feels what others feel there, and says how much may be done to it now.

A thread of its own watches while chunks are in flight. While others are at work it stops all relays for a moment now
and then and compares the round trips without us with those beside us; control.py makes a share of that.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from extraction_agent import deadlines, errors
from extraction_agent.observe import metrics
from extraction_agent.profiles import SourceGuard
from extraction_agent.protect.breaker import Breaker
from extraction_agent.protect.control import Felt, Law, Rise
from extraction_agent.sources.protocol import Condition, Probe
from extraction_agent.waiting import Stop

log = logging.getLogger(__name__)

STEP = 0.5  # s, of the control law
_SETTLE = 0.03  # s until what the source has sent ahead of a pause is gone
_PAUSE = 0.13  # s of each step, settling included, in which all relays rest while others are at work
_SELDOM = 4  # steps from one comparison to the next while all is given and nothing wrong: a pause costs speed then
_FIRST = 0.05  # s between the first two looks, if the first saw somebody
_GAP = 0.008  # s between two touches, with us and without: after a longer one every answer takes longer
_IDLE = 30.0  # s without a chunk after which the probe hangs up
_WAITERS = 1  # chunks that wait at the door for one that is about to end
_PATIENCE = 0.3  # s that one waits before it goes back to the queue: it keeps a place from chunks of other sources
_REFUSED = 10.0  # s until the next try of a probe that was refused, not merely late
_LET_GO = 2.0  # s; a thread that is about to connect to a server that is away may be left behind
_SPARED = 10.0  # s after which a connection may be wide again: another kind is a new one
_SPARE = 2  # connections besides those of chunks: the probe's, and one that plans or holds a snapshot


@dataclass(frozen=True, slots=True)
class Stats:
    """What a guard allows and feels."""

    name: str  # of its database
    in_flight: int
    limit: int  # chunks that may be in flight now
    maximum: int  # the same, whatever is felt
    share: float  # of its time that each relay may work now
    others: bool  # somebody else was at work there, at the last look
    quiet: bool  # nothing may begin at this hour
    round_trip: float | None  # s, the latest; None: nothing was felt for a while, or there is nothing to feel


class Guard:
    """Safe for many threads. `share` is asked by every relay for every block."""

    def __init__(
        self, name: str, connect: Callable[[], Probe | None], settings: SourceGuard, chunks: int, breaker: Breaker
    ) -> None:
        """chunks: in flight at most, whatever is felt. connect: opens the probe, None where there is none."""
        self.name = name
        self.connect, self._breaker = connect, breaker
        self._label = metrics.few("source", name)
        self._lock = threading.Lock()
        self._left = threading.Condition(self._lock)
        self._in_flight = self._waiting = 0
        self._left_at = time.monotonic()
        self._paused = False
        self._pauses = 0.0  # the share of time they take now
        self._uncompared = 0  # steps since the last of them
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._spared_until = 0.0  # of time.monotonic()
        self._blind = False  # nothing to feel there
        self._seen = False  # others at work, at the last look
        self._round_trip: float | None = None
        self._rise = Rise()
        self.resize(settings, chunks)
        self._law = Law(self._most, settings.tolerated_rise)

    def resize(self, settings: SourceGuard, chunks: int) -> None:
        """Other limits from now on."""
        self._settings = settings
        self._chunks = max(1, min(chunks, settings.max_connections - _SPARE))
        self._most = self._chunks * settings.max_share_of_time
        if hasattr(self, "_law"):
            self._law.most, self._law.tolerated_rise = self._most, settings.tolerated_rise
            self._law.share = min(self._law.share, self._most)

    # What the agent asks

    @property
    def limit(self) -> int:
        """Chunks that may be in flight now."""
        if self._quiet:
            return 0
        if self._blind:
            return self._chunks
        return min(self._chunks, max(1, math.ceil(self._law.share / self._settings.max_share_of_time - 0.01)))

    @property
    def has_room(self) -> bool:
        """Whether another chunk may begin."""
        return self._in_flight + self._waiting < self.limit

    def enter(self, stop: Stop) -> bool:
        """Begin a chunk if there is room, now or in a moment. Then `leave` must follow. Raises Cancelled."""
        with self._left:
            limit = self.limit
            if not limit or self._in_flight + self._waiting >= limit + _WAITERS:
                return False
            self._waiting += 1
            try:
                if not self._gets_room(stop):
                    return False
            finally:
                self._waiting -= 1
            self._in_flight += 1
            if not self._blind and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._watch, name=f"guard {self.name}", daemon=True)
                self._thread.start()
        return True

    def _gets_room(self, stop: Stop) -> bool:
        until = time.monotonic() + _PATIENCE
        while self._in_flight >= self.limit:
            stop.check()
            if self._ended.is_set() or time.monotonic() > until:
                return False
            self._left.wait(deadlines.ROOM)
        return not self._ended.is_set()

    def leave(self) -> None:
        with self._left:
            self._in_flight -= 1
            self._left_at = time.monotonic()
            self._left.notify()

    def share(self) -> float:
        """Of its time, that each relay may work now."""
        if self._paused:
            return 0.0
        if self._blind:
            return self._settings.max_share_of_time
        share = self._law.share / max(self._in_flight, 1)
        return min(share / (1 - self._pauses), self._settings.max_share_of_time)

    @property
    def spares(self) -> bool:
        """Whether relays rest while others are at work there, or did a moment ago."""
        return time.monotonic() < self._spared_until

    def stats(self) -> Stats:
        most = self._settings.max_share_of_time
        return Stats(
            name=self.name,
            in_flight=self._in_flight,
            limit=self.limit,
            maximum=self._chunks,
            share=min(self._law.share / max(self._in_flight, 1), most) if not self._blind else most,
            others=self._seen,
            quiet=self._quiet,
            round_trip=self._round_trip,
        )

    @property
    def _quiet(self) -> bool:
        return bool(self._settings.quiet_hours) and self._settings.is_quiet(datetime.now().time())

    def close(self) -> None:
        """Hang up, at the end."""
        self._ended.set()
        thread = self._thread
        if thread is not None:
            thread.join(_LET_GO)

    # The thread

    def _watch(self) -> None:
        probe: Probe | None = None
        while self._goes_on():
            try:
                if probe is None:
                    with self._breaker:
                        probe = self.connect()
                    if probe is None:
                        self._blind = True
                        return
                    self._first_look(probe)
                self._round(probe)
            except errors.ExtractionError as error:
                log.info("the guard of %s feels nothing: %s", self.name, error)
                _close(probe)
                probe = self._round_trip = None
                self._rise.forget()
                self._step(Felt(None, others=True, distress=error.transient))
                self._ended.wait(STEP if error.transient else _REFUSED)
            finally:
                self._paused = False
        _close(probe)

    def _goes_on(self) -> bool:
        """Whether there is something to watch; if not, the thread is no longer this guard's."""
        with self._lock:
            idle = not self._in_flight and time.monotonic() - self._left_at > _IDLE
            if idle or self._ended.is_set():
                self._thread = self._round_trip = None
                return False
        return True

    def _round(self, probe: Probe) -> None:
        """One step of the law, with what it must know."""
        end = time.monotonic() + STEP
        condition = probe.look()
        others = self._others(condition)
        rise = None
        self._uncompared += 1
        if others and self._in_flight and self._uncompared < (_SELDOM if self._law.share >= self._most else 1):
            self._pauses = 0.0
            self._touch(probe)
        elif others and self._in_flight:
            self._uncompared = 0
            self._pauses = _PAUSE / STEP
            rise = self._compare(probe, end)
            if rise is not None and rise > self._settings.tolerated_rise:
                self._uncompared = _SELDOM  # the next step tells whether it was one
        else:
            self._pauses = 0.0
            self._rise.forget()
            self._touch(probe)
        self._step(Felt(rise, others, self._passed(condition)))
        self._ended.wait(max(0.0, end - time.monotonic()))

    def _first_look(self, probe: Probe) -> None:
        """A step before the first: it alone would take others at work for one statement, and all would be given."""
        self._others(probe.look())
        if self._seen:
            self._spared_until = time.monotonic() + _SPARED
            self._ended.wait(_FIRST)

    def _others(self, condition: Condition) -> bool:
        """Whether others are at work: seen at two looks running, for one statement now and then is no load."""
        seen = condition.at_work is None or condition.at_work > 0
        others = seen and (self._seen or condition.at_work is None)
        self._seen = seen
        return others

    def _compare(self, probe: Probe, end: float) -> float | None:
        """How much longer round trips are beside us, until the end of the step, than in a pause at its beginning."""
        self._paused = True
        resume = time.monotonic() + _PAUSE
        self._ended.wait(_SETTLE)
        without = list(self._touches(probe, resume))
        self._paused = False
        return self._rise.of(without, self._touches(probe, end))

    def _touches(self, probe: Probe, end: float) -> Iterator[float]:
        while time.monotonic() < end and not self._ended.wait(_GAP):
            yield self._touch(probe)

    def _touch(self, probe: Probe) -> float:
        self._round_trip = seconds = probe.touch()
        metrics.GUARD_ROUND_TRIP.labels(self._label).set(seconds)
        return seconds

    def _step(self, felt: Felt) -> None:
        self._law.step(felt)
        if felt.others and self._law.share < self._chunks:
            self._spared_until = time.monotonic() + _SPARED
        metrics.GUARD_LIMIT.labels(self._label).set(self.limit)
        log.debug("guard of %s: %s, share %.2f, in flight %s", self.name, felt, self._law.share, self._in_flight)

    def _passed(self, condition: Condition) -> bool:
        """Whether a target figure is passed."""
        settings = self._settings
        pairs = (
            (condition.active, settings.max_active_sessions),
            (condition.lag, settings.max_replication_lag_seconds),
            (condition.oldest, settings.max_transaction_seconds),
        )
        return any(now is not None and most is not None and now > most for now, most in pairs)


def _close(probe: Probe | None) -> None:
    if probe is not None:
        probe.close()
