"""Cutting: even whatever the key and its gaps, without counting, by an index; and why, said in words."""

import statistics
import threading
import time
from collections.abc import Callable
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql as q

from comparison import assert_same
from extraction_agent import errors
from extraction_agent.model import Consistency, Definition, Format
from extraction_agent.sources import open_source
from extraction_agent.sources.protocol import Planned
from extraction_agent.waiting import Stop
from extraction_agent.walker import Block
from support import Database, extract


def plan(source: Database, definition: Definition, chunk_rows: int) -> Planned:
    planned = open_source(source.url).plan(definition, chunk_rows, None)
    if planned.snapshot is not None:
        planned.snapshot.close()
    return planned


def sizes(store: Database) -> list[int]:
    return [rows for (rows,) in store.rows("SELECT rows FROM extraction_chunks ORDER BY chunk_no")]


# 20,000 rows each.
KEYS: dict[str, LiteralString] = {
    "a gap and a cluster": "SELECT CASE WHEN n % 2 = 0 THEN n ELSE 10^12 + n * 1000 END::bigint AS k"
    " FROM generate_series(1, 20000) AS n",
    "exponential": "SELECT (exp(n / 20000.0 * 27))::bigint * 100000 + n AS k FROM generate_series(1, 20000) AS n",
    "in random order": "SELECT n AS k FROM generate_series(1, 20000) AS n ORDER BY random()",
    "uuid": "SELECT md5(n::text)::uuid AS k FROM generate_series(1, 20000) AS n",
    "text": "SELECT 'customer ' || md5(n::text) || CASE n % 3 WHEN 0 THEN 'É' ELSE 'z' END AS k"
    " FROM generate_series(1, 20000) AS n",
    "timestamp": "SELECT '2000-01-01'::timestamp + (n % 1000) * interval '1 day' + n * interval '1 microsecond' AS k"
    " FROM generate_series(1, 20000) AS n",
    "numeric": "SELECT n / 7.0 AS k FROM generate_series(1, 20000) AS n",
    "float": "SELECT n * pi() AS k FROM generate_series(1, 20000) AS n",
    "bytea": "SELECT decode(md5(n::text), 'hex') AS k FROM generate_series(1, 20000) AS n",
    "composite": "SELECT n % 3 AS j, n AS k FROM generate_series(1, 20000) AS n",
}


@pytest.mark.parametrize("kind", KEYS)
def test_chunks_are_even(source: Database, store: Database, kind: str) -> None:
    source.run(q_create("item", KEYS[kind]))
    columns = "j, k" if kind == "composite" else "k"
    source.run(_sql(f"ALTER TABLE item ADD PRIMARY KEY ({columns})"), "ANALYZE item")
    number = extract(source.url, store, Definition(table="item", chunk_rows=1000))
    found = sizes(store)
    assert 15 <= len(found) <= 25
    assert max(found) <= 2.5 * statistics.median(found), found
    assert assert_same(source, store, q.Identifier("item"), columns.split(", "), number, Format.JSON) == 20000


def q_create(name: str, query: str) -> LiteralString:
    return _sql(f"CREATE TABLE {name} AS {query}")


