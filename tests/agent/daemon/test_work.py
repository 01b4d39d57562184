"""The daemon at work: stopped in the middle of a chunk, started without its store, and left alone."""

import signal
import time
from collections.abc import Callable
from contextlib import nullcontext

import psutil
import psycopg
import pytest

from agent.daemon.conftest import MakeDaemon
from agent.daemon.gates import Gate, assert_exact, chunks
from daemons import until
from extraction_agent import embedded, errors
from extraction_agent.interfaces.agent.composition import Sources
from extraction_agent.model import Definition
from extraction_agent.store.store import Store
from support import Database, extract

MOST_IDLE = 0.45  # s of a core in 30 s


def test_stopped_in_a_chunk_it_finishes_that_and_no_other(
    make_daemon: MakeDaemon, source: Database, store: Database
) -> None:
    daemon = make_daemon()
    daemon.tune(reading={"chunks_in_flight": 2}, source_guard={"enabled": False})
    daemon.start()
    with Gate(source) as gate:
        extraction_id = gate.extraction(store)
        gate.wait_for(2)
        daemon.signal(signal.SIGTERM)
        until(lambda: "it is about to end" in daemon.ask("/readiness").text, "the drain")
        gate.open()
        assert daemon.wait() == 0
    assert chunks(store) == {"done": 2, "waiting": 3}
    daemon.start()
    assert_exact(store, extraction_id)
    attempts = store.rows("SELECT DISTINCT attempt FROM extraction_chunks")
    assert attempts == [(1,)], "no chunk was read twice"
    daemon.stop()


def test_a_chunk_longer_than_the_drain_is_given_back(
    make_daemon: MakeDaemon, source: Database, store: Database
) -> None:
    """Shows 10: SIGTERM in the middle of a chunk, exit 0 within the deadline, finished by the next start."""
    daemon = make_daemon()
    daemon.configure(drain_seconds=6)
    daemon.start()
    with Gate(source) as gate:
        extraction_id = gate.extraction(store)
        gate.wait_for(1)
        assert chunks(store)["running"] >= 1
        begun = time.monotonic()
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert time.monotonic() - begun < 6
        assert "running" not in chunks(store), "the chunk was let go of"
        assert "done" not in chunks(store)
    daemon.start()
    assert_exact(store, extraction_id)
    daemon.stop()


def test_killed_in_a_chunk_the_next_start_finishes(make_daemon: MakeDaemon, source: Database, store: Database) -> None:
    daemon = make_daemon().start()
    with Gate(source) as gate:
        extraction_id = gate.extraction(store)
        gate.wait_for(1)
        daemon.signal(signal.SIGKILL)
        assert daemon.wait() == -signal.SIGKILL
        assert chunks(store)["running"] >= 1
    daemon.start()
    assert_exact(store, extraction_id)
    daemon.stop()


def test_it_starts_without_its_store_and_survives_a_restart_of_it(make_daemon: MakeDaemon, source: Database) -> None:
    settings = {"fsync": "off", "shared_buffers": "'32MB'"}
    with embedded.folder() as folder, embedded.Server(folder / "own", settings) as server:
        store = Database(server.url())
        with Store(store.url, check=False) as opened:
            opened.migrate()
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            store.value("SELECT 1")
        daemon = make_daemon(store_url=store.url).start()
        assert daemon.ask("/liveness").status == 200
        assert daemon.ask("/readiness").status == 503
        server.start()
        until(lambda: daemon.ask("/readiness").status == 200, "readiness")
        with Gate(source) as gate:
            extraction_id = gate.extraction(store)
            gate.wait_for(1)
            before = server.pid
            server.stop("immediate")
            assert daemon.ask("/liveness").status == 200
            time.sleep(2)  # whoever asks from now on is told the truth, however long the answer takes
            assert daemon.ask("/readiness").status == 503
            server.start()
            assert server.pid != before
            gate.open()
            assert_exact(store, extraction_id)
        daemon.stop()


