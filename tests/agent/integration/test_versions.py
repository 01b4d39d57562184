"""PostgreSQL 14 to 18 as source and as store: each against 18, with every type, in both formats."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql as q

from agent.tuning.records import commit
from comparison import assert_same
from every_type import make_every_type
from extraction_agent import embedded, errors
from extraction_agent.model import Definition, Format
from extraction_agent.store.rollout_rows import RolloutState, TrialState
from extraction_agent.store.store import Store
from support import Database, extract, programs

pytestmark = pytest.mark.ci


@pytest.fixture(scope="module", params=[14, 15, 16, 17])
def other(request: pytest.FixtureRequest) -> Iterator[embedded.Server]:
    """A server of another version."""
    found = programs(request.param)
    if found is None:
        pytest.skip(
            f"no PostgreSQL {request.param}: tests/install-postgresql.sh {request.param} DIRECTORY, then set "
            "EXTRACTION_TEST_POSTGRESQL=DIRECTORY"
        )
    with embedded.folder() as folder, embedded.Server(folder / "other", {"fsync": "off"}, found) as server:
        with psycopg.connect(server.url()) as connection:
            assert connection.info.server_version // 10000 == request.param
        yield server


def database(server: embedded.Server, name: str) -> Database:
    """A new database of a server."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(q.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(q.Identifier(name)))
        connection.execute(q.SQL("CREATE DATABASE {} TEMPLATE template0").format(q.Identifier(name)))
    return Database(server.url(name))


def migrated(server: embedded.Server) -> Database:
    """A new store on a server."""
    made = database(server, "a_store")
    with Store(made.url, check=False) as opened:
        opened.migrate()
    return made


def version(of: Database) -> int:
    major: int = of.value("SELECT current_setting('server_version_num')::int / 10000")
    return major


def check(source: Database, store: Database, format_: Format) -> None:
    columns = make_every_type(source)
    if format_ is Format.TYPED and version(store) < 17 <= version(source):
        # An older server cannot tell an infinite interval: docs/how-to/extract-from-postgresql.md.
        source.run("UPDATE every SET interval = '1 day', interval_array = '{1 day}'")
    if version(store) < 16 <= version(source):  # which write the same byte differently
        source.run("UPDATE every SET \"char\" = 'a', char_array = '{a}'")
    number = extract(source.url, store, Definition(table="every", format=format_, chunk_rows=2))
    assert store.value("SELECT count(*) FROM extraction_chunks") > 1
    text = frozenset({"xml", "xml_array"})
    assert assert_same(source, store, q.Identifier("every"), columns, number, format_, text) > 5


@pytest.mark.parametrize("format_", list(Format))
def test_from_another_version(other: embedded.Server, store: Database, format_: Format) -> None:
    check(database(other, "a_source"), store, format_)


@pytest.mark.parametrize("format_", list(Format))
def test_to_another_version(source: Database, other: embedded.Server, format_: Format) -> None:
    check(source, migrated(other), format_)


def test_without_a_key(other: embedded.Server, store: Database) -> None:
    """Ranges of blocks need a scan by TID range: new in 14."""
    older = database(other, "a_source")
    older.run("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 5000) AS n", "ANALYZE item")
    number = extract(older.url, store, Definition(table="item", chunk_rows=1000))
    assert store.value("SELECT count(*) FROM extraction_chunks") > 3
    assert assert_same(older, store, q.Identifier("item"), ["id"], number, Format.JSON) == 5000


def test_collations_that_are_not_the_bytes(other: embedded.Server, store: Database) -> None:
    """Text keys are cut and compared in their own collation, nondeterministic ones too."""
    older = database(other, "a_source")
    older.run(
        "CREATE COLLATION numeric_order (provider = icu, locale = 'en-u-kn-true')",
        "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "CREATE TABLE item (a text COLLATE numeric_order, b text COLLATE folding, PRIMARY KEY (a, b))",
        "INSERT INTO item SELECT CASE n % 2 WHEN 0 THEN 'a' ELSE 'A' END || n, 'É' || n"
        " FROM generate_series(1, 2000) AS n",
        "ANALYZE item",
    )
    number = extract(older.url, store, Definition(table="item", chunk_rows=200))
    assert min(rows for (rows,) in store.rows("SELECT rows FROM extraction_chunks")) > 100
    assert assert_same(older, store, q.Identifier("item"), ["a", "b"], number, Format.JSON) == 2000


