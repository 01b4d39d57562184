"""Time-outs that an administrator has set for a role or a database do not end our work."""

from typing import LiteralString

import psycopg
import pytest
from psycopg import sql as q

from extraction_agent.sources import postgresql
from extraction_agent.store.store import Store
from support import Database

TIME_OUTS: tuple[LiteralString, ...] = (
    "statement_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
)


def limit(database: Database, setting: LiteralString) -> None:
    """Half a second for every session of the database."""
    name = database.value("SELECT current_database()")
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(q.SQL("ALTER DATABASE {} SET {} = '500ms'").format(q.Identifier(name), q.SQL(setting)))
    assert database.value(q.SQL("SHOW {}").format(q.SQL(setting))) == "500ms"


@pytest.mark.parametrize("setting", TIME_OUTS)
def test_at_the_store(store: Database, setting: LiteralString) -> None:
    limit(store, setting)
    with Store(store.url) as opened, opened.transaction():
        assert opened.connection.execute(q.SQL("SHOW {}").format(q.SQL(setting))).fetchone() == ("0",)
        opened.connection.execute("SELECT pg_sleep(0.7)")


@pytest.mark.parametrize("setting", TIME_OUTS)
def test_at_the_source(source: Database, setting: LiteralString) -> None:
    limit(source, setting)
    connection = postgresql.Source(source.url).connect()
    try:
        with connection.transaction():
            assert connection.execute(q.SQL("SHOW {}").format(q.SQL(setting))).fetchone() == ("0",)
            connection.execute("SELECT pg_sleep(0.7)")
    finally:
        connection.close()
