"""walk [ADDRESS:]PORT HOST:PORT: leads connections on; towards its client each comes at no more than a walk's pace.

So a source takes time and no processor's: two cores carry a fleet, and more chunks in flight are really faster.
"""

import asyncio
import sys
from contextlib import suppress
from functools import partial

PACE = 150_000  # bytes a second
STEP = 4096  # bytes


async def lead(source: asyncio.StreamReader, target: asyncio.StreamWriter, pace: float) -> None:
    """One direction, until either side ends it."""
    with suppress(OSError):
        while block := await source.read(STEP):
            target.write(block)
            await target.drain()
            await asyncio.sleep(len(block) / pace)
    target.close()


async def serve(host: str, port: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    try:
        back, there = await asyncio.open_connection(host, int(port))
    except OSError:
        writer.close()
        return
    await asyncio.gather(lead(reader, there, 1e9), lead(back, writer, PACE))


async def main() -> None:
    """Never ends by itself."""
    address, _, port = sys.argv[1].rpartition(":")
    server = await asyncio.start_server(partial(serve, *sys.argv[2].split(":")), address or None, int(port))
    await server.serve_forever()


asyncio.run(main())
