"""The tables of the format `typed`: one per config, the source's columns beside two of ours."""

import hashlib
import re

import psycopg
from psycopg import sql as q

from extraction_agent import errors, sql
from extraction_agent.model import Column
from extraction_agent.postgres import Connection

_QUERIES = "extraction_agent.store.queries"
SCHEMA = "extraction_typed"
_OURS = ("_chunk_no", "_extraction_id")
_SYSTEM = ("cmax", "cmin", "ctid", "tableoid", "xmax", "xmin")  # every table has them
_LONGEST_NAME = 63  # bytes of a PostgreSQL name; a longer one is cut short without an error
_DIGEST = 12  # hexadecimal digits
# A built-in type as format_type() names it: "bit", timestamp(3) with time zone, numeric(12,-2)[]. What calls itself a
# PostgreSQL may answer with anything, and this stands in a statement for the store.
_TYPE = re.compile(r'("[a-z]+"|[a-z][a-z0-9_ ]*)(\([0-9]+(,-?[0-9]+)?\)[a-z ]*)?(\[\])?')


def prepare(connection: Connection, name: str, columns: tuple[Column, ...]) -> str:
    """Make the table, or add columns that are new at the source. Returns its quoted name.

    Raises UsageError if a column has another type than the records kept so far, or a name that no column of ours can
    have; psycopg.errors.LockNotAvailable if a column is new and somebody reads the table.
    """
    table = table_of(name)
    text = table.as_string(connection)
    for column in columns:
        objection = _objection(column.name)
        if objection is not None:
            raise errors.UsageError(
                f"Column {column.name} of the source {objection}: leave it out with --exclude, or use json."
            )
    have = _columns(connection, text)
    for column in columns if have else ():
        if have.get(column.name, column.sent_as) != column.sent_as:
            raise errors.UsageError(
                f"Column {column.name} is {column.sent_as} at the source and {have[column.name]} in {text}, which "
                "earlier extractions filled. Extract under another --name, or use --format json."
            )
    try:
        if not have:
            listed = q.SQL(", ").join(_declared(column.name, column.sent_as) for column in columns)
            connection.execute(q.SQL(sql.load(_QUERIES, "create_typed_table")).format(table=table, columns=listed))
        else:
            new = {column.name: column.sent_as for column in columns if column.name not in have}
            _add_between_readers(connection, table, new)
    except (psycopg.errors.UndefinedObject, psycopg.errors.InvalidParameterValue) as error:  # a type, or its modifier
        raise errors.UsageError(
            f"The store does not know a type of the source ({error.diag.message_primary}): it is an older PostgreSQL. "
            "Leave the column out with --exclude, or use --format json."
        ) from error
    return text


def _objection(name: str) -> str | None:
    """Why a table of ours can have no column of this name; None: it can."""
    if name in _OURS:
        return "has the name of one of ours"
    if name in _SYSTEM:
        return "has the name of one of PostgreSQL's own"
    if len(name.encode()) > _LONGEST_NAME:
        return f"has a name of more than the {_LONGEST_NAME} bytes that PostgreSQL keeps"
    return None if name else "has no name"


def widen(connection: Connection, part: q.Composable, target: q.Composable) -> None:
    """Give a part the columns that its table was given since it was made: without them it could not be attached."""
    have, wanted = (_columns(connection, table.as_string(connection)) for table in (part, target))
    _add(connection, part, {name: type_ for name, type_ in wanted.items() if name not in have})


def _add_between_readers(connection: Connection, table: q.Composable, new: dict[str, str]) -> None:
    """A new column that waits for a reader lets no other in: so it does not wait for long."""
    if new:
        connection.execute(sql.load(_QUERIES, "short_waits"))
        _add(connection, table, new)  # the first has to wait for the table, the others find it locked
        connection.execute(sql.load(_QUERIES, "usual_waits"))


def _add(connection: Connection, table: q.Composable, columns: dict[str, str]) -> None:
    for name, type_ in columns.items():
        connection.execute(
            q.SQL(sql.load(_QUERIES, "add_typed_column")).format(table=table, column=_declared(name, type_))
        )


def _columns(connection: Connection, table: str) -> dict[str, str]:
    """Types by name. Empty: there is no such table."""
    return dict(connection.execute(sql.load(_QUERIES, "typed_columns"), {"table": table}).fetchall())


def table_of(name: str) -> q.Identifier:
    """The typed table of the config of that name."""
    return q.Identifier(SCHEMA, _fitting(name))


def _fitting(name: str) -> str:
    """A config's name, or its beginning and a digest of the whole: two long names may begin alike."""
    whole = name.encode()
    if len(whole) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(whole).hexdigest()[:_DIGEST]
    return f"{whole[: _LONGEST_NAME - _DIGEST - 1].decode(errors='ignore')}_{digest}"


def _declared(name: str, type_: str) -> q.Composable:
    if _TYPE.fullmatch(type_) is None:
        raise errors.UsageError(
            f"Column {name} of the source is of the type {type_[:100]!r}, which is none of PostgreSQL's own: leave it "
            "out with --exclude, or use json."
        )
    return q.SQL("{} {}").format(q.Identifier(name), sql.trusted(type_))
