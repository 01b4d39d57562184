"""A circuit breaker per database: one that is down is asked now and then, by one thread, instead of by all.

closed: everything passes. After some failures in a row it opens: everything is refused at once. After a while one call
is let through, half-open: if it succeeds the breaker closes, if it fails the next while is twice as long. The whiles
have jitter, so that a fleet does not come back all at once.
"""

import random
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from types import TracebackType
from typing import Self

from extraction_agent import errors
from extraction_agent.observe import metrics

FAILURES = 3  # in a row, that open it
_FIRST = 1.0  # s it stays open at first
_LONGEST = 5.0  # s it stays open at most: so soon is work resumed, and one call in that time harms no database
_JITTER = 0.2  # of the while, either way
_TRIAL = 60.0  # s after which a trial that has not come back is taken for lost


class State(IntEnum):
    """As the metric says it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Safe for many threads. Use as `with breaker: …` around what opens a connection, nothing else.

    Only what is transient counts as a failure: a database that refuses has answered.
    """

    def __init__(
        self,
        name: str,
        unavailable: type[errors.SourceUnavailable | errors.StoreUnavailable],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """name: of the database, in messages and metrics. unavailable: what is raised while open."""
        self.name = name
        self._label = metrics.few("database", name)
        self._unavailable, self._clock = unavailable, clock
        self._lock = threading.RLock()
        self._failures = 0
        self._next = _FIRST  # s that it will stay open when it opens next
        self._until: float | None = None  # open until then; None: closed
        self._trial_since: float | None = None
        metrics.BREAKER_OPENED.labels(self._label)  # 0 until it opens: a rate sees the first time too
        self._told(State.CLOSED)

    @property
    def state(self) -> State:
        with self._lock:
            return self._state()

    def _state(self) -> State:
        if self._until is None:
            return State.CLOSED
        trying = self._trial_since is not None
        return State.HALF_OPEN if trying or self._clock() >= self._until else State.OPEN

    @property
    def refusal(self) -> errors.SourceUnavailable | errors.StoreUnavailable | None:
        """What entering it would raise now."""
        with self._lock:
            now = self._clock()
            if self._until is None or (now >= self._until and not self._trying(now)):
                return None
            wait = max(self._until - now, _FIRST / 2)
            return self._unavailable(
                f"{self.name} was not reached {self._failures} times in a row; it is asked again in {wait:.1f} s.",
                retry_after=wait,
            )

    def _trying(self, now: float) -> bool:
        return self._trial_since is not None and now - self._trial_since <= _TRIAL

    def __enter__(self) -> Self:
        with self._lock:
            refusal = self.refusal
            if refusal is not None:
                raise refusal
            if self._until is not None:
                self._trial_since = self._clock()
                self._told(State.HALF_OPEN)
            return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        del kind, traceback
        with self._lock:
            if error is None or _answered(error):
                self._close()
            elif isinstance(error, errors.ExtractionError) and error.transient:
                self._fail()
            else:  # cancelled, or a fault of ours: says nothing about the database
                self._trial_since = None

    def _close(self) -> None:
        self._failures, self._next = 0, _FIRST
        self._until = self._trial_since = None
        self._told(State.CLOSED)

    def _fail(self) -> None:
        self._failures += 1
        if self._until is not None and self._trial_since is None:
            return  # a call from before it opened
        if self._until is None and self._failures < FAILURES:
            return
        self._trial_since = None
        while_ = self._next * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - jitter
        self._next = min(2 * self._next, _LONGEST)
        self._until = self._clock() + while_
        metrics.BREAKER_OPENED.labels(self._label).inc()
        self._told(State.OPEN)

    def _told(self, state: State) -> None:
        metrics.BREAKER_STATE.labels(self._label).set(state)


class Breakers:
    """One per database, made when first asked for. Safe for many threads."""

    def __init__(self) -> None:
        self._made: dict[str, Breaker] = {}
        self._lock = threading.Lock()

    def of(self, name: str, unavailable: type[errors.SourceUnavailable | errors.StoreUnavailable]) -> Breaker:
        with self._lock:
            if name not in self._made:
                self._made[name] = Breaker(name, unavailable)
            return self._made[name]


def _answered(error: BaseException) -> bool:
    """Whether an error shows that the database is there."""
    return isinstance(error, errors.ExtractionError) and not error.transient and not isinstance(error, errors.Cancelled)
