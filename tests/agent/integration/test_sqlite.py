"""SQLite as a source: every row there once, values as they stand, what does not fit refused with its place."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from extraction_agent import errors
from extraction_agent.model import Chunk, Consistency, Definition, Format
from extraction_agent.sources import open_source, overlap
from extraction_agent.sources.protocol import Planned
from extraction_agent.waiting import Stop
from extraction_agent.walker import Block
from support import Database, extract, ids_read


class File:
    """A database file of one test."""

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, f"sqlite://{quote(str(path))}"

    def run(self, *statements: str, rows: Iterable[tuple[Any, ...]] | None = None) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                if rows is None:
                    connection.execute(statement)
                else:
                    connection.executemany(statement, rows)

    def plan(self, definition: Definition, chunk_rows: int = 1000, state: dict[str, Any] | None = None) -> Planned:
        return open_source(self.url).plan(definition, chunk_rows, state)

    def taken(self, planned: Planned) -> list[tuple[Any, bool]]:
        """The first column of each chunk's rows in turn, with whether the chunk is the window."""
        with closing(Stop()) as stop, closing(open_source(self.url).session(None)) as session:
            return [
                (next(iter(json.loads(bytes(message)[6:]).values())), block.in_window)
                for chunk in planned.chunks
                for block in session.stream(planned.plan, chunk, Block(), stop)
                for message in block.messages()
            ]


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "a file %41?.db")


TABLES = {
    "integer": "id INTEGER PRIMARY KEY, name TEXT",
    "descending": "id INTEGER NOT NULL PRIMARY KEY DESC, name TEXT",
    "without rowid": "name TEXT, id INT, PRIMARY KEY (name, id)) WITHOUT ROWID --",
    "declared not null": "name TEXT NOT NULL PRIMARY KEY COLLATE NOCASE, id INT",
    "hidden rowid": "rowid TEXT, id INTEGER PRIMARY KEY, name TEXT",
    "mixed kinds": "name NOT NULL, id NOT NULL, PRIMARY KEY (id, name)",
}


@pytest.mark.parametrize("columns", list(TABLES.values()), ids=list(TABLES))
def test_chunks_of_a_key(file: File, store: Database, columns: str) -> None:
    file.run(f"CREATE TABLE item ({columns}\n)" if "--" not in columns else f"CREATE TABLE item ({columns}")
    file.run("INSERT INTO item (id, name) VALUES (?, ?)", rows=[(n * n - 500, f"it''s é {n}") for n in range(3000)])
    extract(file.url, store, Definition(table="item", chunk_rows=200))
    assert store.value("SELECT count(*) FROM extraction_chunks") >= 15
    assert store.value("SELECT max(rows) FROM extraction_chunks") <= 200
    got = store.rows("SELECT (data->>'id')::int, data->>'name' FROM extraction_data")
    assert sorted(got) == [(n * n - 500, f"it''s é {n}") for n in range(3000)]


def test_keys_that_hold_anything(file: File, store: Database) -> None:
    file.run("CREATE TABLE item (k PRIMARY KEY NOT NULL, n INT) WITHOUT ROWID")
    keys: list[Any] = [1, 2.5, -(2**63), 2**63 - 1, "a", "b'c", "", b"", b"\0\1", 0.1, 1e300, "é", "x" * 500]
    file.run("INSERT INTO item VALUES (?, ?)", rows=[(key, number) for number, key in enumerate(keys)])
    planned = file.plan(Definition(table="item", columns=("n",)), chunk_rows=1)
    assert len(planned.chunks) > len(keys)
    assert sorted(value for value, _window in file.taken(planned)) == list(range(len(keys)))
    extract(file.url, store, Definition(table="item", chunk_rows=2))
    assert store.value("SELECT count(*) FROM extraction_data") == len(keys)


