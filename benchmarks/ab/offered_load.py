"""Each profile under the same load: so many records a minute, in small extractions, and a few users who look on.

At many times the throughput a percentage of CPU says nothing; what the same work costs does.
"""

import asyncio
import math
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import psycopg

from benchmarks import bench as b
from benchmarks import service, sides, users
from benchmarks.ab.full_load import Tell
from benchmarks.scraped import Buckets
from benchmarks.service import Service
from benchmarks.sides import Side
from benchmarks.users import Answers, Asked
from benchmarks.watch import POOL, Watch
from extraction_agent.report.evidence import Run

EVERY = 6.0  # s from one extraction's start to the next
USERS = 10  # with a second of thought between two requests each
_PAUSE = 1.0
_CONFIGS = 10  # taken in turn: an extraction that is late keeps its config from being begun again
_COSTS = """
SELECT query, calls, total_exec_time / 1000 AS seconds
FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND query NOT LIKE '%pg_stat_statements%'
ORDER BY total_exec_time DESC
LIMIT 10
"""


@dataclass(slots=True)
class Offered:
    """All runs of one profile."""

    runs: list[Run] = field(default_factory=list)
    queries: list[dict[str, Buckets]] = field(default_factory=list)  # of each run, by class
    statements: dict[str, tuple[int, float]] = field(default_factory=dict)  # calls and seconds, of the costliest
    answers: list[Answers] = field(default_factory=list)
    not_begun: int = 0  # extractions refused because the one before was not over

    @property
    def reached(self) -> float:
        """Of the worst run."""
        return min(run.records_per_minute for run in self.runs)


def rows_each(records_per_minute: float) -> int:
    """Records of each extraction."""
    return max(round(records_per_minute * EVERY / 60), 1)


def offered_load(
    bench: b.Bench, several: list[Side], rounds: int, seconds: float, asked: Asked, tell: Tell
) -> dict[str, Offered]:
    """Runs by profile, interleaved, of at least so many seconds each, to where the next start would be."""
    seconds = EVERY * math.ceil(seconds / EVERY)  # 3 starts in 20 s are a tenth less than is offered
    found = {side.name: Offered() for side in several}
    for turn in range(rounds):
        for place in range(len(several)):
            side = several[(place + turn) % len(several)]
            _once(bench, side, turn + 1, seconds, asked, found[side.name])
            run = found[side.name].runs[-1]
            pool = run.pools[POOL]
            tell(
                f"offered {turn + 1}: {side.name}: {run.records_per_minute:,.0f} records/min, CPU s: agent "
                f"{run.agent_cpu_seconds:.2f}, source {run.source_cpu_seconds:.2f}, store {run.store_cpu_seconds:.2f}; "
                f"{(run.rss_peak_bytes or 0) / 2**20:.0f} MiB, {run.connections_most} connections, pool "
                f"{pool.active_most} of {pool.most}"
            )
    return found


def _once(bench: b.Bench, side: Side, turn: int, seconds: float, asked: Asked, found: Offered) -> None:
    with service.running(bench.folder / "daemon", side.store_url, side.file) as daemon:
        configs = [daemon.config(f"offered-{number}", bench.source_url, sides.SMALL) for number in range(_CONFIGS)]
        warm = daemon.extract(configs[0])
        sides.rest(bench, side, [warm.extraction_id])
        with psycopg.connect(side.store_url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_statements_reset()")
        started_at = datetime.now(UTC)
        with Watch(daemon, bench) as watch:
            begun, answers = asyncio.run(_offer(daemon, configs, seconds, asked))
        _note_statements(side, found)
        peak = watch.rss_peak
        for extraction_id in begun:
            daemon.ended(extraction_id, started_at)
    sides.rest(bench, side, begun)
    found.queries.append(watch.last.counts.queries_since(watch.first.counts))
    found.answers.append(answers)
    found.not_begun += round(seconds / EVERY) - len(begun)
    found.runs.append(
        Run(
            round=turn,
            started_at=started_at,
            records=watch.records,
            seconds=watch.seconds,
            records_per_minute=60 * watch.records / watch.seconds,
            agent_cpu_seconds=watch.agent_cpu,
            source_cpu_seconds=watch.source_cpu,
            store_cpu_seconds=watch.store_cpu,
            rss_peak_bytes=peak,
            connections_most=watch.sessions_most,
            pools=watch.sampler.pools(),
            samples=tuple(watch.sampler.samples),
        )
    )


async def _offer(daemon: Service, configs: list[int], seconds: float, asked: Asked) -> tuple[list[int], Answers]:
    """Begin extractions by the clock and have users look on. Returns those begun, and what the users were answered."""
    begun: list[int] = []
    timeout = aiohttp.ClientTimeout(total=users.LONGEST)
    async with aiohttp.ClientSession(daemon.url, timeout=timeout, headers=daemon.authorization) as session:

        async def begin(number: int) -> None:
            await asyncio.sleep(number * EVERY)
            body, key = {"config_id": configs[number % len(configs)]}, {"Idempotency-Key": secrets.token_hex(8)}
            async with session.post("/api/v1/extractions", json=body, headers=key) as answer:
                if answer.status == 201:
                    begun.append((await answer.json())["extraction_id"])

        looking = asyncio.create_task(users.use(daemon, asked, USERS, _PAUSE, seconds))
        await asyncio.gather(*(begin(number) for number in range(round(seconds / EVERY))), asyncio.sleep(seconds))
        answers = await looking
    return begun, answers


def _note_statements(side: Side, found: Offered) -> None:
    with psycopg.connect(side.store_url, autocommit=True) as connection:
        rows = connection.execute(_COSTS).fetchall()
    for query, calls, seconds in rows:
        name = " ".join(query.split())[:300]
        before = found.statements.get(name, (0, 0.0))
        found.statements[name] = (before[0] + calls, before[1] + seconds)
