"""Each profile at full load: the whole table as fast as it goes, round by round in rotating order."""

from collections.abc import Callable

from benchmarks import bench as b
from benchmarks import service, sides
from benchmarks.sides import Side
from benchmarks.watch import Watch
from extraction_agent import errors
from extraction_agent.report.evidence import Run

Tell = Callable[[str], None]
SAMPLE_SECONDS = 5.0  # of a run; the shortest have one sample


def full_load(bench: b.Bench, several: list[Side], rounds: int, tell: Tell) -> dict[str, list[Run]]:
    """Runs by profile. Each has a daemon of its own, started and warm; what came is compared with the source.

    Raises ExtractionError if a profile fails or brings other records than the source has.
    """
    runs: dict[str, list[Run]] = {side.name: [] for side in several}
    for turn in range(rounds):
        for place in range(len(several)):
            side = several[(place + turn) % len(several)]
            run = _once(bench, side, turn + 1)
            runs[side.name].append(run)
            tell(f"round {turn + 1}: {side.name}: {run.seconds:.2f} s, {run.records_per_minute:,.0f} records/min")
    return runs


def _once(bench: b.Bench, side: Side, turn: int) -> Run:
    with service.running(bench.folder / "daemon", side.store_url, side.file) as daemon:
        table = daemon.config("moved", bench.source_url, b.TABLE)
        warm = daemon.extract(daemon.config("warm", bench.source_url, sides.SMALL))
        sides.rest(bench, side, [warm.extraction_id])
        with Watch(daemon, bench, SAMPLE_SECONDS) as watch:
            moved = daemon.extract(table)
        peak = watch.rss_peak
    if (told := sides.wrong(bench, side, moved)) is not None:
        raise errors.ExtractionError(f"Profile {side.name} brought a wrong result: {told}.")
    sides.rest(bench, side, [moved.extraction_id])
    return Run(
        round=turn,
        started_at=moved.started_at,
        records=moved.rows,
        seconds=moved.seconds,
        records_per_minute=moved.rows_per_minute,
        agent_cpu_seconds=watch.agent_cpu,
        source_cpu_seconds=watch.source_cpu,
        store_cpu_seconds=watch.store_cpu,
        rss_peak_bytes=peak,
        connections_most=watch.sessions_most,
        pools=watch.sampler.pools(),
        samples=tuple(watch.sampler.samples),
    )
