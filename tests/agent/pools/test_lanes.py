"""Pools beside the pool: lanes, one for the store and one for each kind of source; and the queue's own."""

import asyncio

import psycopg
from psycopg import sql as q

from agent.faults.harness import until
from agent.faults.worker import Worker
from extraction_agent.model import Definition
from extraction_agent.observe import metrics
from extraction_agent.pipeline.lanes import Lanes
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store import queue
from extraction_agent.store.store import Store
from support import Database


def figures(pool: str) -> tuple[float | None, ...]:
    """active, idle, max"""
    return tuple(
        metrics.REGISTRY.get_sample_value(f"hikari_pool_{name}_connections", {"pool": pool})
        for name in ("active", "idle", "max")
    )


def test_counts_lanes_in_use_and_at_rest(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 10) AS n", "ANALYZE item")
    opened = open_source(source.url)
    with Store(store.url) as control:
        begun = start(control, opened, "lanes", source.url, None, Definition(table="item"), Settings())
        extraction = control.extraction(begun.extraction_id)
    lanes = Lanes(lambda _: opened, lambda: Store(store.url), 5)
    try:
        both = ("lanes-store", "source-postgresql")
        first, second = lanes.take(extraction), lanes.take(extraction)
        assert [figures(pool) for pool in both] == [(2, 0, 5)] * 2
        lanes.give_back(first)
        assert [figures(pool) for pool in both] == [(1, 1, 5)] * 2
        assert lanes.take(extraction) is first
        first.store.close()
        lanes.give_back(first)  # not usable: it is closed
        lanes.give_back(second)
        assert [figures(pool) for pool in both] == [(0, 1, 5)] * 2
    finally:
        lanes.forget()
        if begun.snapshot is not None:
            begun.snapshot.close()
    assert [figures(pool) for pool in both] == [(0, 0, 5)] * 2


def test_the_queue_s_connections_are_reported_while_an_agent_works(source: Database, store: Database) -> None:
    with Worker(store.url, source.url):
        until(lambda: figures("queue")[2] == 4)
        until(lambda: sum(figure or 0 for figure in figures("queue")[:2]) >= 1)
    assert figures("queue") == (None, None, None)


def test_the_queue_s_connections_read_committed_whatever_the_store_s_default(store: Database) -> None:
    """At `repeatable read` two agents that fetch at once would meet: could not serialize access."""
    database = q.Identifier(store.value("SELECT current_database()"))
    setting = "ALTER DATABASE {} SET default_transaction_isolation = 'repeatable read'"
    with psycopg.connect(store.url, autocommit=True) as connection:
        connection.execute(q.SQL(setting).format(database))
    shown = "SHOW transaction_isolation"
    assert store.value(shown) == "repeatable read"

    async def copy_chunk(*_: object) -> None:
        raise AssertionError

    async def of_the_queue() -> str:
        async with queue.app(store.url, 2, copy_chunk).open_async() as app:
            found = await app.connector.execute_query_one_async(shown)
        return str(found["transaction_isolation"])

    assert asyncio.run(of_the_queue()) == "read committed"
