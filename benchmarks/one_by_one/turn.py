"""One profile once: a daemon under it, and all that an optimization might change."""

import asyncio
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks import bench as b
from benchmarks import service, sides, users
from benchmarks.scraped import counts
from benchmarks.service import Service
from benchmarks.sides import Side
from benchmarks.users import Answers, Asked, share
from benchmarks.watch import Watch
from extraction_agent import errors
from extraction_agent.judge.measures import THROUGHPUT, Measure

THOUGHT = 1.0  # s between two requests of one
_PATIENCE = 30.0  # s for a cache to be in use
SLOW = "slow"  # the table that the old way copies: as many rows as take it some seconds

BESIDE_P95 = Measure("p95 of users beside an extraction", "s", 1, relative=True, pooled=False)
BESIDE_P50 = Measure("median of users beside an extraction", "s", 1, relative=True, pooled=False)
CROWD_RATE = Measure("answers a second to users without thought", "1/s", -1, relative=True, pooled=False)
CROWD_P95 = Measure("p95 of users without thought", "s", 1, relative=True, pooled=False)
CONFIG_P50 = Measure("median of reading a config, alone", "s", 1, relative=True, pooled=False)
CONFIG_P95 = Measure("p95 of reading a config, alone", "s", 1, relative=True, pooled=False)
CPU = Measure("CPU seconds per million records", "s", 1, relative=True, pooled=True)
MEMORY = Measure("peak memory of the agent", "bytes", 1, relative=True, pooled=False)
CONNECTIONS = Measure("connections at most", "", 1, relative=True, pooled=False)
MEASURES = (
    THROUGHPUT, CPU, BESIDE_P50, BESIDE_P95, CROWD_RATE, CROWD_P95, CONFIG_P50, CONFIG_P95, MEMORY, CONNECTIONS,
)  # fmt: skip


@dataclass(slots=True)
class Turn:
    """Figures by the measure's name, and what went wrong meanwhile."""

    figures: dict[str, float] = field(default_factory=dict)
    cache_hits: int = 0
    cache_misses: int = 0
    refused: int = 0
    failed: dict[str, int] = field(default_factory=dict)


def turn(bench: b.Bench, side: Side, asked: Asked, crowd: int, seconds: float, redis_url: str | None) -> Turn:
    """crowd: how many users ask. seconds: for how long, each of three times. Raises ExtractionError."""
    made = Turn()
    with service.running(bench.folder / "daemon", side.store_url, side.file, redis_url) as daemon:
        table = SLOW if side.is_old_way else b.TABLE
        config = daemon.config("moved", bench.source_url, table)
        warm = daemon.extract(daemon.config("warm", bench.source_url, sides.SMALL))
        sides.rest(bench, side, [warm.extraction_id])
        with Watch(daemon, bench) as watch:
            moved = daemon.extract(config)
        if moved.rows != (there := b.content(bench.source_url, "typed", table)[0]):
            raise errors.ExtractionError(f"Profile {side.name} brought {moved.rows:,} records of {there:,}.")
        made.figures[THROUGHPUT.name] = moved.rows_per_minute
        made.figures[CPU.name] = (watch.agent_cpu + watch.source_cpu + watch.store_cpu) / moved.rows * 1e6
        sides.rest(bench, side, [moved.extraction_id])

        if side.profile.settings.cache.enabled:
            _until_cached(daemon)
        with Watch(daemon, bench) as reading:
            alone = asyncio.run(users.use(daemon, asked, 1, 0.0, seconds / 2, ("config",)))
        made.cache_hits = reading.last.counts.cache_hits - reading.first.counts.cache_hits
        made.cache_misses = reading.last.counts.cache_misses - reading.first.counts.cache_misses
        made.figures[CONFIG_P50.name] = share(alone.all(), 0.5)
        made.figures[CONFIG_P95.name] = share(alone.all(), 0.95)

        with Watch(daemon, bench) as crowded:
            hasty = asyncio.run(users.use(daemon, asked, crowd, 0.0, seconds))
            with _extracting(daemon, config) as ids:
                beside = asyncio.run(users.use(daemon, asked, crowd, THOUGHT, seconds))
        made.figures[CROWD_RATE.name] = len(hasty.all()) / hasty.lasted
        made.figures[CROWD_P95.name] = share(hasty.all(), 0.95)
        made.figures[BESIDE_P50.name] = share(beside.all(), 0.5)
        made.figures[BESIDE_P95.name] = share(beside.all(), 0.95)
        made.figures[MEMORY.name] = crowded.rss_peak
        made.figures[CONNECTIONS.name] = max(watch.sessions_most, crowded.sessions_most)
        sides.rest(bench, side, ids)
    for answers in (alone, hasty, beside):
        _note(made, answers)
    if any(math.isnan(figure) for figure in made.figures.values()):
        raise errors.ExtractionError(f"Under {side.name} users were answered nothing: {made.failed or made.refused}.")
    return made


def _until_cached(daemon: Service) -> None:
    """An agent begins to use a cache some seconds after it has found it unused."""
    deadline = time.monotonic() + _PATIENCE
    while not counts(daemon.metrics()).cache_hits:
        if time.monotonic() > deadline:
            raise errors.ExtractionError(f"The daemon has not used its cache within {_PATIENCE:g} s.")
        daemon.ask("GET", "/api/v1/configs/1")
        time.sleep(0.1)


@contextmanager
def _extracting(daemon: Service, config: int) -> Iterator[list[int]]:
    """One extraction after the other, until the block has ended. Gives their numbers."""
    over, ids, failed = threading.Event(), [], []

    def go_on() -> None:
        try:
            while not over.is_set():
                ids.append(daemon.extract(config).extraction_id)
        except errors.ExtractionError as error:
            failed.append(error)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield ids
    finally:
        over.set()
        thread.join()
    if failed:
        raise failed[0]


def _note(made: Turn, answers: Answers) -> None:
    made.refused += answers.refused
    for why, count in answers.failed.items():
        made.failed[why] = made.failed.get(why, 0) + count
