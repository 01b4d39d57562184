"""Incremental extraction: each run takes what the runs before it have not, exactly or by overlap."""

import pytest

from extraction_agent.model import Definition
from support import Database, extract


def ids(store: Database, extraction: int) -> list[int]:
    """Ids an extraction stored, in order."""
    rows = store.rows(
        "SELECT (data->>'id')::int FROM extraction_data WHERE extraction_id = %(n)s ORDER BY 1", {"n": extraction}
    )
    return [number for (number,) in rows]


@pytest.mark.parametrize("watermark", ["changed_at", "xmin", "version"])
def test_takes_what_changed(source: Database, store: Database, watermark: str) -> None:
    source.run(
        "CREATE TABLE item (id int PRIMARY KEY, version int DEFAULT 1, changed_at timestamptz DEFAULT now())",
        "INSERT INTO item SELECT generate_series(1, 1000)",
    )
    definition = Definition(table="item", watermark=watermark, chunk_rows=100)
    assert ids(store, extract(source.url, store, definition)) == list(range(1, 1001))
    assert ids(store, extract(source.url, store, definition)) == []
    source.run(
        "INSERT INTO item VALUES (1001)",
        "UPDATE item SET version = 2, changed_at = now() WHERE id IN (5, 7)",
        "DELETE FROM item WHERE id = 9",
    )
    assert ids(store, extract(source.url, store, definition)) == [5, 7, 1001]
    assert ids(store, extract(source.url, store, definition)) == []
