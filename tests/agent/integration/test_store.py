"""A store as operators have shaped it, and a queue that refuses."""

import threading
import time
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql as q

from extraction_agent import errors
from extraction_agent.jobs.control import Control
from extraction_agent.jobs.reconciler import Reconciler
from extraction_agent.model import Definition
from extraction_agent.pipeline.start import Started, start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store import queue
from extraction_agent.store.store import Store
from support import Database, extract

ROWS = 3000
CHUNKS = Definition(table="item", chunk_rows=1000)


@pytest.fixture
def items(source: Database) -> Database:
    source.run(
        "CREATE TABLE item (id integer PRIMARY KEY)",
        f"INSERT INTO item SELECT generate_series(1, {ROWS})",
        "ANALYZE item",
    )
    return source


def _begin(items: Database, store: Store) -> Started:
    return start(store, open_source(items.url), "test", items.url, None, CHUNKS, Settings())


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE extraction_data ADD CONSTRAINT numbered CHECK (extraction_id > 0)",
        "ALTER TABLE extraction_data ADD COLUMN key text GENERATED ALWAYS AS (data ->> 'id') STORED",
    ],
    ids=["constraint", "generated column"],
)
def test_a_part_takes_over_what_was_added_to_the_table(items: Database, store: Database, change: LiteralString) -> None:
    store.run(change)
    extraction_id = extract(items.url, store, CHUNKS)
    assert store.value("SELECT count(*) FROM extraction_chunks") > 1
    assert (
        store.value("SELECT count(*) FROM extraction_data WHERE extraction_id = %(id)s", {"id": extraction_id}) == ROWS
    )


def test_time_outs_of_a_role_do_not_end_a_chunk(store: Database) -> None:
    name = store.value("SELECT current_database()")
    with psycopg.connect(store.url, autocommit=True) as connection:
        connection.execute(q.SQL("ALTER DATABASE {} SET statement_timeout = '1s'").format(q.Identifier(name)))
    assert store.value("SHOW statement_timeout") == "1s"
    with Store(store.url) as opened:
        assert opened.connection.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_a_queue_that_refuses_jobs_is_told_in_a_sentence(items: Database, store: Database) -> None:
    store.run("ALTER TABLE procrastinate_jobs ADD CONSTRAINT full_up CHECK (false)")
    with Store(store.url) as opened, pytest.raises(errors.StoreError, match="full_up"):
        _begin(items, opened)
    assert store.value("SELECT count(*) FROM extractions") == 0


def test_two_agents_that_defer_the_same_chunks_at_once(items: Database, store: Database) -> None:
    """The second waits for the first, finds the jobs there, and lives on."""
    with Store(store.url) as opened:
        begun = _begin(items, opened)
        store.run("DELETE FROM procrastinate_jobs")
        control = Control(store.url, "test")
        reconciler = Reconciler(control, begun.extraction_id, set())
        ended: list[BaseException | None] = []

        def defer() -> None:
            with Store(store.url) as own:
                try:
                    reconciler.defer_orphans(own)
                    ended.append(None)
                except BaseException as error:  # noqa: BLE001 - whatever it is, the test must see it
                    ended.append(error)

        second = threading.Thread(target=defer)
        with opened.transaction():
            orphans = opened.orphans(begun.extraction_id)
            queue.defer(opened.connection, orphans)
            second.start()
            while not store.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid'"):
                assert second.is_alive()  # it has met our uncommitted jobs, and waits
        second.join()
        control.close()
    assert ended == [None]
    assert store.value("SELECT count(*) FROM procrastinate_jobs") == len(orphans)


def test_a_part_is_not_indexed_before_it_can_be_attached(items: Database, store: Database) -> None:
    store.run("CREATE INDEX ON extraction_data (extraction_id, extracted_at)")
    done: list[int] = []
    with psycopg.connect(store.url) as other:
        other.execute("LOCK TABLE extraction_data IN SHARE UPDATE EXCLUSIVE MODE")  # as VACUUM does
        thread = threading.Thread(target=lambda: done.append(extract(items.url, store, CHUNKS)))
        thread.start()
        waits = "SELECT count(*) FROM pg_locks WHERE relation = 'extraction_data'::regclass AND NOT granted"
        deadline = time.monotonic() + 20
        while store.value(waits) == 0:
            assert time.monotonic() < deadline, "nothing waits for the table"
            time.sleep(0.05)
        built = "SELECT count(*) FROM pg_locks WHERE relation::regclass::text LIKE '%parts.e%' AND mode = 'ShareLock'"
        assert store.value(built) == 0, "the index was being built before the table was to be had"
    thread.join(30)
    assert store.value("SELECT count(*) FROM extraction_data WHERE extraction_id = %(n)s", {"n": done[0]}) == ROWS


def test_all_records_of_an_extraction_bear_one_time(items: Database, store: Database) -> None:
    before = store.value("SELECT now()")
    extraction = extract(items.url, store, CHUNKS)
    times = "SELECT count(DISTINCT chunk_no), min(extracted_at), max(extracted_at) FROM extraction_data"
    ((chunks, first, last),) = store.rows(f"{times} WHERE extraction_id = {extraction}")
    assert chunks > 1
    assert before < first == last < store.value("SELECT now()")
