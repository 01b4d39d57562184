"""MariaDB and MySQL as a source: an unbuffered SELECT a chunk, each a moment of its own; nothing is written."""

from collections.abc import Iterator
from typing import Any

from extraction_agent import deadlines, errors, sockets, sql
from extraction_agent.model import Chunk, Definition, Format, Plan
from extraction_agent.sources import encoding, mysql_rows, overlap, protocol
from extraction_agent.sources import mysql_catalog as catalog
from extraction_agent.sources import mysql_planner as planner
from extraction_agent.sources.columns import describe_change
from extraction_agent.sources.mysql_connection import PACKAGE, Address, Connection, Missing
from extraction_agent.sources.mysql_probe import Probe
from extraction_agent.sources.mysql_statements import select
from extraction_agent.waiting import Stop
from extraction_agent.walker import Block


class Source:
    """A database of a MariaDB or MySQL server."""

    kind = "mysql"

    def __init__(self, url: str) -> None:
        self._address = Address(url)
        self.where = self._address.where

    @property
    def server(self) -> str:
        return self.where.removeprefix("source ").rpartition("/")[0]

    def probe(self) -> Probe:
        return Probe(self._address)

    def plan(self, definition: Definition, chunk_rows: int, watermark: dict[str, Any] | None) -> protocol.Planned:
        connection = Connection(self._address, deadlines.PLAN)
        try:
            relation = catalog.find(connection, definition)
            found = planner.cut(connection, definition, relation, chunk_rows, watermark)
            explained = planner.explain(connection, select(found.plan, found.chunks[0], connection.literal))
        finally:
            connection.close()
        return protocol.Planned(
            found.plan, found.chunks, found.notes, planner.describe(explained), watermark=found.watermark
        )

    def hold_snapshot(self, plan: Plan) -> protocol.Snapshot:
        raise errors.UsageError(
            f"{self.where}: sessions of this server cannot share a snapshot, and no plan of {plan.relation} needs one."
        )

    def session(self, snapshot_token: str | None) -> "Session":
        if snapshot_token is not None:
            raise errors.SnapshotLost(f"{self.where}: sessions of this server cannot share a snapshot.")
        return Session(Connection(self._address, deadlines.STATEMENT))


class Session:
    """One thread's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def stream(self, plan: Plan, chunk: Chunk, block: Block, stop: Stop) -> "Stream":
        return Stream(self._connection, plan, chunk, block, stop)

    def narrow(self) -> None:
        sockets.narrow(self._connection.fileno())

    def check_schema(self, plan: Plan) -> None:
        """Raise SchemaChanged if a planned column is gone or of another type."""
        connection = self._connection
        try:
            now = catalog.columns_again(connection, plan)
        except Missing as error:
            raise errors.SchemaChanged(str(error)) from error
        change = describe_change(plan.columns, now)
        if change:
            raise errors.SchemaChanged(
                f"{connection.where}: {change}, since the extraction was planned. Start a new one."
            )

    @property
    def usable(self) -> bool:
        return self._connection.open

    def close(self) -> None:
        self._connection.close()


class Stream:
    """One chunk's rows."""

    def __init__(self, connection: Connection, plan: Plan, chunk: Chunk, block: Block, stop: Stop) -> None:
        self._connection, self._block, self._stop = connection, block, stop
        self._statements = [(select(plan, half, connection.literal), half.window) for half in overlap.halves(chunk)]
        block.expect(mysql_rows.fields(plan), objects=plan.format is Format.JSON)
        encoder = encoding.as_field if plan.format is Format.TYPED else encoding.as_part
        encoders = {column.name: encoder(column.sent_as) for column in plan.columns}
        self._columns = len(plan.columns)
        self._encoded = encoding.Rows(f"{connection.where}, {plan.relation}", encoders, plan.format)
        self.rows = 0

    def __iter__(self) -> Iterator[Block]:
        try:
            yield from self._blocks()
        except BaseException:
            self._connection.close()  # a transaction may be open
            raise

    def _blocks(self) -> Iterator[Block]:
        rows, connection, several = 0, self._connection, len(self._statements) > 1
        if several:
            connection.rows(sql.load(PACKAGE, "mysql_moment"))
        for statement, in_window in self._statements:
            self._block.in_window = in_window
            with connection.packets(statement, self._stop) as packets:
                for block in packets.blocks(self._block, self._columns, self._encoded.message):
                    rows += block.rows
                    yield block
        if several:
            connection.rows("COMMIT")
        self.rows = rows
