"""A real Prometheus scrapes a daemon during an extraction: the queries people were promised answer with data."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemons import Daemon
from extraction_agent.model import Definition
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from prometheus import Prometheus
from support import Database

_ROWS = 40_000


@pytest.fixture
def target(store: Database, tmp_path: Path) -> Iterator[str]:
    """The URL of a daemon at work on the store."""
    daemon = Daemon(tmp_path / "agent", store.url)
    try:
        yield daemon.start().url
        daemon.stop()
    finally:
        daemon.close()


@pytest.mark.ci
def test_prometheus_gets_answers(source: Database, store: Database, target: str, tmp_path: Path) -> None:
    source.run(
        "CREATE TABLE orders (id bigint PRIMARY KEY, note text)",
        "INSERT INTO orders SELECT n, repeat('x', 50) FROM generate_series(1, 40000) AS n",
        "ANALYZE orders",
    )
    with Prometheus(tmp_path / "prometheus", target) as prometheus:
        prometheus.wait_for("up", lambda value: value == 1)
        assert prometheus.ask("rate(extraction_errors_total[5m]) * 60 > 0") == []
        _begin(source, store, "good", "orders", chunk_rows=1000)
        prometheus.wait_for("rate(extraction_records_extracted_total[5m]) * 60", lambda value: value > 0)
        prometheus.wait_for("extraction_throughput_records_per_minute", lambda value: value > 0)
        prometheus.wait_for("extraction_records_extracted_total", lambda value: value == _ROWS)
        quantile = "histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[5m]))"
        prometheus.wait_for(quantile, lambda value: 0 < value < 30)
        use = prometheus.wait_for(
            "hikari_pool_active_connections / hikari_pool_max_connections * 100", lambda value: 0 <= value <= 100
        )
        assert "store" in {labels["pool"] for labels, _ in use}
        assert [value for _, value in prometheus.ask('hikari_pool_max_connections{pool="store"}')] == [50]

        _begin(source, store, "bad", "orders", chunk_rows=20_000, drop=True)
        answer = prometheus.wait_for('rate(extraction_errors_total{kind="source"}[5m]) * 60', lambda value: value > 0)
        assert len(answer) == 1
        assert {labels["kind"] for labels, _ in prometheus.ask("rate(extraction_errors_total[5m]) * 60")} == {
            "source", "store", "other",
        }  # fmt: skip
        for query in ("claim", "fence", "commit", "ddl"):
            prometheus.wait_for(f'extraction_query_duration_seconds_count{{query="{query}"}}', lambda value: value > 0)


def _begin(source: Database, store: Database, name: str, table: str, chunk_rows: int, drop: bool = False) -> None:
    """Start an extraction for the agent to do; drop: its table is gone before a chunk is read."""
    definition = Definition(table=table, chunk_rows=chunk_rows)
    with Store(store.url) as opened, opened.transaction():  # no job is seen before the table is gone
        begun = start(opened, open_source(source.url), name, source.url, None, definition, Settings())
        assert begun.snapshot is None
        if drop:
            source.run("DROP TABLE orders")
