"""MariaDB as a source, against a real server: every row there once, every value exactly, every failure a sentence."""

import json
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from benchmarks.mariadb_server import MariaDB

from extraction_agent import errors
from extraction_agent.model import Consistency, Definition, Format
from extraction_agent.sources import open_source
from extraction_agent.sources.mysql_connection import Address, Connection
from extraction_agent.sources.protocol import Planned
from support import Database, extract

TYPES = """
CREATE TABLE everything (
    id BIGINT UNSIGNED PRIMARY KEY, tiny TINYINT(1), tiny_u TINYINT UNSIGNED, small SMALLINT, small_u SMALLINT UNSIGNED,
    medium MEDIUMINT, plain INT, plain_u INT UNSIGNED, filled INT(8) UNSIGNED ZEROFILL, big BIGINT,
    bigu BIGINT UNSIGNED, exact DECIMAL(65,30), whole DECIMAL(10,0), price DECIMAL(9,2) UNSIGNED, single FLOAT,
    twice DOUBLE, bits BIT(5), flag BIT(1), day DATE, at DATETIME(6), stamp TIMESTAMP(3) NULL, span TIME(6), yr YEAR,
    fixed CHAR(5), varied VARCHAR(100), latin VARCHAR(50) CHARACTER SET latin1, long_text LONGTEXT,
    bytes_fixed BINARY(4), bytes_varied VARBINARY(20), blob_ LONGBLOB, kind ENUM('a','b''c'), kinds SET('x','y','z'),
    doc JSON, ident UUID, addr INET6, shape POINT, sum_ BIGINT AS (plain * 2) STORED, virt INT AS (plain + 1) VIRTUAL,
    hidden INT INVISIBLE DEFAULT 9
)"""
BYTES = bytes(range(256))
AWKWARD = "\"\\/\b\f\n\r\t\x01\x1f\x7f é 😀 \u2028 '`%s %(a)s {x}"


def fill(mariadb: MariaDB) -> None:
    mariadb.run(TYPES)
    row = (
        2**64 - 1, -1, 255, -32768, 65535, -8388608, -2147483648, 4294967295, 42, -(2**63), 2**64 - 1,
        "-99999999999999999999999999999999999.999999999999999999999999999999", 1234567890, "0.50", 0.1, 1e308,
        21, 1, "9999-12-31", "1000-01-01 00:00:00.000001", "2038-01-19 03:14:07.999", "-838:59:59.000000", 2155,
        "ab", AWKWARD, "Größe €", "x", b"\0\1", BYTES[:20], BYTES, "b'c", "x,z",
        '{"b": [1.50, null], "a": "é"}', "123e4567-e89b-12d3-a456-426655440000", "2001:db8::1",
    )  # fmt: skip
    names = TYPES.partition("(")[2]
    columns = [part.split()[0] for part in names.replace("DECIMAL(65,30)", "D").replace("DECIMAL(10,0)", "D").replace(
        "DECIMAL(9,2)", "D").replace("('a','b''c')", "").replace("('x','y','z')", "").split(",")]  # fmt: skip
    listed = ", ".join(columns[: len(row)])
    marks = ", ".join(["%s"] * len(row))
    mariadb.run(f"INSERT INTO everything ({listed}) VALUES ({marks})", parameters=row)
    mariadb.run("INSERT INTO everything (id) VALUES (7)", "UPDATE everything SET shape = POINT(1, 2) WHERE id = 7")


