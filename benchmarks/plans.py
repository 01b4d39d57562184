"""The main queries of a store, the user's and the daemon's own: how long each takes there, and its plan."""

import statistics
import time
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from benchmarks.users import Asked, share


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that somebody runs again and again; its values are drawn anew for each run."""

    name: str
    statement: LiteralString
    index: str  # the user's, that it is for


QUERIES = (
    Query(
        "records of an extraction, by time",
        "SELECT data FROM extraction_data WHERE extraction_id = %(extraction)s ORDER BY extracted_at LIMIT 100",
        "idx_extraction_data_extracted_at",
    ),
    Query(
        "a page of records, in a wide window",  # as the daemon reads one
        "SELECT data FROM ONLY extraction_data WHERE extraction_id = %(extraction)s "
        "AND ctid > '(0,0)'::tid AND ctid < '(100000,0)'::tid ORDER BY ctid LIMIT 50",
        "idx_extraction_data_extracted_at",
    ),
    Query(
        "extractions that failed, newest first",
        "SELECT id, config_id, created_at FROM extractions WHERE status = 'failed' ORDER BY created_at DESC LIMIT 50",
        "idx_extraction_status_created",
    ),
    Query(
        "extractions that run",  # the daemon's own, several times a minute
        "SELECT id FROM extractions WHERE status = 'running' ORDER BY id",
        "idx_extraction_status_created",
    ),
    Query(
        "configs of one kind of source",
        "SELECT id, name FROM extraction_configs WHERE source_type = 'sqlite'",
        "idx_extraction_config_source_type",
    ),
)


@dataclass(frozen=True, slots=True)
class Timed:
    """One query at one store, asked over one connection with nothing beside it."""

    name: str
    calls: int
    mean_seconds: float
    p50_seconds: float
    p95_seconds: float
    plan: str

    @property
    def scan(self) -> str:
        """How the table is read: the plan's innermost node."""
        nodes = [line for line in self.plan.splitlines() if "Scan" in line]
        return nodes[-1].strip(" ->").split("  ")[0].split(" (")[0] if nodes else ""


def timed(url: str, asked: Asked, calls: int, queries: tuple[Query, ...] = QUERIES) -> list[Timed]:
    """Each query so many times, after once that is not counted."""
    with psycopg.connect(url, autocommit=True) as connection:
        return [_timed(connection, query, asked, calls) for query in queries]


def _timed(connection: psycopg.Connection[Any], query: Query, asked: Asked, calls: int) -> Timed:
    seconds = []
    for number in range(calls + 1):
        values = {"extraction": 1 + number * 7919 % asked.extractions}
        begun = time.perf_counter()
        connection.execute(query.statement, values).fetchall()
        seconds.append(time.perf_counter() - begun)
    ordered = sorted(seconds[1:])
    plan = psycopg.ClientCursor(connection)  # EXPLAIN takes no parameters apart
    plan.execute("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) " + query.statement, {"extraction": asked.extractions // 2})
    return Timed(
        name=query.name,
        calls=calls,
        mean_seconds=statistics.fmean(ordered),
        p50_seconds=share(ordered, 0.5),
        p95_seconds=share(ordered, 0.95),
        plan="\n".join(line for (line,) in plan.fetchall()),
    )
