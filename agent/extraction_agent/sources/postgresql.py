"""PostgreSQL 14 to 18 as a source: COPY in binary, one snapshot shared by many sessions, a standby too."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import pq
from psycopg import sql as q

from extraction_agent import deadlines, errors, postgres, sockets, sql, waits
from extraction_agent.copyio import CopyOut
from extraction_agent.model import Chunk, Consistency, Definition, Format, Plan
from extraction_agent.sources import postgresql_catalog as catalog
from extraction_agent.sources import postgresql_json, protocol
from extraction_agent.sources import postgresql_parts as parts
from extraction_agent.sources import postgresql_planner as planner
from extraction_agent.sources import postgresql_watermark as incremental
from extraction_agent.sources.columns import describe_change
from extraction_agent.sources.postgresql_probe import Probe
from extraction_agent.sources.postgresql_statements import copy_out, lock
from extraction_agent.waiting import Socket, Stop
from extraction_agent.walker import Block

_OLDEST = 140000
_LOST_SNAPSHOT = ("42704", "22023", "58P01", "55000")  # SET TRANSACTION SNAPSHOT of one that is gone
_GROWN_BYTES = 8 * 1024 * 1024
_IN_TRANSACTION = (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)
_CHANGED = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName)


class Source:
    """A PostgreSQL database. Raises UsageError for a server that cannot be read safely."""

    kind = "postgresql"

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self.where = postgres.address(conninfo, "source")
        self._checked = threading.Lock()
        self._known_good = False

    @property
    def server(self) -> str:
        return self.where.removeprefix("source ").partition("/")[0]

    def probe(self) -> Probe:
        return Probe(self._conninfo)

    def plan(self, definition: Definition, chunk_rows: int, watermark: dict[str, Any] | None) -> protocol.Planned:
        connection = self.connect()
        snapshot: Snapshot | None = None
        try:
            with self._errors(), connection.within(deadlines.PLAN):
                relation = catalog.find(connection, definition)
                marking = None
                if definition.watermark:
                    marking = incremental.begin(connection, definition, relation, watermark)
                    definition = definition.model_copy(update={"consistency": Consistency.SNAPSHOT})
                snapshot = self._snapshot(relation.sql)  # before the cut: a partition made between would be missed
                self._join(connection, snapshot.token)
                condition = marking.condition(connection, snapshot.facts) if marking else None
                result = planner.cut(connection, definition, relation, chunk_rows, condition)
                after = None
                if marking:
                    result, after = marking.mark(connection, snapshot.facts, result)
                explained = planner.explain(connection, result.plan, result.chunks[0])
                if result.plan.consistency is Consistency.SNAPSHOT and len(result.chunks) > 1:
                    self._give_way(connection)
            if result.plan.consistency is Consistency.CHUNK:
                snapshot.close()
                snapshot = None
        except BaseException as error:
            if snapshot is not None:
                snapshot.close()
            if isinstance(error, errors.SourceError) and _is_wrong_statement(error.__cause__):
                raise errors.UsageError(str(error)) from error.__cause__
            raise
        finally:
            connection.close()
        return protocol.Planned(result.plan, result.chunks, result.notes, _explain_text(explained), snapshot, after)

    def hold_snapshot(self, plan: Plan) -> "Snapshot":
        with self._errors():
            return self._snapshot(sql.trusted(plan.relation), renewed=True)

    def _snapshot(self, relation: q.Composable, *, renewed: bool = False) -> "Snapshot":
        connection = self.connect()
        try:
            if renewed:
                self._give_way(connection)
            return Snapshot(connection, relation)
        except BaseException:
            connection.close()
            raise

    def _give_way(self, connection: postgres.Connection) -> None:
        """Raise SourceUnavailable while an index is built: it would have to wait for a snapshot on any other table."""
        if connection.execute(sql.load(catalog.PACKAGE, "postgresql_builds")).fetchone() == (True,):
            raise errors.SourceUnavailable(
                f"{self.where}: an index is being built there, and would have to wait for the snapshot that this "
                "extraction holds from its first chunk to its last. Try again once it is built; an extraction without "
                "a watermark can go on at once with --consistency chunk."
            )

    def session(self, snapshot_token: str | None) -> "Session":
        connection = self.connect()
        try:
            if snapshot_token is not None:
                with self._errors():
                    self._join(connection, snapshot_token)
        except BaseException:
            connection.close()
            raise
        return Session(self, connection, shared=snapshot_token is not None)

    def _join(self, connection: postgres.Connection, token: str) -> None:
        """Read what the snapshot's holder reads. A server that crashed gives its names out again, to other views."""
        name, _, view = token.partition(" ")
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            connection.execute(q.SQL("SET TRANSACTION SNAPSHOT {}").format(q.Literal(name)))
            joined = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
        except psycopg.Error as error:
            if error.sqlstate in _LOST_SNAPSHOT:
                raise errors.SnapshotLost(f"{self.where}: the snapshot {name} is gone.") from error
            raise
        if joined != (view,):
            raise errors.SnapshotLost(f"{self.where}: the snapshot {name} is gone, another has its name.")

    def connect(self) -> postgres.Connection:
        """A session with everything pinned. Raises SourceUnavailable, SourceError, UsageError."""
        with self._errors():
            connection = postgres.connect(
                self._conninfo, application_name="extraction-agent source", peer=waits.Wait.SOURCE
            )
            try:
                connection.execute(sql.load(catalog.PACKAGE, "postgresql_session"))
                with suppress(psycopg.errors.InvalidParameterValue):  # a platform that cannot tell: keepalives do
                    connection.execute(sql.load(catalog.PACKAGE, "postgresql_check_interval"))
                with self._checked:
                    if not self._known_good:
                        self._check_server(connection)
                        self._known_good = True
            except BaseException:
                connection.close()
                raise
        return connection

    def _check_server(self, connection: postgres.Connection) -> None:
        version = connection.info.server_version
        if version < _OLDEST:
            raise errors.UsageError(
                f"{self.where} is PostgreSQL {version // 10000}; 14 is the oldest whose block ranges can be scanned."
            )
        postgres.refuse_pooler(connection, self._conninfo, self.where)

    def _errors(self) -> Any:
        return postgres.translated(postgres.SOURCE, self.where)