def test_every_type_typed(mariadb: MariaDB, store: Database) -> None:
    fill(mariadb)
    extract(mariadb.url, store, Definition(table="everything", format=Format.TYPED))
    ((row,), (null,)) = (
        store.rows(
            "SELECT to_jsonb(t) || jsonb_build_object('blob_', encode(blob_, 'hex'), 'shape', encode(shape, 'hex'))"
            " FROM extraction_typed.test AS t ORDER BY id DESC"
        ),
    )[0]
    assert null["id"] == 7
    assert null["shape"] == "00000000" + "0101000000" + "000000000000f03f" + "0000000000000040"
    assert {name for name, value in null.items() if value is not None and not name.startswith("_")} == {
        "id", "shape", "hidden",
    }  # fmt: skip
    exact = "-99999999999999999999999999999999999.999999999999999999999999999999"
    assert store.value("SELECT exact::text FROM extraction_typed.test WHERE id > 7") == exact
    assert store.value("SELECT bigu FROM extraction_typed.test WHERE id > 7") == Decimal(2**64 - 1)
    assert store.value("SELECT single::text FROM extraction_typed.test WHERE id > 7") == "0.1"
    assert store.value("SELECT span::text FROM extraction_typed.test WHERE id > 7") == "-838:59:59"
    assert store.value("SELECT pg_typeof(at) FROM extraction_typed.test LIMIT 1") == "timestamp without time zone"
    assert store.value("SELECT extract(epoch FROM stamp) FROM extraction_typed.test WHERE id > 7") == Decimal(
        "2147483647.999000"
    )
    expected = {
        "tiny": -1, "tiny_u": 255, "small": -32768, "small_u": 65535, "medium": -8388608, "plain": -2147483648,
        "plain_u": 4294967295, "filled": 42, "big": -(2**63), "whole": 1234567890, "price": 0.5, "twice": 1e308,
        "bits": "10101", "flag": "1", "day": "9999-12-31", "at": "1000-01-01T00:00:00.000001", "yr": 2155,
        "fixed": "ab", "varied": AWKWARD, "latin": "Größe €", "long_text": "x", "bytes_fixed": r"\x00010000",
        "bytes_varied": r"\x" + BYTES[:20].hex(), "blob_": BYTES.hex(), "kind": "b'c", "kinds": "x,z",
        "doc": {"b": [1.5, None], "a": "é"}, "ident": "123e4567-e89b-12d3-a456-426655440000", "addr": "2001:db8::1",
        "sum_": -4294967296, "virt": -2147483647, "hidden": 9,
    }  # fmt: skip
    row["twice"] = float(row["twice"])
    assert {name: row[name] for name in expected} == expected


def test_every_type_json(mariadb: MariaDB, store: Database) -> None:
    fill(mariadb)
    extract(mariadb.url, store, Definition(table="everything"))
    texts = [row for (row,) in store.rows("SELECT data::text FROM extraction_data ORDER BY length(data::text)")]
    assert len(texts) == 2
    row = json.loads(texts[1], parse_float=Decimal)
    columns = [name for (name,) in mariadb.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = database() ORDER BY ordinal_position"
    )]  # fmt: skip
    assert list(row) == columns
    assert row["exact"] == Decimal("-99999999999999999999999999999999999.999999999999999999999999999999")
    assert (row["id"], row["filled"], row["single"], row["varied"]) == (2**64 - 1, 42, Decimal("0.1"), AWKWARD)
    assert (row["blob_"], row["span"], row["bits"]) == (r"\x" + BYTES.hex(), "-838:59:59.000000", "10101")
    assert (row["stamp"], row["doc"]["b"][0]) == ("2038-01-19T03:14:07.999+00:00", Decimal("1.50"))


@pytest.mark.parametrize("format_", list(Format))
def test_chunks_of_a_key(mariadb: MariaDB, store: Database, format_: Format) -> None:
    mariadb.run(
        "CREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(30))",
        "INSERT INTO item SELECT seq * seq, concat('item ', seq) FROM seq_1_to_20000",  # skewed
        "ANALYZE TABLE item",
    )
    number = extract(mariadb.url, store, Definition(table="item", format=format_, chunk_rows=1000))
    sizes = [rows for (rows,) in store.rows("SELECT rows FROM extraction_chunks ORDER BY chunk_no")]
    assert 10 <= len(sizes) <= 40
    assert max(sizes) < 3000
    if format_ is Format.JSON:
        got = store.rows("SELECT (data->>'id')::int, data->>'name' FROM extraction_data")
    else:
        got = store.rows("SELECT id, name FROM extraction_typed.test WHERE _extraction_id = %(n)s", {"n": number})
    assert sorted(got) == sorted(mariadb.rows("SELECT id, name FROM item"))