def test_a_type_the_store_does_not_know(source: Database, other: embedded.Server) -> None:
    source.run("CREATE TABLE item (id int, rounded numeric(3, -2))", "INSERT INTO item VALUES (1, 1200)")
    store = migrated(other)
    definition = Definition(table="item", format=Format.TYPED)
    if version(store) >= 15:
        number = extract(source.url, store, definition)
        assert assert_same(source, store, q.Identifier("item"), ["id", "rounded"], number, Format.TYPED) == 1
        return
    with pytest.raises(errors.UsageError, match=r"The store does not know a type of the source .*older PostgreSQL"):
        extract(source.url, store, definition)
    assert store.value("SELECT count(*) FROM extractions") == 0
    assert extract(source.url, store, Definition(table="item")) > 0


def test_a_part_of_an_older_store_is_indexed(other: embedded.Server, source: Database) -> None:
    """Each version writes an index's definition by itself."""
    source.run(
        "CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 300) AS n", "ALTER TABLE item ADD PRIMARY KEY (id)"
    )
    store = migrated(other)
    store.run(
        'CREATE INDEX "by USING hash (x)" ON extraction_data (extraction_id, extracted_at DESC) INCLUDE (chunk_no)'
    )
    number = extract(source.url, store, Definition(table="item", chunk_rows=100))
    definitions = store.rows(
        "SELECT indrelid::regclass::text, indoption::text, "
        "array(SELECT pg_get_indexdef(indexrelid, n, true) FROM generate_series(1, 3) AS n) FROM pg_index "
        "WHERE indrelid IN ('extraction_data'::regclass, to_regclass((SELECT part FROM extractions))) ORDER BY 1"
    )
    assert [row[0] for row in definitions] == ["extraction_data", f"extraction_parts.e{number}"]
    assert definitions[0][1:] == definitions[1][1:]


def test_the_audit_chain_is_the_same_text_in_every_version(other: embedded.Server, store: Database) -> None:
    """So a store can go to another version without the chain breaking."""
    older = migrated(other)
    details = {"ä": 'ü"\\\n', "n": 1.50, "deep": {"list": [1, None, True, 12345678901234567890]}}
    for each in (older, store):
        with Store(each.url) as opened:
            opened.audit("cli:tester", "config.replaced", "config ö", None, details)
            assert opened.verify_audit().faults == []
    ours = "SELECT audit_text(e) FROM audit_log AS e WHERE id = 2"
    columns = "id, '2026-11-25 08:00:00.123456+00'::timestamptz, who, action, object, request, before, after, '', ''"
    same_time = f"SELECT audit_text(ROW({columns})::audit_log) FROM audit_log WHERE id = 2"
    assert store.value(ours) != older.value(ours)  # written at two moments
    assert store.value(q.SQL(same_time)) == older.value(q.SQL(same_time))


def test_a_rollout_is_decided_on_it(other: embedded.Server) -> None:
    store = migrated(other)
    with Store(store.url) as opened:
        first = opened.begin_rollout("optimized", {}, "controller", 60)
        with pytest.raises(errors.Conflict, match="controller holds it"):
            opened.begin_rollout("optimized", {}, "another", 60)
        assert opened.renew_rollout(first.id, first.token).renewals == 1
        opened.note_host(first.id, "one", 1, TrialState.TRIAL, seconds=30)
        store.run("UPDATE rollouts SET lease_until = clock_timestamp()")
        assert opened.rollout(first.id).state is RolloutState.ABORTED
        second = opened.begin_rollout("optimized", {}, "another", 60)
        with pytest.raises(errors.Conflict, match="nobody has judged wave 1"):
            opened.commit_rollout(second.id, second.token)
        assert commit(opened, second) == opened.committed_rollout()
        assert opened.begin_rollout("optimized", {}, "another", 60, back=True).takes_back == second.id
        assert 0 < opened.allowance().left < opened.allowance().maximum