def test_one_chunk_where_a_cut_is_not_safe(file: File) -> None:
    file.run(
        "CREATE TABLE bare (a INT)", "CREATE TABLE nullable (k TEXT PRIMARY KEY)",
        "CREATE TABLE keyed (id INTEGER PRIMARY KEY)", "CREATE VIEW seen AS SELECT * FROM keyed",
    )  # fmt: skip
    for table in ("bare", "nullable", "keyed"):
        file.run(f"INSERT INTO {table} VALUES (?)", rows=[(n,) for n in range(1, 3001)])

    def chunks(**definition: Any) -> tuple[int, str]:
        planned = file.plan(Definition(**definition))
        return len(planned.chunks), planned.plan.reason

    assert chunks(table="bare") == (1, "no primary key that VACUUM leaves alone: one chunk, one statement")
    assert chunks(table="nullable")[0] == 1
    assert chunks(table="keyed")[0] == 4
    assert chunks(table="keyed", consistency=Consistency.SNAPSHOT)[0] == 1
    assert chunks(table="seen") == (1, "a view cannot be cut: one chunk, one statement")
    with pytest.raises(errors.UsageError, match="No unique index on NOT NULL columns"):
        file.plan(Definition(table="nullable", key=("k",)))
    assert chunks(table="bare", consistency=Consistency.CHUNK)[0] == 1  # one statement: safe


def test_types(file: File, store: Database) -> None:
    file.run(
        'CREATE TABLE item (id INTEGER PRIMARY KEY, big BIGINT, real_ REAL, money DECIMAL(10,2), yes BOOLEAN, "at" '
        "DATETIME, name VARCHAR(10), raw BLOB, any_, twice INT AS (big * 2))"
    )
    values = (1, -(2**62), 0.1, 12.5, 1, "2024-01-01 10:00:00", '😀"\\\n', bytes(range(256)), "text")
    file.run(f"INSERT INTO item VALUES ({', '.join('?' * 9)})", rows=[values])
    file.run("INSERT INTO item (id, money, real_) VALUES (2, ?, ?)", rows=[(2**60, float("inf"))])
    extract(file.url, store, Definition(table="item", format=Format.TYPED))
    assert store.rows("SELECT id, big, real_, money, yes, at, name, raw, any_, twice FROM extraction_typed.test "
                      "WHERE id = 1") == [(*values[:3], Decimal("12.5"), True, *values[5:], -(2**63))]  # fmt: skip
    assert store.rows("SELECT money, real_, name FROM extraction_typed.test WHERE id = 2") == [
        (Decimal(2**60), float("inf"), None)
    ]
    extract(file.url, store, Definition(table="item"), name="json")
    texts = [text for (text,) in store.rows("SELECT data::text FROM extraction_data ORDER BY (data->>'id')::int")]
    assert json.loads(texts[0]) == {
        "id": 1, "big": -(2**62), "real_": 0.1, "money": 12.5, "yes": 1, "at": values[5], "name": values[6],
        "raw": r"\x" + bytes(range(256)).hex(), "any_": "text", "twice": -(2**63),
    }  # fmt: skip
    assert json.loads(texts[1])["real_"] == "Infinity"


def test_json_keeps_what_stands_there_and_typed_refuses_it(file: File, store: Database) -> None:
    file.run("CREATE TABLE item (name TEXT, number INTEGER)")
    file.run("INSERT INTO item VALUES (?, ?)", rows=[("a", 1), ("b", "seven"), ("c", 1.5), ("d", b"\1")])
    extract(file.url, store, Definition(table="item"))
    assert [value for (value,) in store.rows("SELECT data->>'number' FROM extraction_data ORDER BY data->>'name'")] == [
        "1", "seven", "1.5", r"\x01",
    ]  # fmt: skip
    with pytest.raises(errors.SourceError, match=r'"item": column number holds a value of type text .* rowid is 2'):
        extract(file.url, store, Definition(table="item", format=Format.TYPED), name="typed")
    assert store.value("SELECT count(*) FROM extraction_typed.typed") == 0