KEYS = {
    "composite": "a INT, b VARCHAR(20), c DATETIME(3), PRIMARY KEY (a, b, c)",
    "text": "b VARCHAR(20) COLLATE utf8mb4_unicode_ci PRIMARY KEY, a INT, c DATETIME",
    "latin": "b VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY, a INT, c DATETIME",
    "binary": "b VARBINARY(20) PRIMARY KEY, a INT, c DATETIME",
    "decimal and date": "a DECIMAL(10,2), c DATE, b VARCHAR(20), PRIMARY KEY (a, c, b)",
    "stamp": "c TIMESTAMP(6), b CHAR(20), a INT, PRIMARY KEY (c, b)",
    "descending": "a INT, b VARCHAR(20), c DATETIME, PRIMARY KEY (b DESC)",
}


@pytest.mark.parametrize("columns", list(KEYS.values()), ids=list(KEYS))
def test_keys_of_many_kinds(mariadb: MariaDB, store: Database, columns: str) -> None:
    mariadb.run(
        f"CREATE TABLE item ({columns})",
        "INSERT INTO item (a, b, c) SELECT seq % 7, concat(elt(1 + seq % 5, 'é', 'A', 'a''', 'ß\\\\', 'z'), seq),"
        " '2024-01-01' + INTERVAL seq % 50 DAY FROM seq_1_to_3000",
        "ANALYZE TABLE item",
    )
    extract(mariadb.url, store, Definition(table="item", chunk_rows=200))
    assert store.value("SELECT count(*) FROM extraction_chunks") >= 15
    assert store.value("SELECT max(rows) FROM extraction_chunks") <= 200
    assert store.value("SELECT count(DISTINCT data->>'b') FROM extraction_data") == 3000
    assert store.value("SELECT count(*) FROM extraction_data") == 3000


def test_a_range_of_a_composite_key_uses_the_index(mariadb: MariaDB) -> None:
    mariadb.run(
        "CREATE TABLE item (a INT, b INT, c INT, filler CHAR(200), PRIMARY KEY (a, b, c))",
        "INSERT INTO item SELECT seq % 10, seq, seq, 'x' FROM seq_1_to_20000",
        "ANALYZE TABLE item",
    )
    planned = plan(mariadb, Definition(table="item"), chunk_rows=1000)
    assert len(planned.chunks) > 15
    assert "range using PRIMARY" in planned.explain


def plan(mariadb: MariaDB, definition: Definition, chunk_rows: int = 100_000) -> Planned:
    return open_source(mariadb.url).plan(definition, chunk_rows, None)


def test_a_server_that_explains_as_a_tree_unless_told(mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch) -> None:
    """MySQL 8.0.32 and later do with explain_format = TREE."""
    mariadb.run("CREATE TABLE item (id INT PRIMARY KEY)", "INSERT INTO item SELECT seq FROM seq_1_to_1000")
    mariadb.run("ANALYZE TABLE item")
    asked = Connection.records

    def records(connection: Connection, statement: str) -> list[dict[str, Any]]:
        if statement.startswith("EXPLAIN SELECT"):
            return [{"EXPLAIN": "-> Covering index scan on item using PRIMARY  (cost=101 rows=1000)"}]
        return asked(connection, statement)

    monkeypatch.setattr(Connection, "records", records)
    planned = plan(mariadb, Definition(table="item"), chunk_rows=100)
    assert planned.plan.method == "key"
    assert len(planned.chunks) > 5


