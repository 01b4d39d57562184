"""A lane: one source session and one store connection, used by one thread at a time and kept for the next chunk."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from extraction_agent import deadlines, errors
from extraction_agent.observe import metrics
from extraction_agent.sources.protocol import Session, Source
from extraction_agent.store.store import Extraction, Store

Key = tuple[int, str | None, bool]  # extraction, snapshot, narrow

_STORE = "lanes-store"  # the label of the lanes' connections to the store; those to sources bear their kind's


class NotReached(errors.SourceUnavailable):
    """No session of a source can be opened from here. Says nothing of the chunk: another agent may reach the source."""

    def __init__(self, message: str, lasting: float, wait: float, *, asked: bool) -> None:
        """lasting: s, since it was first not reached. wait: s, after which another try makes sense.

        asked: it was; False: not even that, for it was just now.
        """
        super().__init__(message, None if asked else wait)
        self.lasting, self.wait, self.asked = lasting, wait, asked


@dataclass(slots=True, eq=False)
class Lane:
    """Connections of one thread."""

    key: Key
    kind: str  # of source
    session: Session
    store: Store

    def count(self, *, active: int = 0, idle: int = 0) -> None:
        """Add to the figures of the pools that its two connections belong to."""
        for pool in (_STORE, _of_sources(self.kind)):
            metrics.POOL_ACTIVE.labels(pool).inc(active)
            metrics.POOL_IDLE.labels(pool).inc(idle)

    def close(self) -> None:
        self.session.close()
        self.store.close()


class Lanes:
    """Idle lanes by extraction and snapshot; opens what is missing. Safe for many threads."""

    def __init__(
        self,
        open_source: Callable[[Extraction], Source],
        open_store: Callable[[], Store],
        width: int,
        breaker: Callable[[Source], AbstractContextManager[object]] | None = None,
    ) -> None:
        """width: lanes in use at once, at most. breaker: of a source, so that one that is down is not hammered."""
        self._open_source, self._open_store, self._width = open_source, open_store, width
        _tell_sizes(_STORE, width)
        self._breaker = breaker or (lambda _: nullcontext())
        self._idle: list[Lane] = []  # `width` at most, the longest idle first
        self._sources: dict[int, Source] = {}
        self._unreached: dict[int, tuple[float, str]] = {}  # extractions: since when, and why
        self._lock = threading.Lock()

    def source(self, extraction: Extraction) -> Source:
        """The extraction's source, checked once. Raises NotReached, and what opening it raises."""
        with self._lock:
            known = self._sources.get(extraction.id)
        if known is not None:
            return known
        try:
            source = self._open_source(extraction)  # which may take a while: nobody waits for it
        except errors.SourceUnavailable as error:
            raise self._not_reached(extraction.id, error) from error
        with self._lock:
            _tell_sizes(_of_sources(source.kind), self._width)
            return self._sources.setdefault(extraction.id, source)

    def take(self, extraction: Extraction, spares: Callable[[], bool] = lambda: False) -> Lane:
        """An idle lane of this extraction and snapshot, or a new one. Raises NotReached, SnapshotLost, StoreError.

        spares: whether its connection to the source is to be narrow, and so for good; other lanes of the extraction
        are closed. Of a new lane it is asked at last: while it is opened, the guard has its first look.
        """
        key = (extraction.id, extraction.snapshot, spares())
        with self._lock:
            closing = self._remove(lambda idle: idle.key[0] == key[0] and idle.key != key)
            lane = next((idle for idle in reversed(self._idle) if idle.key == key), None)
            if lane is not None:
                self._idle.remove(lane)
        _close(closing)
        if lane is not None:
            lane.count(active=1, idle=-1)
            return lane
        source = self.source(extraction)
        session = self._session(source, extraction)
        try:
            store = self._open_store()
        except BaseException:
            session.close()
            raise
        narrow = spares()
        if narrow:
            session.narrow()
        lane = Lane((extraction.id, extraction.snapshot, narrow), source.kind, session, store)
        lane.count(active=1)
        return lane

    def _session(self, source: Source, extraction: Extraction) -> Session:
        try:
            with self._breaker(source):
                session = source.session(extraction.snapshot)
        except errors.SnapshotLost:
            raise
        except errors.SourceError as error:  # a refused log-in too: a pg_hba.conf may let in other agents
            raise self._not_reached(extraction.id, error) from error
        with self._lock:
            self._unreached.pop(extraction.id, None)
        return session

    def _not_reached(self, extraction_id: int, error: errors.SourceError) -> NotReached:
        """A breaker that is open tells no reason: the one before it stands."""
        wait = error.retry_after if isinstance(error, errors.SourceUnavailable) else None
        now = time.monotonic()
        with self._lock:
            since, reason = self._unreached.get(extraction_id, (now, str(error)))
            if wait is None:
                reason = str(error)
            self._unreached[extraction_id] = (since, reason)
        if wait is not None:
            return NotReached(reason, now - since, wait, asked=False)
        return NotReached(reason, now - since, deadlines.POLL if error.transient else deadlines.STALLED, asked=True)

    def give_back(self, lane: Lane, *, failed: bool = False) -> None:
        """Keep a lane that is at rest, in the place of the longest idle one if there are too many; close another.

        failed: an error ended its use. If that broke it, its idle neighbours are closed too: they lead to the same
        two servers, a dead connection at rest looks like a live one, and each would cost its chunk a failure.
        """
        keep = lane.session.usable and lane.store.usable
        lane.count(active=-1, idle=int(keep))
        if not keep:
            lane.close()
            if failed:
                with self._lock:
                    closing = self._remove(lambda idle: idle.key == lane.key)
                _close(closing)
            return
        with self._lock:
            self._idle.append(lane)
            closing = self._surplus()
        _close(closing)

    def resize(self, width: int) -> None:
        """So many in use at once from now on; idle ones too many are closed."""
        with self._lock:
            self._width = width
            closing = self._surplus()
            for kind in {source.kind for source in self._sources.values()}:
                _tell_sizes(_of_sources(kind), width)
        _tell_sizes(_STORE, width)
        _close(closing)

    def extractions(self) -> set[int]:
        """Those that something is kept for."""
        with self._lock:
            return {lane.key[0] for lane in self._idle} | self._sources.keys() | self._unreached.keys()

    def forget(self, extraction_id: int | None = None) -> None:
        """Close the idle lanes of an extraction, or all."""
        with self._lock:
            for unreached in [k for k in self._unreached if extraction_id in (None, k)]:
                del self._unreached[unreached]
            closing = self._remove(lambda idle: extraction_id in {None, idle.key[0]})
            for known in [k for k in self._sources if extraction_id in (None, k)]:
                del self._sources[known]
        _close(closing)

    def _surplus(self) -> list[Lane]:
        """Take the longest idle lanes out, so that `width` are left."""
        surplus = self._idle[: max(len(self._idle) - self._width, 0)]
        del self._idle[: len(surplus)]
        return surplus

    def _remove(self, unwanted: Callable[[Lane], bool]) -> list[Lane]:
        removed = [lane for lane in self._idle if unwanted(lane)]
        self._idle = [lane for lane in self._idle if lane not in removed]
        return removed


def _close(idle: list[Lane]) -> None:
    for lane in idle:
        lane.count(idle=-1)
        lane.close()


def _of_sources(kind: str) -> str:
    return f"source-{kind}"


def _tell_sizes(pool: str, width: int) -> None:
    metrics.POOL_MAX.labels(pool).set(width)
    metrics.POOL_MIN.labels(pool).set(0)
    metrics.POOL_PENDING.labels(pool).set(0)
