"""A page of extractions reads that page, however many there are."""

from typing import Any

import psycopg
import pytest

from extraction_agent import sql
from extraction_agent.store.store import Store
from support import Database

CONFIGS, EACH = 200, 25

ASKED = {"all": "NULL, NULL, 4000, 20", "of a config": "NULL, 7, 4000, 20", "one": "4000, NULL, 4000, 20"}


@pytest.fixture
def history(store: Database) -> Database:
    store.run(
        "INSERT INTO extraction_configs (name, source_type, source_url, definition) "
        f"SELECT 'c' || n, 'sqlite', 'sqlite:///x', '{{}}' FROM generate_series(1, {CONFIGS}) AS n",
        "INSERT INTO extractions (config_id, status, plan, profile, target, created_at) "
        f"SELECT 1 + n % {CONFIGS}, 'succeeded', '{{\"format\": \"json\"}}', '{{}}', 'extraction_data', now() "
        f"FROM generate_series(1, {CONFIGS * EACH}) AS n",
        "INSERT INTO extraction_chunks (extraction_id, chunk_no, range, state, rows, bytes) "
        "SELECT id, 1, '{}', 'done', 10, 100 FROM extractions",
        "ANALYZE",
    )
    return store


@pytest.mark.parametrize("given", ASKED.values(), ids=ASKED)
def test_it_is_read_through_an_index(history: Database, given: str) -> None:
    statement = sql.load("extraction_agent.store.queries", "summaries")
    for number, value in enumerate(("extraction_id", "config_id", "before", "limit"), 1):
        statement = statement.replace(f"%({value})s", f"${number}")
    with psycopg.connect(history.url, autocommit=True) as connection:
        connection.execute(f"PREPARE page AS {statement}")
        for _ in range(10):  # after five, the server decides for a plan of all values or for one of each
            connection.execute(f"EXECUTE page ({given})")
        row = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE page ({given})").fetchone()
    assert row is not None
    read = [node for node in _nodes(row[0][0]["Plan"]) if node.get("Relation Name") == "extractions"]
    assert read, "the plan tells of the table"
    for node in read:
        assert "Index" in node["Node Type"], node
        assert node["Actual Rows"] + node.get("Rows Removed by Filter", 0) <= 20, node


def _nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(inner for child in node.get("Plans", []) for inner in _nodes(child))]


def test_a_page_is_of_one_config_and_older_than_what_was_seen(history: Database) -> None:
    with Store(history.url) as store:
        first = store.summaries(limit=10, config_id=7)
        then = store.summaries(limit=100, config_id=7, before=first[-1].extraction_id)
        assert {one.config for one in first + then} == {"c7"}
        numbers = [one.extraction_id for one in first + then]
        assert len(numbers) == EACH
        assert numbers == sorted(numbers, reverse=True)
        assert [one.extraction_id for one in store.summaries(limit=2)] == [CONFIGS * EACH, CONFIGS * EACH - 1]
        assert (store.summary(7).rows, store.summary(7).chunks) == (10, 1)
