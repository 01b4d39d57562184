"""Reading, writing and a source's index each by itself, over one connection, with no daemon.

A profile cannot separate Q2 from B1: the old way's pages belong to its single rows. Here each is measured without the
other.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql as q

from benchmarks import bench as b
from extraction_agent import sql
from extraction_agent.store.store import Store

PAGE = 1000  # rows of a page, and of a batch
LONGER = 10  # times as many rows, where what a way costs grows with them
_INDEX: LiteralString = "CREATE INDEX idx_extraction_data_extracted_at ON extraction_data (extraction_id, extracted_at)"
_STORED: LiteralString = "INSERT INTO extraction_data (extraction_id, data, chunk_no) VALUES (%s, %s, 0)"
_STORE_COPY: LiteralString = "COPY extraction_data (extraction_id, data, chunk_no) FROM STDIN"
_CHANGED: LiteralString = "SELECT count(*), min(id) FROM item WHERE created_at > %(since)s"

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Alone:
    """One way of doing something. seconds: of each run."""

    what: str
    way: str
    rows: int
    seconds: list[float]
    note: str = ""

    @property
    def rows_per_minute(self) -> float:
        return self.rows / statistics.median(self.seconds) * 60


def reading(bench: b.Bench, rows: int, runs: int) -> list[Alone]:
    """Q2: the first rows of the source's table, by offset, by key, and by one COPY of a range."""
    ways: dict[str, Callable[[Connection, int], int]] = {
        f"LIMIT/OFFSET pages of {PAGE:,}": _by_offset,
        f"keyset pages of {PAGE:,}": _by_key,
        "one range, COPY": _by_copy,
    }
    with psycopg.connect(bench.source_url, autocommit=True) as connection:
        return [
            one
            for number in (rows, min(rows * LONGER, bench.rows))
            for one in _timed(
                "reading", number, runs, {name: _counted(way, connection, number) for name, way in ways.items()}
            )
        ]


def writing(bench: b.Bench, rows: int, runs: int) -> list[Alone]:
    """B1: rows that are at hand, written one by one, in batches, and by one COPY; without the user's index and with."""
    with psycopg.connect(bench.source_url) as source:
        texts = [
            text
            for (text,) in source.execute("SELECT row_to_json(item)::text FROM item WHERE id <= %s", [rows]).fetchall()
        ]
    url = b.make_template(bench, "writing")
    with Store(url, check=False) as store:
        store.migrate()
    ways: dict[str, Callable[[Connection, list[str]], None]] = {
        "one INSERT and one commit a row": _row_by_row,
        f"{PAGE:,} rows a commit, executemany": _in_batches,
        "one COPY, one commit": _copied,
    }
    found = []
    with psycopg.connect(url, autocommit=True) as connection:
        for what in ("writing without the index", "writing with the index"):
            if what == "writing with the index":
                connection.execute(_INDEX)
            actions = {name: _into_empty(way, connection, texts) for name, way in ways.items()}
            found += _timed(what, len(texts), runs, actions)
    return found


def source_index(bench: b.Bench, runs: int) -> list[Alone]:
    """Q3: the newest hundredth of the source's table, by a full scan and by an index; and what that took to build."""
    found = []
    with psycopg.connect(bench.source_url, autocommit=True) as connection:
        row = connection.execute("SELECT created_at FROM item WHERE id = %s", [bench.rows - bench.rows // 100])
        since = row.fetchall()[0][0]
        for way in ("without an index", "with an index"):
            note = ""
            if way == "with an index":
                begun = time.perf_counter()
                connection.execute("CREATE INDEX CONCURRENTLY item_created_at ON item (created_at)")
                built = time.perf_counter() - begun
                size = connection.execute("SELECT pg_relation_size('item_created_at')").fetchall()[0][0]
                connection.execute("ANALYZE item")
                note = f"built beside writers in {built:.2f} s, {size / 2**20:.1f} MiB; "
            note += _scan(connection, since)
            seconds = [
                _seconds(lambda: connection.execute(_CHANGED, {"since": since}).fetchall()) for _ in range(runs + 1)
            ]
            found.append(Alone("rows changed since", way, bench.rows // 100, seconds[1:], note))
        connection.execute("DROP INDEX CONCURRENTLY item_created_at")
    return found


def _scan(connection: Connection, since: Any) -> str:
    cursor = psycopg.ClientCursor(connection)
    cursor.execute("EXPLAIN (COSTS OFF) " + _CHANGED, {"since": since})
    return next(str(line).strip(" ->") for (line,) in cursor.fetchall() if "Scan" in line)


# Each way


def _by_offset(connection: Connection, rows: int) -> int:
    read = 0
    while read < rows:
        statement = q.SQL(sql.load("extraction_agent.sources.sql", "postgresql_page")).format(
            columns=q.SQL("*"), relation=q.SQL("item"), where=q.SQL(""), order=q.SQL(" ORDER BY id"),
            rows=q.Literal(PAGE), offset=q.Literal(read),
        )  # fmt: skip
        read += len(connection.execute(statement).fetchall())
    return read


def _by_key(connection: Connection, rows: int) -> int:
    read = last = 0
    while read < rows:
        page = connection.execute("SELECT * FROM item WHERE id > %s ORDER BY id LIMIT %s", [last, PAGE]).fetchall()
        read, last = read + len(page), page[-1][0]
    return read


def _by_copy(connection: Connection, rows: int) -> int:
    statement = q.SQL("COPY (SELECT row_to_json(item.*) FROM item WHERE id > 0 AND id <= {}) TO STDOUT (FORMAT binary)")
    with connection.cursor() as cursor, cursor.copy(statement.format(q.Literal(rows))) as copy:
        return sum(1 for _ in copy)  # a row each, and the end's mark


def _row_by_row(connection: Connection, texts: list[str]) -> None:
    for text in texts:
        connection.execute(_STORED, [1, text])


def _in_batches(connection: Connection, texts: list[str]) -> None:
    with connection.cursor() as cursor:
        for first in range(0, len(texts), PAGE):
            with connection.transaction():
                cursor.executemany(_STORED, [(1, text) for text in texts[first : first + PAGE]])


def _copied(connection: Connection, texts: list[str]) -> None:
    with connection.cursor() as cursor, connection.transaction(), cursor.copy(_STORE_COPY) as copy:
        for text in texts:
            copy.write_row((1, text, 0))


# Measuring


def _timed(what: str, rows: int, runs: int, actions: dict[str, Callable[[], None]]) -> list[Alone]:
    """Interleaved, after once that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(runs + 1):
        for name, action in actions.items():
            seconds[name].append(_seconds(action))
    return [Alone(what, name, rows, taken[1:]) for name, taken in seconds.items()]


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _counted(way: Callable[[Connection, int], int], connection: Connection, rows: int) -> Callable[[], None]:
    def action() -> None:
        read = way(connection, rows)
        assert read >= rows, f"{read} of {rows} rows were read"

    return action


def _into_empty(
    way: Callable[[Connection, list[str]], None], connection: Connection, texts: list[str]
) -> Callable[[], None]:
    """Emptied within what is timed: a millisecond or two, the same for all."""

    def action() -> None:
        connection.execute("TRUNCATE extraction_data")
        way(connection, texts)
        (count,) = connection.execute("SELECT count(*) FROM extraction_data").fetchall()[0]
        assert count == len(texts), f"{count} of {len(texts)} rows were written"

    return action
