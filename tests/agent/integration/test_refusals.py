"""Bad input: each a sentence and the right kind of error, with nothing half-done in the store."""

import itertools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql as q

from comparison import assert_same
from extraction_agent import embedded, errors
from extraction_agent.model import Consistency, Definition, Format
from extraction_agent.pipeline import commit
from extraction_agent.pipeline.start import Started, start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.sources.protocol import Session
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop
from support import Database, extract

_roles = itertools.count(1)


def refused(
    kind: type[errors.ExtractionError], words: str, source_url: str, store: Database, definition: Definition
) -> str:
    """Show that an extraction is refused in a sentence and leaves no trace. Returns the sentence."""
    with pytest.raises(kind, match=words) as caught:
        extract(source_url, store, definition)
    assert type(caught.value) is kind
    sentence = str(caught.value)
    assert re.fullmatch(r"\S.*[.?]", sentence), sentence
    assert "Traceback" not in sentence
    for table in ("extractions", "extraction_chunks", "extraction_data", "procrastinate_jobs"):
        assert store.value(q.SQL("SELECT count(*) FROM {}").format(q.Identifier(table))) == 0
    assert store.rows("SELECT FROM pg_class WHERE relnamespace = 'extraction_typed'::regnamespace") == []
    return sentence


@pytest.fixture
def reader(source: Database) -> Iterator[Callable[..., str]]:
    """Makes a role without privileges but those granted: reader("GRANT … TO {}") returns its URL."""
    made: list[str] = []

    def make(*grants: LiteralString) -> str:
        name = f"reader_{next(_roles)}"
        with psycopg.connect(source.url, autocommit=True) as connection:
            connection.execute(q.SQL("CREATE ROLE {} LOGIN").format(q.Identifier(name)))
            made.append(name)
            for grant in grants:
                connection.execute(q.SQL(grant).format(q.Identifier(name)))
        return source.url.replace("postgres@", f"{name}@")

    yield make
    with psycopg.connect(source.url, autocommit=True) as connection:
        for name in made:
            connection.execute(q.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(q.Identifier(name)))


def test_an_unknown_host(store: Database) -> None:
    url = "postgresql://postgres@no-such-host.invalid/shop"
    told = refused(errors.SourceUnavailable, "check the host name", url, store, Definition(table="item"))
    assert "source no-such-host.invalid:5432/shop" in told


def test_a_server_that_does_not_listen(store: Database) -> None:
    url = "postgresql://postgres@127.0.0.1:1/shop"
    refused(errors.SourceUnavailable, "Connection refused", url, store, Definition(table="item"))


def test_a_missing_database(source: Database, store: Database) -> None:
    url = source.url.rsplit("/", 1)[0] + "/no_such"
    refused(errors.SourceError, "check the database and user names", url, store, Definition(table="item"))


def test_a_wrong_password(store: Database) -> None:
    with embedded.folder() as folder:
        server = embedded.Server(folder / "locked", {"fsync": "off"})
        server.create()
        access = server.data / "pg_hba.conf"
        rules = access.read_text(encoding="utf-8")
        access.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + rules, encoding="utf-8")
        with server:
            inside = Database(server.url())
            inside.run("CREATE ROLE guarded LOGIN PASSWORD 'right-secret'", "CREATE TABLE item AS SELECT 1 AS id")
            inside.run("GRANT SELECT ON item TO guarded")
            url = server.url(user="guarded:wrong-secret")
            told = refused(errors.SourceError, "check the user and the password", url, store, Definition(table="item"))
            assert "secret" not in told
            refused(
                errors.SourceError, "give the password", server.url(user="guarded"), store, Definition(table="item")
            )
            assert extract(server.url(user="guarded:right-secret"), store, Definition(table="item")) > 0


