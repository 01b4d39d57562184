"""Servers and databases for every test. One embedded PostgreSQL serves all; each test has databases of its own."""

import itertools
import os
import signal
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql as q

from extraction_agent import embedded
from extraction_agent.store.store import Store
from mariadb import make_mariadb, mariadb, mariadb_server  # noqa: F401 - fixtures
from support import Database

_numbers = itertools.count(1)


def pytest_configure() -> None:
    """A shell ignores Ctrl-C for what it runs in the background, and so would the programs that tests send one to."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """On continuous integration a skipped test is a failure: what it needs was not installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def server() -> Iterator[embedded.Server]:
    """A PostgreSQL 18 that is source and store in one."""
    settings = {
        "max_prepared_transactions": "20",
        "fsync": "off",
        "track_commit_timestamp": "off",
        "wal_level": "replica",
        "log_min_messages": "warning",
    }
    with embedded.folder() as folder, embedded.Server(folder / "server", settings) as running:
        with psycopg.connect(running.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE store_template")
        with Store(running.url("store_template"), check=False) as template:
            template.migrate()
        yield running


@pytest.fixture
def make_database(server: embedded.Server) -> Iterator[Callable[[str], Database]]:
    """Makes databases that are dropped after the test: make_database("source"), make_database("store")."""
    made: list[str] = []

    def make(kind: str) -> Database:
        name = f"{kind}_{next(_numbers)}"
        template = "store_template" if kind == "store" else "template0"
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute(
                q.SQL("CREATE DATABASE {} TEMPLATE {}").format(q.Identifier(name), q.Identifier(template))
            )
        made.append(name)
        return Database(server.url(name))

    yield make
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for name in made:
            prepared = connection.execute("SELECT gid FROM pg_prepared_xacts WHERE database = %s", [name]).fetchall()
            for (gid,) in prepared:
                with psycopg.connect(server.url(name), autocommit=True) as inside:
                    inside.execute(q.SQL("ROLLBACK PREPARED {}").format(q.Literal(gid)))
            connection.execute(q.SQL("DROP DATABASE {} WITH (FORCE)").format(q.Identifier(name)))


@pytest.fixture
def source(make_database: Callable[[str], Database]) -> Database:
    """An empty database to extract from."""
    return make_database("source")


@pytest.fixture
def store(make_database: Callable[[str], Database]) -> Database:
    """A prepared store."""
    return make_database("store")