def test_consistency(mariadb: MariaDB) -> None:
    mariadb.run(
        "CREATE TABLE keyed (id INT PRIMARY KEY)", "INSERT INTO keyed SELECT seq FROM seq_1_to_5000",
        "CREATE TABLE other (u INT NOT NULL UNIQUE, n INT UNIQUE)",
        "INSERT INTO other SELECT seq, seq FROM seq_1_to_5000",
        "CREATE TABLE bare (a INT) ENGINE=MyISAM", "INSERT INTO bare SELECT seq FROM seq_1_to_5000",
        "CREATE VIEW seen AS SELECT * FROM keyed", "ANALYZE TABLE keyed, other, bare",
    )  # fmt: skip

    def chunks(**definition: Any) -> tuple[int, str]:
        planned = plan(mariadb, Definition(**definition), 500)
        return len(planned.chunks), planned.plan.reason

    assert chunks(table="keyed")[0] > 5
    number, reason = chunks(table="keyed", consistency=Consistency.SNAPSHOT)
    assert (number, "one statement" in reason) == (1, True)
    assert chunks(table="other")[0] == 1
    assert chunks(table="other", consistency=Consistency.CHUNK)[0] > 5
    assert chunks(table="other", key=("u",))[0] > 5
    assert chunks(table="seen")[0] == 1
    assert chunks(table="bare") == (1, "no primary key and no unique key without NULLs: one chunk, one statement")
    assert "MyISAM" in plan(mariadb, Definition(table="bare")).notes[0]
    with pytest.raises(errors.UsageError, match="No unique index on NOT NULL columns"):
        plan(mariadb, Definition(table="other", key=("n",)))


def test_names_queries_and_choices(mariadb: MariaDB, store: Database) -> None:
    mariadb.run(
        'CREATE TABLE `we``ird "näme\'` (`a b` INT PRIMARY KEY, `c``"d` TEXT, `%s` INT)',
        "INSERT INTO `we``ird \"näme'` VALUES (1, 'x', 2), (2, 'y', 3)",
    )
    extract(mariadb.url, store, Definition(table="we`ird \"näme'", format=Format.TYPED, exclude=("%s",)))
    assert store.rows('SELECT "a b", "c`""d" FROM extraction_typed.test ORDER BY 1') == [(1, "x"), (2, "y")]
    query = 'SELECT `a b` AS n, `c``"d` AS t FROM `we``ird "näme\'` WHERE `c``"d` = %(wanted)s -- a remark'
    extract(mariadb.url, store, Definition(query=query, parameters={"wanted": "y"}), name="queried")
    assert store.value("SELECT data::text FROM extraction_data") == '{"n":2,"t":"y"}'
    extract(mariadb.url, store, Definition(table="we`ird \"näme'", columns=('c`"d',)), name="few")
    assert store.rows("SELECT data::text FROM extraction_data ORDER BY extraction_id, 1")[1:] == [
        ('{"c`\\"d":"x"}',), ('{"c`\\"d":"y"}',),
    ]  # fmt: skip


def test_injection_by_a_parameter_stays_a_text(mariadb: MariaDB, store: Database) -> None:
    wicked = "x' OR '1'='1\\' -- "
    definition = Definition(query="SELECT %(p)s AS p", parameters={"p": wicked})
    extract(mariadb.url, store, definition)
    assert store.rows("SELECT data->>'p' FROM extraction_data") == [(wicked,)]


def test_zero_rows(mariadb: MariaDB, store: Database) -> None:
    mariadb.run("CREATE TABLE nothing (id INT PRIMARY KEY)")
    extract(mariadb.url, store, Definition(table="nothing"))
    assert store.value("SELECT count(*) FROM extraction_data") == 0


def test_a_thousand_columns(mariadb: MariaDB, store: Database) -> None:
    mariadb.run(
        f"CREATE TABLE wide ({', '.join(f'c{number} INT' for number in range(1000))})",
        f"INSERT INTO wide VALUES ({', '.join(map(str, range(1000)))})",
    )
    extract(mariadb.url, store, Definition(table="wide", format=Format.TYPED))
    assert store.rows("SELECT c0, c999 FROM extraction_typed.test") == [(0, 999)]


