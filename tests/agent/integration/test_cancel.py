"""An extraction is given up whatever its agents are just doing: at once, or not at all and said so."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from agent.faults.harness import begin, run, until
from extraction_agent import errors
from extraction_agent.model import Definition, Status
from extraction_agent.pipeline import commit
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.retention import prunable
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop
from support import Database

ROWS, CHUNKS = 3000, 8
PROMPT = 15.0  # s, generous: half of what a lock at the store may be waited for
SLEEPS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"


@pytest.fixture
def items(source: Database) -> Database:
    source.run(
        "CREATE TABLE item (id integer PRIMARY KEY)",
        f"INSERT INTO item SELECT generate_series(1, {ROWS})",
        "ANALYZE item",
    )
    return source


@pytest.fixture
def opened(store: Database) -> Iterator[Store]:
    with Store(store.url) as connected:
        yield connected


@pytest.fixture
def begun(items: Database, opened: Store) -> int:
    """A running extraction of several chunks, none of them copied."""
    definition = Definition(table="item", chunk_rows=ROWS // CHUNKS)
    number = start(opened, open_source(items.url), "test", items.url, None, definition, Settings()).extraction_id
    assert len(opened.chunks(number)) >= CHUNKS
    return number


def copy_all(items: Database, store: Store, number: int) -> None:
    """Copy every chunk and leave the extraction to be finished."""
    stop, session = Stop(), open_source(items.url).session(None)
    try:
        for chunk in store.chunks(number):
            assert commit.copy_chunk(store.extraction(number), chunk.no, session, store, "test", stop) is not None
    finally:
        session.close()
        stop.close()


def make_indexing_slow(store: Database) -> None:
    """An index that would be built for an hour."""
    store.run(
        "CREATE FUNCTION slow(n bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql "
        "AS 'BEGIN PERFORM pg_sleep(3600); RETURN n; END'",
        "CREATE INDEX ON extraction_data (slow(extraction_id))",
    )


@contextmanager
def beside(store: Database, action: Callable[[Store], object]) -> Iterator[list[object]]:
    """Something that another agent does meanwhile. Yields what came of it, when it has come."""
    outcome: list[object] = []

    def act() -> None:
        with Store(store.url) as own:
            try:
                outcome.append(action(own))
            except errors.ExtractionError as error:
                outcome.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield outcome
    finally:
        thread.join(60)
        assert not thread.is_alive()


def assert_cancelled(store: Database, number: int) -> None:
    """Nothing of it is left."""
    assert store.rows("SELECT status, finished_at IS NOT NULL FROM extractions") == [("cancelled", True)]
    assert store.value("SELECT to_regclass(part) FROM extractions WHERE id = %(id)s", {"id": number}) is None
    assert store.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'extraction_data'::regclass") == 0
    assert store.value("SELECT count(*) FROM extraction_data") == 0


def test_an_extraction_that_is_being_indexed(items: Database, store: Database, opened: Store, begun: int) -> None:
    make_indexing_slow(store)
    copy_all(items, opened, begun)
    assert opened.summary(begun).rows == ROWS
    with beside(store, lambda own: own.finish(begun)) as outcome:
        until(lambda: store.value(SLEEPS) == 1)
        since = time.monotonic()
        assert opened.end(begun, Status.CANCELLED, None)
        assert time.monotonic() - since < PROMPT
    assert isinstance(outcome[0], errors.StoreUnavailable)  # its agent looks again, and finds it cancelled
    assert_cancelled(store, begun)
    assert store.value("SELECT count(*) FROM procrastinate_jobs") == 0
    assert opened.summary(begun).rows == 0, "its rows are gone"
    assert [one.rows for one in prunable(opened, 0.0, None, 0)] == [0], "and not with the next prune"
    assert not opened.end(begun, Status.CANCELLED, None)


def test_the_command_line_of_an_extraction_that_is_being_indexed(items: Database, store: Database) -> None:
    make_indexing_slow(store)
    process = begin("extract", items.url, "--table", "item", "--chunk-rows", "1000", "--store", store.url)
    try:
        until(lambda: store.value(SLEEPS) == 1)
        cancelled = run("cancel", "1", "--store", store.url)
        assert cancelled.returncode == 0, cancelled.stderr
        assert cancelled.stdout.split()[:6] == ["extraction", "1", "config", "item", "status", "cancelled"]
        _, told = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "Extraction 1 was cancelled; nothing of it is in the store." in told
    finally:
        process.kill()
    assert_cancelled(store, 1)


def test_an_extraction_whose_snapshot_is_being_renewed(store: Database, opened: Store, begun: int) -> None:
    """The source may take minutes to be planned again, with the extraction locked."""
    locked = threading.Event()
    cancelled = threading.Event()

    def renew(own: Store) -> None:
        with own.transaction():
            assert own.locked_snapshot(begun)[0] is Status.RUNNING
            locked.set()
            assert cancelled.wait(60)
            own.change_snapshot(begun, "other", "")

    with beside(store, renew) as outcome, Store(store.url) as claiming:
        assert locked.wait(60)
        with claiming.transaction():  # a claim's lock makes the row's xmax a multixact
            claiming.claim(begun, 0, "another agent")
        since = time.monotonic()
        assert opened.end(begun, Status.CANCELLED, None)
        assert time.monotonic() - since < PROMPT
        cancelled.set()
    assert isinstance(outcome[0], errors.StoreUnavailable)
    assert_cancelled(store, begun)


def test_a_claim_that_began_before(store: Database, opened: Store, begun: int) -> None:
    """It read `running`, waited, and wrote after the cancellation: an attempt that nobody would end."""
    with psycopg.connect(store.url) as other:
        other.execute("SELECT FROM extraction_chunks WHERE chunk_no = 0 FOR UPDATE")
        with beside(store, lambda own: own.claim(begun, 0, "late")) as outcome:
            until(lambda: store.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid'") == 1)
            assert opened.end(begun, Status.CANCELLED, None)
            other.rollback()
    assert outcome == [None] or isinstance(outcome[0], errors.StoreUnavailable), "a chunk was claimed all the same"
    assert store.value("SELECT count(*) FROM extraction_chunks WHERE state = 'running'") == 0
    assert_cancelled(store, begun)


def test_a_claim_that_waits_for_the_cancellation(store: Database, begun: int) -> None:
    with psycopg.connect(store.url) as other:
        other.execute("SELECT FROM extractions FOR UPDATE")  # as a cancellation does
        with beside(store, lambda own: own.claim(begun, 0, "late")) as outcome:
            until(lambda: store.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid'") == 1)
            other.execute("UPDATE extractions SET status = 'cancelled'")
            other.commit()
    assert outcome == [None]


def test_an_agent_that_looks_at_a_done_chunk_keeps_nobody_from_finishing(
    items: Database, store: Database, opened: Store, begun: int
) -> None:
    copy_all(items, opened, begun)
    with psycopg.connect(store.url) as other:
        other.execute("SELECT FROM extractions FOR KEY SHARE")  # as a claim does
        assert opened.finish(begun)
    assert store.value("SELECT count(*) FROM extraction_data") == ROWS


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Backends that end only when they are woken."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_many_attempts_that_are_slow_to_end(store: Database, opened: Store, begun: int) -> None:
    """One after the other, their waits would pass the deadline of the statement."""
    agents = [Store(store.url) for _ in range(CHUNKS)]
    try:
        for number, agent in enumerate(agents):
            assert agent.claim(begun, number, str(number)) is not None
        with stopped([agent.connection.info.backend_pid for agent in agents]):
            since = time.monotonic()
            assert opened.end(begun, Status.CANCELLED, None)
            assert time.monotonic() - since < PROMPT
        assert_cancelled(store, begun)
        for agent in agents:
            with pytest.raises(errors.StoreUnavailable):
                agent.status(begun)
    finally:
        for agent in agents:
            agent.close()


def test_an_attempt_that_does_not_let_go_of_the_part(store: Database, opened: Store, begun: int) -> None:
    """Nothing half-done, and a sentence instead of a time-out."""
    with Store(store.url) as agent:
        assert agent.claim(begun, 0, "stuck") is not None
        agent.connection.execute("BEGIN")
        agent.connection.execute("INSERT INTO extraction_parts.e1 (data) VALUES ('1')")
        with stopped([agent.connection.info.backend_pid]):
            since = time.monotonic()
            with pytest.raises(errors.Conflict, match=r"Extraction 1 .* nothing was changed.*again"):
                opened.end(begun, Status.CANCELLED, None)
            assert time.monotonic() - since < PROMPT
            assert opened.status(begun) is Status.RUNNING
            assert store.value("SELECT to_regclass('extraction_parts.e1') IS NOT NULL")
        assert opened.end(begun, Status.CANCELLED, None)
    assert_cancelled(store, begun)