class Snapshot:
    """An exported snapshot, and a lock that keeps its relation from being rewritten or truncated under it."""

    def __init__(self, connection: postgres.Connection, relation: q.Composable) -> None:
        self._connection = connection
        # READ COMMITTED, so that the lock comes before the snapshot: to an older one a rewritten table is empty.
        connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
        connection.execute(lock(relation))
        row = connection.execute(sql.load(catalog.PACKAGE, "postgresql_snapshot")).fetchone()
        assert row is not None
        self.token: str = row[0]
        self.facts: dict[str, Any] = row[1]

    @property
    def alive(self) -> bool:
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def close(self) -> None:
        self._connection.close()


class Session:
    """One thread's connection."""

    def __init__(self, source: Source, connection: postgres.Connection, shared: bool) -> None:
        self._source, self._connection = source, connection
        self._shared = shared  # in the transaction of a snapshot, which lasts as long as the session
        self._locked = self._narrow = False
        self.grown = False  # by a row so long that the memory of its connection is worth giving back

    def stream(self, plan: Plan, chunk: Chunk, block: Block, stop: Stop) -> "Rows":
        connection = self._connection
        stalled = errors.SourceUnavailable(
            f"{self._source.where}: not a byte for {deadlines.STALL:g} s; the server or the network is stalled."
        )
        socket = Socket(connection.fileno(), stop, deadlines.STALL, stalled)
        statement = copy_out(plan, chunk).as_bytes(connection)
        if plan.format is Format.JSON:
            block.expect(postgresql_json.fields(plan), objects=True)
        return Rows(self, plan, CopyOut(connection.pgconn, statement, socket, block, narrow=self._narrow))

    def narrow(self) -> None:
        with self._source._errors():
            sockets.narrow(self._connection.fileno())
        self._narrow = True

    @contextmanager
    def reading(self, plan: Plan) -> Iterator[None]:
        """A transaction in which the relation cannot be rewritten; its snapshot, if not shared, is taken after that.

        COPY takes its snapshot before its lock: one that waits for a rewrite would then find the table empty. And the
        loop over rows takes their bytes for those of the planned types.
        """
        connection = self._connection
        with self._source._errors():
            try:
                if not self._shared:
                    connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
                if not (self._shared and self._locked):
                    connection.execute(lock(sql.trusted(plan.relation)))
                    if self._shared and (unlike := parts.unlike(connection, plan)):
                        raise errors.SnapshotLost(
                            f"{self._source.where}: {', '.join(unlike)} was rewritten or attached before this session "
                            "had locked it, as its holder has gone: the snapshot does not show its rows."
                        )
                    self._locked = True
                    self.check_schema(plan)
                yield
                if not self._shared:
                    connection.execute("COMMIT")
            except (psycopg.Error, errors.SchemaChanged) as error:
                if not self._shared and connection.pgconn.transaction_status in _IN_TRANSACTION:
                    connection.rollback()
                if isinstance(error, _CHANGED):
                    raise self._changed(postgres.describe(error)) from error
                raise

    def _changed(self, change: str) -> errors.SchemaChanged:
        return errors.SchemaChanged(
            f"{self._source.where}: {change}, since the extraction was planned. Start a new one."
        )

    def check_schema(self, plan: Plan) -> None:
        """Raise SchemaChanged if a planned column is gone or of another type.

        Or if a partition was attached since the shared snapshot, which does not freeze what a statement reads: some
        chunks would have its rows, others not.
        """
        names = tuple(column.name for column in plan.columns)
        with self._source._errors():
            try:
                now = catalog.columns_of(self._connection, sql.trusted(plan.relation), names)
                oid = catalog.oid_of(self._connection, plan)
            except _CHANGED as error:
                raise self._changed(postgres.describe(error)) from error
            attached = parts.attached(self._connection, plan) if self._shared else []
        change = describe_change(plan.columns, now) or "; ".join(f"partition {name} was attached" for name in attached)
        if not change and oid != plan.oid:
            change = f"{plan.relation} is another table by now"
        if change:
            raise self._changed(change)

    @property
    def usable(self) -> bool:
        return not self.grown and self._connection.pgconn.transaction_status in (
            pq.TransactionStatus.IDLE, pq.TransactionStatus.INTRANS,
        )  # fmt: skip

    def close(self) -> None:
        self._connection.pgconn.finish()