def test_a_missing_table_or_column(source: Database, store: Database) -> None:
    source.run("CREATE TABLE customer (id int PRIMARY KEY, name text)")

    def no(words: str, **definition: object) -> None:
        refused(errors.UsageError, words, source.url, store, Definition.model_validate(definition))

    no(r"no table or view custmer at the source. Did you mean customer\?", table="custmer")
    no("no table or view other.customer", table="other.customer")
    no(r"Column nmae does not exist in table public.customer. Did you mean name\?", table="customer", columns=["nmae"])
    no("Column nothing does not exist", table="customer", exclude=["nothing"])
    no("Column nothing does not exist", table="customer", key=["nothing"])
    no("No column of table public.customer is left", table="customer", exclude=["id", "name"])
    no("syntax error", query="SELEC 1")
    no('relation "nowhere" does not exist', query="SELECT * FROM nowhere")
    no("names a twice", query="SELECT 1 AS a, 2 AS a")
    no("parameters do not fit", query="SELECT %(a)s AS a", parameters={"b": "1"})
    no("no columns", query="SELECT FROM customer")


_WAYS_OUT = (  # of the parentheses that a query is put into
    "SELECT 1 AS a) AS q; COMMIT; BEGIN READ WRITE; DELETE FROM item; COMMIT; SELECT * FROM (SELECT 1 AS a",
    "SELECT id FROM item) AS q UNION ALL SELECT id FROM (SELECT id FROM item",
    "SELECT id FROM item) AS q -- ",
    "SELECT id FROM item; DELETE FROM item",
)


@pytest.mark.parametrize("query", _WAYS_OUT)
def test_a_query_is_one_statement(source: Database, store: Database, query: str) -> None:
    source.run("CREATE TABLE item (id int PRIMARY KEY)", "INSERT INTO item VALUES (1), (2)")
    refused(errors.UsageError, "syntax error|multiple commands", source.url, store, Definition(query=query))
    assert source.value("SELECT count(*) FROM item") == 2


