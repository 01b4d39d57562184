"""How each column comes for JSON: in binary, to be written here, or as JSON that the server has made.

Either way the bytes are those of the server's own row_to_json, which looks every column's type up for every row.
"""

import re

from psycopg import sql as q

from extraction_agent.model import Column, Plan
from extraction_agent.walker import Kind

_PLACE = re.compile(r"\(.*?\)")  # a type's length, precision or scale
_KINDS = {
    "bigint": Kind.INT8,
    "boolean": Kind.BOOLEAN,
    "bytea": Kind.BYTEA,
    "character": Kind.STRING,
    "character varying": Kind.STRING,
    "date": Kind.DATE,
    "integer": Kind.INT4,
    "json": Kind.JSON,
    "jsonb": Kind.JSONB,
    "numeric": Kind.NUMERIC,
    "smallint": Kind.INT2,
    "text": Kind.STRING,
    "timestamp with time zone": Kind.TIMESTAMPTZ,
    "timestamp without time zone": Kind.TIMESTAMP,
    "uuid": Kind.UUID,
}
_SHORTEST = ("double precision", "real")  # their shortest digits are the server's to find


def expression(column: Column) -> q.Composable:
    """What to select for the column."""
    name, kind = q.Identifier(column.name), _kind(column)
    if kind is Kind.NUMBER:
        return q.SQL("{}::pg_catalog.text").format(name)
    if kind is None:
        return q.SQL("pg_catalog.to_json({})").format(name)
    return name


def fields(plan: Plan) -> list[tuple[str, Kind]]:
    """Name and kind of what `expression` gives, for each column."""
    return [(column.name, Kind.JSON if (kind := _kind(column)) is None else kind) for column in plan.columns]


def _kind(column: Column) -> Kind | None:
    """None: the server makes JSON of it."""
    if column.sent_as != column.type:
        return None
    return Kind.NUMBER if column.type in _SHORTEST else _KINDS.get(_PLACE.sub("", column.type))
