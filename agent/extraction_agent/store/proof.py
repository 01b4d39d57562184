"""Reads an extraction's rows back from the store, as the binary messages they came in, and names single ones."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import sql as q

from extraction_agent import deadlines, errors, sql
from extraction_agent.copyio import CopyIn, CopyOut
from extraction_agent.model import Format
from extraction_agent.store.store import Extraction, Store
from extraction_agent.waiting import Socket, Stop
from extraction_agent.walker import Block

_QUERIES = "extraction_agent.store.queries"
PLACE_BYTES = (4 + 6) + (4 + 4)  # a ctid and a tableoid at the end of a message
_LONGEST_RECORD = 2000  # characters of a record that are shown


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row lies in the store."""

    table: int  # oid
    block: int
    line: int

    @classmethod
    def of(cls, message: memoryview | bytes) -> "Place":
        """From the end of a message of `suspects`."""
        tail = message[-PLACE_BYTES:]
        return cls(*(int.from_bytes(tail[low:high]) for low, high in ((14, 18), (4, 8), (8, 10))))

    @property
    def ctid(self) -> str:
        return f"({self.block},{self.line})"


@dataclass(frozen=True, slots=True)
class Record:
    """One row in words. key: the values of the plan's key, if it has one."""

    key: dict[str, Any]
    text: str  # JSON, cut short if it is long

    @classmethod
    def of(cls, extraction: Extraction, text: str) -> "Record":
        names = [column.name for column in extraction.plan.key]
        values = json.loads(text, parse_float=str) if names else {}
        shown = text if len(text) <= _LONGEST_RECORD else text[:_LONGEST_RECORD] + "…"
        return cls({name: values.get(name) for name in names}, shown)


class Proof:
    """The rows of one extraction.

    columns: those of a stored row in the order they were sent. prefix_bytes: what stands in a message before its own.
    """

    def __init__(
        self, store: Store, extraction: Extraction, columns: q.Composed, prefix_bytes: int, stop: Stop
    ) -> None:
        self._connection, self._extraction, self._columns = store.connection, extraction, columns
        self._prefix_bytes = prefix_bytes
        format_ = extraction.plan.format
        self._parts = {
            "columns": columns,
            "table": sql.trusted(extraction.target),
            "extraction": q.Identifier(format_.extraction_column),
            "extraction_id": q.Literal(extraction.id),
            "chunk": q.Identifier(format_.chunk_column),
        }
        self._socket = Socket(
            store.connection.fileno(),
            stop,
            deadlines.PLAN,
            errors.StoreUnavailable(f"{store.where}: not a byte for {deadlines.PLAN:g} s; the server is stalled."),
        )
        self._tables: dict[int, q.SQL] = {}

    def rows(self) -> CopyOut:
        """All rows, in one scan."""
        return self._copy_out("stored_rows", Block(skip=self._prefix_bytes))

    def suspects(self, chunks: Iterable[int | None]) -> CopyOut:
        """Rows of some chunks (None: of no chunk), a Place at each message's end and two in its count of fields."""
        listed = list(chunks)
        numbers = q.Literal([number for number in listed if number is not None])
        block = Block(skip=self._prefix_bytes, tail=PLACE_BYTES)
        return self._copy_out("suspect_rows", block, chunks=numbers, with_null=q.Literal(None in listed))

    def digests(self, chunk_no: int) -> bytes | None:
        """The kept half of each row's digest, as written with the chunk."""
        query = sql.load(_QUERIES, "chunk_digests")
        row = self._connection.execute(query, {"extraction_id": self._extraction.id, "chunk_no": chunk_no}).fetchone()
        return None if row is None or row[0] is None else bytes(row[0])

    def lacks(self, table: str) -> bool:
        """Whether a table is gone."""
        row = self._connection.execute(sql.load(_QUERIES, "table_exists"), {"name": table}).fetchone()
        return row == (False,)

    def record(self, place: Place) -> Record:
        """A stored row."""
        query = "json_record" if self._extraction.plan.format is Format.JSON else "record"
        composed = q.SQL(sql.load(_QUERIES, query)).format(
            table=self._table(place.table), ctid=q.Literal(place.ctid), columns=self._own_columns()
        )
        row = self._connection.execute(composed).fetchone()
        assert row is not None  # seen in this snapshot
        return Record.of(self._extraction, row[0])

    def table(self, place: Place) -> str:
        """The name of the table a row lies in."""
        return self._table(place.table).as_string(self._connection)

    def read(self, messages: list[bytes]) -> list[Record]:
        """Messages that are not in the store as records: through a temporary table, so that the server reads them."""
        table = sql.trusted(self._extraction.target)
        with self._connection.transaction(force_rollback=True):
            self._connection.execute(
                q.SQL(sql.load(_QUERIES, "create_recovered")).format(columns=self._columns, table=table)
            )
            statement = q.SQL("COPY recovered ({}) FROM STDIN (FORMAT binary)").format(self._columns)
            sink = CopyIn(self._connection.pgconn, statement.as_bytes(self._connection), self._socket)
            for message in messages:
                sink.put(message)
            sink.end()
            query = "json_recovered" if self._extraction.plan.format is Format.JSON else "recovered"
            composed = q.SQL(sql.load(_QUERIES, query)).format(columns=self._own_columns())
            return [Record.of(self._extraction, text) for (text,) in self._connection.execute(composed)]

    def _copy_out(self, query: str, block: Block, **more: q.Composable) -> CopyOut:
        statement = q.SQL(sql.load(_QUERIES, query)).format(**self._parts, **more)
        return CopyOut(self._connection.pgconn, statement.as_bytes(self._connection), self._socket, block)

    def _own_columns(self) -> q.Composed:
        return q.SQL(", ").join(q.Identifier(column.name) for column in self._extraction.plan.columns)

    def _table(self, oid: int) -> q.SQL:
        if oid not in self._tables:
            row = self._connection.execute(sql.load(_QUERIES, "table_name"), {"oid": oid}).fetchone()
            assert row is not None
            self._tables[oid] = sql.trusted(row[0])
        return self._tables[oid]