def _sql(text: str) -> LiteralString:
    """Statements composed of constants of this file."""
    return text


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("timestamptz", "'2024-01-01 00:00:00.000001+05:30'::timestamptz + n * interval '1 microsecond'"),
        ("date", "'4713-01-01 BC'::date + n"),
        ("interval", "n * interval '-1 day 02:03:04.000005'"),
        ("inet", "'10.0.0.0/8'::inet + n"),
        ("real", "n::real / 3"),
        ("money", "n::money"),
        ("\"char\"[]", "ARRAY[chr(n % 90 + 33)::\"char\", chr(n / 90 + 33)::\"char\"]"),
        ("varbit", "n::bit(20)::varbit"),
        ("int4range", "int4range(n, n + 1)"),
        ("jsonb", "jsonb_build_object('a', n)"),
        ("char(9)", "rpad(n::text, 9)"),
        ("name", "'n ' || n"),
        ("pg_lsn", "'0/0'::pg_lsn + n"),
        ("positive", "n"),
        ("code", "'c' || n"),
        ("mood", "('m' || n)::mood"),
        ("pair", "ROW(n, 'a \"quoted\", ' || n)::pair"),
    ],
)  # fmt: skip
def test_bounds_survive_being_text(source: Database, store: Database, type_: str, values: str) -> None:
    moods = ", ".join(f"'m{n}'" for n in range(1, 501))
    source.run(
        _sql(f"CREATE TYPE mood AS ENUM ({moods})"), "CREATE TYPE pair AS (a int, b text)",
        "CREATE DOMAIN positive AS bigint CHECK (value > 0)", "CREATE DOMAIN code AS varchar(8) COLLATE \"C\"",
        _sql(f"CREATE TABLE item (k {type_} PRIMARY KEY)"),
        _sql(f"INSERT INTO item SELECT {values} FROM generate_series(1, 500) AS n ORDER BY random()"), "ANALYZE item",
    )  # fmt: skip
    number = extract(source.url, store, Definition(table="item", chunk_rows=60))
    assert len(sizes(store)) >= 6
    assert min(sizes(store)) > 0
    assert assert_same(source, store, q.Identifier("item"), ["k"], number, Format.JSON) == 500


def test_a_chunk_reads_the_index_and_the_plan_says_why(source: Database) -> None:
    source.run(
        "CREATE TABLE item (id int PRIMARY KEY, note text)",
        "INSERT INTO item SELECT n, repeat('x', 200) FROM generate_series(1, 50000) AS n",
        "VACUUM ANALYZE item",
    )
    planned = plan(source, Definition(table="item"), 5000)
    assert planned.plan.method == "key"
    assert planned.plan.consistency is Consistency.CHUNK
    assert "primary key id" in planned.plan.reason
    assert "quantiles of a sample" in planned.plan.reason
    assert 40_000 < planned.plan.estimated_rows < 60_000
    assert "Index Scan" in planned.explain
    assert "using item_pkey" in planned.explain
    assert "rows)" in planned.explain


@pytest.mark.parametrize(
    ("index", "method", "consistency"),
    [
        ("UNIQUE INDEX ON item (k)", "key", Consistency.SNAPSHOT),
        ("UNIQUE INDEX ON item (k) INCLUDE (other)", "key", Consistency.SNAPSHOT),
        ("UNIQUE INDEX ON item (k DESC)", "key", Consistency.SNAPSHOT),
        ("UNIQUE INDEX ON item (abs(k))", "ctid", Consistency.SNAPSHOT),
        ("UNIQUE INDEX ON item (k) WHERE k > 0", "ctid", Consistency.SNAPSHOT),
        ("UNIQUE INDEX ON item (other)", "ctid", Consistency.SNAPSHOT),
        ("UNIQUE INDEX ON item (name text_pattern_ops)", "ctid", Consistency.SNAPSHOT),
        ('UNIQUE INDEX ON item (name COLLATE "POSIX")', "ctid", Consistency.SNAPSHOT),
        ("INDEX ON item USING hash (k)", "ctid", Consistency.SNAPSHOT),
        ("INDEX ON item (k)", "ctid", Consistency.SNAPSHOT),
    ],
)
def test_which_index_vouches_for_a_key(
    source: Database, store: Database, index: str, method: str, consistency: Consistency
) -> None:
    source.run(
        "CREATE TABLE item AS SELECT n AS k, nullif(n, 7) AS other, n::text AS name FROM generate_series(1, 3000) AS n",
        "ALTER TABLE item ALTER k SET NOT NULL, ALTER name SET NOT NULL",
        _sql(f"CREATE {index}"), "ANALYZE item",
    )  # fmt: skip
    planned = plan(source, Definition(table="item"), 500)
    assert (planned.plan.method, planned.plan.consistency) == (method, consistency)
    assert planned.plan.restart_on_lost_snapshot, "an UPDATE moves a row from a range that is read to one that is not"
    if method == "ctid":
        with pytest.raises(errors.UsageError, match="--consistency snapshot"):
            plan(source, Definition(table="item", consistency=Consistency.CHUNK), 500)
    else:
        risky = plan(source, Definition(table="item", consistency=Consistency.CHUNK), 500)
        assert "is no primary key" in " ".join(risky.notes)
    number = extract(source.url, store, Definition(table="item", chunk_rows=500))
    assert len(sizes(store)) > 3
    assert assert_same(source, store, q.Identifier("item"), ["k", "other", "name"], number, Format.JSON) == 3000


