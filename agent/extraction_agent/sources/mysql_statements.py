"""The statements that read one chunk from MariaDB or MySQL."""

from collections.abc import Callable

from extraction_agent import sql
from extraction_agent.model import Chunk, Column, Plan
from extraction_agent.sources.mysql_connection import PACKAGE, identifier

Literal = Callable[[str], str]  # a text as SQL, by the driver's means
_FLOATING = ("float", "double")
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")


def select(plan: Plan, chunk: Chunk, literal: Literal) -> str:
    """The SELECT of one chunk."""
    return sql.load(PACKAGE, "select").format(
        columns=", ".join(_sent(column) for column in plan.columns),
        relation=plan.relation,
        where=where(plan, chunk, literal),
    )


def where(plan: Plan, chunk: Chunk, literal: Literal) -> str:
    """The condition that picks a chunk's rows, or nothing."""
    parts = []
    if chunk.low is not None:
        parts.append(_beyond(plan.key, chunk.low, ">", ">", literal))
    if chunk.high is not None:
        parts.append(_beyond(plan.key, chunk.high, "<", "<=", literal))
    parts += [f"({condition})" for condition in (plan.condition, chunk.condition) if condition is not None]
    return f" WHERE {' AND '.join(parts)}" if parts else ""


def _beyond(key: tuple[Column, ...], values: tuple[str, ...], strict: str, last: str, literal: Literal) -> str:
    """`(a, b) > (x, y)`, written out, because the server takes an index for this form only."""
    equal: list[str] = []
    ways = []
    for place, (column, value) in enumerate(zip(key, values, strict=True), start=1):
        name, written = identifier(column.name), value_of(column, value, literal)
        operator = last if place == len(key) else strict
        ways.append(" AND ".join([*equal, f"{name} {operator} {written}"]))
        equal.append(f"{name} = {written}")
    return ways[0] if len(ways) == 1 else f"({' OR '.join(f'({way})' for way in ways)})"


def value_of(column: Column, value: str, literal: Literal) -> str:
    """A value of a column as SQL."""
    if column.sent_as == "bytea":
        return f"x'{bytes.fromhex(value).hex()}'"
    if column.sent_as.startswith(_NUMBERS):
        float(value)  # a number and nothing else
        return value
    return literal(value)


def text_of(column: Column) -> str:
    """A column as the text `value_of` takes."""
    name = identifier(column.name)
    return f"hex({name})" if column.sent_as == "bytea" else name


def _sent(column: Column) -> str:
    name = identifier(column.name)
    # FLOAT would be sent with six digits, FLOAT(m,d) with d; a double travels whole
    return f"({name} * 1e0) AS {name}" if column.type.startswith(_FLOATING) else name
