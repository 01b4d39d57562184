"""`load-tests/compare-results.sh BEFORE AFTER`: two results of k6 side by side, and whether the second may stay.

One run each says nothing of chance, so a difference counts only if it passes what a profile's gates tolerate and is
large enough to be felt: a twentieth of the user's limit.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from extraction_agent import errors
from extraction_agent.model import Verdict
from extraction_agent.profiles import Gates
from extraction_agent.report import k6
from extraction_agent.report.evidence import ENOUGH_REQUESTS, Load

_FELT = 0.05  # of a limit: what is less nobody feels
_ALIKE = 0.02  # by which the lengths of two runs may differ
_GATES = Gates()

Outcome = Literal["kept", "broken", "better", "same", "worse", "not measured", ""]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of both runs. outcome: against the user's figure and against the run before; empty: not judged."""

    name: str
    before: str
    after: str
    rule: str
    floor: Outcome
    change: Outcome


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is printed and written."""

    verdict: Verdict
    because: str
    title: str
    rows: tuple[Row, ...]


def compare(before: Load, after: Load) -> Comparison:
    """Raises UsageError if the two are not of one kind."""
    _comparable(before, after)
    rows = (
        _latency("p50", before, after, None, None),
        _latency("p95", before, after, _GATES.p95_seconds, _GATES.tolerated_rise_of_p95),
        _latency("p99", before, after, _GATES.p99_seconds, _GATES.tolerated_rise_of_p99),
        _latency("max", before, after, None, None),
        _errors(before, after),
        _served(before, after),
        _pool(before, after),
        _timeouts("pool timeouts", before, after, k6.pool_timeouts),
        _timeouts("extractions failed", before, after, k6.extractions_failed),
        _shown("requests", f"{before.requests:,}", f"{after.requests:,}"),
        _shown("refused", _percent(before.refused, before.requests), _percent(after.refused, after.requests)),
        _shown("records/min beside", _records(before), _records(after)),
    )
    verdict, because = _judge(before, after, rows)
    title = f"{before.profile} → {after.profile}: {after.shape}, {after.users} users, {after.seconds:,.0f} s"
    return Comparison(verdict, because, title, rows)


def _comparable(before: Load, after: Load) -> None:
    if before.scenario != after.scenario and k6.UNNAMED not in (before.scenario, after.scenario):
        raise errors.UsageError(
            f"The first is of the scenario {before.scenario!r}, the second of {after.scenario!r}: not to be compared."
        )
    if before.profile == after.profile and _figures(before) == _figures(after):
        raise errors.UsageError(
            f"Both are one and the same run of {after.profile} ({after.requests:,} requests, each figure alike): give "
            "the run before and the run after."
        )
    if before.shape != after.shape:
        raise errors.UsageError(
            f"The first is of the shape {before.shape}, the second of {after.shape}: not to be compared."
        )
    if before.users != after.users:
        raise errors.UsageError(f"The first had {before.users} users, the second {after.users}: not to be compared.")
    if abs(before.scale - after.scale) > _ALIKE * before.scale:
        raise errors.UsageError(
            f"The first was to last {before.scale:.3g} of the user's minutes, the second {after.scale:.3g}: not to be "
            "compared."
        )


def _figures(load: Load) -> tuple[object, ...]:
    """What no two runs have in common."""
    return load.requests, load.failed, load.refused, load.seconds, load.latency_seconds


def _judge(before: Load, after: Load, rows: tuple[Row, ...]) -> tuple[Verdict, str]:
    broken = [f"{row.name} is {row.after}, asked is {row.rule}" for row in rows if row.floor == "broken"]
    worse = [f"{row.name} rose from {row.before} to {row.after}" for row in rows if row.change == "worse"]
    worse = [one.replace("rose", "fell") if one.startswith("served") else one for one in worse]
    unknown = [f"{row.name} was not measured" for row in rows if "not measured" in (row.floor, row.change)]
    unknown += [f"the run {when} was aborted" for when, one in _both(before, after) if one.aborted]
    unknown += [
        f"the run {when} made {one.requests:,} requests, too few for a p99 ({ENOUGH_REQUESTS:,})"
        for when, one in _both(before, after)
        if one.requests < ENOUGH_REQUESTS
    ]
    if broken or worse:
        return Verdict.NO_GO, "; ".join([*broken, *worse])
    if unknown:
        return Verdict.INCONCLUSIVE, "; ".join(unknown)
    return Verdict.GO, "every figure the user asked for is kept, and none became worse"


def _both(before: Load, after: Load) -> tuple[tuple[str, Load], tuple[str, Load]]:
    return ("before", before), ("after", after)


def _latency(name: str, before: Load, after: Load, limit: float | None, tolerated: float | None) -> Row:
    old, new = getattr(before.latency_seconds, name), getattr(after.latency_seconds, name)
    shown = f"{1000 * old:,.1f} ms", f"{1000 * new:,.1f} ms"
    if limit is None or tolerated is None:
        return _shown(name, *shown)
    change = _change(old, new, max(tolerated * old, _FELT * limit))
    return Row(name, *shown, f"< {1000 * limit:g} ms", "kept" if new < limit else "broken", change)


def _errors(before: Load, after: Load) -> Row:
    """A refusal is no error where the load is beyond what is promised; under the steady load it is."""
    counted = [one.failed + (one.refused if one.shape == "steady" else 0) for one in (before, after)]
    old, new = (count / one.requests for count, one in zip(counted, (before, after), strict=True))
    limit = _GATES.error_rate
    return Row(
        "errors", _percent(counted[0], before.requests), _percent(counted[1], after.requests), f"< {100 * limit:g} %",
        "kept" if new < limit else "broken", _change(old, new, _GATES.tolerated_rise_of_error_rate),
    )  # fmt: skip


def _served(before: Load, after: Load) -> Row:
    old, new = ((one.requests - one.failed - one.refused) / one.seconds for one in (before, after))
    change = _change(-old, -new, _GATES.tolerated_fall_of_throughput * old)
    return Row("served a second", f"{old:,.1f}", f"{new:,.1f}", "", "", change)


def _pool(before: Load, after: Load) -> Row:
    """Which k6 alone does not know."""
    limit = _GATES.pool_use
    full, share = after.fullest_pool, _use(after)
    floor: Outcome = "not measured" if share is None else "kept" if share < limit else "broken"
    name = f"fullest pool{f' ({full})' if full else ''} in use, p95"
    return Row(name, _share(_use(before)), _share(share), f"< {100 * limit:g} %", floor, "")


def _use(load: Load) -> float | None:
    return None if load.fullest_pool is None else load.pools[load.fullest_pool].use_p95


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{100 * value:.0f} %"


def _timeouts(name: str, before: Load, after: Load, of: Callable[[Load], int | None]) -> Row:
    old, new = of(before), of(after)
    floor: Outcome = "not measured" if new is None else "kept" if new == 0 else "broken"
    return Row(name, _or_not(old), _or_not(new), "0", floor, "")


def _shown(name: str, before: str, after: str) -> Row:
    return Row(name, before, after, "", "", "")


def _change(old: float, new: float, tolerated: float) -> Outcome:
    return "worse" if new - old > tolerated else "better" if old - new > tolerated else "same"


def _percent(count: int, of: int) -> str:
    return f"{100 * count / of:.2f} %"


def _or_not(value: int | None) -> str:
    return "not measured" if value is None else f"{value:,}"


def _records(load: Load) -> str:
    return "not measured" if load.records_per_minute is None else f"{load.records_per_minute:,.0f}"


def markdown(found: Comparison, files: tuple[Path, Path]) -> str:
    """The report."""
    lines = [
        f"# {found.verdict}: {found.title}",
        "",
        f"{found.because[0].upper()}{found.because[1:]}.",
        "",
        "| | before | after | asked | held | change |",
        "|---|--:|--:|--:|---|---|",
        *(
            f"| {row.name} | {row.before} | {row.after} | {row.rule} | {row.floor} | {row.change} |"
            for row in found.rows
        ),
        "",
        f"Before: `{files[0]}`. After: `{files[1]}`.",
        f"One run each: a change counts if it passes what a profile's gates tolerate and {_FELT:.0%} of the limit.",
        "",
    ]
    return "\n".join(lines)


def table(found: Comparison) -> str:
    """The same for a terminal."""
    cells = [("", "before", "after", "asked", "held", "change")]
    cells += [(row.name, row.before, row.after, row.rule, row.floor, row.change) for row in found.rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [found.title, ""]
    for row in cells:
        aligned = [
            cell.rjust(width) if 0 < column < 4 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(aligned).rstrip())
    return "\n".join([*lines, "", f"{found.verdict}: {found.because}."])


def main() -> int:
    """Returns the exit status: 0 GO, 1 NO-GO or INCONCLUSIVE, 2 a file that cannot be compared."""
    parser = argparse.ArgumentParser(
        prog="load-tests/compare-results.sh",
        description=__doc__,
        epilog="Exit status: 0 GO; 1 NO-GO, INCONCLUSIVE or the report cannot be written; 2 not to be compared.",
    )
    parser.add_argument("before", type=Path, metavar="BASELINE", help="k6's result: kept by OUTPUT, --summary-export")
    parser.add_argument("after", type=Path, metavar="OPTIMIZED", help="or --out json; the report is written beside it")
    options = parser.parse_args()
    files = (options.before, options.after)
    try:
        found = compare(k6.read(options.before), k6.read(options.after))
    except errors.ExtractionError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    print(table(found))
    report = options.after.with_name(f"{_stem(options.after)}-against-{_stem(options.before)}.md")
    try:
        report.write_text(markdown(found, files), encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"The report {report} cannot be written: {error.strerror}.\n")
        return 1
    print(f"Written to {report}.")
    return 0 if found.verdict is Verdict.GO else 1


def _stem(path: Path) -> str:
    return path.name.partition(".")[0] or path.name


if __name__ == "__main__":
    sys.exit(main())
