"""The guard against a real server: who is at work there, what it gives, and what the agent makes of a refusal."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from benchmarks.mariadb_server import MariaDB

from extraction_agent.jobs import Agent
from extraction_agent.model import Definition
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.protect import guard as guard_module
from extraction_agent.protect.guard import Guard
from extraction_agent.protect.guards import Guards, NoRoom
from extraction_agent.protect.threads import Threads
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop
from support import Database

PATIENCE = 30.0


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def guarded(source: Database, store: Database, chunks: int = 4, **guard: object) -> Iterator[tuple[Guards, Guard]]:
    settings = Settings.model_validate({"reading": {"chunks_in_flight": chunks}, "source_guard": guard})
    with Guards(store.url, settings) as guards:
        yield guards, guards.of(open_source(source.url))


@contextmanager
def others_at_work(source: Database) -> Iterator[None]:
    """Short statements of somebody else."""
    ended = threading.Event()

    def work() -> None:
        with psycopg.connect(source.url, autocommit=True, application_name="shop") as connection:
            while not ended.wait(0.05):
                connection.execute("SELECT 1")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_alone_it_gives_all_beside_others_little_and_then_all_again(source: Database, store: Database) -> None:
    with guarded(source, store) as (guards, guard):
        stop = Stop()
        with guards.copying(open_source(source.url), stop):
            until(lambda: guard.limit == 4 and guard.share() == 1.0)
            assert not guard.spares
            with others_at_work(source):
                until(lambda: guard.limit == 1)
                assert guard.share() < 1.0
                assert guard.spares, "in small bursts"
                paused = 0
                deadline = time.monotonic() + PATIENCE
                while paused < 3:  # it stops the relays now and then
                    assert time.monotonic() < deadline
                    paused += guard.share() == 0.0
                    time.sleep(0.01)
            until(lambda: guard.limit == 4 and guard.share() == 1.0)
        stop.close()


def test_its_own_sessions_are_not_others(source: Database) -> None:
    probe = open_source(source.url).probe()
    assert probe is not None
    with psycopg.connect(source.url, autocommit=True, application_name="extraction-agent source") as connection:
        connection.execute("SELECT 1")
        assert probe.look().at_work == 0
        connection.execute("SET application_name = 'shop'")
        seen = probe.look()
        assert (seen.at_work, seen.active) == (1, 0)
    probe.close()


def test_a_touch_is_timed_at_the_kernel(source: Database) -> None:
    probe = open_source(source.url).probe()
    assert probe is not None
    begun = time.perf_counter()
    felt = [probe.touch() for _ in range(20)]
    assert min(felt) > 0.00003, "what its statement works alone"
    assert sum(felt) < time.perf_counter() - begun
    probe.close()


def test_target_figures_make_distress(source: Database, store: Database) -> None:
    with (
        guarded(source, store, max_transaction_seconds=0.5) as (guards, guard),
        psycopg.connect(source.url, application_name="shop") as old,
    ):
        old.execute("SELECT 1")
        stop = Stop()
        with guards.copying(open_source(source.url), stop):
            until(lambda: 0 < guard.share() <= 0.06)
            old.rollback()
            until(lambda: guard.share() == 1.0)
        stop.close()


def test_a_role_that_may_not_see_others_is_careful(source: Database) -> None:
    source.run("CREATE ROLE guest LOGIN")
    try:
        with psycopg.connect(source.url, application_name="shop"):
            probe = open_source(source.url.replace("postgres@", "guest@")).probe()
            assert probe is not None
            at_work = probe.look().at_work
            assert at_work is not None
            assert at_work > 0  # idle, but who knows
            probe.close()
    finally:
        source.run("DROP ROLE guest")


def test_limits_of_connections_share_and_hours(source: Database, store: Database) -> None:
    with guarded(source, store, chunks=8, max_connections=5, max_share_of_time=0.4) as (guards, guard):
        stop = Stop()
        with guards.copying(open_source(source.url), stop):
            until(lambda: guard.limit == 3)  # one connection is the probe's, one for planning
            assert guard.share() == pytest.approx(0.4)
        now = datetime.now()
        hours = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}"
        quiet = Settings.model_validate({"source_guard": {"quiet_hours": [hours]}})
        guards.resize(quiet)
        assert guard.limit == 0
        with pytest.raises(NoRoom), guards.copying(open_source(source.url), stop):
            raise AssertionError("begun")
        stop.close()


def test_a_server_that_does_not_answer_is_in_distress_and_a_file_is_not_watched(
    store: Database, tmp_path: Path
) -> None:
    settings = Settings()
    gone = open_source("postgresql://postgres@127.0.0.1:1/gone")
    with Guards(store.url, settings) as guards:
        stop = Stop()
        guard = guards.of(gone)
        with guards.copying(gone, stop):
            until(lambda: guard.share() <= 0.06)
        file = open_source(f"sqlite://{tmp_path}/none.db")
        with guards.copying(file, stop) as pace:
            assert pace is not None
            until(lambda: guards.of(file).share() == 1.0)
        stop.close()


def test_mariadb_tells_who_is_at_work(mariadb: MariaDB) -> None:
    source = open_source(mariadb.url)
    probe = source.probe()
    assert probe is not None
    begun = time.perf_counter()
    felt = [probe.touch() for _ in range(20)]
    assert min(felt) > 0.00003, "what its statement works alone"
    assert sum(felt) < time.perf_counter() - begun
    seen = probe.look()
    assert seen.at_work is None or seen.at_work >= 0
    probe.close()


def test_chunks_without_room_wait_in_the_queue_uncounted_and_unspun(source: Database, store: Database) -> None:
    """Quiet hours begin before the extraction does; when they end it is done, and no chunk has an attempt too many."""
    source.run("CREATE TABLE t AS SELECT n AS id, repeat('x', 50) AS v FROM generate_series(1, 4000) n")
    source.run("ALTER TABLE t ADD PRIMARY KEY (id)", "ANALYZE t")
    now = datetime.now()
    hours = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}"
    quiet = Settings.model_validate({"batch": {"chunk_rows": 100}, "source_guard": {"quiet_hours": [hours]}})
    opened = open_source(source.url)
    with Store(store.url) as connection:
        begun = start(connection, opened, "t", source.url, None, Definition(table="t"), quiet)
    before = store.value("SELECT count(*) FROM procrastinate_events")

    async def scene() -> None:
        with Guards(store.url, quiet) as guards, closing(Threads(2, 2, 0)) as threads:
            agent = Agent(store.url, lambda _: opened, threads, 2, guards=guards)
            work = asyncio.create_task(agent.run())
            await asyncio.sleep(4)
            assert store.value("SELECT count(*) FROM extraction_chunks WHERE state <> 'waiting' OR attempt > 0") == 0
            moved = store.value("SELECT count(*) FROM procrastinate_events") - before
            assert moved < 60  # of 40 jobs in 4 s, each fetch and return being two events or three
            guards.resize(Settings.model_validate({"batch": {"chunk_rows": 100}}))
            deadline = time.monotonic() + PATIENCE
            with Store(store.url) as look:
                while not look.summary(begun.extraction_id).status.final:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.1)
                assert look.summary(begun.extraction_id).status == "succeeded"
            agent.stop()
            await work

    asyncio.run(scene())
    if begun.snapshot is not None:
        begun.snapshot.close()
    assert store.value("SELECT max(attempt) FROM extraction_chunks") == 1
    assert store.value("SELECT sum(failures) FROM extraction_chunks") == 0


def test_a_statement_now_and_then_is_no_load(
    source: Database, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an administrator or a monitor asks once must not slow an extraction for seconds."""
    monkeypatch.setattr(guard_module, "STEP", 0.6)  # a look goes back 0.5 s: after a late one two would see the same
    with guarded(source, store) as (guards, guard):
        stop = Stop()
        with guards.copying(open_source(source.url), stop):
            until(lambda: guard.limit == 4 and guard.share() == 1.0)
            with psycopg.connect(source.url, autocommit=True, application_name="shop") as connection:
                for _ in range(3):
                    connection.execute("SELECT 1")
                    ends = time.monotonic() + 1.5
                    while time.monotonic() < ends:
                        assert guard.share() == 1.0
                        time.sleep(0.01)
        stop.close()
