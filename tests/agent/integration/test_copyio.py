"""A COPY that trickles, that never lets us wait, and one that is silent: against a real server."""

import time
from contextlib import closing

import psycopg
import pytest

from extraction_agent import errors
from extraction_agent.copyio import CopyOut
from extraction_agent.waiting import Socket, Stop
from extraction_agent.walker import BLOCK_BYTES, Block
from support import Database

STALL = 1.5  # s
SILENT = errors.SourceUnavailable("silent")


def reading(connection: psycopg.Connection[tuple[object, ...]], query: str, stop: Stop) -> CopyOut:
    statement = f"COPY ({query}) TO STDOUT (FORMAT binary)".encode()
    return CopyOut(connection.pgconn, statement, Socket(connection.fileno(), stop, STALL, SILENT), Block())


def test_a_trickle_is_no_silence(source: Database) -> None:
    """Fewer bytes than the low-water mark in all the time the limit allows, but some."""
    query = "SELECT repeat('x', 2000), pg_sleep(0.04) FROM generate_series(1, 100)"
    with closing(Stop()) as stop, psycopg.connect(source.url, autocommit=True) as connection:
        begun = time.monotonic()
        copy = reading(connection, query, stop)
        sizes = [block.used for block in copy]
        lasted = time.monotonic() - begun
    assert copy.rows == 100
    assert lasted > 2 * STALL
    assert sum(sizes) / lasted * STALL < BLOCK_BYTES * 2


def test_a_silence_is_one(source: Database) -> None:
    with closing(Stop()) as stop, psycopg.connect(source.url, autocommit=True) as connection:
        with pytest.raises(errors.SourceUnavailable, match="silent"):
            list(reading(connection, "SELECT 1, pg_sleep(20)", stop))
        connection.pgconn.finish()


def test_a_stop_is_seen_though_rows_come_faster_than_they_go(source: Database) -> None:
    query = "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
    with closing(Stop()) as stop, psycopg.connect(source.url, autocommit=True) as connection:
        blocks = iter(reading(connection, query, stop))
        for _ in range(3):
            next(blocks)
            time.sleep(0.02)  # so that the next block has come
        stop.request()
        with pytest.raises(errors.Cancelled):
            next(blocks)
        connection.pgconn.finish()
