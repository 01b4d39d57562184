"""Every query of every panel, asked of a real Prometheus that has scraped two real agents at work."""

import math
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
import yaml

from agent.daemon.controller import Controller, on_trial, profile, wait_for
from daemons import Daemon, until
from dashboards.boards import FILLED, NAMES, Asked, asked, load, marks
from extraction_agent import embedded
from extraction_agent.model import Definition
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from prometheus import Prometheus, free_port
from support import Database

_PROGRAM = [sys.executable, str(Path(__file__).parents[1] / "sampling_agent.py")]
_PATIENCE = 45.0  # s, until the last query has data
_RULE = {"alert": "ExtractionTest", "expr": "up == 1"}  # something that fires: ALERTS is Prometheus' own
_SOURCE = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, note text, updated_at timestamptz NOT NULL DEFAULT now())",
    "CREATE INDEX ON orders (updated_at)",
    "INSERT INTO orders SELECT n, repeat('x', 50) FROM generate_series(1, 40000) AS n",
    "CREATE TABLE doomed AS TABLE orders",
    "ANALYZE",
)


@pytest.fixture
def databases() -> Iterator[tuple[Database, Database]]:
    """A source and a store of a server that counts its statements."""
    settings = {"fsync": "off", "shared_preload_libraries": "pg_stat_statements"}
    with embedded.folder() as folder, embedded.Server(folder / "server", settings) as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE source")
            connection.execute("CREATE DATABASE store")
        source, store = Database(server.url("source")), Database(server.url("store"))
        source.run(*_SOURCE)
        store.run("CREATE EXTENSION pg_stat_statements")
        with Store(store.url, check=False) as prepared:
            prepared.migrate()
        yield source, store


@pytest.fixture
def agents(databases: tuple[Database, Database], tmp_path: Path) -> Iterator[list[Daemon]]:
    """Two of one fleet; the first keeps generations."""
    _, store = databases
    with ExitStack() as stack:
        made = [Daemon(tmp_path / f"agent{number}", store.url, _PROGRAM) for number in (1, 2)]
        made[0].configure(state_directory=str(tmp_path / "state"))
        for agent in made:
            stack.callback(agent.close)
        with ThreadPoolExecutor() as threads:  # each is listened to at once: an agent waits 1 s to say that it is ready
            for agent in threads.map(Daemon.start, made):
                agent.make_token()
        yield made


def _copy(
    databases: tuple[Database, Database],
    name: str,
    watermark: str | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> int:
    """Have the agents extract all orders. meanwhile: while chunks wait for a lock. Returns the extraction's id."""
    source, store = databases
    definition = Definition(table="orders", watermark=watermark, chunk_rows=1000)
    with Store(store.url) as opened, psycopg.connect(source.url) as locking:
        with opened.transaction():  # no job is seen before
            begun = start(opened, open_source(source.url), name, source.url, None, definition, Settings())
            if meanwhile is not None:
                locking.execute("LOCK TABLE orders")
        if meanwhile is not None:
            meanwhile()
            locking.rollback()
        until(lambda: opened.summary(begun.extraction_id).status == "succeeded", name)
    if begun.snapshot is not None:
        begun.snapshot.close()
    return begun.extraction_id


def _fail(databases: tuple[Database, Database], table: str, url: str) -> None:
    """Give the agents an extraction of a table that is gone, or of a source that is not where it was."""
    source, store = databases
    with Store(store.url) as opened, opened.transaction():  # no job is seen before
        start(opened, open_source(source.url), table, url, None, Definition(table=table), Settings())
        source.run("DROP TABLE IF EXISTS doomed")


def _call(agent: Daemon, extraction: int) -> None:
    """What people ask: lists, one of each, again from the cache, a page of records; and something that is not there."""
    config = agent.ask("/api/v1/configs").json()["configs"][0]["id"]
    paths = ["/api/v1/configs", "/api/v1/extractions", f"/api/v1/extractions/{extraction}", "/api/v1/configs/999"]
    paths += [f"/api/v1/configs/{config}"] * 3 + [f"/api/v1/extractions/{extraction}/records?limit=10"]
    statuses = {agent.ask(path).status for path in paths}
    assert statuses == {200, 404}


def _roll_out(store: Database, agent: Daemon, prometheus: Prometheus) -> None:
    """A profile with a wider pool: tried until it is scraped, then committed."""
    controller = Controller(store)
    try:
        begun = controller.try_(agent, profile(pool={"maximum": 40, "minimum_idle": 30}))
        assert on_trial(agent)
        prometheus.wait_for("max(extraction_trial)", lambda value: value == 1)
        controller.commit(begun)
        wait_for(agent, "confirmed")
    finally:
        controller.close()


def _answers(prometheus: Prometheus, one: Asked, query: str) -> bool:
    """Whether it has data: a number at least, and every label that the legend shows."""
    found = prometheus.ask(query)
    for labels, _ in found:
        missing = set(re.findall(r"\{\{(\w+)\}\}", one.legend)) - set(labels)
        assert not missing, f"{one.where}: {query} has no label {missing}"
    return any(math.isfinite(value) for _, value in found)


@pytest.mark.ci
def test_every_query_has_data(databases: tuple[Database, Database], agents: list[Daemon], tmp_path: Path) -> None:
    _, store = databases
    rules = tmp_path / "rules.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "test", "rules": [_RULE]}]}), encoding="utf-8")
    boards = [load(name) for name in NAMES]
    waiting = [(one, one.filled) for board in boards for one in asked(board)]
    waiting += [
        (one, f"last_over_time(({one.filled})[{FILLED['$__range']}:1s])") for board in boards for one in marks(board)
    ]
    assert len(waiting) > 100
    with Prometheus(tmp_path / "prometheus", [agent.url for agent in agents], rules=rules) as prometheus:
        prometheus.wait_for("up", lambda value: value == 1)
        before = _copy(databases, "incremental", watermark="updated_at")
        for agent in agents:
            _call(agent, before)
        _roll_out(store, agents[0], prometheus)
        _copy(databases, "orders")
        # A scrape must meet both at work, or nothing says how fast that is.
        at_work = "min(extraction_chunks_in_flight)"
        _copy(databases, "orders", meanwhile=lambda: prometheus.wait_for(at_work, lambda value: value > 0))
        _fail(databases, "doomed", databases[0].url)
        _fail(databases, "orders", f"postgresql://postgres@127.0.0.1:{free_port()}/source")
        for agent in agents:
            _call(agent, before)
        deadline = time.monotonic() + _PATIENCE
        while waiting and time.monotonic() < deadline:
            time.sleep(1)
            waiting = [(one, query) for one, query in waiting if not _answers(prometheus, one, query)]
        assert not waiting, "\n".join(f"{one.where}: {query}" for one, query in waiting)
        (rows,) = [one for one in asked(boards[1]) if one.where == "Extraction Analytics: Before and after A"]
        by_generation = {labels["generation"]: value for labels, value in prometheus.ask(rows.filled)}
        assert set(by_generation) == {"0", "1"}
        assert all(value > 0 for value in by_generation.values())
    for agent in agents:
        agent.stop()
