"""What a SQLite source knows of a relation: its columns by affinity, how they travel, its keys."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any

from extraction_agent import errors, sql
from extraction_agent.model import Column, Definition, Format
from extraction_agent.sources import encoding
from extraction_agent.sources.columns import hint

PACKAGE = "extraction_agent.sources.sql"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view or query. sql: how a statement names it, ready to stand after FROM."""

    sql: str
    label: str  # for messages
    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """An ordered key without NULLs."""

    columns: tuple[Column, ...]
    primary: bool


def identifier(name: str) -> str:
    """A quoted name."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A text as SQL."""
    return "'" + value.replace("'", "''") + "'"


def find(connection: sqlite3.Connection, definition: Definition) -> Relation:
    """The relation a definition names. Raises UsageError with the nearest names."""
    if definition.query is not None:
        return Relation(f"({bind(definition.query, definition.parameters)}\n)", "the query", "query")
    assert definition.table is not None
    for name in (definition.table, definition.table.strip('"'), definition.table.removeprefix("main.")):
        found = connection.execute(sql.load(PACKAGE, "sqlite_relation"), {"name": name}).fetchone()
        if found:
            real, kind, statement = found
            if statement.upper().startswith("CREATE VIRTUAL"):
                kind = "virtual table"
            return Relation(identifier(real), f"{kind} {real}", kind, real)
    names = [name for (name,) in connection.execute(sql.load(PACKAGE, "sqlite_relation_names"))]
    raise errors.UsageError(
        f"There is no table or view {definition.table} at the source.{hint(definition.table, names)}"
    )


