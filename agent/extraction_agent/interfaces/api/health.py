"""Whether the agent lives, whether it can work, and its metrics. Open to all; none of these asks the store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, Field

from extraction_agent.interfaces.api.context import Context
from extraction_agent.interfaces.api.operations import Answer, Call, Operations
from extraction_agent.interfaces.api.problems import Refused
from extraction_agent.model import Strict
from extraction_agent.observe import exposition

operations = Operations()


class Health(BaseModel):
    """All is well."""

    status: Literal["ok"] = "ok"


def watch(context: Context) -> Callable[[web.Application], AsyncIterator[None]]:
    """Feels the pulse as long as the application serves."""

    async def watching(_: web.Application) -> AsyncIterator[None]:
        feeling = (context.pulse.turn(), context.pulse.feel())
        tasks = [asyncio.create_task(one, name="pulse") for one in feeling]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return watching


@operations.add("GET", "/liveness", None, Health, HTTPStatus.SERVICE_UNAVAILABLE)
async def liveness(call: Call) -> Health:
    """Whether the agent's loop turns and its work moves, whatever its databases do. 503: restart it."""
    reasons = call.context.late()
    if stuck := call.context.pulse.stuck:
        reasons = [*reasons, f"the loop stood still for {stuck:.1f} s"]
    return _health("The agent is stuck", reasons)


@operations.add("GET", "/readiness", None, Health, HTTPStatus.SERVICE_UNAVAILABLE)
async def readiness(call: Call) -> Health:
    """Whether the agent can work now: the store answers, and it is not about to end. 503: send it nothing."""
    return _health("The agent is not ready", unready(call.context))


def unready(context: Context) -> list[str]:
    """Why the agent cannot work now."""
    away = context.pulse.store_away is not None  # why is in the log: readiness is open to all
    return [*context.unready(), *(["the store is away"] if away else [])]


def _health(what: str, reasons: list[str]) -> Health:
    if reasons:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"{what}: {'; '.join(reasons)}.", Retry_After="2")
    return Health()


class MetricsHeaders(Strict):
    """Which format is asked for."""

    accept: str = Field("", alias="Accept", description="OpenMetrics, if it is preferred")


@operations.add("GET", "/metrics", None, None, media_types=("text/plain", "application/openmetrics-text"))
async def show_metrics(_: Call, headers: MetricsHeaders) -> Answer:
    """Metrics in Prometheus's text format, or as OpenMetrics."""
    text, media_type = exposition.render(headers.accept)
    return Answer(text, {"Content-Type": media_type})
