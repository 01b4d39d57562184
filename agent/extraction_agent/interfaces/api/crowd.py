"""How crowded the loop is. Then relays beside make way, and beyond what it can carry some requests are told to come
again: the others stay fast.

A bound on requests at once would not do: those that wait for a slow source cost the loop nothing. So the loop's own
lateness is measured, as long as there are requests. Relays work less each time it is felt and more as it stays away, as
TCP finds its rate (additive increase, multiplicative decrease); requests are refused as many as keep it bearable.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from extraction_agent.interfaces.api.problems import Refused

FEW = 16  # requests at once that are served however late the loop is: then something else keeps it
BEARABLE = 0.012  # s that the loop may turn late; a request takes some three turns
SEVERAL = 8  # requests at once for which relays make way
FELT = 0.01  # s, a lateness for which they do
CUT = 0.7  # of their time, that relays still work after each tick so late
LEAST = 0.02  # of their time that they work at least: an extraction goes on
RISE = 0.1  # of their time a second, that they work more while the loop is in time
_TICK = 0.02  # s
_KEPT = 0.7  # of the lateness felt before, from tick to tick


class Crowd:
    """For one loop."""

    def __init__(self) -> None:
        self.size = 0
        self.late = 0.0
        self._ticking = False
        self._cut = (1.0, 0.0)  # the share after the latest cut, and when that was; one tuple, for relays read it

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Serve one more request inside. Raises Refused: 429."""
        if self.size >= FEW and self.late > BEARABLE and random.random() > BEARABLE / self.late:  # noqa: S311 - no secret
            raise Refused(
                HTTPStatus.TOO_MANY_REQUESTS,
                "More is asked of the agent than it can answer in time; try again in a second.",
                Retry_After="1",
            )
        self.size += 1
        if not self._ticking:
            self._ticking = True
            self._tick_again()
        try:
            yield
        finally:
            self.size -= 1

    def share(self) -> float:
        """Of their time that relays of this host may work now: users wait for an answer, records for nobody.

        From any thread.
        """
        share, since = self._cut
        return min(1.0, share + RISE * (time.monotonic() - since))

    def _tick_again(self) -> None:
        asyncio.get_running_loop().call_later(_TICK, self._tick, time.monotonic() + _TICK)

    def _tick(self, due: float) -> None:
        now = time.monotonic()
        late = now - due
        self.late = max(late, _KEPT * self.late)
        if late > FELT and self.size >= SEVERAL:
            self._cut = (max(LEAST, CUT * self.share()), now)
        if self.size:
            self._tick_again()
        else:
            self._ticking = False
            self.late = 0.0
