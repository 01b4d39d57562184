"""The reconciler finishes what nobody else will, and lets go of it when its agent is stopped."""

from contextlib import closing
from typing import LiteralString

import psycopg

from agent.faults.harness import until
from agent.faults.worker import Worker
from extraction_agent.model import Definition
from extraction_agent.pipeline import commit
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop
from support import Database

WAITS_FOR_A_TABLE: LiteralString = (
    "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database "
    "WHERE d.datname = current_database() AND relation IS NOT NULL AND NOT granted"
)


def _copy_but_do_not_finish(source: Database, store: Database) -> None:
    """As an agent does that dies after its last chunk."""
    source.run(
        "CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 3000) AS n",
        "ALTER TABLE item ADD PRIMARY KEY (id)",
        "VACUUM ANALYZE item",
    )
    opened_source = open_source(source.url)
    with Store(store.url) as opened, closing(Stop()) as stop, closing(opened_source.session(None)) as session:
        definition = Definition(table="item", chunk_rows=1000)
        begun = start(opened, opened_source, "test", source.url, None, definition, Settings())
        extraction = opened.extraction(begun.extraction_id)
        assert extraction.part is not None
        for chunk in opened.chunks(extraction.id):
            assert commit.copy_chunk(extraction, chunk.no, session, opened, "dead", stop) is not None
    store.run("DELETE FROM procrastinate_jobs")


def test_a_stop_ends_a_reconciler_that_waits(source: Database, store: Database) -> None:
    _copy_but_do_not_finish(source, store)
    other = psycopg.connect(store.url)
    other.execute("LOCK TABLE extraction_data IN SHARE UPDATE EXCLUSIVE MODE")  # as VACUUM does
    with Worker(store.url, source.url) as worker, other:
        until(lambda: store.value(WAITS_FOR_A_TABLE) == 1)
        worker.stop()
        until(worker.ended, 8)  # an agent's own limits add up to 6 s; without a stop it waits for the lock, 30 s
    assert store.value("SELECT status FROM extractions") == "running"
    assert store.value("SELECT count(*) FROM extraction_data") == 0
    with Worker(store.url, source.url):
        until(lambda: store.value("SELECT status FROM extractions") == "succeeded")
    assert store.value("SELECT count(DISTINCT data ->> 'id') FROM extraction_data") == 3000