@pytest.mark.parametrize(("order", "told"), [("random()", True), ("n", False), ("-n", False)])
def test_a_key_that_the_rows_do_not_follow_is_told(source: Database, order: str, told: bool) -> None:
    source.run(
        _sql(f"CREATE TABLE item AS SELECT n AS k FROM generate_series(1, 5000) AS n ORDER BY {order}"),
        "ALTER TABLE item ADD PRIMARY KEY (k)", "ANALYZE item",
    )  # fmt: skip
    notes = plan(source, Definition(table="item"), 500).notes
    assert [note for note in notes if "--key ctid" in note] == (notes if told else [])
    assert bool(notes) is told
    assert not plan(source, Definition(table="item", consistency=Consistency.CHUNK), 500).notes
    assert not plan(source, Definition(table="item", key=("ctid",)), 500).notes
    assert "--key ctid" not in " ".join(plan(source, Definition(table="item", watermark="xmin"), 500).notes)


def test_blocks_may_be_asked_for_where_there_is_a_key(source: Database, store: Database) -> None:
    source.run(
        "CREATE TABLE item (k int PRIMARY KEY, ctid_of_old text)",
        "INSERT INTO item SELECT n, 'note ' || n FROM generate_series(1, 3000) AS n",
        "UPDATE item SET ctid_of_old = 'moved' WHERE k % 3 = 0", "ANALYZE item",
        "CREATE VIEW seen AS SELECT * FROM item",
    )  # fmt: skip
    by_blocks = Definition(table="item", key=("ctid",), chunk_rows=500)
    planned = plan(source, by_blocks, 500)
    assert (planned.plan.method, planned.plan.consistency) == ("ctid", Consistency.SNAPSHOT)
    assert planned.plan.reason.startswith("as asked: ranges of ")
    assert "Tid Range Scan" in planned.explain
    number = extract(source.url, store, by_blocks)
    assert len(sizes(store)) > 3
    assert assert_same(source, store, q.Identifier("item"), ["k", "ctid_of_old"], number, Format.JSON) == 3000
    with pytest.raises(errors.UsageError, match=r"as asked.*--consistency snapshot"):
        plan(source, by_blocks.model_copy(update={"consistency": Consistency.CHUNK}), 500)
    with pytest.raises(errors.UsageError, match="Column ctid does not exist"):
        plan(source, by_blocks.model_copy(update={"table": "seen"}), 500)
    with pytest.raises(errors.UsageError, match="Column ctid does not exist"):
        plan(source, by_blocks.model_copy(update={"key": ("ctid", "k")}), 500)
    with pytest.raises(errors.UsageError, match="leave one of them out"):
        plan(source, by_blocks.model_copy(update={"watermark": "xmin"}), 500)


def test_a_deferrable_key_is_none(source: Database) -> None:
    source.run(
        "CREATE TABLE item (k int PRIMARY KEY DEFERRABLE)", "INSERT INTO item SELECT generate_series(1, 3000)",
        "ANALYZE item",
    )  # fmt: skip
    assert plan(source, Definition(table="item"), 500).plan.method == "ctid"


def test_a_not_null_that_was_never_checked_vouches_for_nothing(source: Database, store: Database) -> None:
    source.run(
        "CREATE TABLE item (k int UNIQUE)", "INSERT INTO item SELECT nullif(n, 7) FROM generate_series(1, 3000) AS n",
        "ALTER TABLE item ADD CONSTRAINT present NOT NULL k NOT VALID", "ANALYZE item",
    )  # fmt: skip
    assert source.value("SELECT attnotnull FROM pg_attribute WHERE attrelid = 'item'::regclass AND attname = 'k'")
    number = extract(source.url, store, Definition(table="item", chunk_rows=500))
    assert assert_same(source, store, q.Identifier("item"), ["k"], number, Format.JSON) == 3000


