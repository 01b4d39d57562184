"""The pace of a relay: how much of its time it works. Short sleeps between two blocks, ended at once by a stop."""

import select
import time
from collections.abc import Iterator
from typing import Protocol

from extraction_agent.sources.protocol import Stream
from extraction_agent.waiting import Stop
from extraction_agent.walker import Block

_LONGEST = 0.25  # s, one sleep: far below every deadline of a stream
_SHORTEST = 0.001  # s: less is carried over to the next block, since poll() counts in ms
_MOST_OWED = 1.0  # s: after a wait for a slow server a relay has slept enough


class Share(Protocol):
    """Who sets the pace. Asked once per block, so it must cost nothing."""

    def share(self) -> float:
        """Of its time, that each relay may work now: 0 is a pause, 1 full speed."""
        ...


class Pace:
    """Of one relay, in one thread."""

    def __init__(self, stop: Stop, *by: Share) -> None:
        """by: the slowest of these sets the pace."""
        self._by = by
        self._stop = stop
        self._poll = select.poll()
        self._poll.register(stop.fileno(), select.POLLIN)
        self._worked_since = time.monotonic()
        self._owed = 0.0

    def keep(self) -> None:
        """Between two blocks: sleep as long as the work since the last call demands. Raises Cancelled."""
        now = time.monotonic()
        share = min(by.share() for by in self._by)
        if share < 1:
            worked, share = now - self._worked_since, max(share, 0.001)
            self._owed = min(self._owed + worked * (1 - share) / share, _MOST_OWED)
            if self._owed >= _SHORTEST:
                self._sleep(min(self._owed, _LONGEST))
                self._owed -= time.monotonic() - now
            while min(by.share() for by in self._by) <= 0:
                self._sleep(_SHORTEST * 5)
                self._owed = 0.0
        else:
            self._owed = 0.0
        self._worked_since = time.monotonic()

    def _sleep(self, seconds: float) -> None:
        if self._poll.poll(seconds * 1000):
            self._stop.check()


class Paced:
    """A stream whose blocks come at a pace."""

    def __init__(self, stream: Stream, pace: Pace) -> None:
        self._stream, self._pace = stream, pace

    @property
    def rows(self) -> int:
        return self._stream.rows

    def __iter__(self) -> Iterator[Block]:
        for block in self._stream:
            yield block
            self._pace.keep()
