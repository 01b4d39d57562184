"""SQLite as a source: the file opened read-only, a SELECT a chunk, each a read transaction of its own."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from extraction_agent import errors
from extraction_agent.model import Chunk, Definition, Plan
from extraction_agent.sources import encoding, overlap, protocol
from extraction_agent.sources import sqlite_catalog as catalog
from extraction_agent.sources import sqlite_planner as planner
from extraction_agent.sources.columns import describe_change
from extraction_agent.waiting import Stop
from extraction_agent.walker import Block

_BUSY = 5.0  # s to wait for a writer's lock; then the chunk is tried again later
_STEPS = 10_000  # of SQLite's machine between two looks at the stop: well under a millisecond
_TRANSIENT = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_INTERRUPT", "SQLITE_PROTOCOL")


class Source:
    """A database file. sqlite:///absolute/path or sqlite://relative/path."""

    kind = "sqlite"

    def __init__(self, url: str) -> None:
        _, slashes, rest = url.partition("://")
        text = unquote(rest.partition("?")[0])
        if not slashes or not text:
            raise errors.UsageError("A SQLite source is sqlite:///absolute/path or sqlite://relative/path.")
        self.path = Path(text).absolute()
        self.where = f"source {self.path}"

    @property
    def server(self) -> str:
        return str(self.path)

    def probe(self) -> None:
        """A file: who else reads it cannot be asked."""

    def plan(self, definition: Definition, chunk_rows: int, watermark: dict[str, Any] | None) -> protocol.Planned:
        connection = self.connect()
        try:
            with self.errors():
                found = planner.cut(connection, definition, chunk_rows, watermark)
                explained = planner.explain(connection, found.plan, found.chunks[0])
        finally:
            connection.close()
        return protocol.Planned(found.plan, found.chunks, found.notes, explained, watermark=found.watermark)

    def hold_snapshot(self, plan: Plan) -> protocol.Snapshot:
        raise errors.UsageError(
            f"{self.where}: connections to a file cannot share a snapshot, and no plan of {plan.relation} needs one."
        )

    def session(self, snapshot_token: str | None) -> "Session":
        if snapshot_token is not None:
            raise errors.SnapshotLost(f"{self.where}: connections to a file cannot share a snapshot.")
        return Session(self, self.connect())

    def connect(self) -> sqlite3.Connection:
        """Open the file read-only. Raises SourceError, SourceUnavailable."""
        if not self.path.is_file():
            what = "is a folder" if self.path.is_dir() else "is not there"
            raise errors.SourceError(
                f"{self.where} {what}. Check the path: sqlite:/// begins an absolute one, sqlite:// a relative one."
            )
        if not os.access(self.path, os.R_OK):
            raise errors.SourceError(f"{self.where} may not be read by this user.")
        with self.errors():
            connection = sqlite3.connect(
                f"file:{quote(str(self.path))}?mode=ro", uri=True, timeout=_BUSY, isolation_level=None,
                check_same_thread=False, cached_statements=0,
            )  # fmt: skip
            connection.text_factory = _text
            try:
                connection.execute("SELECT count(*) FROM sqlite_master")  # reads the header: is it a database at all?
            except BaseException:
                connection.close()
                raise
        return connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate the driver's errors."""
        try:
            yield
        except sqlite3.Error as error:
            message = str(error).rstrip(".")
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith(_TRANSIENT):
                raise errors.SourceUnavailable(f"{self.where} cannot be read now: {message}.") from error
            raise errors.SourceError(f"{self.where}: {message}.") from error
        except UnicodeError as error:  # of a statement that would repeat what `_text` let through
            raise errors.SourceError(
                f"{self.where}: a name or a text that a statement would hold is not valid UTF-8. Correct it there."
            ) from error


def _text(data: bytes) -> str:
    """What is no UTF-8 is found out by the encoder, which can name the column."""
    return data.decode(errors="surrogateescape")


class Session:
    """One thread's connection."""

    def __init__(self, source: Source, connection: sqlite3.Connection) -> None:
        self._source, self._connection = source, connection

    def stream(self, plan: Plan, chunk: Chunk, block: Block, stop: Stop) -> "Stream":
        return Stream(self._source, self._connection, plan, chunk, block, stop)

    def narrow(self) -> None:
        """Nothing is on its way from a file."""

    def check_schema(self, plan: Plan) -> None:
        """Raise SchemaChanged if a planned column is gone or of another type."""
        with self._source.errors():
            now = catalog.columns_again(self._connection, plan.relation)
        change = describe_change(plan.columns, now)
        if change:
            raise errors.SchemaChanged(
                f"{self._source.where}: {change}, since the extraction was planned. Start a new one."
            )

    @property
    def usable(self) -> bool:
        return True  # a statement that failed leaves nothing behind

    def close(self) -> None:
        self._connection.close()


class Stream:
    """One chunk's rows."""

    def __init__(
        self, source: Source, connection: sqlite3.Connection, plan: Plan, chunk: Chunk, block: Block, stop: Stop
    ) -> None:
        self._source, self._connection, self._plan, self._chunk = source, connection, plan, chunk
        self._block, self._stop = block, stop
        encoders = {column.name: catalog.encoder(column, plan.format) for column in plan.columns}
        self._encoded = encoding.Rows(f"{source.where}, {plan.relation}", encoders, plan.format)
        self.rows = 0

    def __iter__(self) -> Iterator[Block]:
        connection, stop = self._connection, self._stop
        connection.set_progress_handler(lambda: stop.requested, _STEPS)
        try:
            with self._source.errors():
                yield from self._blocks()
        except errors.SourceUnavailable:
            stop.check()  # an interrupted statement is what a stop looks like
            raise
        finally:
            connection.set_progress_handler(None, 0)

    def _blocks(self) -> Iterator[Block]:
        rows, connection = 0, self._connection
        connection.execute("BEGIN")  # all halves see one moment
        try:
            for half in overlap.halves(self._chunk):
                self._block.in_window = half.window
                with closing(connection.execute(planner.select(self._plan, half))) as cursor:
                    for block in self._block.batches(self._messages(cursor, half)):
                        rows += block.rows
                        self._stop.check()
                        yield block
        finally:
            if connection.in_transaction:  # some errors have ended it
                connection.execute("ROLLBACK")
        self.rows = rows

    def _messages(self, cursor: sqlite3.Cursor, half: Chunk) -> Iterator[bytes]:
        message = self._encoded.message
        for number, row in enumerate(cursor):
            try:
                yield message(row)
            except errors.SourceError as error:
                raise errors.SourceError(f"{error}{self._which(half, number)}") from error

    def _which(self, half: Chunk, number: int) -> str:
        """The rowid of the row that was refused, as a sentence; nothing where there is none."""
        connection, plan = self._connection, self._plan
        name = catalog.rowid_name(connection, plan.relation, plan.columns)
        if name is None or plan.relation.startswith("("):
            return ""
        statement = f"{planner.select(plan, half, also=(name,))} LIMIT 1 OFFSET {number}"
        found = connection.execute(statement).fetchone()
        return f" Its rowid is {found[-1]}." if found else ""