def test_a_query_of_several_statements_would_write(source: Database) -> None:
    source.run("CREATE TABLE item (id int PRIMARY KEY)", "INSERT INTO item VALUES (1), (2)")
    with psycopg.connect(source.url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = on; BEGIN READ ONLY")
        connection.execute(f"SELECT * FROM ({_WAYS_OUT[0]}) AS query".encode())
    assert source.value("SELECT count(*) FROM item") == 0


def test_a_missing_privilege(source: Database, store: Database, reader: Callable[..., str]) -> None:
    source.run(
        "CREATE SCHEMA hidden", "CREATE TABLE hidden.item AS SELECT 1 AS id",
        "CREATE TABLE item (id int PRIMARY KEY, name text, secret text)", "INSERT INTO item VALUES (1, 'x', 'y')",
    )  # fmt: skip
    no = errors.SourceError
    refused(no, "permission denied for table item – grant", reader(), store, Definition(table="item"))
    url = reader("GRANT SELECT ON hidden.item TO {}")
    refused(no, "permission denied for schema hidden", url, store, Definition(table="hidden.item"))
    url = reader("GRANT SELECT (id, name) ON item TO {}")
    refused(no, "permission denied for table item", url, store, Definition(table="item"))
    refused(no, "permission denied", url, store, Definition(table="item", columns=("id", "secret")))
    refused(errors.UsageError, "Column nmae does not exist.*mean name", url, store,
            Definition(table="item", columns=("nmae",)))  # fmt: skip


@pytest.mark.parametrize("definition", [{"columns": ["name", "id"]}, {"exclude": ["secret"]}])
@pytest.mark.parametrize("consistency", list(Consistency))
def test_a_privilege_on_some_columns_is_enough_for_these(
    source: Database, store: Database, reader: Callable[..., str], definition: dict[str, list[str]],
    consistency: Consistency,
) -> None:  # fmt: skip
    source.run(
        "CREATE TABLE item (id int PRIMARY KEY, name text, secret text)",
        "INSERT INTO item SELECT n, 'x', 'y' FROM generate_series(1, 500) AS n", "ANALYZE item",
    )  # fmt: skip
    url = reader("GRANT SELECT (id, name) ON item TO {}")
    wanted = Definition.model_validate({"table": "item", "chunk_rows": 100, "consistency": consistency, **definition})
    number = extract(url, store, wanted)
    columns = definition.get("columns", ["id", "name"])
    assert assert_same(source, store, q.Identifier("item"), columns, number, Format.JSON) == 500


def test_rows_a_policy_would_hide(source: Database, store: Database, reader: Callable[..., str]) -> None:
    source.run(
        "CREATE TABLE item (id int PRIMARY KEY)", "INSERT INTO item SELECT generate_series(1, 10)",
        "ALTER TABLE item ENABLE ROW LEVEL SECURITY", "CREATE POLICY upper_half ON item USING (id > 5)",
    )  # fmt: skip
    url = reader("GRANT SELECT ON item TO {}")
    assert Database(url).value("SELECT count(*) FROM item") == 5  # what a reader silently gets
    refused(errors.SourceError, "row-level security", url, store, Definition(table="item"))
    refused(errors.SourceError, "row-level security", url, store, Definition(query="SELECT id FROM item"))


def test_a_key_with_nulls_or_duplicates(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item (a int, b int)", "INSERT INTO item VALUES (1, 1), (2, 2), (2, 3), (NULL, 4)")
    refused(errors.UsageError, "key a .* is NULL in 1 rows", source.url, store, Definition(table="item", key=("a",)))
    source.run("DELETE FROM item WHERE a IS NULL")
    refused(errors.UsageError, "not unique .one value stands 2 times", source.url, store,
            Definition(table="item", key=("a",)))  # fmt: skip
    refused(errors.UsageError, "--consistency snapshot", source.url, store,
            Definition(table="item", key=("b",), consistency=Consistency.CHUNK))  # fmt: skip
    number = extract(source.url, store, Definition(table="item", key=("a", "b"), chunk_rows=1))
    assert assert_same(source, store, q.Identifier("item"), ["a", "b"], number, Format.JSON) == 3
    source.run("CREATE TABLE unordered (a json)", "INSERT INTO unordered VALUES ('1')")
    with pytest.raises(errors.UsageError, match="json"):
        extract(source.url, store, Definition(table="unordered", key=("a",)), "other")


def test_1600_columns(source: Database, store: Database) -> None:
    listed = q.SQL(", ").join(q.SQL("{} smallint DEFAULT 1").format(q.Identifier(f"c{n}")) for n in range(1600))
    with psycopg.connect(source.url, autocommit=True) as connection:
        connection.execute(q.SQL("CREATE TABLE wide ({})").format(listed))
    source.run("INSERT INTO wide DEFAULT VALUES", "INSERT INTO wide DEFAULT VALUES")
    names = [f"c{n}" for n in range(1600)]
    refused(errors.UsageError, "has 1600 columns; a typed table holds 1598", source.url, store,
            Definition(table="wide", format=Format.TYPED))  # fmt: skip
    number = extract(source.url, store, Definition(table="wide"))
    assert assert_same(source, store, q.Identifier("wide"), names, number, Format.JSON) == 2
    narrower = Definition(table="wide", format=Format.TYPED, exclude=("c0", "c1"))
    number = extract(source.url, store, narrower)
    assert assert_same(source, store, q.Identifier("wide"), names[2:], number, Format.TYPED) == 2


ODD_NAMES = [
    "Capital",
    'a "quoted" name',
    "a space",
    "ünïcode 中",
    "dot.ted",
    "it's",
    "100%",
    "select",
    "{brace}",
    "%s",
]


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names(source: Database, store: Database, name: str, format_: Format) -> None:
    named = q.Identifier(name)
    with psycopg.connect(source.url, autocommit=True) as connection:
        connection.execute(q.SQL("CREATE TABLE {0} ({0} int PRIMARY KEY)").format(named))
        connection.execute(q.SQL("INSERT INTO {} SELECT generate_series(1, 100)").format(named))
        connection.execute(q.SQL("ANALYZE {}").format(named))
    number = extract(source.url, store, Definition(table=name, format=format_, chunk_rows=20))
    assert store.value("SELECT count(*) FROM extraction_chunks") > 2
    assert assert_same(source, store, named, [name], number, format_) == 100


def test_names_are_folded_only_when_nothing_is_called_so(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item AS SELECT 1 AS id")
    assert extract(source.url, store, Definition(table="PUBLIC.Item")) > 0
    source.run('CREATE TABLE "Item" AS SELECT 2 AS id')
    number = extract(source.url, store, Definition(table="Item"))
    assert store.rows("SELECT data->>'id' FROM extraction_data WHERE extraction_id = %(n)s", {"n": number}) == [("2",)]


class Halfway:
    """An extraction of which the first chunk is done, stopped there for something to happen at the source."""

    def __init__(self, source: Database, opened: Store, definition: Definition) -> None:
        reading, self.store, self.stop = open_source(source.url), opened, Stop()
        self.begun: Started = start(opened, reading, "test", source.url, None, definition, Settings())
        self.session: Session = reading.session(self.begun.snapshot.token if self.begun.snapshot else None)
        self.extraction = opened.extraction(self.begun.extraction_id)
        self.chunks = opened.chunks(self.extraction.id)
        assert len(self.chunks) > 2
        self.copy(0)

    def copy(self, number: int) -> None:
        assert commit.copy_chunk(self.extraction, number, self.session, self.store, "test", self.stop) is not None

    def close(self) -> None:
        self.session.close()
        if self.begun.snapshot is not None:
            self.begun.snapshot.close()
        self.stop.close()


ITEM: tuple[LiteralString, ...] = (
    "CREATE TABLE item (id int PRIMARY KEY, name text, note text)",
    "INSERT INTO item SELECT n, 'x', 'y' FROM generate_series(1, 500) AS n",
    "ANALYZE item",
)  # fmt: skip


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("ALTER TABLE item DROP COLUMN name", "name"),
        ("ALTER TABLE item RENAME COLUMN name TO called", "name"),
        ("ALTER TABLE item ALTER name TYPE varchar(5)", "name was text and is character varying"),
        ("ALTER TABLE item ALTER id TYPE bigint", "id was integer and is bigint"),
        ("DROP TABLE item", "item"),
        ("ALTER TABLE item RENAME TO thing", "item"),
    ],
)
def test_a_schema_that_changes_during_the_run(
    source: Database, store: Database, format_: Format, change: LiteralString, words: str
) -> None:
    source.run(*ITEM)
    with Store(store.url) as opened:
        definition = Definition(table="item", format=format_, chunk_rows=100, consistency=Consistency.CHUNK)
        with closing(Halfway(source, opened, definition)) as run:
            source.run(change)
            with pytest.raises(errors.SchemaChanged, match=words) as caught:
                run.copy(1)
            assert "Start a new one." in str(caught.value)
            states = store.rows("SELECT chunk_no, state FROM extraction_chunks WHERE state = 'done'")
            assert states == [(0, "done")]
            kept = store.value(q.SQL("SELECT count(*) FROM {}").format(q.SQL(run.extraction.table)))
            assert kept == store.value("SELECT rows FROM extraction_chunks WHERE chunk_no = 0")


@pytest.mark.parametrize("format_", list(Format))
def test_a_new_column_during_the_run_is_not_extracted(source: Database, store: Database, format_: Format) -> None:
    source.run(*ITEM)
    with Store(store.url) as opened:
        definition = Definition(table="item", format=format_, chunk_rows=100, consistency=Consistency.CHUNK)
        with closing(Halfway(source, opened, definition)) as run:
            source.run("ALTER TABLE item ADD COLUMN fresh text")
            for chunk in run.chunks[1:]:
                run.copy(chunk.no)
            opened.finish(run.extraction.id)
            columns = ["id", "name", "note"]
            assert assert_same(source, store, q.Identifier("item"), columns, run.extraction.id, format_) == 500


@pytest.mark.parametrize(
    "change", ["TRUNCATE item", "DROP TABLE item", "ALTER TABLE item DROP COLUMN name", "VACUUM FULL item"]
)
@pytest.mark.parametrize("definition", [{"table": "item"}, {"query": "SELECT * FROM item"}])
def test_a_snapshot_keeps_its_relation_as_it_is(
    source: Database, store: Database, change: LiteralString, definition: dict[str, str]
) -> None:
    source.run(*ITEM)
    more = {"key": ["id"], "chunk_rows": 100, "consistency": "snapshot"}
    wanted = Definition.model_validate({**definition, **more})
    with Store(store.url) as opened, closing(Halfway(source, opened, wanted)) as run:
        with psycopg.connect(source.url, autocommit=True, options="-c lock_timeout=200ms") as other:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute(change)
            other.execute("DELETE FROM item WHERE id > 250")
        for chunk in run.chunks[1:]:
            run.copy(chunk.no)
        opened.finish(run.extraction.id)
    assert store.value("SELECT count(*) FROM extraction_data") == 500


def resident() -> int:
    """Bytes of this process in memory."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("format_", list(Format))
def test_a_value_of_50_mb(source: Database, store: Database, format_: Format) -> None:
    source.run(
        "CREATE TABLE item (id int PRIMARY KEY, body text)",
        "INSERT INTO item VALUES (1, 'small'), (2, repeat('x', 50 * 1024 * 1024)), (3, 'small')",
    )
    before = resident()
    number = extract(source.url, store, Definition(table="item", format=format_))
    assert resident() - before < 25 * 1024 * 1024
    value = "body" if format_ is Format.TYPED else "data->>'body'"
    table = "extraction_typed.test" if format_ is Format.TYPED else "extraction_data"
    got = store.rows(_sql(f"SELECT length({value}), md5({value}) FROM {table} ORDER BY 1"))
    assert got == source.rows("SELECT length(body), md5(body) FROM item ORDER BY 1")
    assert number > 0


def test_a_session_that_grew_by_a_value_is_not_kept(source: Database, store: Database) -> None:
    """libpq's buffer never shrinks: only the connection's end gives it back."""
    source.run(*ITEM, "UPDATE item SET note = repeat('x', 20 * 1024 * 1024) WHERE id = 499")
    with Store(store.url) as opened, closing(Halfway(source, opened, Definition(table="item", chunk_rows=100))) as run:
        assert run.session.usable
        for chunk in run.chunks[1:]:
            run.copy(chunk.no)
        assert not run.session.usable


def _sql(text: str) -> LiteralString:
    """A statement composed of constants of this file."""
    return text


def test_a_typed_table_that_earlier_extractions_filled_otherwise(source: Database, store: Database) -> None:
    definition = Definition(table="item", format=Format.TYPED)
    source.run("CREATE TABLE item AS SELECT 1 AS id")
    first = extract(source.url, store, definition)
    source.run("ALTER TABLE item ADD COLUMN name text", "UPDATE item SET name = 'new'")
    second = extract(source.url, store, definition)
    rows = store.rows("SELECT _extraction_id, id, name FROM extraction_typed.test ORDER BY 1")
    assert rows == [(first, 1, None), (second, 1, "new")]
    source.run("ALTER TABLE item ALTER id TYPE bigint")
    with pytest.raises(errors.UsageError, match="Column id is bigint at the source and integer in"):
        extract(source.url, store, definition)
    source.run("ALTER TABLE item DROP COLUMN id", "ALTER TABLE item ADD COLUMN _chunk_no int")
    with pytest.raises(errors.UsageError, match="Column _chunk_no of the source has the name of one of ours"):
        extract(source.url, store, definition)
    assert store.value("SELECT count(*) FROM extractions") == 2
