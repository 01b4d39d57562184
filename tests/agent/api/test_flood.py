"""Many connections at once on a loop that comes late: the system keeps them, and few turns take them all."""

import asyncio
import socket
from contextlib import ExitStack

from aiohttp import web

from extraction_agent.interfaces.api.listener import Listener
from extraction_agent.observe import metrics

_MANY = 300


def test_a_flood_waits_for_a_late_loop_and_is_taken_in_a_few_turns() -> None:
    async def run() -> None:
        listener = Listener(web.Application(), lambda: _MANY)
        address = await listener.open("127.0.0.1", 0)
        with ExitStack() as clients:
            for _ in range(_MANY):  # while the loop stands still; one too many would be connected a second later
                clients.enter_context(socket.create_connection(address, timeout=0.9))
            assert _taken() == 0
            turns = 0
            while _taken() < _MANY:
                await asyncio.sleep(0)
                turns += 1
            assert turns <= _MANY // 10, "they come sixteen in a turn"
        await listener.close(5)

    asyncio.run(run())


def _taken() -> float:
    taken = metrics.REGISTRY.get_sample_value("http_connections_open")
    assert taken is not None
    return taken