def test_a_table_that_was_never_analyzed_and_is_mostly_dead(source: Database, store: Database) -> None:
    source.run(
        "CREATE TABLE item (k int PRIMARY KEY, note text) WITH (autovacuum_enabled = off)",
        "INSERT INTO item SELECT n, repeat('x', 100) FROM generate_series(1, 40000) AS n",
        "DELETE FROM item WHERE k % 20 <> 0",
    )
    assert source.value("SELECT reltuples FROM pg_class WHERE relname = 'item'") == -1
    planned = plan(source, Definition(table="item"), 200)
    assert planned.plan.estimated_rows == 2000
    number = extract(source.url, store, Definition(table="item", chunk_rows=200))
    assert len(sizes(store)) == 10
    assert max(sizes(store)) <= 2.5 * statistics.median(sizes(store))
    assert assert_same(source, store, q.Identifier("item"), ["k", "note"], number, Format.JSON) == 2000


@pytest.mark.parametrize("rows", [0, 1, 7])
@pytest.mark.parametrize("key", ["PRIMARY KEY", "NOT NULL"])
@pytest.mark.parametrize("format_", list(Format))
def test_small_and_empty_tables(source: Database, store: Database, rows: int, key: str, format_: Format) -> None:
    source.run(_sql(f"CREATE TABLE item (k int {key})"), _sql(f"INSERT INTO item SELECT generate_series(1, {rows})"))
    number = extract(source.url, store, Definition(table="item", format=format_, chunk_rows=2))
    assert assert_same(source, store, q.Identifier("item"), ["k"], number, format_) == rows


def test_a_large_table_is_sampled_not_counted(source: Database) -> None:
    source.run(
        "CREATE UNLOGGED TABLE item (k bigint PRIMARY KEY, note text) WITH (autovacuum_enabled = off)",
        "INSERT INTO item SELECT n, repeat('x', 100) FROM generate_series(1, 300000) AS n", "ANALYZE item",
    )  # fmt: skip
    read = "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_user_tables WHERE relname = 'item'"
    blocks = "SELECT pg_relation_size('item') / 8192"
    hits = "SELECT heap_blks_hit + heap_blks_read FROM pg_statio_user_tables WHERE relname = 'item'"
    before = source.value(hits)
    planned = plan(source, Definition(table="item"), 100_000)
    wait_for(lambda: source.value(hits) > before)
    assert len(planned.chunks) == 3
    assert source.value(hits) - before < source.value(blocks) / 10, source.rows(read)


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_key_column_named_like_ours(source: Database, store: Database) -> None:
    source.run(
        "CREATE TABLE item (place int, total int, share int, k0 int, PRIMARY KEY (k0, place, total))",
        "INSERT INTO item SELECT n, n, n, n % 7 FROM generate_series(1, 1000) AS n", "ANALYZE item",
    )  # fmt: skip
    number = extract(source.url, store, Definition(table="item", chunk_rows=100))
    assert len(sizes(store)) > 5
    assert_same(source, store, q.Identifier("item"), ["place", "total", "share", "k0"], number, Format.JSON)