@pytest.mark.parametrize("format_", list(Format))
def test_a_value_of_50_mb(mariadb: MariaDB, store: Database, format_: Format) -> None:
    mariadb.run("CREATE TABLE huge (id INT PRIMARY KEY, t LONGTEXT)")
    mariadb.run("INSERT INTO huge SELECT 1, repeat('0123456789', 5000000)")
    extract(mariadb.url, store, Definition(table="huge", format=format_))
    if format_ is Format.JSON:
        measured = store.value("SELECT md5(data->>'t') FROM extraction_data")
    else:
        measured = store.value("SELECT md5(t) FROM extraction_typed.test")
    assert [(measured,)] == mariadb.rows("SELECT md5(t) FROM huge")


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize(
    ("type_", "value", "complaint"),
    [("DATE", "0000-00-00", "0000-00-00, which is no date"), ("DATETIME", "2024-00-10", "no date of the calendar"),
     ("TEXT", "a\0b", r"the character \\0")],
)  # fmt: skip
def test_refused_values(
    mariadb: MariaDB, store: Database, format_: Format, type_: str, value: str, complaint: str
) -> None:
    mariadb.run(f"CREATE TABLE item (id INT PRIMARY KEY, `bad one` {type_})")
    with closing(mariadb.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        cursor.execute("INSERT INTO item VALUES (1, %s)", [value])
    with pytest.raises(errors.SourceError, match=f"column bad one holds .*{complaint}"):
        extract(mariadb.url, store, Definition(table="item", format=format_))
    assert store.value("SELECT count(*) FROM extraction_data") == 0


def test_wrong_names_and_passwords(mariadb: MariaDB) -> None:
    mariadb.run("CREATE TABLE customers (customer_id INT PRIMARY KEY)")
    with pytest.raises(errors.UsageError, match=r"no table or view customer at the source\. Did you mean customers\?"):
        plan(mariadb, Definition(table="customer"))
    with pytest.raises(errors.UsageError, match=r"Column customer_ids does not exist .* Did you mean customer_id\?"):
        plan(mariadb, Definition(table="customers", columns=("customer_ids",)))
    with pytest.raises(errors.SourceError, match="Unknown database 'nowhere'"):
        open_source(f"mysql://root@{mariadb.host}:{mariadb.port}/nowhere").plan(Definition(table="t"), 1, None)
    mariadb.run("CREATE USER IF NOT EXISTS 'reader'@'%' IDENTIFIED BY 'p@ss:w/rd'")
    wrong = f"mysql://reader:no@{mariadb.host}:{mariadb.port}/{mariadb.name}"
    with pytest.raises(errors.SourceError, match=r"Access denied .* Check the URL's user and its") as caught:
        open_source(wrong).plan(Definition(table="customers"), 1, None)
    assert not caught.value.transient
    with pytest.raises(errors.SourceUnavailable, match="cannot be reached"):
        open_source("mysql://root@127.0.0.1:1/x").plan(Definition(table="t"), 1, None)
    with pytest.raises(errors.UsageError, match="do not fit"):
        plan(mariadb, Definition(query="SELECT %(a)s", parameters={"b": "1"}))


def test_a_reader_with_few_privileges(mariadb: MariaDB) -> None:
    mariadb.run(
        "CREATE TABLE secret (id INT PRIMARY KEY, open INT, hidden INT)",
        "CREATE OR REPLACE USER few IDENTIFIED BY 'p@ss:w/rd'",
        f"GRANT SELECT (id, open) ON {mariadb.name}.secret TO few",
    )
    source = open_source(f"mysql://few:p%40ss%3Aw%2Frd@{mariadb.host}:{mariadb.port}/{mariadb.name}")
    with pytest.raises(errors.SourceError, match=r"refuses: SELECT command denied .* its privilege"):
        source.plan(Definition(table="secret"), 1000, None)  # never silently fewer columns
    planned = source.plan(Definition(table="secret", columns=("id", "open")), 1000, None)
    assert [column.name for column in planned.plan.columns] == ["id", "open"]
    mariadb.run("DROP USER few")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS a) AS q UNION SELECT 2 INTO OUTFILE 'written' FROM (SELECT 3 AS a",
        "SELECT 1 AS a) AS q UNION ALL SELECT * FROM (SELECT 2 AS a",
        "SELECT 1 AS a; DROP TABLE item",
    ],
)
def test_a_query_stays_in_its_parentheses(mariadb: MariaDB, query: str) -> None:
    with pytest.raises(errors.SourceError, match="You have an error in your SQL syntax"):
        plan(mariadb, Definition(query=query))


