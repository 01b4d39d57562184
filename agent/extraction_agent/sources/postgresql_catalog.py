"""What a PostgreSQL source knows of a relation: its columns, how they travel, its unique keys."""

import re
from dataclasses import dataclass

from psycopg import ClientCursor, Error, generators, pq
from psycopg import errors as driver_errors
from psycopg import sql as q

from extraction_agent import errors, sql
from extraction_agent.model import Column, Definition, Plan
from extraction_agent.postgres import Connection
from extraction_agent.sources.columns import hint

PACKAGE = "extraction_agent.sources.sql"
_KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view or query. sql: how a statement names it, ready to stand after FROM.

    columns: all its names, if the role may not read every one of them.
    """

    sql: q.Composable
    label: str  # for messages
    kind: str
    oid: int | None = None
    columns: tuple[str, ...] | None = None

    @property
    def has_blocks(self) -> bool:
        return self.kind in ("table", "partitioned table", "materialized view")


BLOCKS = ("ctid",)  # asked for as a key: where a row lies; no column of what has blocks can be called so


@dataclass(frozen=True, slots=True)
class Key:
    """An ordered key. proven: a unique index on columns that are NOT NULL says so."""

    columns: tuple[Column, ...]
    primary: bool
    proven: bool


def find(connection: Connection, definition: Definition) -> Relation:
    """The relation a definition names. Raises UsageError with the nearest names."""
    if definition.query is not None:
        body = bind(connection, definition.query, definition.parameters)
        _read_as_one(connection, body)
        return Relation(q.SQL("({}\n) AS query").format(sql.trusted(body)), "the query", "query")
    assert definition.table is not None
    for schema, name in _readings(definition.table):
        row = connection.execute(sql.load(PACKAGE, "postgresql_relation"), {"schema": schema, "name": name}).fetchone()
        if row:
            oid, schema_name, relation_name, kind, columns = row
            named = q.Identifier(schema_name, relation_name)
            return Relation(
                named,
                f"{_KINDS[kind]} {schema_name}.{relation_name}",
                _KINDS[kind],
                oid,
                None if columns is None else tuple(columns),
            )
    names = [name for (name,) in connection.execute(sql.load(PACKAGE, "postgresql_relation_names"))]
    raise errors.UsageError(
        f"There is no table or view {definition.table} at the source.{hint(definition.table, names)}"
    )


def _readings(text: str) -> list[tuple[str | None, str]]:
    """What a name can mean: as SQL reads it but for the case, then as it is written, then folded to lower case."""
    found = _QUALIFIED.fullmatch(text)
    if found is None:
        return [(None, text)]
    schema, name = found.groups()
    as_sql = (schema and _unquoted(schema), _unquoted(name))
    return list(dict.fromkeys([as_sql, (None, text), (schema and _folded(schema), _folded(name))]))


_QUALIFIED = re.compile(r'(?:("(?:[^"]|"")+"|[^".]+)\.)?("(?:[^"]|"")+"|[^"]+)')


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name[0] == '"' else name


def _folded(name: str) -> str:
    return _unquoted(name) if name[0] == '"' else name.lower()


def bind(connection: Connection, query: str, parameters: dict[str, str]) -> str:
    """A query with its %(name)s parameters as literals: COPY takes none. Raises UsageError."""
    text = query.strip().rstrip(";")
    if not parameters:
        return text
    try:
        return ClientCursor(connection).mogrify(text, parameters)
    except (KeyError, Error, TypeError, ValueError) as error:
        raise errors.UsageError(
            f"The query's parameters do not fit: {error}. Write %(name)s and give --param name=value."
        ) from error


def _read_as_one(connection: Connection, body: str) -> None:
    """Have the server read a query as one statement, and not run it. Raises its refusal.

    What stands by itself stays inside the parentheses it is put into. Several statements would end the transaction that
    only reads, and do there what they like.
    """
    connection.pgconn.send_prepare(b"", body.encode())
    for result in connection.wait(generators.execute(connection.pgconn)):
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise driver_errors.error_from_result(result)


def asked_for(relation: Relation, definition: Definition) -> tuple[str, ...]:
    """The only columns to look at, for a role that may not read all and was not asked to. Empty: all."""
    if relation.columns is None or not (definition.columns or definition.exclude):
        return ()
    names = [*(definition.columns or relation.columns), *definition.key]
    if definition.watermark and definition.watermark != "xmin":
        names.append(definition.watermark)
    kept = [name for name in dict.fromkeys(names) if name not in definition.exclude]
    for name in (*kept, *definition.exclude):
        if name not in relation.columns:
            raise errors.UsageError(
                f"Column {name} does not exist in {relation.label}.{hint(name, relation.columns, most=1)}"
            )
    return tuple(kept)


def columns_of(connection: Connection, relation: q.Composable, only: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """All columns or some, in order, as the server describes a result: generated ones too, dropped ones not."""
    listed = q.SQL(", ").join(q.Identifier(name) for name in only) if only else q.SQL("*")
    cursor = connection.execute(q.SQL("SELECT {} FROM {} LIMIT 0").format(listed, relation))
    result = cursor.pgresult
    if not cursor.description or result is None:
        raise errors.UsageError("The query returns no columns.")
    oids = [column.type_code for column in cursor.description]
    typmods = [result.fmod(number) for number in range(len(oids))]
    types = connection.execute(sql.load(PACKAGE, "postgresql_types"), {"oids": oids, "typmods": typmods}).fetchall()
    return tuple(
        Column(name=column.name, type=type_, sent_as=sent_as)
        for column, (type_, sent_as) in zip(cursor.description, types, strict=True)
    )


def oid_of(connection: Connection, plan: Plan) -> int | None:
    """What a plan's relation is by now; None: it is a query, or gone."""
    if plan.oid is None:
        return None
    row = connection.execute(sql.load(PACKAGE, "postgresql_oid"), {"relation": plan.relation}).fetchone()
    return None if row is None else row[0]


def key_of(
    connection: Connection, relation: Relation, columns: tuple[Column, ...], wanted: tuple[str, ...]
) -> Key | None:
    """The key to cut by: the one asked for, else the primary key, else a unique one without NULLs."""
    by_name = {column.name: column for column in columns}
    found: list[Key] = []
    if relation.oid is not None:
        rows = connection.execute(sql.load(PACKAGE, "postgresql_keys"), {"relation": relation.oid})
        found = [
            Key(tuple(by_name[name] for name in names), primary, not_null)
            for primary, names, not_null, _index in rows
            if all(name in by_name for name in names)
        ]
    if wanted:
        same = [key for key in found if tuple(column.name for column in key.columns) == wanted and key.proven]
        return same[0] if same else Key(tuple(by_name[name] for name in wanted), primary=False, proven=False)
    return next((key for key in found if key.proven), None)
