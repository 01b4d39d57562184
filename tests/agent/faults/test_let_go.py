"""While an extraction whose chunks are all done is indexed, for hours maybe, nothing of it stands at the source."""

from collections.abc import Iterator
from contextlib import closing
from typing import LiteralString

import psycopg
import pytest

from agent.faults.harness import until
from agent.faults.worker import Worker
from extraction_agent import deadlines
from extraction_agent.jobs.control import Control
from extraction_agent.jobs.copier import Copier
from extraction_agent.jobs.keeper import Keeper
from extraction_agent.model import Consistency, Definition
from extraction_agent.pipeline.lanes import Lanes
from extraction_agent.pipeline.start import Started, renew, start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from support import Database

ROWS = 3000
BLOCKS = Definition(table="item", chunk_rows=1000)
RANGES = Definition(table="item", chunk_rows=1000, consistency=Consistency.SNAPSHOT)
IN_A_VIEW: LiteralString = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'extraction-agent source' AND backend_xmin IS NOT NULL"
)
LOCKED: LiteralString = "SELECT count(*) FROM pg_locks WHERE relation = 'item'::regclass"
WAITS_FOR_A_TABLE: LiteralString = (
    "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database "
    "WHERE d.datname = current_database() AND relation IS NOT NULL AND NOT granted"
)


@pytest.fixture
def items(source: Database) -> Iterator[Database]:
    source.run(f"CREATE TABLE item AS SELECT n AS id FROM generate_series(1, {ROWS}) AS n", "VACUUM ANALYZE item")
    yield source
    until(lambda: source.value(IN_A_VIEW) == 0)


def _begin(source: Database, store: Database, definition: Definition) -> Started:
    if definition is RANGES:
        source.run("ALTER TABLE item ADD PRIMARY KEY (id)")
    with Store(store.url) as opened:
        begun = start(opened, open_source(source.url), "test", source.url, None, definition, Settings())
        assert len(opened.chunks(begun.extraction_id)) > 1
    return begun


@pytest.mark.parametrize("definition", [BLOCKS, RANGES], ids=["ctid", "key"])
def test_a_finish_that_takes_long_holds_nothing_at_the_source(
    items: Database, store: Database, monkeypatch: pytest.MonkeyPatch, definition: Definition
) -> None:
    monkeypatch.setattr(deadlines, "SNAPSHOT_PING", 0.2)
    begun = _begin(items, store, definition)
    assert begun.snapshot is not None
    assert items.value(LOCKED) >= 1
    other = psycopg.connect(store.url)
    other.execute("LOCK TABLE extraction_data IN SHARE UPDATE EXCLUSIVE MODE")  # as VACUUM does
    with Worker(store.url, items.url) as worker, other:
        worker.agent.hold(begun.extraction_id, begun.snapshot, 3600.0)
        until(lambda: store.value(WAITS_FOR_A_TABLE) == 1)
        assert store.value("SELECT count(*) FROM extraction_chunks WHERE state <> 'done'") == 0
        until(lambda: items.value(IN_A_VIEW) == 0)
        assert items.value(LOCKED) == 0
        assert store.value(WAITS_FOR_A_TABLE) == 1, "it was still being finished"
        other.rollback()
        until(lambda: store.value("SELECT status FROM extractions") == "succeeded")
    assert store.value("SELECT count(DISTINCT data ->> 'id') FROM extraction_data") == ROWS


def test_nothing_begins_again_for_want_of_a_snapshot_that_was_let_go(items: Database, store: Database) -> None:
    """A second job of a chunk that is done finds no snapshot, and all is copied."""
    begun = _begin(items, store, BLOCKS)
    assert begun.snapshot is not None
    begun.snapshot.close()
    store.run("UPDATE extraction_chunks SET state = 'done'")
    plan = store.rows("SELECT plan, snapshot FROM extractions")
    opened = open_source(items.url)
    with closing(Control(store.url, "test")) as control, Store(store.url) as look:
        lanes = Lanes(lambda _: opened, control.open, 1)
        assert Copier(control, lanes, Keeper(control, lanes)).copy(begun.extraction_id, 0)
        assert renew(look, opened, look.extraction(begun.extraction_id)) is None
    assert store.rows("SELECT plan, snapshot FROM extractions") == plan
    assert store.value("SELECT count(*) FROM extraction_chunks WHERE state <> 'done'") == 0
