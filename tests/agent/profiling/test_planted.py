"""Each planted bottleneck is named, by the command as people run it."""

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from agent.profiling.planted import BURN, ITEMS, KEYED, SECONDS, begin, ended, locked, long_line, slow_line, take
from daemons import Daemon, until
from proxy import Proxy
from support import Database

pytestmark = pytest.mark.ci


def _left(store: Database) -> Any:
    return store.rows(
        "SELECT (SELECT count(*) FROM extractions), (SELECT count(*) FROM extraction_configs), "
        "(SELECT count(*) FROM extraction_data), (SELECT count(*) FROM procrastinate_jobs)"
    )[0]


def test_a_slow_source(source: Database, store: Database, tmp_path: Path) -> None:
    source.run(ITEMS, BURN, "CREATE VIEW slow AS SELECT id, burn() FROM item")
    told = take(source.url, store, tmp_path / "made", table="slow")
    assert told["bottleneck"] == "source", told
    assert told["shares"]["source"] > 0.5
    assert told["evidence"]["sources"][0]["sessions"]["waits"]["CPU"] > SECONDS / 2
    assert _left(store) == (0, 0, 0, 0)


def test_a_slow_store(source: Database, store: Database, tmp_path: Path) -> None:
    source.run(ITEMS, KEYED)
    store.run(
        BURN,
        "CREATE FUNCTION check_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM burn(); RETURN NEW; END $$",
        "CREATE TRIGGER checked BEFORE INSERT ON extraction_data FOR EACH ROW EXECUTE FUNCTION check_it()",
    )
    told = take(source.url, store, tmp_path / "made")
    assert told["bottleneck"] == "store", told
    assert told["shares"]["store"] > 0.5
    assert _left(store) == (0, 0, 0, 0)


@pytest.mark.parametrize("at", ["source", "store"])
def test_a_lock(source: Database, store: Database, tmp_path: Path, at: str) -> None:
    source.run(ITEMS, KEYED)
    where, lock, what = {
        "source": (source, "LOCK TABLE item IN ACCESS EXCLUSIVE MODE", "item"),
        "store": (store, "LOCK TABLE extraction_data IN SHARE MODE", "extraction_data"),  # as CREATE INDEX takes it
    }[at]
    with locked(where, lock) as met:
        told = take(source.url, store, tmp_path / "made")
    assert met.is_set()
    assert told["bottleneck"] == "lock", told
    assert told["shares"]["lock"] > 0.5
    assert any(f"on {what} is held up by session" in reason for reason in told["reasons"])
    assert any("somebody else, idle in transaction" in reason for reason in told["reasons"])


@pytest.mark.parametrize("at", ["source", "store"])
def test_a_narrow_line(source: Database, store: Database, tmp_path: Path, at: str) -> None:
    source.run(ITEMS, KEYED)
    behind = source if at == "source" else store
    with Proxy(urlsplit(behind.url).port or 0) as line:
        line.judge = slow_line(3e5, from_client=at == "store")
        through = Database(line.url(urlsplit(behind.url).path[1:]))
        told = take(*((through.url, store) if at == "source" else (source.url, through)), tmp_path / "made")
        line.judge = None
    assert told["bottleneck"] == "network", told
    assert told["shares"]["network"] > 0.4


def test_a_long_line(source: Database, store: Database, tmp_path: Path) -> None:
    source.run(ITEMS, KEYED)
    with Proxy(urlsplit(source.url).port or 0) as line:
        line.judge = long_line(0.05)
        told = take(line.url(urlsplit(source.url).path[1:]), store, tmp_path / "made")
    assert told["bottleneck"] == "network", told
    assert told["evidence"]["sources"][0]["round_trip"] > 0.1


def test_an_agent_that_has_to_work(store: Database, tmp_path: Path) -> None:
    """SQLite's rows are read and made in the agent's own process."""
    with sqlite3.connect(tmp_path / "items.db") as made:
        made.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, a TEXT, b REAL, c TEXT)")
        made.executemany(
            "INSERT INTO item VALUES (?, ?, ?, ?)", ((n, f"a{n}", n / 7, "c" * 20) for n in range(300_000))
        )
    made.close()
    folder = tmp_path / "made"
    told = take(f"sqlite://{tmp_path}/items.db", store, folder, "--flame")
    assert told["bottleneck"] == "agent", told
    assert told["evidence"]["process"]["cpu"] >= told["evidence"]["running"] > 0
    # Where the system does not let py-spy look, that is said, and the rest is there all the same.
    refused = any("There is no flame graph" in note for note in told["evidence"]["notes"])
    assert refused != (folder / "flame.svg").exists()
    assert refused or any("encoding.py" in name or "sqlite.py" in name for name, _ in told["evidence"]["hottest"])
    assert (folder / "profile.md").read_text(encoding="utf-8").startswith("# Bottleneck: agent\n")


def test_a_running_agent(source: Database, store: Database, tmp_path: Path) -> None:
    source.run(ITEMS, BURN, "CREATE VIEW slow AS SELECT id, burn() FROM item")
    daemon = Daemon(tmp_path / "agent", store.url)
    try:
        daemon.start().make_token()
        config = {"name": "slow", "source_url": source.url, "definition": {"table": "slow"}}
        made = daemon.ask("/api/v1/configs", "POST", config)
        assert made.status == 201, made.text
        begun = daemon.ask("/api/v1/extractions", "POST", {"config_id": made.json()["id"]}, Idempotency_Key="one")
        assert begun.status in {201, 202}, begun.text
        until(lambda: daemon.metric("extraction_chunks_in_flight") == 1)
        arguments = ["--agent", daemon.url, "--store", store.url, "--to", str(tmp_path / "made"), "--no-flame"]
        told = ended(begin(*arguments, "--pid", str(daemon.pid)))
        assert told["bottleneck"] == "source", told
        assert told["evidence"]["process"]["resident_most"] > 10_000_000
        assert "burn" in told["evidence"]["sources"][0]["plan"] or "slow" in str(told["evidence"]["sources"][0])
        assert store.value("SELECT status FROM extractions") == "running"
        with psycopg.connect(store.url) as connection:
            connection.execute("UPDATE extractions SET status = 'cancelled', finished_at = now()")
    finally:
        daemon.close()


def test_an_idle_agent(store: Database, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "agent", store.url)
    try:
        daemon.start()
        told = ended(begin("--agent", daemon.url, "--store", store.url, "--to", str(tmp_path / "made"), seconds=1))
    finally:
        daemon.close()
    assert told["bottleneck"] == "none"
    assert any("No extraction ran" in note for note in told["evidence"]["notes"])
