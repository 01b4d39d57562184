"""What any reader at a part of its speed does to pgbench: one plain COPY after the other, no agent, no guard.

.venv/bin/python -m benchmarks.any_reader [--rounds 2] [--script tpcb-like|select-only]

For docs/explanation/source-guard.md: how little a source with two cores can bear, whoever reads. Three readers, each at
several speeds, beside pgbench at half of what it can do: one whose COPY, and with it its snapshot, stands all the time;
one whose COPYs end after 0.2 s; and one where the server rests itself (pg_sleep in the statement), so that no buffer
between the two makes bursts of it. The place is the one of `source_guard`, the reader in that of the agent.
"""

import argparse
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql as q

from benchmarks.source_guard import Place, p95, place

_ROWS = 2_500_000
_BEGIN = 1.0  # s after which a reader is measured
_SECONDS = 7.0  # pgbench alone, and beside a reader
_SLICE = 0.001  # s between two rests of the reader
_SHORT = 0.2  # s a COPY lasts
_COPY: LiteralString = (
    "COPY (SELECT row_to_json(t.*) FROM moved AS t WHERE id > {low} AND id <= {high}{rest}) TO STDOUT"
)
_REST: LiteralString = " AND CASE WHEN random() < {often} THEN pg_sleep(0.001) IS NOT NULL ELSE true END"


@dataclass(frozen=True, slots=True)
class Way:
    """share: of its time that the reader reads; burst: rows between two rests of the server, 0: it never rests."""

    name: str
    share: float
    seconds: float
    burst: int = 0


_WAYS = (
    *(Way("one long COPY", share, 600) for share in (0.05, 0.1, 0.3)),
    *(Way("short COPYs", share, _SHORT) for share in (0.05, 0.1, 0.3)),
    *(Way("the server rests", 1, _SHORT, burst) for burst in (50, 200, 400)),
)


class Reader(threading.Thread):
    """Reads until it is told to stop."""

    def __init__(self, source: Place, way: Way, free: float) -> None:
        super().__init__(daemon=True)
        self._url, self._way = source.source.url(), way
        spent = way.burst / (way.burst / free + 0.0011) if way.burst else free * way.share
        self._step = min(_ROWS, int(spent * way.seconds)) if free else _ROWS // 10
        self._ended = threading.Event()
        self.rows = 0

    def run(self) -> None:
        rest = q.SQL(_REST).format(often=q.Literal(1 / self._way.burst)) if self._way.burst else q.SQL("")
        low = random.randrange(_ROWS)
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._ended.is_set():
                low = 0 if low + self._step > _ROWS else low
                high = q.Literal(low + self._step)
                statement = q.SQL(_COPY).format(low=q.Literal(low), high=high, rest=rest)
                try:
                    self._read(connection, statement)
                except psycopg.OperationalError:
                    if not self._ended.is_set():
                        raise
                low += self._step

    def _read(self, connection: psycopg.Connection, statement: q.Composed) -> None:
        with connection.cursor().copy(statement) as copy:
            begun = time.monotonic()
            for _row in copy:
                self.rows += 1
                worked = time.monotonic() - begun
                if worked > _SLICE:
                    time.sleep(worked * (1 / self._way.share - 1))
                    begun = time.monotonic()
                    if self._ended.is_set():
                        connection.close()  # in the middle of a COPY that would go on for long
                        return

    @contextmanager
    def reading(self) -> Iterator[None]:
        self.start()
        time.sleep(_BEGIN)
        try:
            yield
        finally:
            self._ended.set()
            self.join()


def speed(source: Place, way: Way, free: float) -> float:
    """Rows per second of a reader with nobody else."""
    reader = Reader(source, way, free)
    with reader.reading():
        before, begun = reader.rows, time.monotonic()
        time.sleep(_SECONDS)
        return (reader.rows - before) / (time.monotonic() - begun)


def beside(source: Place, way: Way, free: float) -> tuple[float, float, float]:
    """p95 of pgbench alone and beside a reader, ms, and the reader's rows per second."""
    with source.load() as load:
        alone = time.time()
        time.sleep(_SECONDS)
        alone_until = time.time()
        reader = Reader(source, way, free)
        with reader.reading():
            rows, begun = reader.rows, time.time()
            time.sleep(_SECONDS)
            rows, ended = reader.rows - rows, time.time()
        time.sleep(0.5)  # pgbench writes its log by the block
        return (
            p95(load.latencies(alone, alone_until)), p95(load.latencies(begun, ended)), rows / (ended - begun),
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--script", choices=("tpcb-like", "select-only"), default="tpcb-like")
    options = parser.parse_args()
    with place(_ROWS, options.script, on_disk=False, together=False) as source:
        free = speed(source, Way("free", 1, _SHORT), 0)
        capacity = source.capacity(8)
        source.rate = capacity / 2
        print(f"pgbench {options.script}: {capacity:,.0f} tps unlimited, half of it asked for.")
        print(f"A reader alone: {free:,.0f} rows/s.\n")
        print("| reader | of its free speed | p95 alone, ms | beside it | rise |\n|---|--:|--:|--:|--:|", flush=True)
        for _ in range(options.rounds):
            for way in _WAYS:
                alone, with_it, rows = beside(source, way, free)
                rise = with_it / alone - 1
                print(f"| {way.name} | {rows / free:.0%} | {alone:.2f} | {with_it:.2f} | {rise:+.0%} |", flush=True)


if __name__ == "__main__":
    main()
