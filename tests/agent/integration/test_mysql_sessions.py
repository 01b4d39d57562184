"""Sessions with MariaDB in the middle of a stream: killed, stopped, left unread."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from benchmarks.mariadb_server import MariaDB

from extraction_agent import errors
from extraction_agent.model import Chunk, Consistency, Definition
from extraction_agent.sources import open_source
from extraction_agent.sources.protocol import Session
from extraction_agent.waiting import Stop
from extraction_agent.walker import Block


@pytest.fixture
def large(mariadb: MariaDB) -> MariaDB:
    """A table that takes a while."""
    mariadb.run(
        "CREATE TABLE item (id INT PRIMARY KEY, filler CHAR(200))",
        "INSERT INTO item SELECT seq, repeat('x', 200) FROM seq_1_to_200000",
    )
    return mariadb


@pytest.fixture
def stop() -> Iterator[Stop]:
    made = Stop()
    yield made
    made.close()


def begun(large: MariaDB, stop: Stop) -> tuple[Session, Iterator[Any]]:
    """A stream that has moved its first block."""
    source = open_source(large.url)
    planned = source.plan(Definition(table="item", consistency=Consistency.SNAPSHOT), 1000, None)
    session = source.session(None)
    stream = iter(session.stream(planned.plan, planned.chunks[0], Block(), stop))
    assert next(stream)
    return session, stream


def test_a_killed_connection(large: MariaDB, stop: Stop) -> None:
    session, stream = begun(large, stop)
    ours = large.rows("SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT `id`%'")
    assert len(ours) == 1
    large.run(f"KILL {ours[0][0]}")
    with pytest.raises(errors.SourceUnavailable, match="cannot be reached"):
        for _block in stream:
            pass
    assert not session.usable
    session.close()


def test_a_stop_in_the_midst(large: MariaDB, stop: Stop) -> None:
    session, stream = begun(large, stop)
    stop.request()
    asked = time.monotonic()
    with pytest.raises(errors.Cancelled):
        for _block in stream:
            pass
    assert time.monotonic() - asked < 1
    assert not session.usable
    session.close()


def test_a_stop_while_the_server_computes(mariadb: MariaDB, stop: Stop) -> None:
    source = open_source(mariadb.url)
    planned = source.plan(Definition(query="SELECT 1 AS a"), 1000, None)
    slow = planned.plan.model_copy(update={"relation": "(SELECT sleep(30) AS a) AS query"})
    session = source.session(None)
    timer = threading.Timer(0.3, stop.request)
    timer.start()
    begin = time.monotonic()
    with pytest.raises(errors.Cancelled):
        list(session.stream(slow, Chunk(), Block(), stop))
    assert 0.2 < time.monotonic() - begin < 1.3
    timer.join()
    session.close()


def test_a_block_left_unread_gives_the_connection_up(large: MariaDB, stop: Stop) -> None:
    session, stream = begun(large, stop)
    del stream
    assert not session.usable
    session.close()
