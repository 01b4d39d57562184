"""What a MariaDB or MySQL source knows of a relation: its columns, how they travel, its unique keys."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pymysql.constants import FIELD_TYPE, FLAG

from extraction_agent import errors, sql
from extraction_agent.model import Column, Definition, Plan
from extraction_agent.sources.columns import hint
from extraction_agent.sources.mysql_connection import PACKAGE, Connection, Missing, identifier, names_of

_BINARY = 63  # the character set of bytes
_KINDS = {"BASE TABLE": "table", "VIEW": "view", "SYSTEM VERSIONED": "table", "SYSTEM VIEW": "view"}
_VERSIONED_READS = {"InnoDB", "ROCKSDB", "MyRocks", "TokuDB", ""}  # engines (or a view) with a read view of one moment
_UNORDERED = ("enum", "set", "float", "double", "bit", "json", "geometry")  # types no key is cut by

_INTEGERS = {
    FIELD_TYPE.TINY: ("tinyint", "smallint", "smallint"),
    FIELD_TYPE.SHORT: ("smallint", "smallint", "integer"),
    FIELD_TYPE.INT24: ("mediumint", "integer", "integer"),
    FIELD_TYPE.LONG: ("int", "integer", "bigint"),
    FIELD_TYPE.LONGLONG: ("bigint", "bigint", "numeric(20,0)"),
}  # number: its name, what it is sent as, and unsigned
_OTHERS = {
    FIELD_TYPE.FLOAT: ("float", "real"),
    FIELD_TYPE.DOUBLE: ("double", "double precision"),
    FIELD_TYPE.YEAR: ("year", "smallint"),
    FIELD_TYPE.DATE: ("date", "date"),
    FIELD_TYPE.NEWDATE: ("date", "date"),
    FIELD_TYPE.TIME: ("time", "interval"),  # -838 to 838 hours: no time of a day
    FIELD_TYPE.DATETIME: ("datetime", "timestamp without time zone"),
    FIELD_TYPE.TIMESTAMP: ("timestamp", "timestamp with time zone"),
    FIELD_TYPE.JSON: ("json", "json"),
    FIELD_TYPE.GEOMETRY: ("geometry", "bytea"),
    FIELD_TYPE.NULL: ("null", "text"),
}


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view or query. sql: how a statement names it, ready to stand after FROM."""

    sql: str
    label: str  # for messages
    kind: str
    schema: str = ""
    name: str = ""
    engine: str = ""
    rows: int = 0  # the server's guess

    @property
    def has_read_view(self) -> bool:
        """Whether one statement reads one moment."""
        return self.engine in _VERSIONED_READS


@dataclass(frozen=True, slots=True)
class Key:
    """An ordered key that a unique index on NOT NULL columns vouches for."""

    columns: tuple[Column, ...]
    index: str

    @property
    def primary(self) -> bool:
        return self.index == "PRIMARY"


def find(connection: Connection, definition: Definition) -> Relation:
    """The relation a definition names. Raises UsageError with the nearest names."""
    if definition.query is not None:
        body = connection.bind(definition.query, definition.parameters)
        connection.read_as_one(body)
        return Relation(f"({body}\n) AS `query`", "the query", "query")
    assert definition.table is not None
    for schema, name in _readings(definition.table):
        found = connection.texts(sql.load(PACKAGE, "mysql_relation"), {"schema": schema, "name": name})
        if found:
            schema_name, table, type_, engine, rows = found[0]
            kind = _KINDS.get(type_, "table")
            named = identifier(schema_name, table)
            return Relation(named, f"{kind} {schema_name}.{table}", kind, schema_name, table, engine, int(rows))
    names = [name for (name,) in connection.texts(sql.load(PACKAGE, "mysql_relation_names"))]
    raise errors.UsageError(
        f"There is no table or view {definition.table} at the source.{hint(definition.table, names)}"
    )


def _readings(text: str) -> list[tuple[str | None, str]]:
    """What "a.b" can mean: a table of the URL's database first, then one of another."""
    readings: list[tuple[str | None, str]] = [(None, text), (None, text.strip("`"))]
    if "." in text:
        schema, name = text.split(".", 1)
        readings.append((schema.strip("`"), name.strip("`")))
    return readings


