"""walk [ADDRESS:]PORT HOST:PORT [ROAD]: leads connections on; towards its client each comes at a walk's pace, at most.

So a source takes time and no processor's: two cores carry a fleet, and more chunks in flight are really faster. ROAD
is for all together, in bytes a second: who takes much of it leaves less to others.
"""

import asyncio
import sys
import time
from contextlib import suppress
from functools import partial
from math import inf

PACE = 150_000  # bytes a second, of one
STEP = 4096  # bytes


class Road:
    """Taken by one block after another."""

    def __init__(self, pace: float) -> None:
        self._pace, self._free = pace, 0.0

    async def take(self, size: int) -> None:
        """Wait for a turn, and for as long as a block of this size takes."""
        now = time.monotonic()
        self._free = max(self._free, now) + size / self._pace
        await asyncio.sleep(max(self._free - now, size / PACE))


async def lead(source: asyncio.StreamReader, target: asyncio.StreamWriter, road: Road | None = None) -> None:
    """One direction, until either side ends it."""
    with suppress(OSError):
        while block := await source.read(STEP):
            target.write(block)
            await target.drain()
            if road is not None:
                await road.take(len(block))
    target.close()


async def serve(road: Road, host: str, port: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    try:
        back, there = await asyncio.open_connection(host, int(port))
    except OSError:
        writer.close()
        return
    await asyncio.gather(lead(reader, there), lead(back, writer, road))


async def main() -> None:
    """Never ends by itself."""
    here, there, *pace = sys.argv[1:]
    (address, _, port), road = here.rpartition(":"), Road(float(pace[0]) if pace else inf)
    server = await asyncio.start_server(partial(serve, road, *there.split(":")), address or None, int(port))
    await server.serve_forever()


asyncio.run(main())
