"""A window in time in which everything that tells something is watched; what was seen comes out as evidence."""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

from extraction_agent import errors, postgres
from extraction_agent.model import Chunk, Plan
from extraction_agent.profiling import process, sessions, statements
from extraction_agent.profiling.evidence import Database, Evidence, Statement
from extraction_agent.profiling.flame import PySpy, Stacks, hottest
from extraction_agent.profiling.scrape import Samples, Scrape
from extraction_agent.waits import Scheduled

T = TypeVar("T")

_OF_SOURCES = "^extraction-agent source$"
_OF_STORE = r"^extraction-agent( old way| \S+-{pid}-[0-9a-f]+)?$"  # lanes are named by their agent, which holds its pid


@dataclass(frozen=True, slots=True)
class Side:
    """A PostgreSQL database to look at."""

    url: str
    translation: postgres.Translation
    where: str

    @classmethod
    def source(cls, url: str) -> "Side":
        return cls(url, postgres.SOURCE, postgres.address(url, "source"))

    @classmethod
    def store(cls, url: str) -> "Side":
        return cls(url, postgres.STORE, postgres.address(url, "store"))


class Window:
    """From start() to stop(); then `evidence` says what was seen, and `stacks` is the flame graph's."""

    def __init__(
        self, scrape: Scrape, store: Side, sources: Iterable[Side], pid: int | None, *, flame: bool = True
    ) -> None:
        """pid: of the agent's process, if it is on this host. flame: sample its stacks."""
        self._scrape = scrape
        self._process = process.Watch(pid) if pid is not None else None
        self._spy = PySpy(pid) if pid is not None and flame else None
        ours = _OF_STORE.replace("{pid}", r"\d+" if pid is None else str(pid))
        self._store = _Watched(store, ours)
        self._sources = [_Watched(one, _OF_SOURCES) for one in sources]
        self._notes: list[str] = []
        self._begun = self._seconds = 0.0
        self._before: Samples | None = None
        self._added: Samples | None = None

    @property
    def stacks(self) -> Stacks:
        return self._spy.stacks if self._spy is not None else {}

    def start(self) -> None:
        """Raises UsageError if the agent cannot be profiled, AgentUnavailable."""
        self._before = Samples.of(self._scrape())
        self._begun = time.monotonic()
        for one in self._parts():
            one.start()

    def stop(self) -> None:
        assert self._before is not None
        with ExitStack() as stopping:
            for one in self._parts():
                stopping.callback(one.stop)
            self._seconds = time.monotonic() - self._begun
            text = self._scrape()
        self._added = Samples.of(text).since(self._before)

    def explain(self, source: Side, plan: Plan, chunk: Chunk) -> None:
        """Ask the source for its plan of a chunk's query; run when nothing is to be disturbed any more."""
        for one in self._sources:
            if one.side == source:
                one.explain(plan, chunk)

    def note(self, sentence: str) -> None:
        """What whoever reads the evidence should know."""
        self._notes.append(f"{sentence[:1].upper()}{sentence[1:].rstrip('.')}.")

    @property
    def evidence(self) -> Evidence:
        added = self._added
        assert added is not None
        notes = [*self._notes]
        if self._spy is not None and self._spy.failure is not None:
            notes.append(self._spy.failure)
        for one in (*self._sources, self._store):
            notes += one.notes
        return Evidence(
            seconds=self._seconds,
            relay=added.relay(),
            running=added.scheduled(Scheduled.RUNNING),
            ready=added.scheduled(Scheduled.READY),
            records=round(added.value("extraction_records_extracted_total")),
            bytes=round(added.value("extraction_bytes_extracted_total")),
            gc_runs=round(added.whole("python_gc_collections_total")),
            gc_seconds=added.whole("python_gc_pause_seconds_total"),
            agent_statements=added.statements(),
            store=self._store.seen,
            sources=tuple(one.seen for one in self._sources),
            process=self._process.seen if self._process is not None else None,
            hottest=hottest(self.stacks),
            notes=tuple(notes),
        )

    def _parts(self) -> list["_Watched | process.Watch | PySpy"]:
        parts = [*self._sources, self._store, self._process, self._spy]
        return [one for one in parts if one is not None]


class _Watched:
    """One database: its sessions all the time, its statements before and after."""

    def __init__(self, side: Side, ours: str) -> None:
        self.side = side
        self._sessions = sessions.Watch(side.url, side.translation, side.where, ours)
        self._before: statements.Totals | None = None
        self._statements: tuple[Statement, ...] = ()
        self._plan: str | None = None
        self._said: list[str] = []

    def start(self) -> None:
        self._before = self._totals()
        self._sessions.start()

    def stop(self) -> None:
        self._sessions.stop()
        if self._before is None:
            return
        after = self._totals()
        self._statements = () if after is None else statements.between(self._before, after)

    def explain(self, plan: Plan, chunk: Chunk) -> None:
        explained = self._ask(lambda connection: statements.explain(connection, plan, chunk))
        if explained is not None:
            self._plan = explained.plan
            if explained.note is not None:
                self._say(explained.note)

    @property
    def notes(self) -> list[str]:
        """What could not be seen."""
        said = [*self._said]
        if self._sessions.failure is not None:
            said.append(f"its sessions could not be looked at to the end: {self._sessions.failure}")
        return [f"{self.side.where}: {one.rstrip('.')}." for one in said]

    @property
    def seen(self) -> Database:
        watched = self._sessions
        return Database(self.side.where, watched.seen, watched.round_trip, self._statements, self._plan)

    def _totals(self) -> statements.Totals | None:
        found = self._ask(statements.totals)
        if found is None:
            self._say(
                "what its statements took is not known, for want of pg_stat_statements (shared_preload_libraries, "
                "CREATE EXTENSION, and the role pg_read_all_stats)"
            )
        return found

    def _ask(self, question: Callable[[postgres.Connection], T]) -> T | None:
        """None: it failed, which is a sentence and no more; the rest goes on without."""
        side = self.side
        try:
            with (
                postgres.translated(side.translation, side.where),
                sessions.connect(side.url, side.translation, side.where) as connection,
            ):
                return question(connection)
        except errors.ExtractionError as error:
            self._say(f"its statements could not be looked at: {error}")
            return None

    def _say(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.append(sentence)
