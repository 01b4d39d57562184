"""The load tests side by side: every shape of either profile that was run."""

from collections.abc import Iterator

from extraction_agent.model import Strict
from extraction_agent.report import evidence, folder
from extraction_agent.report.figures import Figure, Figures, Unit, pointer


class LoadRow(Strict):
    """One load test."""

    profile: str
    shape: evidence.Shape
    scale: float
    aborted: bool
    users: Figure | None
    seconds: Figure | None
    requests: Figure | None
    failed: Figure | None
    refused: Figure | None
    p95: Figure | None
    p99: Figure | None
    beside: Figure | None  # records a minute that were extracted meanwhile


def loads(run: folder.Folder) -> tuple[LoadRow, ...]:
    """Shape by shape, the old way first."""
    return tuple(_rows(run))


def _rows(run: folder.Folder) -> Iterator[LoadRow]:
    figures = Figures(run.raw)

    def one(name: str, unit: Unit, *parts: str) -> Figure | None:
        return figures.take("as it is", pointer(name, *parts), unit=unit)

    for shape in ("steady", "ramp", "spike", "stress"):
        for profile in (run.scenario.before, run.scenario.after):
            load, name = run.load(profile, shape), folder.load_name(profile, shape)
            if load is not None:
                yield LoadRow(
                    profile=profile,
                    shape=shape,
                    scale=load.scale,
                    aborted=load.aborted,
                    users=one(name, "", "users"),
                    seconds=one(name, "s", "seconds"),
                    requests=one(name, "", "requests"),
                    failed=one(name, "", "failed"),
                    refused=one(name, "", "refused"),
                    p95=one(name, "s", "latency_seconds", "p95"),
                    p99=one(name, "s", "latency_seconds", "p99"),
                    beside=one(name, "records/min", "records_per_minute"),
                )