def columns_of(connection: Connection, relation: Relation, listed: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """All columns in order, generated and invisible ones too.

    listed: the only ones asked for; others may be forbidden to us. Without it, one that is forbidden is an error.
    """
    describe = sql.load(PACKAGE, "describe")
    if relation.kind == "query" or not listed:
        fields = connection.fields(describe.format(columns="*", relation=relation.sql))
        if relation.kind == "query":
            return tuple(_described(field) for field in fields)
    where = {"schema": relation.schema, "name": relation.name}
    json = set()
    if connection.is_mariadb:
        json = {name for (name,) in connection.texts(sql.load(PACKAGE, "mariadb_json_columns"), where)}
    known = connection.texts(sql.load(PACKAGE, "mysql_columns"), where)
    if not known:
        raise Missing(f"{connection.where}: {relation.label} is gone, or no longer ours to read.")
    names = ", ".join(identifier(name) for name, _data, _type, _null in known)
    fields = connection.fields(describe.format(columns=names, relation=relation.sql))
    return tuple(
        _refined(_described(field), name, data_type, type_, nullable == "YES", name in json)
        for field, (name, data_type, type_, nullable) in zip(fields, known, strict=True)
    )


def columns_again(connection: Connection, plan: Plan) -> tuple[Column, ...]:
    """The planned columns as they are now, those that are gone left out. Raises Missing if the relation is."""
    if plan.relation.startswith("("):
        return columns_of(connection, Relation(plan.relation, "the query", "query"))
    schema, name = names_of(plan.relation)
    relation = Relation(plan.relation, name, "table", schema, name)
    return columns_of(connection, relation, tuple(column.name for column in plan.columns))


def _refined(column: Column, name: str, data_type: str, type_: str, nullable: bool, is_json: bool) -> Column:
    """What the catalog knows and a result's description does not tell."""
    sent_as = column.sent_as
    if is_json and data_type == "longtext":
        type_, sent_as = "json", "json"
    elif data_type == "uuid":
        sent_as = "uuid"
    return Column(name=name, type=type_, sent_as=sent_as, nullable=nullable)


def _described(field: Any) -> Column:
    """A column by its description in a result."""
    code, unsigned = field.type_code, bool(field.flags & FLAG.UNSIGNED)
    nullable = not field.flags & FLAG.NOT_NULL
    if code in _INTEGERS:
        type_, signed_as, unsigned_as = _INTEGERS[code]
        sent_as = unsigned_as if unsigned else signed_as
        type_ += " unsigned" if unsigned else ""
    elif code in (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL):
        precision = field.length - (1 if field.scale else 0) - (0 if unsigned else 1)  # less point and sign
        type_, sent_as = f"decimal({precision},{field.scale})", f"numeric({precision},{field.scale})"
    elif code == FIELD_TYPE.BIT:
        type_, sent_as = f"bit({field.length})", f"bit({field.length})"
    elif code in _OTHERS:
        type_, sent_as = _OTHERS[code]
    elif field.flags & (FLAG.ENUM | FLAG.SET):
        type_, sent_as = ("enum" if field.flags & FLAG.ENUM else "set"), "text"
    elif field.charsetnr == _BINARY:
        type_, sent_as = "binary", "bytea"
    else:
        type_, sent_as = "text", "text"
    return Column(name=field.name.decode() if isinstance(field.name, bytes) else field.name, type=type_,
                  sent_as=sent_as, nullable=nullable)  # fmt: skip


def keys_of(connection: Connection, relation: Relation, columns: tuple[Column, ...]) -> list[Key]:
    """Keys that ranges can be cut by, the primary key first."""
    if relation.kind != "table":
        return []
    by_name = {column.name: column for column in columns}
    rows = connection.texts(
        sql.load(PACKAGE, "mysql_keys"), {"schema": relation.schema, "name": relation.name}
    )  # fmt: skip
    keys = []
    for index, parts in groupby(rows, key=lambda row: row[0]):
        members = [(name, nullable == "1", prefix == "1", type_) for _index, name, nullable, prefix, type_ in parts]
        if all(
            name in by_name and not nullable and not prefix and type_ == "BTREE"
            and not by_name[name].type.startswith(_UNORDERED)
            for name, nullable, prefix, type_ in members
        ):  # fmt: skip
            keys.append(Key(tuple(by_name[name] for name, *_ in members), index))
    return sorted(keys, key=lambda key: (not key.primary, len(key.columns)))
