"""Samplers: what they see, how they end, and that one that hangs holds up nothing."""

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import LiteralString

import psycopg
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from extraction_agent import embedded
from extraction_agent.model import Definition
from extraction_agent.observe import exposition, metrics
from extraction_agent.observe.host import Host
from extraction_agent.observe.samplers import Sample, Sampler, Samplers, growth
from extraction_agent.observe.stored import Stored
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from support import Database, extract

_PATIENCE = 20.0  # s
_BACKEND: LiteralString = (
    "SELECT pid FROM pg_stat_activity "
    "WHERE application_name = 'extraction-agent sampler' AND datname = current_database()"
)


def value(name: str, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, labels)


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def running(sample: Sample, every: float = 0.1, deadline: float = 1.0) -> Iterator[Sampler]:
    sampler = Sampler(sample, every, deadline)
    sampler.start()
    try:
        yield sampler
    finally:
        sampler.request_stop()
        sampler.join(5)


class _Hanging:
    """Hangs until it is let go."""

    name = "hanging"

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.takes = 0

    def take(self) -> None:
        self.takes += 1
        if self.takes > 1:
            self.let_go.wait(_PATIENCE)

    def forget(self) -> None: ...

    def close(self) -> None: ...


class _Failing(_Hanging):
    """Fails from the second time on."""

    name = "failing"

    def take(self) -> None:
        self.takes += 1
        if self.takes > 1:
            raise RuntimeError("no sample")


def test_one_that_hangs_is_told_and_holds_up_no_other(store: Database) -> None:
    hanging = _Hanging()
    with running(hanging, deadline=0.2), running(Stored(store.url)):
        until(lambda: hanging.takes == 2)
        until(lambda: value("extraction_sampler_up", sampler="hanging") == 0)
        before = value("extraction_sampler_age_seconds", sampler="hanging")
        assert before is not None
        assert before > 0.2
        until(lambda: value("extraction_sampler_up", sampler="store") == 1)
        assert value("extraction_queue_depth") == 0
        hanging.let_go.set()
        until(lambda: value("extraction_sampler_up", sampler="hanging") == 1)


def test_one_that_hangs_does_not_hold_the_end_either() -> None:
    hanging = _Hanging()
    samplers = Samplers(hanging)
    samplers.start()
    hanging.takes = 1
    begun = time.monotonic()
    samplers.stop()
    assert time.monotonic() - begun < _PATIENCE / 2
    hanging.let_go.set()


def test_a_fault_is_counted_and_the_next_round_comes() -> None:
    failing = _Failing()
    with running(failing):
        until(lambda: (value("extraction_sampler_failures_total", sampler="failing") or 0) >= 2)
        assert value("extraction_sampler_up", sampler="failing") == 0


def test_the_host_is_seen() -> None:
    host = Host()
    host.take()
    spent = value("process_cpu_seconds_total")
    deadline = time.process_time() + 0.05
    while time.process_time() < deadline:
        pass
    host.take()
    assert spent is not None
    assert spent + 0.03 < (value("process_cpu_seconds_total") or 0) < 3600
    assert (value("process_resident_memory_bytes") or 0) > 1_000_000
    assert (value("process_open_fds") or 0) > 2
    assert 0 <= (value("host_cpu_used_ratio") or 0) <= 1
    assert (value("host_memory_bytes") or 0) > (value("host_memory_available_bytes") or 0) > 0
    assert abs((value("process_start_time_seconds") or 0) - time.time()) < 86_400


def test_a_total_that_begins_again_is_not_taken_for_a_loss() -> None:
    fed: list[float] = []
    grow = growth(fed.append)
    for total in (10, 15, 15, 3):
        grow(total)
    assert fed == [10, 5, 0, 3]


