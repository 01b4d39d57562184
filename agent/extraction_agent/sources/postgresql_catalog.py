"""What a PostgreSQL source knows of a relation: its columns, how they travel, its unique keys."""

import difflib
from dataclasses import dataclass

from psycopg import ClientCursor, Error
from psycopg import sql as q

from extraction_agent import errors, sql
from extraction_agent.model import Column, Definition, Format
from extraction_agent.postgres import Connection

PACKAGE = "extraction_agent.sources.sql"
_KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view or query. sql: how a statement names it, ready to stand after FROM."""

    sql: q.Composable
    label: str  # for messages
    kind: str
    oid: int | None = None

    @property
    def has_blocks(self) -> bool:
        return self.kind in ("table", "partitioned table", "materialized view")


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
        return Relation(q.SQL("({}) AS query").format(sql.trusted(body)), "the query", "query")
    assert definition.table is not None
    for schema, name in _readings(definition.table):
        row = connection.execute(sql.load(PACKAGE, "postgresql_relation"), {"schema": schema, "name": name}).fetchone()
        if row:
            oid, schema_name, relation_name, kind = row
            named = q.Identifier(schema_name, relation_name)
            return Relation(named, f"{_KINDS[kind]} {schema_name}.{relation_name}", _KINDS[kind], oid)
    names = [name for (name,) in connection.execute(sql.load(PACKAGE, "postgresql_relation_names"))]
    near = difflib.get_close_matches(definition.table, names, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise errors.UsageError(f"There is no table or view {definition.table} at the source.{hint}")


def _readings(text: str) -> list[tuple[str | None, str]]:
    """What "a.b" can mean, the exact spelling first: names are taken as written, then folded as SQL does."""
    readings: list[tuple[str | None, str]] = [(None, text)]
    if "." in text:
        schema, name = text.split(".", 1)
        readings.insert(0, (schema.strip('"'), name.strip('"')))
    readings.append((None, text.strip('"')))
    return readings + [(s and s.lower(), n.lower()) for s, n in readings if n != n.lower() or s != (s and s.lower())]


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


def columns_of(connection: Connection, relation: q.Composable) -> tuple[Column, ...]:
    """All columns, in order, as the server describes a result: generated ones too, dropped ones not."""
    cursor = connection.execute(q.SQL("SELECT * FROM {} LIMIT 0").format(relation))
    result = cursor.pgresult
    if cursor.description is None or result is None:
        raise errors.UsageError("The query returns no columns.")
    oids = [column.type_code for column in cursor.description]
    typmods = [result.fmod(number) for number in range(len(oids))]
    types = connection.execute(sql.load(PACKAGE, "postgresql_types"), {"oids": oids, "typmods": typmods}).fetchall()
    return tuple(
        Column(name=column.name, type=type_, sent_as=sent_as)
        for column, (type_, sent_as) in zip(cursor.description, types, strict=True)
    )


def chosen(all_columns: tuple[Column, ...], definition: Definition, label: str) -> tuple[Column, ...]:
    """The columns to extract. Raises UsageError for one that does not exist."""
    by_name = {column.name: column for column in all_columns}
    wanted = [*definition.columns, *definition.exclude, *definition.key]
    if definition.watermark and definition.watermark != "xmin":
        wanted.append(definition.watermark)
    for name in wanted:
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise errors.UsageError(f"Column {name} does not exist in {label}.{hint}")
    picked = [by_name[name] for name in definition.columns] or list(all_columns)
    picked = [column for column in picked if column.name not in definition.exclude]
    if not picked:
        raise errors.UsageError(f"No column of {label} is left to extract.")
    if definition.format is Format.TYPED:
        names = [column.name for column in picked]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise errors.UsageError(f"The query names {', '.join(doubled)} twice: give each column a name.")
        if len(picked) > _MOST_TYPED_COLUMNS:
            raise errors.UsageError(
                f"{label} has {len(picked)} columns; a typed table holds {_MOST_TYPED_COLUMNS} beside our two. "
                "Leave some out with --exclude, or use --format json."
            )
    return tuple(picked)


_MOST_TYPED_COLUMNS = 1598  # PostgreSQL's limit is 1600


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


def describe_change(planned: tuple[Column, ...], now: tuple[Column, ...]) -> str | None:
    """What happened to the planned columns, as a sentence's middle; None: nothing that matters."""
    present = {column.name: column for column in now}
    changes = []
    for column in planned:
        other = present.get(column.name)
        if other is None:
            changes.append(f"column {column.name} is gone")
        elif other.type != column.type:
            changes.append(f"column {column.name} was {column.type} and is {other.type}")
    return "; ".join(changes) or None