@pytest.mark.parametrize("format_", list(Format))
def test_texts_postgresql_cannot_keep(file: File, store: Database, format_: Format) -> None:
    file.run("CREATE TABLE item (id INTEGER PRIMARY KEY, t TEXT)", "INSERT INTO item VALUES (1, 'a' || char(0))")
    with pytest.raises(errors.SourceError, match=r"column t holds a text with the character \\0"):
        extract(file.url, store, Definition(table="item", format=format_))
    file.run("UPDATE item SET t = CAST(x'ff' AS TEXT)")
    with pytest.raises(errors.SourceError, match="column t holds a text that is not valid UTF-8"):
        extract(file.url, store, Definition(table="item", format=format_), name="other")


def test_a_key_that_is_not_utf_8(file: File) -> None:
    file.run("CREATE TABLE item (k TEXT PRIMARY KEY NOT NULL, n INT) WITHOUT ROWID")
    file.run("INSERT INTO item VALUES ('a', 1), (CAST(x'ff' AS TEXT), 2), (CAST(x'ffff' AS TEXT), 3)")
    assert len(file.plan(Definition(table="item")).chunks) == 1  # no bound is such a text
    with pytest.raises(errors.SourceError, match="column k holds a text that is not valid UTF-8"):
        file.plan(Definition(table="item"), chunk_rows=2)
    by_one = file.plan(Definition(table="item", exclude=("k",), consistency=Consistency.SNAPSHOT), chunk_rows=2)
    assert [number for number, _window in file.taken(by_one)] == [1, 2, 3]


def test_a_name_that_is_not_utf_8(file: File) -> None:
    file.run("CREATE TABLE item (id INTEGER PRIMARY KEY, naym TEXT)")
    written = file.path.read_bytes()
    assert written.count(b"naym") == 1
    file.path.write_bytes(written.replace(b"naym", b"na\xffm"))
    with pytest.raises(errors.SourceError, match=r"a file %41\?\.db: .* is not valid UTF-8"):
        file.plan(Definition(table="item"))


def test_queries_and_names(file: File, store: Database) -> None:
    file.run('CREATE TABLE "we""ird \'näme" ("a b" INTEGER PRIMARY KEY, "c""d" TEXT)')
    file.run('INSERT INTO "we""ird \'näme" VALUES (?, ?)', rows=[(1, "x"), (2, "y' OR 1 --")])
    extract(file.url, store, Definition(table="we\"ird 'näme"))
    assert store.rows("SELECT data::text FROM extraction_data ORDER BY 1")[0] == ('{"a b":1,"c\\"d":"x"}',)
    query = 'SELECT "a b" AS n, count(*) AS c, 100 %% 7 AS m FROM "we""ird \'näme" WHERE "c""d" = %(w)s -- it'
    definition = Definition(query=query, parameters={"w": "y' OR 1 --"}, format=Format.TYPED)
    extract(file.url, store, definition, name="queried")
    assert store.rows("SELECT n, c, m FROM extraction_typed.queried") == [(2, 1, 2)]


@pytest.mark.parametrize("name", ["ы" * 32, "x" * 64, "ctid", "xmin", ""])
def test_names_no_typed_table_can_have(file: File, store: Database, name: str) -> None:
    """PostgreSQL would cut them short without a word, and the next run would not know its own columns again."""
    file.run(f'CREATE TABLE item (id INTEGER PRIMARY KEY, "{name}" TEXT)', "INSERT INTO item VALUES (1, 'a')")
    for _ in range(2):
        with pytest.raises(errors.UsageError, match=rf"Column {name}.*--exclude, or use (--format )?json"):
            extract(file.url, store, Definition(table="item", format=Format.TYPED))
    assert store.rows("SELECT FROM pg_class WHERE relnamespace = 'extraction_typed'::regnamespace") == []
    extract(file.url, store, Definition(table="item"), name="json")
    assert store.value("SELECT data::text FROM extraction_data") == f'{{"id":1,"{name}":"a"}}'
    file.run(f"CREATE TABLE fits (id INTEGER PRIMARY KEY, {name[:31]}_ TEXT)")
    for _ in range(2):
        extract(file.url, store, Definition(table="fits", format=Format.TYPED), name="typed")


