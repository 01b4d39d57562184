"""What was seen while an extraction ran. Seconds throughout; those of threads and sessions add up over all of them."""

from dataclasses import dataclass, field

from extraction_agent.waits import Wait


@dataclass(frozen=True, slots=True)
class Sessions:
    """What our sessions at one database did, by looking at them again and again."""

    looks: int
    at_work: float = 0.0  # s on CPU, or waiting for something of the server's own: disk, log, a latch
    locked: float = 0.0  # s behind a lock that another session held
    waits: dict[str, float] = field(default_factory=dict)  # s by what the server says: CPU, IO:DataFileRead
    blocked_by: tuple[str, ...] = ()  # sentences


@dataclass(frozen=True, slots=True)
class Statement:
    """All statements of one shape at one database, during the window."""

    text: str  # without its values
    calls: int
    seconds: float
    rows: int
    blocks_read: int  # not found in the server's memory


@dataclass(frozen=True, slots=True)
class Database:
    """A source or the store."""

    where: str
    sessions: Sessions | None = None  # None: they could not be looked at
    round_trip: float | None = None  # s, the shortest seen
    statements: tuple[Statement, ...] = ()  # the costliest first
    plan: str | None = None  # of a chunk's query, as the server says it


@dataclass(frozen=True, slots=True)
class Process:
    """The agent's."""

    cpu: float  # s
    resident_before: int  # bytes
    resident_most: int
    resident_after: int
    threads: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the verdict is made of."""

    seconds: float  # that it lasted
    relay: dict[Wait, float]  # s of the threads that copy, by what they waited for
    running: float  # s of the same threads on a CPU
    ready: float  # s of them without one, though they could have used it
    records: int  # committed
    bytes: int
    gc_runs: int
    gc_seconds: float
    agent_statements: dict[str, tuple[int, float]]  # calls and seconds at the store as the agent saw them, by class
    store: Database
    sources: tuple[Database, ...] = ()
    process: Process | None = None  # None: it runs elsewhere
    hottest: tuple[tuple[str, float], ...] = ()  # functions at work, and their share of the flame graph's samples
    notes: tuple[str, ...] = ()  # what could not be seen, and why
