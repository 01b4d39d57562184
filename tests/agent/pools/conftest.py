"""A server of this folder's own, which its tests restart."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from extraction_agent import embedded, profiles
from extraction_agent.store.connections import Breaker
from extraction_agent.store.pools import Pool
from extraction_agent.store.store import Store

MakePool = Callable[..., Pool]

_numbers = itertools.count(1)  # a metric's series outlive their pool


@pytest.fixture(scope="session")
def restarted() -> Iterator[embedded.Server]:
    """A server whose database `postgres` is a store."""
    settings = {"fsync": "off", "shared_buffers": "'32MB'", "max_connections": "100"}
    with embedded.folder() as folder, embedded.Server(folder / "server", settings) as server:
        with Store(server.url(), check=False) as opened:
            opened.migrate()
        yield server


@pytest.fixture
def make_pool() -> Iterator[MakePool]:
    """Makes pools that are closed after the test: make_pool(url, maximum=5)."""
    made: list[Pool] = []

    def make(url: str, breaker: Breaker | None = None, **settings: Any) -> Pool:
        defaults = {"maximum": 5, "minimum_idle": 0, "connection_timeout_seconds": 30}
        wanted = profiles.Pool().model_copy(update={**defaults, **settings})
        pool = Pool(url, wanted, f"test-{next(_numbers)}", breaker)
        made.append(pool)
        return pool

    yield make
    for pool in made:
        pool.close(0)


def backends(url: str) -> set[int]:
    """Process ids of the pools' connections to a database; none while its server is away."""
    query = (
        "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'extraction-agent test-%' "
        "AND datname = current_database()"
    )
    with suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True) as connection:
        return {int(row[0]) for row in connection.execute(query).fetchall()}
    return set()