def test_what_is_missing(file: File, tmp_path: Path) -> None:
    file.run("CREATE TABLE customers (customer_id INTEGER PRIMARY KEY)")
    with pytest.raises(errors.UsageError, match=r"no table or view customer at the source. Did you mean customers\?"):
        file.plan(Definition(table="customer"))
    with pytest.raises(errors.UsageError, match=r"Column customer_ids .* Did you mean customer_id\?"):
        file.plan(Definition(table="customers", columns=("customer_ids",)))
    doubled = file.plan(Definition(query="SELECT 1 AS a, 2 AS a"))
    assert [column.name for column in doubled.plan.columns] == ["a", "a:1"]
    with pytest.raises(errors.SourceError, match="syntax error"):
        file.plan(Definition(query="SELEC 1"))
    with pytest.raises(errors.SourceError, match="is not there"):
        open_source(f"sqlite://{tmp_path}/none.db").plan(Definition(table="t"), 1, None)
    (tmp_path / "text.db").write_text("no database at all, but a text of some length\n" * 50)
    with pytest.raises(errors.SourceError, match="file is not a database"):
        open_source(f"sqlite://{tmp_path}/text.db").plan(Definition(table="t"), 1, None)


def test_zero_rows_and_a_changed_schema(file: File, store: Database) -> None:
    file.run("CREATE TABLE item (id INTEGER PRIMARY KEY, a INT, b INT)")
    extract(file.url, store, Definition(table="item"))
    assert store.value("SELECT count(*) FROM extraction_data") == 0
    planned = file.plan(Definition(table="item"))
    with closing(open_source(file.url).session(None)) as session:
        file.run("ALTER TABLE item ADD c INT")
        session.check_schema(planned.plan)
        file.run("ALTER TABLE item DROP b")
        with pytest.raises(errors.SchemaChanged, match="column b is gone"):
            session.check_schema(planned.plan)


