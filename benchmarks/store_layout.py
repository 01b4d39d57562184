"""Three ways to keep extractions in `extraction_data`, side by side: the figures behind docs/explanation/store.md.

    .venv/bin/python -m benchmarks.store_layout [ROWS] [RUNS]

One table with the user's index; a part per extraction, loaded, indexed, then attached by inheritance (ours); a list
partition per extraction beside a default partition for small ones. Rows are json, the index is the user's.
"""

import statistics
import sys
import time

import psycopg

from extraction_agent import embedded

_COLUMNS = "extraction_id bigint NOT NULL, data json NOT NULL, extracted_at timestamptz DEFAULT now(), chunk_no int"
_INDEX = "(extraction_id, extracted_at)"
_ATTACH = {
    "parent": "ALTER TABLE {part} INHERIT parent",
    "listed": "ALTER TABLE listed ATTACH PARTITION {part} FOR VALUES IN ({run})",
}
_NAMES = {"whole": "one table", "parent": "part, inherited", "listed": "partition"}

Connection = psycopg.Connection[tuple[object, ...]]


def main(rows: int, runs: int) -> None:
    """Print a table of medians in seconds."""
    settings = {"shared_buffers": "'1GB'"}
    with embedded.folder() as folder, embedded.Server(folder / "server", settings) as server:
        connection = psycopg.connect(server.url(), autocommit=True)
        load, attach = _measure(connection, rows, runs)
        retire = {
            "whole": _timed(connection, "DELETE FROM whole WHERE extraction_id = 0"),
            "parent": _timed(connection, "DROP TABLE parent_0"),
            "listed": _timed(connection, "DROP TABLE listed_0"),
        }
        connection.close()
    print(f"{'layout':<20}{'load + index':>14}{'of it attach':>14}{'retire':>10}   s, medians of {runs}, {rows:,} rows")
    for table, name in _NAMES.items():
        cells = (statistics.median(load[table]), statistics.median(attach.get(table, [0.0])), retire[table])
        print(f"{name:<20}{cells[0]:>14.2f}{cells[1]:>14.3f}{cells[2]:>10.3f}")


def _measure(connection: Connection, rows: int, runs: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds to load and index, and seconds of it to attach, by table and run; interleaved."""
    _prepare(connection, rows)
    load: dict[str, list[float]] = {table: [] for table in _NAMES}
    attach: dict[str, list[float]] = {table: [] for table in _ATTACH}
    for run in range(runs):
        load["whole"].append(_timed(connection, _fill("whole", run)))
        for parent, how in _ATTACH.items():
            part = f"{parent}_{run}"
            seconds = _timed(
                connection,
                f"CREATE TABLE {part} (LIKE {parent} INCLUDING DEFAULTS)",
                _fill(part, run),
                f"CREATE INDEX ON {part} {_INDEX}",
                f"ALTER TABLE {part} ADD CHECK (extraction_id = {run})",
            )
            attach[parent].append(_timed(connection, how.format(part=part, run=run)))
            load[parent].append(seconds + attach[parent][-1])
        _timed(connection, _fill("listed", 1000 + run), _fill("parent", 1000 + run))  # small ones, kept in common
    return load, attach


def _prepare(connection: Connection, rows: int) -> None:
    made = f"SELECT n AS id, 'item ' || n AS name, now() AS at, n * 1.5 AS amount FROM generate_series(1, {rows}) AS n"
    connection.execute(f"CREATE UNLOGGED TABLE made AS SELECT row_to_json(r) AS data FROM ({made}) AS r")
    connection.execute(f"CREATE TABLE whole ({_COLUMNS})")
    connection.execute(f"CREATE TABLE parent ({_COLUMNS})")
    connection.execute(f"CREATE TABLE listed ({_COLUMNS}) PARTITION BY LIST (extraction_id)")
    connection.execute("CREATE TABLE listed_default PARTITION OF listed DEFAULT")
    for table in _NAMES:
        connection.execute(f"CREATE INDEX ON {table} {_INDEX}")


def _fill(table: str, extraction: int) -> str:
    return f"INSERT INTO {table} (extraction_id, data, chunk_no) SELECT {extraction}, data, 1 FROM made"


def _timed(connection: Connection, *statements: str) -> float:
    connection.execute("CHECKPOINT")
    begun = time.perf_counter()
    for statement in statements:
        connection.execute(statement)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], *("1000000", "5")[len(sys.argv) - 1 :])))
