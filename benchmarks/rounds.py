"""Round r runs every contestant once, in an order that rotates, so that what else the machine does hits all alike."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks import bench as b
from benchmarks import usage
from benchmarks.contestants.protocol import Contestant

_SETTLE = 1.0  # s between the checkpoint and a run
_REAP = 0.5  # s until the servers have counted their ended backends

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one contestant. cpu: of its own processes, the source's server and the store's."""

    round: int
    seconds: float
    client_cpu: float
    source_cpu: float
    store_cpu: float
    peak_rss: int
    load: float  # 1 minute's load average before it began


@dataclass(slots=True)
class Measured:
    """All runs of one contestant, or why there are none."""

    name: str
    kind: b.Kind
    what: str
    runs: list[Run] = field(default_factory=list)
    not_measured: str | None = None
    wrong: str | None = None  # it brought something else than the source has


def measure(bench: b.Bench, contestants: Sequence[Contestant], rounds: int, tell: Tell) -> list[Measured]:
    """Run all contestants `rounds` times. One that fails or brings wrong rows is out, and said to be."""
    results = [Measured(c.name, c.kind, c.what, not_measured=c.missing(bench)) for c in contestants]
    pairs = list(zip(contestants, results, strict=True))
    for number, (contestant, result) in enumerate(pairs):
        if result.not_measured is None:
            contestant.prepare(b.make_template(bench, _template(number)))
        else:
            tell(f"{result.name}: not measured: {result.not_measured}")
    for turn in range(rounds):
        for place in range(len(pairs)):
            number = (place + turn) % len(pairs)
            contestant, result = pairs[number]
            if result.not_measured is None and result.wrong is None:
                _once(bench, contestant, _template(number), result, turn + 1, tell)
    return results


def _template(number: int) -> str:
    return f"template_{number}"


def _once(bench: b.Bench, contestant: Contestant, template: str, result: Measured, turn: int, tell: Tell) -> None:
    b.fresh_target(bench, template)
    time.sleep(_SETTLE)
    source, store = bench.source.pid, bench.store.pid
    assert source is not None
    assert store is not None
    load = os.getloadavg()[0]
    before = usage.cpu_seconds(source), usage.cpu_seconds(store)
    try:
        used = usage.run(contestant.pipeline(bench))
    except usage.Failed as failed:
        result.not_measured = " ".join(str(failed).split())
        tell(f"round {turn}: {result.name} FAILED: {failed}")
        return
    finally:
        contestant.cleanup(bench)
    time.sleep(_REAP)
    source_cpu, store_cpu = usage.cpu_seconds(source) - before[0], usage.cpu_seconds(store) - before[1]
    run = Run(turn, used.seconds, used.cpu_seconds, source_cpu, store_cpu, used.peak_rss, load)
    assert bench.content is not None
    expected, got = bench.content[contestant.checked_as], _arrived(bench, contestant)
    if got != expected:
        result.wrong = f"{got[0]:,} rows with hash {got[1]} arrived instead of {expected[0]:,} with {expected[1]}"
        tell(f"round {turn}: {result.name} is DISQUALIFIED: {result.wrong}")
    result.runs.append(run)
    tell(
        f"round {turn}: {result.name}: {run.seconds:.2f} s, {bench.rows / run.seconds:,.0f} rows/s, CPU s: client "
        f"{run.client_cpu:.2f}, source {run.source_cpu:.2f}, store {run.store_cpu:.2f}; "
        f"peak {run.peak_rss / 2**20:.0f} MiB"
    )


def _arrived(bench: b.Bench, contestant: Contestant) -> b.Content:
    return b.content(bench.target_url, contestant.checked_as, contestant.arrived(bench))
