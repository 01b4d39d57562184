"""The pace of a relay: how much of its time it works. Short rests between two blocks, ended at once by a stop."""

import select
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from extraction_agent import waits
from extraction_agent.sources.protocol import Stream
from extraction_agent.waiting import Stop
from extraction_agent.walker import Block

_LONGEST = 0.25  # s, one rest: far below every deadline of a stream
_LOOK = 0.005  # s, between two looks at the share during a rest
_SHORTEST = 0.001  # s: less is carried over to the next block, since poll() counts in ms
_MOST_OWED = 1.0  # s: after a wait for a slow server a relay has slept enough


class Share(Protocol):
    """Who sets the pace. Asked once per block, so it must cost nothing."""

    def share(self) -> float:
        """Of its time, that each relay may work now: 0 is a pause, 1 full speed."""
        ...


class Pace:
    """Of one relay, in one thread."""

    def __init__(self, stop: Stop, *by: Share, spares: Callable[[], bool] = lambda: False) -> None:
        """by: the slowest of these sets the pace. spares: whether the source has others to serve, in small bursts."""
        self._by, self.spares = by, spares
        self._stop = stop
        self._poll = select.poll()
        self._poll.register(stop.fileno(), select.POLLIN)
        self._worked_since = time.monotonic()
        self._work = 0.0  # s, not yet rested for

    def keep(self) -> None:
        """Between two blocks: rest as long as the work since the last call demands. Raises Cancelled.

        At the share there is now, asked for again and again: what was owed at a small one is nothing at full speed.
        """
        begun = time.monotonic()
        self._work += begun - self._worked_since
        while (share := self._share()) < 1:
            if share <= 0:
                self._sleep(_LOOK)
                self._work = 0.0
                continue
            owed = min(self._work * (1 - share) / share, _MOST_OWED)
            rested = time.monotonic() - begun
            left = min(owed, _LONGEST) - rested
            if left < _SHORTEST:
                self._work = max(owed - rested, 0.0) * share / (1 - share)
                break
            self._sleep(min(left, _LOOK))
        else:
            self._work = 0.0
        self._worked_since = time.monotonic()

    def _share(self) -> float:
        return min(by.share() for by in self._by)

    def _sleep(self, seconds: float) -> None:
        with waits.waiting_for(waits.Wait.REST):
            ended = self._poll.poll(seconds * 1000)
        if ended:
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
