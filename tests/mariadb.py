"""A MariaDB for tests, and databases of it."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from benchmarks.mariadb_server import MariaDB

from benchmarks import mariadb_server as servers

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDB]:
    """The server, up for the whole session."""
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
    try:
        with servers.running(folder, "64M") as server:
            if server is None:
                pytest.skip("mariadbd is not installed (Debian: apt-get install mariadb-server-core)")
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_mariadb(mariadb_server: MariaDB) -> Iterator[Callable[[], MariaDB]]:
    """Makes databases that are dropped after the test."""
    made: list[str] = []

    def make() -> MariaDB:
        name = f"source_{next(_numbers)}"
        mariadb_server.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        made.append(name)
        return MariaDB(mariadb_server.host, mariadb_server.port, name)

    yield make
    for name in made:
        mariadb_server.run(f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture
def mariadb(make_mariadb: Callable[[], MariaDB]) -> MariaDB:
    """An empty database to extract from."""
    return make_mariadb()
