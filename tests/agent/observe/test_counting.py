"""What an agent counts while it works; and that neither many extractions nor many names make more series."""

import asyncio
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from extraction_agent import errors, sql
from extraction_agent.jobs import Agent
from extraction_agent.model import Definition
from extraction_agent.observe import exposition, metrics
from extraction_agent.observe.host import Host
from extraction_agent.observe.stored import Stored
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.protect.threads import Threads
from extraction_agent.sources import open_source
from extraction_agent.store import connection
from extraction_agent.store.store import Store
from support import Database

_TABLE = (
    "CREATE TABLE tiny (id bigint PRIMARY KEY, note text)",
    "INSERT INTO tiny SELECT n, repeat('x', 40) FROM generate_series(1, 4) AS n",
    "ANALYZE tiny",
)  # fmt: skip
_UNFINISHED = "SELECT count(*) FROM extractions WHERE status IN ('pending', 'running')"


def begin(source_url: str, store: Database, names: Iterable[str]) -> None:
    """Leave extractions of one table to an agent."""
    opened_source = open_source(source_url)
    with Store(store.url) as opened:
        for name in names:
            start(opened, opened_source, name, source_url, None, Definition(table="tiny", chunk_rows=2), Settings())


def work_off(store: Database) -> None:
    """Let an agent work until nothing is unfinished."""

    async def work(threads: Threads) -> None:
        agent = Agent(store.url, lambda extraction: open_source(extraction.config.source_url), threads, 2)
        running = asyncio.create_task(agent.run())
        while await asyncio.to_thread(store.value, _UNFINISHED) and not running.done():
            await asyncio.wait([running], timeout=0.1)
        agent.stop()
        await running

    threads = Threads(4, 4, 10)
    try:
        asyncio.run(work(threads))
    finally:
        threads.close(5.0)
    assert store.value(_UNFINISHED) == 0


def value(name: str, **labels: str) -> float:
    found = metrics.REGISTRY.get_sample_value(name, labels)
    assert found is not None, name
    return found


def series() -> set[str]:
    """Every series there is, after a sample of everything."""
    text = generate_latest(metrics.REGISTRY).decode()
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


def test_records_bytes_and_chunks_are_what_the_store_has(source: Database, store: Database) -> None:
    source.run(*_TABLE)
    records, size, done = (
        value("extraction_records_extracted_total"),
        value("extraction_bytes_extracted_total"),
        value("extraction_chunks_total", result="done"),
    )
    busy, fences = (
        value("extraction_busy_seconds_total"),
        value("extraction_query_duration_seconds_count", query="fence"),
    )
    begin(source.url, store, ["counted"])
    work_off(store)
    assert value("extraction_records_extracted_total") - records == store.value("SELECT count(*) FROM extraction_data")
    assert value("extraction_bytes_extracted_total") - size == store.value("SELECT sum(bytes) FROM extraction_chunks")
    chunks = store.value("SELECT count(*) FROM extraction_chunks")
    assert chunks > 1
    assert value("extraction_chunks_total", result="done") - done == chunks
    assert value("extraction_query_duration_seconds_count", query="fence") - fences >= chunks
    assert value("extraction_busy_seconds_total") > busy
    assert value("extraction_chunks_in_flight") == 0
    assert value("extraction_throughput_records_per_minute") > 0


def test_an_error_is_counted_on_its_side_and_its_rows_are_not(source: Database, store: Database) -> None:
    source.run(*_TABLE)
    begin(source.url, store, ["bad"])
    source.run("DROP TABLE tiny")
    records = value("extraction_records_extracted_total")
    at_source, at_store = (
        value("extraction_errors_total", kind="source"),
        value("extraction_errors_total", kind="store"),
    )
    failed = value("extraction_chunks_total", result="failed")
    work_off(store)
    assert store.value("SELECT status FROM extractions") == "failed"
    assert value("extraction_errors_total", kind="source") > at_source
    assert value("extraction_errors_total", kind="store") == at_store
    assert value("extraction_chunks_total", result="failed") > failed
    assert value("extraction_records_extracted_total") == records


@pytest.mark.ci
def test_a_thousand_extractions_make_no_series_more(store: Database, tmp_path: Path) -> None:
    file = tmp_path / "source.db"  # planned in no time
    with closing(sqlite3.connect(file)) as made:
        made.execute("CREATE TABLE tiny (id integer PRIMARY KEY, note text)")
        made.executemany("INSERT INTO tiny VALUES (?, 'x')", [(1,), (2,), (3,), (4,)])
        made.commit()
    host, stored = Host(), Stored(store.url)

    def after(names: Iterable[str]) -> set[str]:
        begin(f"sqlite://{file}", store, names)
        stored.take()  # while they wait, too
        work_off(store)
        host.take()
        stored.take()
        return series()

    one = after(["first"])
    for number in range(1, 1000, 37):
        many = after(f"config-{number + offset}" for offset in range(37))
    assert store.value("SELECT count(*) FROM extractions WHERE status = 'succeeded'") == 1000
    assert many == one
    stored.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.SnapshotLost("gone."), "source"),
        (errors.StoreUnavailable("away."), "store"),
        (errors.Unreadable("of another version."), "store"),
        (ZeroDivisionError(), "other"),
    ],
)
def test_errors_are_of_the_side_that_failed(error: Exception, kind: str) -> None:
    before = {each: value("extraction_errors_total", kind=each) for each in metrics.KINDS}
    metrics.error(error)
    after = {each: value("extraction_errors_total", kind=each) for each in metrics.KINDS}
    assert after == {**before, kind: before[kind] + 1}


def test_names_of_people_s_choice_are_few() -> None:
    shown = {metrics.few("of a test", f"database-{number}") for number in range(1000)}
    assert len(shown) == 51
    assert "other" in shown
    assert metrics.few("of a test", "database-0") == "database-0"


def test_every_classified_statement_exists_and_every_class_is_known() -> None:
    classes = connection._CLASS_OF
    assert set(classes.values()) | {"ddl", "commit", "other"} <= set(metrics.QUERIES)
    for statement in classes:
        assert sql.load("extraction_agent.store.queries", statement)


def test_the_exposition_is_what_prometheus_asks_for() -> None:
    plain, plain_type = exposition.render()
    assert plain_type.startswith("text/plain; version=0.0.4")
    names = {family.name for family in text_string_to_metric_families(plain.decode())}
    assert {"extraction_throughput_records_per_minute", "extraction_records_extracted"} <= names
    assert not any(name.endswith("_created") for name in names)
    open_metrics, open_type = exposition.render("application/openmetrics-text; version=1.0.0")
    assert open_type.startswith("application/openmetrics-text")
    assert open_metrics.endswith(b"# EOF\n")
    edges = {sample["le"] for sample in _labels(plain, "extraction_query_duration_seconds_bucket")}
    assert {"0.05", "0.2", "0.5"} <= edges


def _labels(text: bytes, name: str) -> list[dict[str, str]]:
    families = text_string_to_metric_families(text.decode())
    return [sample.labels for family in families for sample in family.samples if sample.name == name]
