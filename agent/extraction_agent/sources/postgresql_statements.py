"""The statements that read one chunk from PostgreSQL."""

from psycopg import sql as q

from extraction_agent import sql
from extraction_agent.model import Chunk, Column, Format, Plan
from extraction_agent.sources import postgresql_json


def copy_out(plan: Plan, chunk: Chunk) -> q.Composed:
    """COPY of one chunk."""
    return q.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(select(plan, chunk))


def select(plan: Plan, chunk: Chunk) -> q.Composed:
    """The SELECT of one chunk: the columns, or what one JSON value is made of."""
    as_sent = _sent if plan.format is Format.TYPED else postgresql_json.expression
    listed = q.SQL(", ").join(as_sent(column) for column in plan.columns)
    return q.SQL("SELECT {} FROM {}{}").format(listed, _from(plan, chunk), where(plan, chunk))


def lock(relation: q.Composable) -> q.Composed:
    """A statement that reads nothing and keeps what the relation reads from being rewritten until the transaction ends.

    LOCK TABLE would refuse materialized views, foreign tables and roles that may read some columns only.
    """
    return q.SQL("SELECT FROM {} LIMIT 0").format(relation)


def where(plan: Plan, chunk: Chunk) -> q.Composable:
    """The condition that picks a chunk's rows, or nothing."""
    parts: list[q.Composable] = []
    if plan.method == "ctid":
        for blocks, operator in ((chunk.low, ">="), (chunk.high, "<")):
            if blocks is not None:
                parts.append(q.SQL("ctid {} {}::tid").format(sql.trusted(operator), q.Literal(f"({blocks[0]},0)")))
    elif plan.method == "key":
        for values, operator in ((chunk.low, ">"), (chunk.high, "<=")):
            if values is not None:
                parts.append(
                    q.SQL("{} {} {}").format(_tuple(plan.key), sql.trusted(operator), _values(plan.key, values))
                )
    parts += [sql.trusted(condition) for condition in (plan.condition, chunk.condition) if condition is not None]
    return q.SQL(" WHERE {}").format(q.SQL(" AND ").join(parts)) if parts else q.SQL("")


def _from(plan: Plan, chunk: Chunk) -> q.Composable:
    if chunk.part is not None:
        return q.SQL("ONLY {}").format(sql.trusted(chunk.part))
    return sql.trusted(plan.relation)


def _sent(column: Column) -> q.Composable:
    name = q.Identifier(column.name)
    return name if column.sent_as == column.type else q.SQL("{}::{}").format(name, sql.trusted(column.sent_as))


def _tuple(key: tuple[Column, ...]) -> q.Composable:
    names = q.SQL(", ").join(q.Identifier(column.name) for column in key)
    return q.SQL("({})").format(names) if len(key) > 1 else names


def _values(key: tuple[Column, ...], values: tuple[str, ...]) -> q.Composable:
    typed = q.SQL(", ").join(
        q.SQL("{}::{}").format(q.Literal(value), sql.trusted(column.type))
        for column, value in zip(key, values, strict=True)
    )
    return q.SQL("({})").format(typed) if len(key) > 1 else typed
