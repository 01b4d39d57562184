"""What is old goes, with all that belongs to it; what runs, and where incremental runs have got to, stays."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg import sql as q
from typer.testing import CliRunner

from extraction_agent import errors
from extraction_agent.interfaces.cli.main import app
from extraction_agent.model import Definition, Format
from extraction_agent.pipeline.prune import Pruned, prune
from extraction_agent.pipeline.start import start
from extraction_agent.pipeline.verify import verify
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store import queue, retention
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop
from support import Database, extract

_LARGE = Definition(table="item", chunk_rows=100)
_SMALL = Definition(table="item")


@pytest.fixture(autouse=True)
def _items(source: Database) -> None:
    source.run(
        "CREATE TABLE item AS SELECT n AS id, now() AS at FROM generate_series(1, 500) AS n",
        "ALTER TABLE item ADD PRIMARY KEY (id)",
        "ANALYZE item",
    )


def _age(store: Database, number: int, days: float) -> None:
    with psycopg.connect(store.url) as connection:
        done = connection.execute(
            "UPDATE extractions SET finished_at = now() - make_interval(secs => %s) WHERE id = %s",
            [days * 86_400, number],
        )
        assert done.rowcount == 1


def _prune(store: Database, days: float, config: str | None = None, keep: int = 0, *, dry_run: bool = False) -> Pruned:
    with Store(store.url) as opened:
        return prune(opened, days, config, keep, dry_run=dry_run)


def _ids(pruned: Pruned) -> list[int]:
    return [one.extraction_id for one in pruned.extractions]


def _everything(store: Database) -> dict[str, Any]:
    """Which extractions are named where."""
    tables = {
        "extractions": "id", "extraction_chunks": "extraction_id", "extraction_data": "extraction_id",
        "extraction_watermarks": "extraction_id",
    }  # fmt: skip
    found: dict[str, Any] = {
        table: [
            row[0]
            for row in store.rows(
                q.SQL("SELECT DISTINCT {} FROM {} ORDER BY 1").format(q.Identifier(column), q.Identifier(table))
            )
        ]
        for table, column in tables.items()
    }
    parts = "SELECT relname FROM pg_class WHERE relnamespace = 'extraction_parts'::regnamespace AND relkind = 'r'"
    found["parts"] = sorted(row[0] for row in store.rows(q.SQL(parts)))
    queues = "SELECT DISTINCT queue_name FROM procrastinate_jobs ORDER BY 1"
    found["jobs"] = [row[0] for row in store.rows(q.SQL(queues))]
    return found


def test_rows_chunks_jobs_and_parts_go(source: Database, store: Database) -> None:
    numbers = [extract(source.url, store, definition) for definition in (_LARGE, _SMALL, _LARGE, _SMALL)]
    with Store(store.url) as opened, opened.transaction():
        queue.defer(opened.connection, ((number, 0) for number in numbers))  # as an attempt that was lost leaves them
    before = _everything(store)
    assert before["extractions"] == before["extraction_chunks"] == before["extraction_data"] == numbers == [1, 2, 3, 4]
    assert before["parts"] == ["e1", "e3"]
    assert before["jobs"] == [f"extraction-{number}" for number in numbers]
    _age(store, 1, 40)
    _age(store, 2, 40)
    _age(store, 3, 20)
    planned = _prune(store, 30, dry_run=True)
    assert _ids(planned) == [1, 2]
    assert [one.action for one in planned.extractions] == [
        "dropped with extraction_parts.e1",
        "deleted in extraction_data",
    ]
    assert planned.rows == 1000
    assert _everything(store) == before
    assert _ids(_prune(store, 30)) == [1, 2]
    after = _everything(store)
    assert after["extractions"] == after["extraction_chunks"] == after["extraction_data"] == [3, 4]
    assert (after["parts"], after["jobs"]) == (["e3"], ["extraction-3", "extraction-4"])
    assert store.value("SELECT count(*) FROM extraction_data") == 1000


def test_rows_of_typed_tables_go(source: Database, store: Database) -> None:
    for definition in (_LARGE, _SMALL, _SMALL):
        extract(source.url, store, definition.model_copy(update={"format": Format.TYPED}))
    _age(store, 1, 2)
    _age(store, 2, 2)
    assert _ids(_prune(store, 1)) == [1, 2]
    assert store.rows("SELECT _extraction_id, count(*) FROM extraction_typed.test GROUP BY 1") == [(3, 500)]
    store.run("DROP TABLE extraction_typed.test")
    assert _ids(_prune(store, 0)) == [3]


def test_the_newest_successes_of_each_config_can_be_kept(source: Database, store: Database) -> None:
    for name in ("a", "a", "a", "b"):
        extract(source.url, store, _SMALL, name)
    store.run("UPDATE extractions SET status = 'failed' WHERE id = 3")
    assert _ids(_prune(store, 0, keep=1, dry_run=True)) == [1, 3]
    assert _ids(_prune(store, 0, config="b", dry_run=True)) == [4]
    assert _ids(_prune(store, 0, config="a", keep=1)) == [1, 3]
    assert _everything(store)["extraction_data"] == [2, 4]


def test_a_running_extraction_and_a_locked_one_stay(source: Database, store: Database) -> None:
    extract(source.url, store, _SMALL, "done")
    with Store(store.url) as opened:
        running = start(opened, open_source(source.url), "test", source.url, None, _LARGE, Settings()).extraction_id
    store.run("UPDATE extractions SET finished_at = now() - interval '1 year'")  # it would be old enough
    assert running == 2
    assert _ids(_prune(store, 1, dry_run=True)) == [1]
    with psycopg.connect(store.url) as resuming:
        resuming.execute("SELECT FROM extractions WHERE id = 1 FOR UPDATE")
        pruned = _prune(store, 1)
        assert (_ids(pruned), pruned.skipped) == ([], [1])
    assert _everything(store)["extraction_data"] == [1]
    assert _ids(_prune(store, 1)) == [1]
    assert _everything(store)["extractions"] == [2]


def test_records_that_are_being_read_stay_and_hold_up_no_other_reader(source: Database, store: Database) -> None:
    extract(source.url, store, _LARGE, "large")
    reading, began = "SELECT count(*) FROM extraction_data", time.monotonic()
    with psycopg.connect(store.url) as long_reader, ThreadPoolExecutor() as threads:
        assert long_reader.execute(reading).fetchone() == (500,)  # and its lock stands until it commits
        pruning = threads.submit(_prune, store, 0)
        while not store.rows("SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"):
            assert not pruning.done(), "it has waited for no lock"
            assert time.monotonic() < began + 30
        with psycopg.connect(store.url, options="-c statement_timeout=20s") as other:  # while the first still reads
            assert other.execute(reading).fetchone() == (500,)
        pruned = pruning.result(timeout=30)
        assert (_ids(pruned), pruned.skipped) == ([], [1])
    assert _ids(_prune(store, 0)) == [1]
    assert store.rows(reading) == [(0,)]


def test_a_watermark_outlives_its_extraction(source: Database, store: Database) -> None:
    definition = Definition(table="item", watermark="at")
    first = extract(source.url, store, definition)
    state = store.value("SELECT state FROM extraction_watermarks")
    pruned = _prune(store, 0)
    assert [(one.extraction_id, one.has_watermark) for one in pruned.extractions] == [(first, True)]
    assert store.value("SELECT state FROM extraction_watermarks") == state
    source.run("INSERT INTO item VALUES (501, now())")
    second = extract(source.url, store, definition)
    ids = "SELECT (data->>'id')::int FROM extraction_data WHERE extraction_id = %(n)s"
    assert store.rows(q.SQL(ids), {"n": second}) == [(501,)]


def test_it_is_told_whose_rows_no_run_brings_again(source: Database, store: Database) -> None:
    marked = Definition(table="item", watermark="at")
    for definition, name in ((marked, "orders"), (_SMALL, "whole"), (marked, "empty"), (marked, "orders")):
        extract(source.url, store, definition, name)
    source.run("INSERT INTO item VALUES (501, now())")
    extract(source.url, store, marked, "empty")
    store.run("UPDATE extractions SET status = 'failed' WHERE config_id IN (SELECT id FROM extraction_configs "
              "WHERE name = 'empty')")  # fmt: skip
    options = ["prune", "--older-than", "0", "--store", store.url]
    shown = " ".join(CliRunner().invoke(app, [*options, "--dry-run"]).stdout.split())
    assert "orders: a watermark is past these rows, so a run brings them again only if they change" in shown
    pruned = _prune(store, 0)
    assert pruned.as_dict()["not_again"] == ["orders"]
    again = extract(source.url, store, marked, "orders")
    assert store.value(q.SQL("SELECT rows FROM extraction_chunks WHERE extraction_id = {}").format(again)) == 1
    with Store(store.url) as opened:
        config = opened.config("orders")
        assert config is not None
        opened.reset_watermark(config)
    assert _prune(store, 0).not_again == []
    assert "a watermark" not in CliRunner().invoke(app, options).stdout


def test_what_has_succeeded_since_it_was_looked_at_stays(source: Database, store: Database) -> None:
    number = extract(source.url, store, Definition(table="item"), "orders")
    store.run("UPDATE extractions SET status = 'failed', error = 'of a test'")
    with Store(store.url) as opened:
        found = retention.prunable(opened, 0, None, 0)
        assert [one.extraction_id for one in found] == [number]
        store.run("UPDATE extractions SET status = 'succeeded', error = NULL, finished_at = now()")
        assert retention.retire(opened, found) == []
    assert store.value("SELECT count(*) FROM extraction_data") == 500


def test_what_is_pruned_while_it_is_verified_is_not_proved(source: Database, store: Database) -> None:
    number = extract(source.url, store, Definition(table="item"), "orders")
    with Store(store.url) as opened:
        extraction = opened.extraction(number)
        _prune(store, 0)
        with closing(Stop()) as stop, pytest.raises(errors.NotFound, match=f"no extraction {number}"):
            verify(opened, extraction, stop)


def test_the_commands(source: Database, store: Database) -> None:
    extract(source.url, store, Definition(table="item", watermark="at"), "orders")

    def run(*arguments: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, [*arguments, "--store", store.url, "--json"])
        if done.exception is not None:
            raise done.exception
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    assert run("watermark", "show", "orders")["watermark"]["column"] == "at"
    told = run("prune", "--older-than", "0", "--dry-run")
    assert (told["dry_run"], told["rows"]) == (True, 500)
    assert told["extractions"][0]["watermark_kept"]
    assert run("watermark", "reset", "orders")["watermark"] is None
    assert run("watermark", "show", "orders")["watermark"] is None
    with pytest.raises(errors.UsageError, match="no watermark"):
        run("watermark", "reset", "orders")
    with pytest.raises(errors.UsageError, match="Did you mean orders"):
        run("watermark", "show", "order")
    with pytest.raises(errors.UsageError, match="Did you mean orders"):
        run("prune", "--older-than", "0", "--config", "oders")
    assert run("prune", "--older-than", "0")["rows"] == 500
    assert store.value("SELECT count(*) FROM extractions") == 0