def test_a_locked_file_may_pass(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    from extraction_agent.sources import sqlite

    monkeypatch.setattr(sqlite, "_BUSY", 0.1)
    file.run("CREATE TABLE item (id INTEGER PRIMARY KEY)")
    with closing(sqlite3.connect(file.path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(errors.SourceUnavailable, match="database is locked"):
            file.plan(Definition(table="item"))
        writer.execute("ROLLBACK")
    assert file.plan(Definition(table="item")).chunks


def test_a_stop_while_it_computes(file: File) -> None:
    file.run("CREATE TABLE item (id INTEGER PRIMARY KEY)")
    endless = "(WITH RECURSIVE n (a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n) SELECT sum(a) AS a FROM n)"
    planned = file.plan(Definition(query="SELECT 1 AS a"))
    with closing(Stop()) as stop, closing(open_source(file.url).session(None)) as session:
        timer = threading.Timer(0.2, stop.request)
        timer.start()
        begin = time.monotonic()
        with pytest.raises(errors.Cancelled):
            list(session.stream(planned.plan.model_copy(update={"relation": endless}), Chunk(), Block(), stop))
        assert 0.1 < time.monotonic() - begin < 1.2
        timer.join()


def test_nothing_is_written(file: File, store: Database) -> None:
    file.run("CREATE TABLE item (id INTEGER PRIMARY KEY)", "INSERT INTO item VALUES (1)")
    before = file.path.read_bytes()
    extract(file.url, store, Definition(table="item"))
    assert file.path.read_bytes() == before
    with closing(sqlite3.connect(file.path)) as probe:
        probe.execute("BEGIN EXCLUSIVE")  # no reader is left


def test_incremental_by_time(file: File) -> None:
    file.run('CREATE TABLE item (id INTEGER PRIMARY KEY, "at" TEXT)')
    file.run("INSERT INTO item VALUES (?, ?)", rows=[
        (1, None), (2, "2024-01-01 00:00:00"), (3, "2024-01-01 11:57:00"), (4, "2024-01-01 12:00:00.500"),
    ])  # fmt: skip
    definition = Definition(table="item", watermark="at", overlap_seconds=300)
    first = file.plan(definition)
    assert sorted(file.taken(first)) == [(1, False), (2, False), (3, True), (4, True)]
    assert first.watermark is not None
    assert (first.watermark["from"], first.watermark["high"]) == ("2024-01-01 11:55:00", "2024-01-01 12:00:00")
    file.run("INSERT INTO item VALUES (?, ?)", rows=[(5, "2024-01-01 11:56:00"), (6, "2024-01-02 00:00:00"), (7, None)])
    second = file.plan(definition, state=first.watermark)
    assert sorted(file.taken(second)) == [(3, False), (4, False), (5, False), (6, True)]
    assert second.plan.deduplicate
    assert any("overlaps the last one by 300 s" in note for note in second.notes)


def test_incremental_by_number_and_by_nonsense(file: File) -> None:
    file.run("CREATE TABLE item (id INTEGER PRIMARY KEY, word TEXT, mix)")
    definition = Definition(table="item", watermark="id", overlap_seconds=5)
    first = file.plan(definition)
    assert file.taken(first) == []
    file.run("INSERT INTO item VALUES (?, ?, ?)", rows=[(n, f"w{n}", n if n % 2 else "x") for n in range(1, 21)])
    second = file.plan(definition, state=first.watermark)
    assert second.watermark is not None
    assert second.watermark["from"] == "15"
    assert len(file.taken(second)) == 20
    third = file.plan(definition, state=second.watermark)
    assert sorted(file.taken(third)) == [(n, True) for n in range(15, 21)]
    for column in ("word", "mix"):
        with pytest.raises(errors.UsageError, match=f"The watermark {column} holds"):
            file.plan(Definition(table="item", watermark=column))


def test_xmin_is_of_postgresql(file: File) -> None:
    file.run("CREATE TABLE item (id INTEGER PRIMARY KEY)", "CREATE TABLE own (id INTEGER PRIMARY KEY, xmin INTEGER)")
    with pytest.raises(errors.UsageError, match="Column xmin does not exist in table item"):
        file.plan(Definition(table="item", watermark="xmin"))
    assert file.plan(Definition(table="own", watermark="xmin")).watermark is not None


def test_rows_alike_in_an_overlap_are_counted(file: File, store: Database) -> None:
    """What was taken once drops one row: a late one of the same content, anywhere in the key, is new."""
    file.run("CREATE TABLE item (id INTEGER PRIMARY KEY, n INT, word TEXT)")
    file.run("INSERT INTO item VALUES (?, ?, ?)", rows=[(number, number, "x") for number in range(1, 3001)])
    definition = Definition(table="item", exclude=("id",), watermark="n", overlap_seconds=100)
    batch = {"chunk_rows": 200}
    extract(file.url, store, definition, batch=batch)
    file.run("INSERT INTO item VALUES (100000, 2950, 'x')")  # as row 2950, in another range of the key
    extract(file.url, store, definition, batch=batch)
    assert store.value("SELECT count(*) FROM extraction_data") == 3001
    assert store.value("SELECT count(*) FROM extraction_data WHERE data->>'n' = '2950'") == 2


def test_an_overlap_without_its_column_is_refused(file: File) -> None:
    file.run("CREATE TABLE item (id INTEGER PRIMARY KEY, n INT)")
    with pytest.raises(errors.UsageError, match="n must be among the columns"):
        file.plan(Definition(table="item", exclude=("n",), watermark="n", overlap_seconds=100))


def test_a_row_that_moves_into_the_window_meanwhile_comes_once(file: File) -> None:
    file.run("PRAGMA journal_mode = WAL")  # else the writer waits
    file.run("CREATE TABLE item (id INTEGER PRIMARY KEY, at INTEGER)")
    file.run("INSERT INTO item VALUES (1, 10), (2, 10), (3, 1000)")
    planned = file.plan(Definition(table="item", watermark="at", overlap_seconds=5))
    [chunk] = planned.chunks

    def move() -> None:
        file.run("UPDATE item SET at = 1000 WHERE id = 2")

    # Of two moments: the failure this is about.
    assert ids_read(file.url, planned, overlap.halves(chunk), after_each_block=move) == [1, 2, 2, 3]
    file.run("UPDATE item SET at = 10 WHERE id = 2")
    assert ids_read(file.url, planned, [chunk], after_each_block=move) == [1, 2, 3]
