"""Profiles measured against each other: interleaved runs, medians, and what they were measured on."""

import os
import platform
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from extraction_agent import deadlines, embedded, errors, postgres, sql
from extraction_agent.profiles import Profile

TABLE = "benchmark"
_QUERIES = "extraction_agent.pipeline.sql"


@dataclass(frozen=True, slots=True)
class Run:
    """One extraction, from looking at the source to the commit that ended it."""

    rows: int
    seconds: float


@dataclass(slots=True)
class Measured:
    """All runs of one profile."""

    name: str
    runs: list[Run] = field(default_factory=list)

    @property
    def median_seconds(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    @property
    def rows(self) -> int:
        return self.runs[-1].rows

    @property
    def rows_per_minute(self) -> float:
        return statistics.median(run.rows / run.seconds * 60 for run in self.runs)

    def ratio(self, first: "Measured") -> float:
        """How many times as fast as the first profile."""
        return first.median_seconds / self.median_seconds

    def as_dict(self, first: "Measured") -> dict[str, Any]:
        seconds = [round(run.seconds, 3) for run in self.runs]
        return {
            "name": self.name,
            "seconds": seconds,
            "median_seconds": round(self.median_seconds, 3),
            "min_seconds": min(seconds),
            "max_seconds": max(seconds),
            "rows_per_minute": round(self.rows_per_minute),
            "ratio": round(self.ratio(first), 2),
        }


def interleaved(
    profiles: list[Profile], runs: int, once: Callable[[Profile], Run], tell: Callable[[str], None]
) -> list[Measured]:
    """Run the profiles in turn, so that what changes on the machine meets all of them.

    Raises ExtractionError if two profiles did not copy the same number of rows in one round.
    """
    measured = [Measured(profile.name) for profile in profiles]
    for number in range(1, runs + 1):
        for profile, kept in zip(profiles, measured, strict=True):
            tell(f"run {number} of {runs}, {profile.name} …")
            kept.runs.append(once(profile))
            tell(f"run {number} of {runs}, {profile.name}: {kept.runs[-1].seconds:,.2f} s")
        rows = {kept.runs[-1].rows for kept in measured}
        if len(rows) > 1:
            raise errors.ExtractionError(
                f"The profiles copied different numbers of rows ({', '.join(f'{one:,}' for one in sorted(rows))}): the "
                "table is being written to, so their times cannot be compared. Use a table that stands still."
            )
    return measured


@contextmanager
def servers(rows: int) -> Iterator[tuple[str, str]]:
    """URLs of a source with a generated table and of an empty store, two servers that are gone at the end."""
    with (
        embedded.folder() as folder,
        embedded.Server(folder / "source") as source,
        embedded.Server(folder / "store") as store,
    ):
        with (
            postgres.connect(source.url(), application_name="extraction-agent benchmark") as connection,
            postgres.translated(postgres.SOURCE, "the benchmark's source"),
            connection.within(deadlines.INDEX),
        ):
            connection.execute(sql.load(_QUERIES, "benchmark_table"), {"rows": rows})
            connection.execute("ALTER TABLE benchmark ADD PRIMARY KEY (id)")
            connection.execute("VACUUM (ANALYZE) benchmark")
            connection.execute("CHECKPOINT")
        yield source.url(), store.url()


def machine(postgresql: dict[str, str]) -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": platform.python_version(),
        "postgresql": postgresql,
    }
