"""What a database says of its tables, its indexes, those being built, and what keeps them from being built."""

from dataclasses import dataclass

from extraction_agent import errors, sql
from extraction_agent.model import Definition
from extraction_agent.postgres import Connection
from extraction_agent.sources import postgresql_catalog
from extraction_agent.sources.columns import hint
from extraction_agent.tuning.indexes.place import SQL


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and whether this role may index it."""

    oid: int
    schema: str
    name: str
    kind: str  # pg_class.relkind
    owner: str
    owned: bool  # by this role, or one it is a member of
    may_create: bool  # in the table's schema
    standby: bool
    columns: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Found:
    """What bears a name that matters, or is an index of the table."""

    oid: int
    schema: str
    name: str
    is_index: bool
    valid: bool
    same: bool  # by definition
    here: bool  # in the schema of that definition
    comment: str | None


@dataclass(frozen=True, slots=True)
class Build:
    """An index that is being built. None: the server does not tell this role."""

    pid: int
    table: int | None
    index: int | None
    phase: str | None
    blocks_done: int | None
    blocks_total: int | None
    tuples_done: int | None
    tuples_total: int | None
    waits_for: int | None  # the session it waits for
    user: str | None
    application: str | None
    seconds: float | None

    @property
    def words(self) -> str:
        """How far it is."""
        done, total = (
            (self.tuples_done, self.tuples_total) if self.tuples_total else (self.blocks_done, self.blocks_total)
        )
        share = f", {100 * (done or 0) // total} %" if total else ""
        waits = f" (session {self.waits_for} keeps it)" if self.waits_for else ""
        return f"{self.phase or 'at work'}{share}{waits}"


@dataclass(frozen=True, slots=True)
class Transaction:
    """One of others that stands for long."""

    pid: int | None  # None: a prepared one
    user: str | None
    application: str | None
    state: str | None
    seconds: float

    @property
    def words(self) -> str:
        if self.pid is None:
            return f"the prepared transaction {self.application} of {self.user} stands for {self.seconds:.0f} s"
        called = f" ({self.application})" if self.application else ""
        return f"session {self.pid} of {self.user}{called} has a transaction open for {self.seconds:.0f} s"


def table(connection: Connection, name: str, columns: tuple[str, ...]) -> Table:
    """Raises UsageError if there is no such table, or not all of the columns."""
    relation = postgresql_catalog.find(connection, Definition(table=name))
    row = connection.execute(sql.load(SQL, "table"), {"table": relation.oid}).fetchone()
    assert row is not None
    assert relation.oid is not None
    found = Table(*(relation.oid, *row[:-1], tuple(row[-1])))
    for column in columns:
        if column not in found.columns:
            near = hint(column, found.columns, most=1)
            raise errors.UsageError(f"Column {column} does not exist in {relation.label}.{near}")
    return found


def definition(connection: Connection, name: str, on: Table, columns: tuple[str, ...]) -> str:
    """As pg_get_indexdef will write it."""
    values = {"name": name, "schema": on.schema, "table": on.name, "columns": list(columns)}
    row = connection.execute(sql.load(SQL, "definition"), values).fetchone()
    assert row is not None
    return str(row[0])


def found(connection: Connection, name: str, temporary: str, defined: str, on: Table | None) -> list[Found]:
    """What bears one of the names; of a table also every index."""
    values = {"name": name, "temporary": temporary, "definition": defined, "table": on and on.oid}
    return [Found(*row) for row in connection.execute(sql.load(SQL, "found"), values)]


def remainders(connection: Connection, mark: str) -> tuple[set[str], set[str]]:
    """Names of builds there are indexes of, and marks that indexes bear. mark: a LIKE pattern."""
    rows = connection.execute(sql.load(SQL, "remainders"), {"mark": mark}).fetchall()
    return {name for name, _ in rows}, {comment for _, comment in rows if comment is not None}


def builds(connection: Connection) -> list[Build]:
    """Of other sessions in this database."""
    return [Build(*row) for row in connection.execute(sql.load(SQL, "builds"))]


def transactions(connection: Connection, seconds: float) -> list[Transaction]:
    """Those that stand for so long, the oldest first; only of this role, unless it sees those of others."""
    return [Transaction(*row) for row in connection.execute(sql.load(SQL, "transactions"), {"seconds": seconds})]


def sees_all(connection: Connection) -> bool:
    """Whether this role sees the transactions of others."""
    return connection.execute(sql.load(SQL, "sees_all")).fetchone() == (True,)


def size(connection: Connection, on: Table, columns: tuple[str, ...]) -> int:
    """Bytes that an index will take, estimated."""
    row = connection.execute(sql.load(SQL, "size"), {"table": on.oid, "columns": list(columns)}).fetchone()
    assert row is not None
    return int(row[0])


def place(connection: Connection) -> str | None:
    """The folder of this host in which a new index goes. None: another host's, or the server does not tell."""
    row = connection.execute(sql.load(SQL, "place")).fetchone()
    assert row is not None
    folder, here = row
    return folder if here else None