def test_rows_are_not_lost_to_a_rewrite_that_a_chunk_waited_for(source: Database) -> None:
    """COPY takes its snapshot before its lock, and to an older snapshot a rewritten table is empty."""
    source.run("CREATE TABLE item (k int PRIMARY KEY)", "INSERT INTO item SELECT generate_series(1, 500)")
    definition = Definition(table="item", columns=("k",), consistency=Consistency.CHUNK)
    opened = open_source(source.url)
    planned = opened.plan(definition, 1000, None)
    session = opened.session(None)

    def copy_plainly() -> int:
        with (
            psycopg.connect(source.url, autocommit=True) as connection,
            connection.cursor().copy("COPY (SELECT * FROM item) TO STDOUT") as copy,
        ):
            return sum(1 for _row in copy)

    def copy_ours() -> int:
        stream = session.stream(planned.plan, planned.chunks[0], Block(), Stop())
        for _block in stream:
            pass
        return stream.rows

    def behind_a_rewrite(copy: Callable[[], int]) -> int:
        found: list[int] = []
        with psycopg.connect(source.url) as rewriting:
            rewriting.execute("ALTER TABLE item ADD COLUMN IF NOT EXISTS extra uuid DEFAULT gen_random_uuid()")
            thread = threading.Thread(target=lambda: found.append(copy()))
            thread.start()
            wait_for(lambda: source.value("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
            rewriting.commit()
        thread.join(30)
        return found[0]

    assert behind_a_rewrite(copy_plainly) == 0  # the failure this is about
    source.run("ALTER TABLE item DROP COLUMN extra")
    assert behind_a_rewrite(copy_ours) == 500
    session.close()


def test_rows_are_not_lost_to_a_rewrite_before_a_snapshot_was_joined_with_a_lock(source: Database) -> None:
    source.run("CREATE TABLE item (k int PRIMARY KEY)", "INSERT INTO item SELECT generate_series(1, 500)")
    opened = open_source(source.url)
    planned = opened.plan(Definition(table="item", columns=("k",), consistency=Consistency.SNAPSHOT), 100, None)
    assert planned.snapshot is not None
    session = opened.session(planned.snapshot.token)
    with psycopg.connect(source.url, autocommit=True) as plainly:
        plainly.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        name = q.Literal(planned.snapshot.token.partition(" ")[0])
        plainly.execute(q.SQL("SET TRANSACTION SNAPSHOT {}").format(name))
        planned.snapshot.close()
        source.run("ALTER TABLE item ADD COLUMN extra uuid DEFAULT gen_random_uuid()")
        assert plainly.execute("SELECT count(*) FROM item").fetchone() == (0,)  # the failure this is about
    with pytest.raises(errors.SnapshotLost, match="item was rewritten"):
        list(session.stream(planned.plan, planned.chunks[0], Block(), Stop()))
    session.close()


@pytest.mark.parametrize("of", [{"table": "seen"}, {"query": "SELECT * FROM item"}], ids=["view", "query"])
def test_a_partition_attached_beneath_a_view_or_a_query_stops_the_extraction(
    source: Database, of: dict[str, str]
) -> None:
    source.run(
        "CREATE TABLE item (id int NOT NULL, kind int NOT NULL) PARTITION BY LIST (kind)",
        "CREATE TABLE one PARTITION OF item FOR VALUES IN (1)",
        "CREATE TABLE two (id int NOT NULL, kind int NOT NULL)",
        "CREATE VIEW seen AS SELECT * FROM item",
        "INSERT INTO item SELECT n, 1 FROM generate_series(1, 500) AS n", "INSERT INTO two VALUES (1000, 2)",
    )  # fmt: skip
    opened = open_source(source.url)
    planned = opened.plan(Definition.model_validate({**of, "key": ["id"]}), 100, None)
    assert planned.snapshot is not None
    session = opened.session(planned.snapshot.token)
    list(session.stream(planned.plan, planned.chunks[0], Block(), Stop()))
    session.check_schema(planned.plan)
    source.run("ALTER TABLE item ATTACH PARTITION two FOR VALUES IN (2)")
    list(session.stream(planned.plan, planned.chunks[-1], Block(), Stop()))
    with pytest.raises(errors.SchemaChanged, match="partition two was attached"):
        session.check_schema(planned.plan)
    session.close()
    planned.snapshot.close()


def test_another_table_under_the_same_name_stops_the_extraction(source: Database) -> None:
    source.run(
        "CREATE TABLE item (k int PRIMARY KEY)", "INSERT INTO item SELECT generate_series(1, 500)",
        "CREATE TABLE rebuilt (k int PRIMARY KEY)",
    )  # fmt: skip
    opened = open_source(source.url)
    planned = opened.plan(Definition(table="item"), 100, None)
    session = opened.session(None)
    session.check_schema(planned.plan)
    source.run("ALTER TABLE item RENAME TO old", "ALTER TABLE rebuilt RENAME TO item")
    with pytest.raises(errors.SchemaChanged, match="is another table by now"):
        session.check_schema(planned.plan)
    session.close()
