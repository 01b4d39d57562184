"""The old service's way: it must do its job honestly, or nothing measured against it means anything."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from agent.faults.harness import until
from agent.faults.worker import Worker
from extraction_agent import deadlines, errors, profiles
from extraction_agent.jobs import Agent
from extraction_agent.model import Definition, Format, Status
from extraction_agent.pipeline import old_way
from extraction_agent.pipeline.start import start
from extraction_agent.pipeline.verify import verify
from extraction_agent.protect.threads import Threads
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop
from support import Database

_BASELINE = profiles.load("baseline").settings


def _begin(source: Database, store: Database, definition: Definition) -> int:
    with Store(store.url) as opened:
        return start(opened, open_source(source.url), "test", source.url, None, definition, _BASELINE).extraction_id


def _copy(source: Database, store: Database, number: int, stop: Stop) -> int | None:
    with Store(store.url) as opened:
        extraction = opened.extraction(number)
        done = old_way.copy_chunk(extraction, 0, open_source(source.url), opened, "test", stop)
        return None if done is None else done.rows


@contextmanager
def _stop() -> Iterator[Stop]:
    stop = Stop()
    try:
        yield stop
    finally:
        stop.close()


def test_copies_every_row_through_the_queue_as_any_extraction(source: Database, store: Database) -> None:
    source.run(
        "CREATE TABLE item AS SELECT n AS id, 'item ' || n AS name FROM generate_series(3500, 1, -1) AS n",
        "ALTER TABLE item ADD PRIMARY KEY (id)",
        "ANALYZE item",
    )
    number = _begin(source, store, Definition(table="item"))
    width = _BASELINE.reading.chunks_in_flight
    threads = Threads(width, width, 0)
    agent = Agent(store.url, lambda _: open_source(source.url), threads, width, number)

    async def work() -> str:
        running = asyncio.create_task(agent.run())
        try:
            async with asyncio.timeout(60):
                while True:
                    status = await asyncio.to_thread(store.value, "SELECT status FROM extractions")
                    if status != "running":
                        return str(status)
                    await asyncio.sleep(0.1)
        finally:
            agent.stop()
            await running

    with closing(threads):
        assert asyncio.run(work()) == "succeeded"
    got = store.rows("SELECT (data->>'id')::int, data->>'name' FROM extraction_data WHERE extraction_id = 1")
    assert sorted(got) == source.rows("SELECT id, name FROM item ORDER BY id")
    transactions = store.value("SELECT count(DISTINCT xmin::text) FROM extraction_data")
    assert transactions == 3500  # a commit a row
    with Store(store.url) as opened, _stop() as stop, pytest.raises(errors.UsageError, match="keeps no proof"):
        verify(opened, opened.extraction(number), stop)


def test_a_relation_without_a_primary_key(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item AS SELECT n AS a, n / 3.0 AS b FROM generate_series(1, 1000) AS n")
    number = _begin(source, store, Definition(table="item"))
    with _stop() as stop:
        assert _copy(source, store, number, stop) == 1000  # a full page, so an empty one must end it
        assert _copy(source, store, number, stop) is None
    assert store.value("SELECT count(DISTINCT data->>'a') FROM extraction_data") == 1000


def test_a_second_attempt_first_deletes_what_the_first_has_left(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 200000) AS n")
    source.run("ALTER TABLE item ADD PRIMARY KEY (id)", "ANALYZE item")
    number = _begin(source, store, Definition(table="item"))
    with _stop() as stop:
        asked: list[float] = []

        def ask() -> None:
            while store.value("SELECT count(*) FROM extraction_data") < 100:
                time.sleep(0.05)
            asked.append(time.monotonic())
            stop.request()

        asking = threading.Thread(target=ask)
        asking.start()
        with pytest.raises(errors.Cancelled):
            _copy(source, store, number, stop)
        took = time.monotonic() - asked[0]
        asking.join()
    assert took < 5
    left = store.value("SELECT count(*) FROM extraction_data")
    assert 100 <= left < 200_000
    source.run("DELETE FROM item WHERE id > 700")
    with _stop() as stop:
        assert _copy(source, store, number, stop) == 700
    assert store.value("SELECT count(*) FROM extraction_data") == 700


def test_a_stop_while_the_source_is_silent(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 10) AS n", "ANALYZE item")
    number = _begin(source, store, Definition(table="item"))
    with psycopg.connect(source.url) as blocker, _stop() as stop:
        blocker.execute("LOCK TABLE item IN ACCESS EXCLUSIVE MODE")
        timer = threading.Timer(0.5, stop.request)
        timer.start()
        begun = time.monotonic()
        with pytest.raises(errors.Cancelled):
            _copy(source, store, number, stop)
        assert time.monotonic() - begun < 5  # the lock alone would be waited for longer
        timer.join()


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.FAILED])
def test_an_extraction_that_is_over_gets_no_more_rows(source: Database, store: Database, status: Status) -> None:
    """Cancelled, it leaves none either."""
    source.run(
        "CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 1000000) AS n",
        "ALTER TABLE item ADD PRIMARY KEY (id)",
        "ANALYZE item",
    )
    number = _begin(source, store, Definition(table="item"))
    inserters = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'extraction-agent old way'"
    with Worker(store.url, source.url), Store(store.url) as opened:
        until(lambda: store.value("SELECT count(*) FROM extraction_data") > 100)
        assert store.value(inserters) >= 1
        assert opened.end(number, status, "over")
        before = store.value("SELECT count(*) FROM extraction_data")
        until(lambda: store.value(inserters) == 0, 10 * deadlines.CANCEL)
        after = store.value("SELECT count(*) FROM extraction_data")
    assert before < 500_000, "it was done before it was over"
    assert after < 1_000_000
    assert (after == 0) == (status is Status.CANCELLED)
    assert store.value("SELECT status FROM extractions") == status


def test_what_the_old_service_could_not_is_refused(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item AS SELECT n AS id, now() AS at FROM generate_series(1, 10) AS n")
    with pytest.raises(errors.UsageError, match="json only"):
        _begin(source, store, Definition(table="item", format=Format.TYPED))
    with pytest.raises(errors.UsageError, match="watermark"):
        _begin(source, store, Definition(table="item", watermark="at"))
    assert store.value("SELECT count(*) FROM extractions") == 0
