"""What is measured of ours alone: the manifest's cost, memory by rows, and a value of 50 MB."""

import sys
from pathlib import Path
from statistics import median
from typing import LiteralString

from benchmarks import bench as b
from benchmarks import usage
from benchmarks.contestants.ours import Ours
from benchmarks.rounds import Tell, measure

_OBSERVED = (sys.executable, str(Path(__file__).parent / "observed.py"))
_MIB = 2**20
_LARGE: LiteralString = "UPDATE item SET note = repeat('x', 50000000) WHERE id = (SELECT max(id) / 2 FROM item)"


def manifest_cost(bench: b.Bench, kind: b.Kind, runs: int, tell: Tell) -> str:
    """How much longer an extraction takes, and how much more CPU its process, for the manifest."""
    with_it, without = measure(
        bench,
        [
            Ours(f"{kind} with manifest", kind, "", program=_OBSERVED),
            Ours(f"{kind} without", kind, "", program=(*_OBSERVED, "--without-manifest")),
        ],
        runs,
        tell,
    )
    pairs = list(zip(with_it.runs, without.runs, strict=True))
    if not pairs:
        return f"not measured: {with_it.not_measured or without.not_measured}"
    wall = median(one.seconds / other.seconds - 1 for one, other in pairs)
    cpu = median(one.client_cpu - other.client_cpu for one, other in pairs)
    whole = median(one.client_cpu + one.source_cpu + one.store_cpu for one, _ in pairs)
    return (
        f"{100 * wall:+.1f} % time over {len(pairs)} pairs of {bench.rows:,} rows; "
        f"{cpu:.2f} CPU s, {100 * cpu / whole:.1f} % of all that the extraction took on both servers and in between"
    )


def memory(bench: b.Bench, kind: b.Kind) -> usage.Usage:
    """One extraction of what the source holds now, observed; its output's last line is the memory at the end."""
    ours = Ours("ours", kind, "", program=_OBSERVED)
    ours.prepare(b.make_template(bench, "template_memory"))
    b.fresh_target(bench, "template_memory")
    return usage.run(ours.pipeline(bench))


def memory_by_rows(bench: b.Bench, kind: b.Kind, rows: list[int], tell: Tell) -> str:
    """Peak RSS of the extracting process for each number of rows."""
    found = []
    for number in rows:
        bench.fill(number)
        used = memory(bench, kind)
        found.append(f"{used.peak_rss / _MIB:.1f} MiB at {number:,} rows")
        tell(f"memory, {kind}: {found[-1]}")
    return ", ".join(found)


def large_value(bench: b.Bench, kind: b.Kind, tell: Tell) -> str:
    """Memory while a value of 50 MB passes, and after it, beside the same rows without it."""
    bench.fill(200_000)
    before = memory(bench, kind)
    b.run(bench.source_url, _LARGE, "CHECKPOINT")
    large = memory(bench, kind)
    held = [int(used.output.splitlines()[-1]) / _MIB for used in (before, large)]
    told = f"peak {large.peak_rss / _MIB:.0f} MiB, {held[1]:.1f} MiB afterwards; {held[0]:.1f} MiB without the value"
    tell(f"a value of 50 MB, {kind}: {told}")
    return told