def test_the_store_is_seen(source: Database, store: Database) -> None:
    source.run(
        "CREATE TABLE orders (id bigint PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now())",
        "INSERT INTO orders SELECT n FROM generate_series(1, 100) AS n",
        "ANALYZE orders",
    )
    sample = Stored(store.url)
    sample.take()
    assert value("extraction_queue_depth") == 0
    assert value("extraction_queue_age_seconds") == 0
    assert value("extraction_active_extractions", status="running") == 0
    lag = value("extraction_watermark_lag_seconds")
    assert lag is not None
    assert math.isnan(lag)

    extract(source.url, store, Definition(table="orders", watermark="updated_at"), "incremental")
    with Store(store.url) as opened:
        definition = Definition(table="orders", chunk_rows=50)
        started = start(opened, open_source(source.url), "waiting", source.url, None, definition, Settings())
        chunks = len(opened.chunks(started.extraction_id))
    assert chunks > 1
    store.run("UPDATE procrastinate_events SET at = at - interval '1 hour'")
    sample.take()
    assert value("extraction_queue_depth") == chunks
    assert 3600 <= (value("extraction_queue_age_seconds") or 0) < 3700
    assert value("extraction_active_extractions", status="running") == 1
    assert value("extraction_active_chunks", state="waiting") == chunks
    assert value("extraction_active_chunks", state="done") == 0
    assert 0 < (value("extraction_watermark_lag_seconds") or 0) < 300
    assert len(store.rows(_BACKEND)) == 1
    sample.close()


def test_a_stopped_backend_ends_the_sample_and_not_the_scrape(store: Database) -> None:
    with running(Stored(store.url), deadline=2.0):
        until(lambda: value("extraction_queue_depth") == 0)
        failures = value("extraction_sampler_failures_total", sampler="store") or 0
        backend = store.value(_BACKEND)
        os.kill(backend, signal.SIGSTOP)
        try:
            scrapes = []
            while value("extraction_sampler_failures_total", sampler="store") == failures:
                begun = time.perf_counter()
                body, _ = exposition.render()
                scrapes.append(time.perf_counter() - begun)
                assert b"extraction_queue_depth" in body
                time.sleep(0.01)
        finally:
            os.kill(backend, signal.SIGCONT)
        assert len(scrapes) > 3  # while the sample hung
        assert median(scrapes) < 0.25  # some 10 ms on a machine at rest
        until(lambda: store.rows(_BACKEND) not in ([], [(backend,)]))  # the stopped one may take a while to leave
        until(lambda: value("extraction_sampler_up", sampler="store") == 1)  # over another connection


def test_what_is_no_longer_known_is_not_shown_as_it_was(store: Database) -> None:
    stored = Stored(store.url)
    stored.take()
    assert b"extraction_queue_depth 0.0" in exposition.render()[0]
    stored.close()
    lost = Stored("postgresql://postgres@127.0.0.1:1/nowhere")
    with running(lost):
        until(lambda: (value("extraction_sampler_failures_total", sampler="store") or 0) >= 1)
        until(lambda: b"extraction_queue_depth NaN" in exposition.render()[0])


@pytest.fixture(scope="module")
def watched() -> Iterator[Database]:
    """A store on a server with pg_stat_statements."""
    settings = {"shared_preload_libraries": "pg_stat_statements", "fsync": "off", "pg_stat_statements.max": "1000"}
    with embedded.folder() as folder, embedded.Server(folder / "server", settings) as server:
        with Store(server.url(), check=False) as opened:
            opened.migrate()
        yield Database(server.url())


def test_costliest_statements_are_few_and_no_text_is_told(watched: Database) -> None:
    sample = Stored(watched.url)
    sample.take()
    assert _statements() == set()  # the extension is not there
    watched.run("CREATE SCHEMA elsewhere", "CREATE EXTENSION pg_stat_statements SCHEMA elsewhere")
    with psycopg.connect(watched.url, autocommit=True) as connection:
        for number in range(30):
            connection.execute(f"SELECT 'secret-{number}', {', '.join('1' * (number + 1))}".encode())
            connection.execute(f"CREATE TABLE passing_{number} ()".encode())
            connection.execute(f"DROP TABLE passing_{number}".encode())
    sample.take()
    first = _statements()
    assert len(first) == 10
    assert all(queryid.lstrip("-").isdigit() for queryid in first)
    assert b"secret" not in exposition.render()[0]
    utility = "SELECT queryid::text FROM elsewhere.pg_stat_statements WHERE query ~ '^(CREATE|DROP) TABLE'"
    known = {row[0] for row in watched.rows(utility)}
    assert known
    assert not known & first
    watched.run("SELECT pg_sleep(0.3), 1, 2, 3")
    sample.take()
    assert len(_statements()) == 10
    assert _statements() != first
    sample.close()


def _statements() -> set[str]:
    return {
        sample.labels["queryid"]
        for family in text_string_to_metric_families(generate_latest(metrics.REGISTRY).decode())
        if family.name == "extraction_statement_seconds"
        for sample in family.samples
    }
