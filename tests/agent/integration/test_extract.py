"""One extraction, end to end: every row there once, whatever the way it is cut."""

import pytest

from extraction_agent.model import Consistency, Definition, Format
from support import Database, extract


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("consistency", [Consistency.CHUNK, Consistency.SNAPSHOT])
def test_chunks_of_a_key(source: Database, store: Database, format_: Format, consistency: Consistency) -> None:
    source.run("CREATE TABLE item AS SELECT n AS id, 'item ' || n AS name FROM generate_series(1, 5000) AS n")
    source.run("ALTER TABLE item ADD PRIMARY KEY (id)", "ANALYZE item")
    definition = Definition(table="item", format=format_, consistency=consistency, chunk_rows=700)
    number = extract(source.url, store, definition)
    assert store.value("SELECT count(*) FROM extraction_chunks") > 5
    if format_ is Format.JSON:
        got = store.rows(
            "SELECT (data->>'id')::int, data->>'name' FROM extraction_data WHERE extraction_id = %(n)s", {"n": number}
        )
    else:
        got = store.rows("SELECT id, name FROM extraction_typed.test WHERE _extraction_id = %(n)s", {"n": number})
    assert sorted(got) == source.rows("SELECT id, name FROM item ORDER BY id")
