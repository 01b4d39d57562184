"""A snapshot that was lost is replaced by whoever misses it first, under what the source has become since."""

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest

from agent.faults.harness import until
from agent.faults.worker import Worker
from extraction_agent import postgres
from extraction_agent.model import Consistency, Definition, Format
from extraction_agent.pipeline.start import MOST_RENEWALS, renew, start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from support import Database

ROWS = 20_000
BLOCKS = Definition(table="item", format=Format.TYPED, chunk_rows=5000)
STAMPED = Definition(table="item", format=Format.TYPED, watermark="changed_at", chunk_rows=10 * ROWS)
RANGES = Definition(table="item", consistency=Consistency.SNAPSHOT, chunk_rows=5000)
SESSIONS: LiteralString = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'extraction-agent source'"
)
WAITS_FOR_A_TABLE: LiteralString = (
    "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database "
    "WHERE d.datname = current_database() AND relation IS NOT NULL AND NOT granted"
)


@pytest.fixture
def items(source: Database) -> Iterator[Database]:
    source.run(
        "CREATE TABLE item AS "
        f"SELECT n AS id, n % 7 AS seven, now() AS changed_at FROM generate_series(1, {ROWS}) AS n",
        "ALTER TABLE item ALTER id SET NOT NULL",
        "VACUUM ANALYZE item",
    )
    yield source
    until(lambda: source.value(SESSIONS) == 0)  # nobody holds a snapshot any more


def _begin_and_lose(source: Database, store: Database, definition: Definition) -> int:
    """Begin an extraction whose first agent dies before its first chunk. Returns its chunks."""
    with Store(store.url) as opened:
        begun = start(opened, open_source(source.url), "test", source.url, None, definition, Settings())
        assert begun.snapshot is not None
        begun.snapshot.close()
        return len(opened.chunks(begun.extraction_id))


def _ends(store: Database) -> tuple[Any, ...]:
    until(lambda: store.value("SELECT status FROM extractions") != "running")
    return store.rows("SELECT status, error, notes FROM extractions")[0]


@pytest.mark.parametrize("definition", [BLOCKS, STAMPED], ids=["part", "table itself"])
def test_a_column_added_meanwhile_is_taken_too(items: Database, store: Database, definition: Definition) -> None:
    chunks = _begin_and_lose(items, store, definition)
    assert (chunks > 1) == (definition is BLOCKS)
    items.run("ALTER TABLE item ADD COLUMN more text DEFAULT 'more'")
    with Worker(store.url, items.url):
        status, error, notes = _ends(store)
    assert (status, error) == ("succeeded", None)
    assert any("began again under a new one" in note for note in notes)
    got = store.rows("SELECT count(DISTINCT id), count(*), min(more), max(more) FROM extraction_typed.test")
    assert got == [(ROWS, ROWS, "more", "more")]


def test_a_column_that_has_another_type_now_fails_it_with_the_reason(items: Database, store: Database) -> None:
    _begin_and_lose(items, store, BLOCKS)
    items.run("ALTER TABLE item ALTER seven TYPE text")
    with Worker(store.url, items.url):
        status, error, _ = _ends(store)
    assert status == "failed"
    assert "The snapshot was lost and the extraction could not go on under another" in error
    assert "Column seven is text at the source and integer in" in error
    assert store.value("SELECT count(*) FROM extraction_typed.test") == 0


def test_a_relation_that_is_gone_fails_it_with_the_reason(items: Database, store: Database) -> None:
    _begin_and_lose(items, store, BLOCKS)
    items.run("DROP TABLE item")
    with Worker(store.url, items.url):
        status, error, _ = _ends(store)
    assert status == "failed"
    assert "The snapshot was lost and the extraction could not go on under another" in error
    assert "item" in error


def test_a_source_that_does_not_answer_is_asked_again(
    items: Database, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often: not a chunk has failed. And not in a spin."""
    items.run("ALTER TABLE item ADD PRIMARY KEY (id)")
    _begin_and_lose(items, store, RANGES)
    monkeypatch.setattr(postgres.Connection, "deadline", 0.5)
    blocker = psycopg.connect(items.url)
    blocker.execute("LOCK TABLE item IN ACCESS EXCLUSIVE MODE")
    with Worker(store.url, items.url), blocker:
        until(lambda: store.value("SELECT max(attempts) FROM procrastinate_jobs") >= 3)
        assert store.rows("SELECT DISTINCT failures, attempt FROM extraction_chunks") == [(0, 0)]
        assert store.value("SELECT status FROM extractions") == "running"
        monkeypatch.undo()
        blocker.rollback()
        status, error, notes = _ends(store)
    assert (status, error) == ("succeeded", None)
    assert notes == ["The snapshot was lost: chunks copied before and after that are of two moments."]
    assert store.value("SELECT count(DISTINCT data ->> 'id') FROM extraction_data") == ROWS


def test_a_stop_ends_a_renewal_that_waits(items: Database, store: Database) -> None:
    items.run("ALTER TABLE item ADD PRIMARY KEY (id)")
    _begin_and_lose(items, store, RANGES)
    blocker = psycopg.connect(items.url)
    blocker.execute("LOCK TABLE item IN ACCESS EXCLUSIVE MODE")
    with Worker(store.url, items.url) as worker, blocker:
        until(lambda: items.value(WAITS_FOR_A_TABLE) == 1)
        worker.stop()
        until(worker.ended, 8)  # an agent's own limits add up to 6 s; without a stop it waits for the lock, 10 s
    assert store.rows("SELECT status, error FROM extractions") == [("running", None)]
    with Worker(store.url, items.url):
        assert _ends(store)[0] == "succeeded"


def test_snapshots_that_are_lost_again_and_again_fail_it_and_say_what_to_do(items: Database, store: Database) -> None:
    chunks = _begin_and_lose(items, store, BLOCKS)
    store.run("UPDATE extractions SET plan = plan - 'renewals'")  # as one was written before they were counted
    opened_source = open_source(items.url)
    with Store(store.url) as opened:
        for _ in range(MOST_RENEWALS):
            snapshot = renew(opened, opened_source, opened.extraction(1))
            assert snapshot is not None
            snapshot.close()  # as the server does to its holder
        assert store.value("SELECT min(chunk_no) FROM extraction_chunks") == MOST_RENEWALS * chunks
        assert opened.claim(1, MOST_RENEWALS * chunks, "one that reads it") is not None
        store.run("UPDATE extraction_chunks SET started_at = started_at - interval '90 s' WHERE state = 'running'")
        with Worker(store.url, items.url):
            status, error, _ = _ends(store)
        assert status == "failed"
        assert f"{MOST_RENEWALS + 1} snapshots in a row were lost, the last 9" in error
        assert "hot_standby_feedback" in error
        assert opened.reopen(1)
    with Worker(store.url, items.url):
        assert _ends(store)[:2] == ("succeeded", None)
    assert store.value("SELECT count(DISTINCT id) FROM extraction_typed.test") == ROWS
