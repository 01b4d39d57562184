"""How many may be at something at once, where the number changes while some are."""

import asyncio
from typing import Literal


class Places(asyncio.Semaphore):
    """A semaphore that may shrink below what is taken: then nobody enters until enough have left."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._free = number
        self._some_free = asyncio.Event()

    def locked(self) -> bool:
        return self._free <= 0

    async def acquire(self) -> Literal[True]:
        while self._free <= 0:
            self._some_free.clear()
            await self._some_free.wait()
        self._free -= 1
        return True

    def release(self) -> None:
        self.add(1)

    def add(self, number: int) -> None:
        """So many more, or fewer, from now on."""
        self._free += number
        if self._free > 0:
            self._some_free.set()