def bind(query: str, parameters: dict[str, str]) -> str:
    """A query with its %(name)s parameters as literals, a literal % written twice. Raises UsageError."""
    text = query.strip().rstrip(";")
    if not parameters:
        return text
    try:
        return text % {name: literal(value) for name, value in parameters.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise errors.UsageError(
            f"The query's parameters do not fit: {error}. Write %(name)s and give --param name=value."
        ) from error


def columns_of(connection: sqlite3.Connection, relation: Relation) -> tuple[Column, ...]:
    """All columns, in order."""
    if relation.name:
        rows = connection.execute(sql.load(PACKAGE, "sqlite_columns"), {"name": relation.name}).fetchall()
        return tuple(
            Column(name=name, type=declared.lower(), sent_as=_sent_as(declared), nullable=not (not_null or key))
            for name, declared, not_null, key in rows
        )
    names = names_of_query(connection, relation.sql)
    cursor = connection.execute(sql.load(PACKAGE, "select").format(columns="*", relation=relation.sql, where=""))
    first = cursor.fetchone() or [None] * len(names)
    cursor.close()
    # an expression declares no type: its first value has to do, and one of another type is refused later
    return tuple(Column(name=name, type="", sent_as=_BY_VALUE[type(value)])
                 for name, value in zip(names, first, strict=True))  # fmt: skip


def columns_again(connection: sqlite3.Connection, relation: str) -> tuple[Column, ...]:
    """The columns of a planned relation as they are now; a query's without looking at a row."""
    if relation.startswith("("):
        return tuple(Column(name=name, type="", sent_as="") for name in names_of_query(connection, relation))
    name = relation[1:-1].replace('""', '"')
    return columns_of(connection, Relation(relation, name, "table", name))


def names_of_query(connection: sqlite3.Connection, relation: str) -> list[str]:
    """What a query calls its columns; SQLite tells equal names apart as a and a:1. Raises UsageError for none."""
    cursor = connection.execute(sql.load(PACKAGE, "describe").format(columns="*", relation=relation))
    names = [description[0] for description in cursor.description or ()]
    cursor.close()
    if not names:
        raise errors.UsageError("The query returns no columns.")
    return names


_BY_VALUE: dict[type, str] = {
    int: "bigint", float: "double precision", str: "text", bytes: "bytea", type(None): "text"
}  # fmt: skip


def _sent_as(declared: str) -> str:
    """A declared type's affinity, by SQLite's own rules; dates, which SQLite keeps as text, as text."""
    name = declared.upper()
    for part, sent_as in (
        ("INT", "bigint"), ("CHAR", "text"), ("CLOB", "text"), ("TEXT", "text"), ("BLOB", "bytea"),
        ("REAL", "double precision"), ("FLOA", "double precision"), ("DOUB", "double precision"),
        ("BOOL", "boolean"), ("DATE", "text"), ("TIME", "text"),
    ):  # fmt: skip
        if part in name:
            return sent_as
    return "numeric" if name else "text"


def key_of(
    connection: sqlite3.Connection, relation: Relation, columns: tuple[Column, ...], wanted: tuple[str, ...]
) -> Key | None:
    """The key to cut by: the one asked for, else the primary key. The rowid alone is none: VACUUM may change it.

    Raises UsageError for one that is asked for and unsafe.
    """
    by_name = {column.name: column for column in columns}
    found: list[Key] = []
    if relation.kind == "table":
        pk = sorted(
            (row[3], row[0]) for row in connection.execute(sql.load(PACKAGE, "sqlite_columns"), {"name": relation.name})
            if row[3]
        )  # fmt: skip
        rows = connection.execute(sql.load(PACKAGE, "sqlite_keys"), {"name": relation.name}).fetchall()
        if len(pk) == 1 and not any(primary for _index, primary, _name in rows):  # no index of its own: the rowid
            found.append(Key((by_name[pk[0][1]],), primary=True))
        without_rowid = rowid_name(connection, relation.sql, columns) is None
        for (_index, primary), parts in groupby(rows, key=lambda row: row[:2]):
            names = [name for _index, _primary, name in parts]
            if all(name in by_name for name in names) and (
                (primary and without_rowid) or all(_never_null(connection, relation, name) for name in names)
            ):
                found.append(Key(tuple(by_name[name] for name in names), bool(primary)))
    if not wanted:
        return next((key for key in found if key.primary), None)
    for key in found:
        if tuple(column.name for column in key.columns) == wanted:
            return key
    raise errors.UsageError(
        f"No unique index on NOT NULL columns vouches for the key {', '.join(wanted)} of {relation.label}: "
        "leave --key out, and all is read by one statement."
    )


def _never_null(connection: sqlite3.Connection, relation: Relation, name: str) -> bool:
    rows = connection.execute(sql.load(PACKAGE, "sqlite_columns"), {"name": relation.name})
    return any(row[0] == name and row[2] for row in rows)


def rowid_name(connection: sqlite3.Connection, relation: str, columns: tuple[Column, ...]) -> str | None:
    """What the rowid is called here, if there is one."""
    taken = {column.name.lower() for column in columns}
    for name in ("rowid", "_rowid_", "oid"):
        if name in taken:
            continue
        try:
            connection.execute(sql.load(PACKAGE, "describe").format(columns=name, relation=relation))
        except sqlite3.OperationalError:
            return None
        return name
    return None


def encoder(column: Column, format_: Format) -> encoding.Encoder:
    """Typed: the value must be of the column's type. json: a value as it stands, whatever was declared."""
    if format_ is Format.JSON:
        return _as_stands
    storage, prepare = _STRICT[column.sent_as]
    encode = encoding.as_field(column.sent_as)

    def strict(value: Any) -> bytes:
        if type(value) not in storage:
            raise encoding.Unfit(
                f"a value of type {_STORAGE_CLASS[type(value)]} where {column.type.upper() or 'the first row'} means "
                f"{column.sent_as}; --format json keeps it as it stands"
            )
        return encode(prepare(value))

    return strict


_STORAGE_CLASS: dict[type, str] = {int: "integer", float: "real", str: "text", bytes: "blob"}


def _utf8(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise encoding.Unfit("a text that is not valid UTF-8") from None


def _decimal(value: float) -> str:
    return format(Decimal(repr(value)), "f")  # without an exponent


def _flag(value: int) -> int:
    if value not in (0, 1):
        raise encoding.Unfit(f"{value} where a boolean is 0 or 1; --format json keeps it as it stands")
    return value


_STRICT: dict[str, tuple[tuple[type, ...], Callable[[Any], Any]]] = {
    "bigint": ((int,), int),
    "double precision": ((float,), float),
    "numeric": ((int, float), _decimal),
    "boolean": ((int,), _flag),
    "text": ((str,), _utf8),
    "bytea": ((bytes,), bytes),
}


def _as_stands(value: Any) -> bytes:
    if isinstance(value, str):
        return encoding.quoted(_utf8(value))
    if isinstance(value, int):
        return b"%d" % value
    return encoding.double(value) if isinstance(value, float) else encoding.hexadecimal(value)
