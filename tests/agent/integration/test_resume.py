"""A failed extraction that others have overtaken is not made to run again."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from extraction_agent import errors
from extraction_agent.model import Definition, Status
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from support import Database, extract


def _fail(url: str, store: Database, definition: Definition) -> int:
    """Begin an extraction that fails before its first chunk."""
    with Store(store.url) as opened:
        begun = start(opened, open_source(url), "test", url, None, definition, Settings())
        assert opened.end(begun.extraction_id, Status.FAILED, "The source went away.")
        return begun.extraction_id


def _add(path: Path, first: int, last: int) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO item VALUES (?)", [(number,) for number in range(first, last + 1)])


def test_an_overtaken_incremental_run_is_not_resumed(tmp_path: Path, store: Database) -> None:
    """Resumed, it would take rows a second time and move the watermark back."""
    path = tmp_path / "items.db"
    definition = Definition(table="item", watermark="id", overlap_seconds=5)
    url = f"sqlite://{path}"
    _add(path, 1, 100)
    extract(url, store, definition)
    _add(path, 101, 200)
    failed = _fail(url, store, definition)
    _add(path, 201, 300)
    later = extract(url, store, definition)
    with Store(store.url) as opened:
        with pytest.raises(errors.Conflict, match=f"Extraction {later} has taken what {failed} was to take"):
            opened.reopen(failed)
        assert opened.status(failed) is Status.FAILED
    assert store.rows("SELECT count(*), count(DISTINCT data ->> 'id') FROM extraction_data") == [(300, 300)]


def test_an_incremental_run_nobody_overtook_is_resumed(tmp_path: Path, store: Database) -> None:
    path = tmp_path / "items.db"
    definition = Definition(table="item", watermark="id", overlap_seconds=5)
    _add(path, 1, 100)
    extract(f"sqlite://{path}", store, definition)
    failed = _fail(f"sqlite://{path}", store, definition)
    with Store(store.url) as opened:
        assert opened.reopen(failed)
        assert opened.status(failed) is Status.RUNNING


def test_a_run_from_a_watermark_that_was_reset_is_not_resumed(tmp_path: Path, store: Database) -> None:
    """Its end would bring the watermark back, and the next run would not take everything."""
    path = tmp_path / "items.db"
    definition = Definition(table="item", watermark="id", overlap_seconds=5)
    url = f"sqlite://{path}"
    _add(path, 1, 100)
    extract(url, store, definition)
    failed = _fail(url, store, definition)
    with Store(store.url) as opened:
        config = opened.config("test")
        assert config is not None
        assert opened.reset_watermark(config)
        with pytest.raises(errors.Conflict, match=f"watermark that extraction {failed} went on from was reset"):
            opened.reopen(failed)
        assert opened.status(failed) is Status.FAILED
        assert opened.watermark(config.id) is None
        everything = extract(url, store, definition)
        with pytest.raises(errors.Conflict, match="was reset"):
            opened.reopen(failed)
    counted = "SELECT count(*) FROM extraction_data WHERE extraction_id = %(number)s"
    assert store.value(counted, {"number": everything}) == 100


def test_no_watermark_is_reset_under_a_run(tmp_path: Path, store: Database) -> None:
    path = tmp_path / "items.db"
    definition = Definition(table="item", watermark="id")
    _add(path, 1, 100)
    extract(f"sqlite://{path}", store, definition)
    failed = _fail(f"sqlite://{path}", store, definition)
    with Store(store.url) as opened:
        config = opened.config("test")
        assert config is not None
        before = opened.watermark(config.id)
        assert opened.reopen(failed)
        with pytest.raises(errors.Conflict, match=f"Extraction {failed} of config test is not finished"):
            opened.reset_watermark(config)
        assert opened.watermark(config.id) == before
        assert opened.extraction(failed).watermark is not None


def test_a_failed_run_beside_an_unfinished_one_is_not_resumed(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item (id integer PRIMARY KEY)")
    failed = _fail(source.url, store, Definition(table="item"))
    with Store(store.url) as opened:
        start(opened, open_source(source.url), "test", source.url, None, Definition(table="item"), Settings())
        with pytest.raises(errors.Conflict, match="is not finished; see `extractctl list`"):
            opened.reopen(failed)


def test_a_failed_run_whose_config_was_defined_anew_is_not_resumed(source: Database, store: Database) -> None:
    """Its rest would be read of another table."""
    source.run("CREATE TABLE item (id integer PRIMARY KEY)", "CREATE TABLE other (id integer PRIMARY KEY)")
    failed = _fail(source.url, store, Definition(table="item"))
    extract(source.url, store, Definition(table="item"))
    with Store(store.url) as opened:
        assert opened.reopen(failed)  # the same definition once more changes nothing
        assert opened.end(failed, Status.FAILED, "The source went away.")
        extract(source.url, store, Definition(table="other"))
        with pytest.raises(errors.Conflict, match="was given another definition since it began"):
            opened.reopen(failed)
        assert opened.status(failed) is Status.FAILED
