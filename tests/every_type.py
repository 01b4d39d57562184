"""A table with a column of every built-in type a server has, and of its array."""

import itertools
from typing import LiteralString

import psycopg
from psycopg import sql as q

from support import Database

# Values of each built-in type, as text. The first stands in every row's array too.
VALUES: dict[str, list[str]] = {
    "bool": ["t", "f"],
    "bytea": ["\\x00ff5c0a", ""],
    "char": ["a", "", "\\377"],
    "name": ["a name", ""],
    "int8": ["9223372036854775807", "-9223372036854775808"],
    "int2": ["32767", "-32768"],
    "int4": ["2147483647", "-2147483648"],
    "int2vector": ["1 2 -3", ""],
    "oidvector": ["1 4294967295", ""],
    "regproc": ["pg_backend_pid"],
    "text": ['tab\t newline\n quote" back\\slash \u00e9 \u4e2d \U0001f680', "", "\\N", "\x01\x7f"],
    "oid": ["4294967295", "0"],
    "tid": ["(4294967295,65535)", "(0,0)"],
    "xid": ["4294967295"],
    "cid": ["4294967295"],
    "json": ['{"b": 1,  "a": "\\u0000", "b": 2}', "null", ' [1e400, "\\ud83d\\ude80"] '],
    "xml": ['<?xml version="1.0" encoding="UTF-8"?><a b="c">\u00e9</a>', "<a/>"],
    "point": ["(1.5,-0)", "(NaN,Infinity)"],
    "lseg": ["[(0,0),(1,1e300)]"],
    "path": ["((0,0),(1,1))", "[(0,0),(1,1)]"],
    "box": ["(1,1),(0,0)"],
    "polygon": ["((0,0),(1,1),(2,0))"],
    "line": ["{1,-1,0}"],
    "cidr": ["192.168.0.0/16", "2001:db8::/32"],
    "float4": ["1e-45", "NaN", "Infinity", "-Infinity", "-0", "3.4028235e38"],
    "float8": ["0.1", "NaN", "Infinity", "-Infinity", "-0", "5e-324", "1.7976931348623157e308"],
    "circle": ["<(0,0),1.5>"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "money": ["$92,233,720,368,547,758.07", "-$0.01"],
    "macaddr": ["08:00:2b:01:02:03"],
    "inet": ["192.168.0.1/24", "::1", "10.0.0.1"],
    "aclitem": ["postgres=r*w/postgres"],
    "bpchar": ["trailing  ", ""],
    "varchar": ["some", ""],
    "date": ["4713-01-01 BC", "5874897-12-31", "infinity", "-infinity"],
    "time": ["24:00:00", "00:00:00.000001"],
    "timestamp": ["4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999", "infinity", "-infinity"],
    "timestamptz": ["2024-03-31 02:30:00.123456+13:45", "infinity", "-infinity", "0001-01-01 00:00:00+00 BC"],
    "interval": ["-1 year 2 mons -3 days +04:05:06.789012", "infinity", "-infinity", "0"],
    "timetz": ["24:00:00-15:59", "00:00:00.000001+15:59"],
    "bit": ["10110", "1"],
    "varbit": ["", "10110"],
    "numeric": ["NaN", "Infinity", "-Infinity", "-0.00", "1" * 1000 + "." + "3" * 500, "1e-16383", "1.10"],
    "refcursor": ["a cursor"],
    "regprocedure": ["abs(integer)", "-"],
    "regoper": ["|/"],
    "regoperator": ["+(integer,integer)"],
    "regclass": ["pg_class", "-", "4294967295"],
    "regtype": ["timestamp with time zone"],
    "regconfig": ["english"],
    "regdictionary": ["simple"],
    "regnamespace": ["pg_catalog"],
    "regrole": ["postgres"],
    "regcollation": ['"C"'],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "txid_snapshot": ["10:20:10,14,15"],
    "pg_lsn": ["FFFFFFFF/FFFFFFFF", "0/0"],
    "tsvector": ["'a':1A 'fat':2B,4C 'cat':5 ''''", ""],
    "tsquery": ["'fat' & ( 'rat':AB | !'cat':* ) <-> 'x'", ""],
    "int4range": ["[1,10)", "empty", "(,)"],
    "int8range": ["[1,10)", "(,5)"],
    "numrange": ["[1.10,NaN]", "(,)"],
    "tsrange": ['["2024-01-01 00:00:00",infinity]'],
    "tstzrange": ['["2024-01-01 00:00:00+02",)'],
    "daterange": ["[2024-01-01,2024-02-01)"],
    "jsonb": ['{"b": 1.10, "a": [null, "\\"", {"c": 1e400}]}', '"x"'],
    "jsonpath": ['$."a"[*]?(@ > 1)'],
    "int4multirange": ["{[1,3),[5,7)}", "{}"],
    "int8multirange": ["{[1,3),[5,)}"],
    "nummultirange": ["{[1.0,2.0]}"],
    "tsmultirange": ['{["2024-01-01 00:00:00","2024-01-02 00:00:00")}'],
    "tstzmultirange": ['{["2024-01-01 00:00:00+02",)}'],
    "datemultirange": ["{[2024-01-01,2024-02-01)}"],
    "pg_snapshot": ["10:20:10,14,15"],
    "xid8": ["18446744073709551615"],
}
# Types whose values only the server itself can make.
MADE: dict[str, LiteralString] = {
    "pg_node_tree": "(SELECT adbin FROM pg_attrdef LIMIT 1)",
    "pg_ndistinct": "(SELECT stxdndistinct FROM pg_statistic_ext_data LIMIT 1)",
    "pg_dependencies": "(SELECT stxddependencies FROM pg_statistic_ext_data LIMIT 1)",
    "pg_mcv_list": "(SELECT stxdmcv FROM pg_statistic_ext_data LIMIT 1)",
    "gtsvector": "NULL",
    "pg_brin_bloom_summary": "NULL",
    "pg_brin_minmax_multi_summary": "NULL",
}


def goes_as_text(column: str) -> bool:
    """As docs/how-to/extract-from-postgresql.md says."""
    name = column.removesuffix("_array")
    return name.startswith("reg") or name in MADE or name in ("xml", "aclitem", "int2vector", "oidvector", "tsquery")


def make_every_type(database: Database) -> list[str]:
    """A table `every` with a column of each built-in type and of its array. Returns the columns' names."""
    database.run(
        "CREATE TABLE seed (a int DEFAULT 1 + 1, b int)",
        "INSERT INTO seed SELECT n % 7, n % 7 FROM generate_series(1, 100) AS n",
        "CREATE STATISTICS seed_statistics ON a, b FROM seed",
        "ANALYZE seed",
    )
    known = {name for (name,) in database.rows("SELECT typname FROM pg_type WHERE typarray <> 0")}
    names = [name for name in (*VALUES, *MADE) if name in known and _accepts(database, name)]
    listed: list[q.Composable] = [q.SQL("id int PRIMARY KEY")]
    for name in names:
        listed.append(q.SQL("{} {}").format(q.Identifier(name), _type(name)))
        listed.append(q.SQL("{} {}[]").format(q.Identifier(f"{name}_array"), _type(name)))
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(q.SQL("CREATE TABLE every ({})").format(q.SQL(", ").join(listed)))
        for row in range(max(map(len, VALUES.values())) + 1):
            values = itertools.chain.from_iterable(_pair(connection, name, row) for name in names)
            connection.execute(
                q.SQL("INSERT INTO every VALUES ({})").format(q.SQL(", ").join([q.Literal(row), *values]))
            )
    return ["id", *(f"{name}{suffix}" for name in names for suffix in ("", "_array"))]


def _pair(connection: psycopg.Connection, name: str, row: int) -> tuple[q.Composable, q.Composable]:
    """A value and an array; the last row has NULLs and an empty array."""
    type_ = _type(name)
    if name in MADE:
        made = q.SQL("{}::{}").format(q.SQL(MADE[name]), type_)
        return made, q.SQL("array_fill({}, ARRAY[2])").format(made)
    values = [value for value in VALUES[name] if _takes(connection, name, value)]
    if row >= max(map(len, VALUES.values())):
        return q.SQL("NULL"), q.SQL("'{{}}'::{}[]").format(type_)
    literals = [q.SQL("{}::{}").format(q.Literal(value), type_) for value in values]
    shapes = (
        q.SQL("array_fill({}, ARRAY[2, 2], ARRAY[-1, 3])").format(literals[0]),
        q.SQL("ARRAY[{}, NULL]::{}[]").format(q.SQL(", ").join(literals), type_),
    )
    plain = name not in ("int2vector", "oidvector")  # ARRAY[] of these is taken as one of their elements
    return literals[row % len(literals)], shapes[row % 2 if plain else 0]


def _type(name: str) -> q.Composable:
    return q.SQL("pg_catalog.{}").format(q.Identifier(name))


def _accepts(database: Database, name: str) -> bool:
    """XML is an option of the server's build."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        return name in MADE or any(_takes(connection, name, value) for value in VALUES[name])


def _takes(connection: psycopg.Connection, name: str, value: str) -> bool:
    """An infinite interval is new in 17."""
    try:
        connection.execute(q.SQL("SELECT {}::{}").format(q.Literal(value), _type(name)))
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.InvalidDatetimeFormat):
        return False
    return True