def test_a_store_that_is_not_prepared_is_waited_for(
    make_daemon: MakeDaemon, make_database: Callable[[str], Database]
) -> None:
    empty = make_database("empty")
    daemon = make_daemon(store_url=empty.url).start()
    until(lambda: daemon.said("extractctl store init"), "the advice")
    assert daemon.ask("/readiness").status == 503
    with Store(empty.url, check=False) as opened:
        opened.migrate()
    until(lambda: daemon.ask("/readiness").status == 200, "readiness")
    daemon.stop()


@pytest.mark.ci
@pytest.mark.timeout(240)
def test_idle_it_costs_next_to_nothing(make_daemon: MakeDaemon) -> None:
    """Some 0.7 % of a core (a busy machine takes half as much again for it), and at most 128 MiB."""
    daemon = make_daemon().start()
    time.sleep(10)  # the pool fills, the first samples come
    process = psutil.Process(daemon.pid)
    highest = 0
    for _ in range(3):  # what others make it cost passes; what it costs by itself, it costs each time
        before = process.cpu_times()
        for _ in range(30):
            time.sleep(1)
            highest = max(highest, process.memory_info().rss)
        after = process.cpu_times()
        used = after.user + after.system - before.user - before.system
        print(f"idle for 30 s: {used / 30:.2%} of a core, {highest / 2**20:.0f} MiB")
        if used < MOST_IDLE:
            break
    assert used < MOST_IDLE
    assert highest <= 128 * 2**20
    daemon.stop()


def test_a_changed_profile_holds_at_once(make_daemon: MakeDaemon, source: Database, store: Database) -> None:
    """More chunks, connections and threads while some are in flight, then fewer; a broken profile changes none."""
    daemon = make_daemon()
    unguarded = {"enabled": False}
    daemon.tune(reading={"chunks_in_flight": 1}, source_guard=unguarded)
    daemon.start()
    with Gate(source) as gate:
        extraction_id = gate.extraction(store)
        gate.wait_for(1)
        assert daemon.metric('hikari_pool_max_connections{pool="store"}') == 50
        daemon.tune(
            reading={"chunks_in_flight": 3},
            source_guard=unguarded,
            pool={"maximum": 12, "minimum_idle": 3},
            threads={"core": 5, "maximum": 9, "queue": 7},
        )
        assert daemon.reload()["STATUS"] == "ready, reloaded"
        gate.wait_for(3)
        assert daemon.metric('hikari_pool_max_connections{pool="store"}') == 12
        assert daemon.metric('hikari_pool_min_connections{pool="store"}') == 3
        assert daemon.metric("extraction_threads_core") == 5
        assert daemon.metric("extraction_threads_max") == 9
        daemon.tune(pool={"maximum": 0})
        assert "pool.maximum" in daemon.reload()["STATUS"]
        assert daemon.metric('hikari_pool_max_connections{pool="store"}') == 12
        daemon.tune(reading={"chunks_in_flight": 1}, source_guard=unguarded)
        daemon.reload()
    assert_exact(store, extraction_id)
    assert daemon.metric('hikari_pool_max_connections{pool="store"}') == 50
    with Gate(source, new=False) as gate:
        again = gate.extraction(store)
        gate.wait_for(1)
        time.sleep(1)
        assert chunks(store, again) == {"running": 1, "waiting": 4}
    daemon.stop()


def test_what_only_its_command_can_log_in_to_is_left_to_that(source: Database, store: Database) -> None:
    """A password of the command line is in no store: a daemon that took the chunk would fail the extraction."""
    source.run("CREATE TABLE item AS SELECT 1 AS id")
    extract(source.url, store, Definition(table="item"))
    store.run("UPDATE extraction_configs SET source_url = replace(source_url, 'postgres@', 'known_to_nobody@')")
    with Store(store.url) as opened, pytest.raises(errors.NotHere, match="known_to_nobody"):
        Sources(frozenset(), lambda _: nullcontext()).of(opened.extraction(1))
