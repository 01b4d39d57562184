"""The agent at one moment: what the page at `/` shows beside extractions."""

import socket
from datetime import UTC, datetime
from typing import Literal, Self

from prometheus_client import Counter, Gauge
from pydantic import BaseModel, Field

from extraction_agent import __version__
from extraction_agent.cache.protocol import NAME
from extraction_agent.interfaces.api import health
from extraction_agent.interfaces.api.context import Context
from extraction_agent.interfaces.api.operations import Call, Operations
from extraction_agent.interfaces.api.tuning import PartView, part
from extraction_agent.observe import metrics
from extraction_agent.observe.throughput import of_this_agent
from extraction_agent.protect import guard
from extraction_agent.protect.breaker import State
from extraction_agent.store.tokens import Scope

operations = Operations()
_BEGAN = datetime.now(UTC)
_POOLS: dict[str, Counter | Gauge] = {  # the metrics know all pools, of whatever kind
    "active": metrics.POOL_ACTIVE,
    "idle": metrics.POOL_IDLE,
    "pending": metrics.POOL_PENDING,
    "maximum": metrics.POOL_MAX,
    "minimum": metrics.POOL_MIN,
    "timeouts": metrics.POOL_TIMEOUTS,
    "leaks": metrics.POOL_LEAKS,
}
Breaker = Literal["closed", "half-open", "open"]
_BREAKERS: dict[State, Breaker] = {State.CLOSED: "closed", State.HALF_OPEN: "half-open", State.OPEN: "open"}


class Work(BaseModel):
    """What this agent moves."""

    records_per_minute: float = Field(description="of the last 60 s, per minute with a chunk in flight")
    records_per_second: list[int] = Field(description="moved in each of the last 59 whole seconds, the oldest first")
    records: int = Field(description="committed since the start")
    chunks_in_flight: int
    chunks_at_most: int = Field(description="in flight at once, as the profile says")
    extractions: list[int] = Field(description="those this agent has chunks of in hand")


class PoolView(BaseModel):
    """A pool of connections."""

    name: str
    active: int
    idle: int
    pending: int = Field(description="callers that wait")
    maximum: int
    minimum: int
    timeouts: int = Field(description="callers that got none in time, since the start")
    leaks: int = Field(description="held for longer than leak_seconds, since the start")


class ThreadsView(BaseModel):
    """The agent's threads, and the calls they take."""

    core: int
    maximum: int
    threads: int
    active: int
    queue: int = Field(description="calls that may wait")
    queued: int
    completed: int
    rejected: int


class GuardView(BaseModel):
    """What the guard of a database allows."""

    in_flight: int
    limit: int = Field(description="chunks that may be in flight now")
    maximum: int = Field(description="the same, whatever the database feels")
    share_of_time: float = Field(description="that each chunk's relay may work now, 0 to 1")
    others: bool = Field(description="somebody else was at work there, at the last look")
    quiet: bool = Field(description="nothing may begin at this hour")
    round_trip_seconds: float | None = Field(description="the latest; null: nothing is felt now")

    @classmethod
    def of(cls, stats: guard.Stats) -> Self:
        return cls(
            in_flight=stats.in_flight,
            limit=stats.limit,
            maximum=stats.maximum,
            share_of_time=stats.share,
            others=stats.others,
            quiet=stats.quiet,
            round_trip_seconds=stats.round_trip,
        )


class DatabaseView(BaseModel):
    """A database this agent works with."""

    name: str
    breaker: Breaker
    guard: GuardView | None = Field(description="null: there is none, or the profile has it off")


class CacheView(BaseModel):
    """The cache of extraction configs, since the start."""

    enabled: bool
    shared: bool = Field(description="in Redis; false: in this process")
    hits: int
    misses: int
    evictions: int
    errors: int


class LogView(BaseModel):
    """A warning or an error of the agent's log."""

    at: datetime
    level: str
    message: str
    extraction_id: int | None


class StateView(BaseModel):
    """One agent at one moment."""

    host: str
    version: str
    at: datetime
    started_at: datetime
    store: str = Field(description="where it is")
    unready: list[str] = Field(description="why the agent cannot work now; empty: it can")
    profile: str
    generation: int | None = Field(description="of the profile in force; null: the configuration names it")
    tuning: PartView = Field(description="its trial, its watch and the guards of both")
    work: Work
    pools: list[PoolView]
    threads: ThreadsView
    databases: list[DatabaseView]
    cache: CacheView
    errors: dict[str, int] = Field(description="met by extractions since the start, by the side that failed")
    log: list[LogView] = Field(description="the latest first")


@operations.add("GET", "/api/v1/state", Scope.READ, StateView)
async def show_state(call: Call) -> StateView:
    """Show this agent at this moment. No database is asked, so it answers while one is away."""
    context = call.context
    return StateView(
        host=socket.gethostname(),
        version=__version__,
        at=datetime.now(UTC),
        started_at=_BEGAN,
        store=context.pool.where,
        unready=health.unready(context),
        profile=context.profile.name,
        generation=context.generation,
        tuning=part(context),
        work=_work(context),
        pools=_pools(),
        threads=ThreadsView.model_validate(context.threads.stats(), from_attributes=True),
        databases=_databases(context),
        cache=_cache(context),
        errors=_whole(metrics.ERRORS),
        log=[LogView.model_validate(one, from_attributes=True) for one in reversed(context.recent())],
    )


def _work(context: Context) -> Work:
    return Work(
        records_per_minute=of_this_agent.per_minute(),
        records_per_second=of_this_agent.per_second(),
        records=_whole(metrics.RECORDS)[""],
        chunks_in_flight=_whole(metrics.CHUNKS_IN_FLIGHT)[""],
        chunks_at_most=context.profile.settings.reading.chunks_in_flight,
        extractions=sorted(context.extractions()),
    )


def _pools() -> list[PoolView]:
    figures = {field: _whole(metric) for field, metric in _POOLS.items()}
    return [
        PoolView(name=name, **{field: found.get(name, 0) for field, found in figures.items()})
        for name in figures["maximum"]
    ]


def _databases(context: Context) -> list[DatabaseView]:
    guards = {one.name: one for one in context.guards()}
    return [
        DatabaseView(
            name=name,
            breaker=_BREAKERS[State(state)],
            guard=GuardView.of(guards[name]) if name in guards else None,
        )
        for name, state in _whole(metrics.BREAKER_STATE).items()
    ]


def _cache(context: Context) -> CacheView:
    def count(metric: Counter) -> int:
        return _whole(metric).get(NAME, 0)

    return CacheView(
        enabled=context.profile.settings.cache.enabled,
        shared=context.config.cache.redis_url is not None,
        hits=count(metrics.CACHE_HITS),
        misses=count(metrics.CACHE_MISSES),
        evictions=count(metrics.CACHE_EVICTIONS),
        errors=count(metrics.CACHE_ERRORS),
    )


def _whole(metric: Counter | Gauge) -> dict[str, int]:
    return {name: int(value) for name, value in metrics.figures(metric).items()}
