"""The three files of a run folder that the comparison writes; extraction_agent/report/evidence.py is their contract."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import bench as b
from benchmarks.ab.offered_load import Offered
from benchmarks.plans import Timed
from benchmarks.scraped import Buckets, together
from extraction_agent.judge.samples import quantile
from extraction_agent.report.evidence import (
    Queries,
    QueriesOf,
    QueryRun,
    Resources,
    Run,
    RunsOf,
    Sourced,
    Statement,
    Throughput,
)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes into one folder, for one scenario."""

    folder: Path
    scenario: str
    command: str

    def throughput(self, runs: Mapping[str, list[Run]], rows: int) -> None:
        """throughput.json."""
        profiles = {name: RunsOf(runs=tuple(several)) for name, several in runs.items()}
        self._write(
            Throughput(
                kind="throughput", version=1, scenario=self.scenario, measured_at=datetime.now(UTC),
                command=self.command, rows=rows, columns=len(b.COLUMNS), profiles=profiles,
            )
        )  # fmt: skip

    def resources(self, found: Mapping[str, Offered], records_per_minute: float) -> None:
        """resources.json."""
        profiles = {name: RunsOf(runs=tuple(one.runs)) for name, one in found.items()}
        self._write(
            Resources(
                kind="resources", version=1, scenario=self.scenario, measured_at=datetime.now(UTC),
                command=self.command, offered_records_per_minute=records_per_minute, profiles=profiles,
            )
        )  # fmt: skip

    def queries(self, found: Mapping[str, Offered], main: Mapping[str, list[Timed]]) -> None:
        """queries.json: what the daemon measured under the offered load, its costliest statements, the main queries."""
        profiles = {
            name: QueriesOf(
                runs=tuple(_run(number, several) for number, several in enumerate(one.queries, 1)),
                statements=(*_classes(one), *_costliest(one), *map(_timed, main[name])),
            )
            for name, one in found.items()
        }
        self._write(
            Queries(
                kind="queries", version=1, scenario=self.scenario, measured_at=datetime.now(UTC),
                command=self.command, profiles=profiles,
            )
        )  # fmt: skip

    def _write(self, file: Sourced) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{file.kind}.json").write_text(file.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _run(number: int, several: Mapping[str, Buckets]) -> QueryRun:
    buckets = together(several.values())
    return QueryRun(
        round=number,
        count=buckets.get(math.inf, 0),
        p50_seconds=quantile(buckets, 0.5),
        p95_seconds=quantile(buckets, 0.95),
        buckets=buckets,
    )


def _classes(found: Offered) -> list[Statement]:
    """Statements at the store by class, as the daemon's histogram has them, of all runs."""
    kinds = sorted({kind for run in found.queries for kind in run})
    made = []
    for kind in kinds:
        buckets = together(run.get(kind, {}) for run in found.queries)
        made.append(
            Statement(
                name=f"class {kind}",
                calls=buckets[math.inf],
                p50_seconds=quantile(buckets, 0.5),
                p95_seconds=quantile(buckets, 0.95),
            )
        )
    return made


def _costliest(found: Offered) -> list[Statement]:
    """As pg_stat_statements has them, the costliest first."""
    by_cost = sorted(found.statements.items(), key=lambda one: -one[1][1])
    return [
        Statement(name=f"pg_stat_statements: {query}", calls=calls, mean_seconds=seconds / calls)
        for query, (calls, seconds) in by_cost
        if calls
    ]


def _timed(one: Timed) -> Statement:
    return Statement(
        name=one.name,
        calls=one.calls,
        mean_seconds=one.mean_seconds,
        p50_seconds=one.p50_seconds,
        p95_seconds=one.p95_seconds,
        plan=one.plan,
    )
