"""The comparison as a person reads it: each profile against the first, intervals of 95 % for all of them together."""

import statistics
from collections.abc import Iterator, Mapping

from benchmarks import judged
from benchmarks.ab.offered_load import Offered
from benchmarks.plans import Timed
from benchmarks.sides import Side
from extraction_agent.judge.measures import THROUGHPUT, Measure
from extraction_agent.report.evidence import Run
from extraction_agent.report.resources import REACHED

_CPU = Measure("cpu", "s", 1, relative=True, pooled=True)
_MEMORY = Measure("memory", "bytes", 1, relative=True, pooled=False)


def shown(
    several: list[Side],
    runs: Mapping[str, list[Run]],
    found: Mapping[str, Offered],
    main_queries: Mapping[str, list[Timed]],
    wanted: float,
) -> Iterator[str]:
    """Lines. wanted: records a minute that were offered."""
    first, others = several[0].name, max(len(several) - 1, 1)
    for side in several:
        mine, same = runs[side.name], found[side.name]
        speed = cpu = memory = ""
        if side.name != first:
            base = found[first].runs
            speed = judged.times(THROUGHPUT, judged.change(THROUGHPUT, _rates(runs[first]), _rates(mine), others))
            cpu = judged.percent(_CPU, judged.change(_CPU, cpu_seconds(base), cpu_seconds(same.runs), others))
            memory = judged.percent(
                _MEMORY, judged.change(_MEMORY, memory_bytes(base), memory_bytes(same.runs), others)
            )
        yield f"\n{side.name}" + (f", against {first}" if speed else "")
        yield f"  full load: {statistics.median(_rates(mine)):,.0f} records/min  {speed}"
        reached = (
            ""
            if same.reached >= REACHED * wanted
            else f", of which {same.reached:,.0f} were reached (give --offered what all can carry)"
        )
        yield f"  at {wanted:,.0f} records/min{reached}:"
        yield f"    CPU of agent and both servers: {statistics.median(cpu_seconds(same.runs)):.2f} s/min  {cpu}"
        yield f"    memory of the agent: {statistics.median(memory_bytes(same.runs)) / 2**20:.1f} MiB  {memory}"
        if same.not_begun:
            yield f"    {same.not_begun} extractions were not begun: the ones before were not over"
        for one in main_queries[side.name]:
            yield f"  {one.name}: p95 {1000 * one.p95_seconds:.2f} ms, {one.scan}"


def cpu_seconds(runs: list[Run]) -> list[float]:
    """A minute, of the agent and of both servers."""
    return [
        60 * ((run.agent_cpu_seconds or 0) + (run.source_cpu_seconds or 0) + (run.store_cpu_seconds or 0)) / run.seconds
        for run in runs
    ]


def memory_bytes(runs: list[Run]) -> list[float]:
    """The agent's peak."""
    return [float(run.rss_peak_bytes or 0) for run in runs]


def _rates(runs: list[Run]) -> list[float]:
    return [run.records_per_minute for run in runs]
