"""What a kind of database must offer to be a source. Adding one: a module beside this, and its name where
CONTRIBUTING.md says."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from extraction_agent.model import Chunk, Definition, Plan
from extraction_agent.waiting import Stop
from extraction_agent.walker import Block


class Stream(Protocol):
    """One chunk's rows."""

    @property
    def rows(self) -> int:
        """As the source counted them; known once iterated to the end."""
        ...

    def __iter__(self) -> Iterator[Block]:
        """Yield the block each time it has been filled."""
        ...


class Session(Protocol):
    """One connection to the source, used by one thread; lives over many chunks."""

    def stream(self, plan: Plan, chunk: Chunk, block: Block, stop: Stop) -> Stream:
        """Read one chunk into the block: rows of the plan's columns, in its order, or of one `json` value made of them.

        Raises SourceError, SourceUnavailable, SnapshotLost, SchemaChanged, Cancelled.
        """
        ...

    def narrow(self) -> None:
        """Keep few rows on their way from now on, so that a server whose stream is paced works in small bursts."""
        ...

    def check_schema(self, plan: Plan) -> None:
        """Raise SchemaChanged if the relation no longer has the planned columns."""
        ...

    @property
    def usable(self) -> bool:
        """Whether the session may serve another chunk."""
        ...

    def close(self) -> None: ...


class Snapshot(Protocol):
    """One view of the source that all chunks of a run share."""

    token: str  # what another session, also on another host, needs to read the same view
    facts: dict[str, Any]  # what a watermark needs to know about it

    @property
    def alive(self) -> bool:
        """Whether it can still be read."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with its chunks and what a person should know about it."""

    plan: Plan
    chunks: list[Chunk]
    notes: list[str]
    explain: str  # how the source will run the first chunk
    snapshot: Snapshot | None = None  # held since the plan was made, if the plan needs one
    watermark: dict[str, Any] | None = None  # what the config's watermark becomes when this run succeeds


@dataclass(frozen=True, slots=True)
class Condition:
    """How a server is. None: it does not tell."""

    at_work: int | None  # sessions of others that work now or did since a moment ago (PostgreSQL: 0.5 s, MySQL: 2 s)
    active: int | None  # those that work at this moment
    lag: float | None = None  # s, of the replica that is furthest behind, or of this one
    oldest: float | None = None  # s, the oldest open transaction of others


class Probe(Protocol):
    """One connection by which the source guard feels what others feel. Every wait is a short one."""

    def touch(self) -> float:
        """A cheap statement, there and back. Returns its seconds. Raises SourceUnavailable when late."""
        ...

    def look(self) -> Condition:
        """Raises SourceError, SourceUnavailable."""
        ...

    def close(self) -> None: ...


class Source(Protocol):
    """A database that rows are read from."""

    kind: str  # extraction_configs.source_type
    where: str  # for messages: host, port and database, never a password

    @property
    def server(self) -> str:
        """What it shares with its neighbours: host and port, or a file."""
        ...

    def probe(self) -> Probe | None:
        """Connect a probe; None: there is no server to feel."""
        ...

    def plan(self, definition: Definition, chunk_rows: int, watermark: dict[str, Any] | None) -> Planned:
        """Look at the relation and cut it into chunks; writes nothing anywhere.

        watermark: the state an earlier run of an incremental config ended with, None before the first.
        Raises UsageError, SourceError, SourceUnavailable.
        """
        ...

    def hold_snapshot(self, plan: Plan) -> Snapshot:
        """Take a new snapshot and hold it until closed."""
        ...

    def session(self, snapshot_token: str | None) -> Session:
        """Open a connection for one thread. Raises SnapshotLost if the token's snapshot is gone."""
        ...
