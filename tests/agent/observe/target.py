"""A small process that works as an agent and answers /metrics: python target.py STORE_URL. Prints its port."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from extraction_agent import profiles
from extraction_agent.jobs import Agent
from extraction_agent.observe import exposition, metrics
from extraction_agent.observe.host import Host
from extraction_agent.observe.samplers import Samplers
from extraction_agent.observe.stored import Stored
from extraction_agent.protect.threads import Threads
from extraction_agent.sources import open_source
from extraction_agent.store.pools import Pool


@web.middleware
async def _timed(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    begun = time.perf_counter()
    response = await handler(request)
    metrics.HTTP_SECONDS.labels(request.method, request.path, str(response.status)).observe(time.perf_counter() - begun)
    return response


async def _metrics(request: web.Request) -> web.Response:
    body, content_type = exposition.render(request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type})


async def _live(store_url: str) -> None:
    settings = profiles.load("optimized").settings
    pool = Pool(store_url, settings.pool, "store")
    threads = Threads(settings.threads.core, settings.threads.maximum, settings.threads.queue)
    samplers = Samplers(Host(), Stored(store_url))
    samplers.start()
    agent = Agent(store_url, lambda extraction: open_source(extraction.config.source_url), threads, 2)
    application = web.Application(middlewares=[_timed])
    application.add_routes([web.get("/metrics", _metrics)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    try:
        await agent.run()
    finally:
        samplers.stop()
        pool.close(1.0)
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_live(sys.argv[1]))