def test_the_session_cannot_write(mariadb: MariaDB, store: Database) -> None:
    mariadb.run("CREATE TABLE item (id INT PRIMARY KEY)", "CREATE SEQUENCE counter")
    with pytest.raises(errors.SourceError, match="READ ONLY"):
        extract(mariadb.url, store, Definition(query="SELECT nextval(counter) AS n"))


def test_a_changed_schema(mariadb: MariaDB) -> None:
    mariadb.run("CREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(10), other INT)")
    source = open_source(mariadb.url)
    planned = source.plan(Definition(table="item"), 1000, None)
    with closing(source.session(None)) as session:
        mariadb.run("ALTER TABLE item ADD extra INT")
        session.check_schema(planned.plan)
        mariadb.run("ALTER TABLE item MODIFY name VARCHAR(20), DROP other")
        with pytest.raises(errors.SchemaChanged, match=r"name was varchar\(10\) and is varchar\(20\); column other is"):
            session.check_schema(planned.plan)
        mariadb.run("DROP TABLE item")
        with pytest.raises(errors.SchemaChanged, match="gone"):
            session.check_schema(planned.plan)


def test_addresses() -> None:
    address = Address("mysql://u%40x:p%2F@db:3307/shop?ssl-mode=DISABLED")
    assert address.where == "source db:3307/shop"
    assert (address.arguments["user"], address.arguments["password"]) == ("u@x", "p/")
    assert address.arguments["ssl_disabled"]
    required = Address("mysql://db/shop?ssl-mode=REQUIRED").arguments["ssl"]
    assert (required.check_hostname, required.verify_mode.name) == (False, "CERT_NONE")
    identity = Address("mysql://db/shop?ssl-mode=VERIFY_IDENTITY").arguments["ssl"]
    assert (identity.check_hostname, identity.verify_mode.name) == (True, "CERT_REQUIRED")
    with pytest.raises(errors.UsageError, match="ssl-mode is one of"):
        Address("mysql://db/x?ssl-mode=MAYBE")
    with pytest.raises(errors.UsageError, match="option sslmode is not known"):
        Address("mysql://db/x?sslmode=require")
    with pytest.raises(errors.UsageError, match="cannot be read"):
        Address("mysql://db/x?ssl-ca=/nowhere.pem")


def test_tls_that_the_server_lacks_is_an_error(mariadb: MariaDB) -> None:
    with pytest.raises(errors.SourceError, match="SSL is required"):
        open_source(mariadb.url + "?ssl-mode=REQUIRED").plan(Definition(query="SELECT 1 AS a"), 1, None)


def test_types_of_a_query(mariadb: MariaDB) -> None:
    query = "SELECT 1 AS a, 1.50 AS b, 'x' AS c, x'00' AS d, now() AS e, CAST(1 AS UNSIGNED) AS f, NULL AS g"
    columns = plan(mariadb, Definition(query=query)).plan.columns
    assert [column.sent_as for column in columns] == [
        "integer", "numeric(3,2)", "text", "bytea", "timestamp without time zone", "bigint", "bytea",
    ]  # fmt: skip


_Make = Callable[[], MariaDB]


def test_a_table_of_another_database(make_mariadb: _Make, store: Database) -> None:
    here, there = make_mariadb(), make_mariadb()
    there.run("CREATE TABLE item (id INT PRIMARY KEY)", "INSERT INTO item VALUES (5)")
    extract(here.url, store, Definition(table=f"{there.name}.item"))
    assert store.value("SELECT data::text FROM extraction_data") == '{"id":5}'


@pytest.mark.parametrize("host", ["a" * 64, "db..example"])
def test_a_name_that_no_host_can_have(host: str) -> None:
    with pytest.raises(errors.SourceError, match="no host can have such a name"):
        open_source(f"mysql://reader@{host}/shop").session(None)
