"""Incremental runs after one that could see less, or that looked back less far."""

import time

import psycopg

from extraction_agent.model import Definition
from support import Database, extract, ids


def test_an_exact_run_after_an_overlapping_one_drops_each_row_once(source: Database, store: Database) -> None:
    """Rows alike lie in different blocks here: cut into ranges of them, each range would drop its own."""
    source.run(
        "CREATE TABLE item (id int, day date, filler text)",
        "INSERT INTO item SELECT n, current_date, repeat('x', 1000) FROM generate_series(1, 500) AS n",
        "ANALYZE item", "CREATE ROLE watcher LOGIN", "GRANT SELECT ON item TO watcher",
    )  # fmt: skip
    seeing = source.url.replace("postgres@", "watcher@")
    try:
        definition = Definition(table="item", watermark="day", chunk_rows=100)
        assert len(ids(store, extract(seeing, store, definition))) == 500
        assert store.value("SELECT state->>'kind' FROM extraction_watermarks") == "overlap"
        source.run("INSERT INTO item SELECT * FROM item WHERE id = 1", "GRANT pg_read_all_stats TO watcher")
        number = extract(seeing, store, definition)
        assert store.value("SELECT state->>'kind' FROM extraction_watermarks") == "exact"
        assert ids(store, number) == [1]
    finally:
        source.run("DROP OWNED BY watcher", "DROP ROLE watcher")


def test_a_longer_overlap_repeats_nothing(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item (id int PRIMARY KEY, changed_at timestamptz DEFAULT now())")
    with psycopg.connect(source.url) as early, psycopg.connect(source.url) as open_:
        early.execute("SELECT now()")  # stamped now, written after the other's first row
        time.sleep(0.1)
        open_.execute("INSERT INTO item VALUES (1)")
        early.execute("INSERT INTO item VALUES (2)")
        early.commit()
        short = Definition(table="item", watermark="changed_at", overlap_seconds=0)
        assert ids(store, extract(source.url, store, short)) == [2]
        long_ = short.model_copy(update={"overlap_seconds": 3600})
        assert ids(store, extract(source.url, store, long_)) == []
        open_.commit()
    assert ids(store, extract(source.url, store, long_)) == [1]
    assert ids(store, extract(source.url, store, short)) == []