class Rows:
    """The rows of one chunk. Errors met while they are read are the source's."""

    def __init__(self, session: Session, plan: Plan, copy: CopyOut) -> None:
        self._session, self._plan, self._copy = session, plan, copy

    @property
    def rows(self) -> int:
        return self._copy.rows

    def __iter__(self) -> Iterator[Block]:
        with self._session.reading(self._plan):
            for block in self._copy:
                self._session.grown |= block.longest > _GROWN_BYTES
                yield block


def _is_wrong_statement(error: BaseException | None) -> bool:
    """Whether the server refused the text of a statement: what was asked for, not what happened."""
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return state is not None and state.startswith("42") and not isinstance(error, psycopg.errors.InsufficientPrivilege)


def _explain_text(node: dict[str, Any], depth: int = 0) -> str:
    """A plan as a few lines: node, relation, index, condition, rows."""
    facts = [node["Node Type"]]
    if name := node.get("Relation Name"):
        facts.append(f"on {name}")
    if index := node.get("Index Name"):
        facts.append(f"using {index}")
    conditions = ("Index Cond", "TID Cond", "Filter")
    facts += [f"{name.lower()} {node[name]}" for name in conditions if name in node]
    facts.append(f"(about {node['Plan Rows']:,} rows)")
    lines = ["  " * depth + " ".join(facts)]
    lines += [_explain_text(child, depth + 1) for child in node.get("Plans", [])]
    return "\n".join(lines)
