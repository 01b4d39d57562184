"""So many at once of what may hold a thread for minutes; who comes beyond waits on the loop, where it costs nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from extraction_agent import deadlines, errors


class Turns:
    """For one loop."""

    def __init__(self, what: str, most: Callable[[], int]) -> None:
        """what: they are, in the plural, for whoever gets no turn. most: at once, as of now."""
        self._what, self._most = what, most
        self._size, self._free = 0, asyncio.Semaphore(0)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Do it inside. Raises Busy if all turns stay taken for deadlines.TURN."""
        if (most := self._most()) != self._size:  # those under way keep theirs, and count no more
            self._size, self._free = most, asyncio.Semaphore(most)
        free = self._free
        try:
            async with asyncio.timeout(deadlines.TURN):
                await free.acquire()
        except TimeoutError:
            raise errors.Busy(
                f"{self._size} {self._what} are under way already; try again in {deadlines.TURN:.0f} s.", deadlines.TURN
            ) from None
        try:
            yield
        finally:
            free.release()
