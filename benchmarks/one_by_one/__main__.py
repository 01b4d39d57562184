"""`python -m benchmarks.one_by_one`: each optimization switched on in the old way, and taken away from the new."""

import argparse
import datetime
import signal
import sys
from pathlib import Path

from benchmarks import bench as b
from benchmarks import machine, plans, redis_server, sides
from benchmarks.one_by_one import alone, page
from benchmarks.one_by_one.derived import OPTIMIZATIONS, Variant, group
from benchmarks.one_by_one.page import Group, Report
from benchmarks.one_by_one.turn import SLOW, turn
from benchmarks.sides import Side
from extraction_agent import errors, profiles

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "explanation" / "techniques.md"
_RESULTS = _ROOT / "benchmarks" / "results"
_CALLS = 200  # of each query
_WARM = 1000  # rows that make a daemon warm


def main() -> int:
    """Returns the exit status: 1, something failed; 2, asked wrongly."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    try:
        report = page.read(options.from_file) if options.from_file else _measure(options)
        if not options.from_file:
            page.write(report, options.output or _RESULTS / f"{report.date[:10]}-one-by-one.json")
        if options.page:
            page.renew(_PAGE, report)
        _tell(page.markdown(report))
    except errors.ExtractionError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    return 0


def _measure(options: argparse.Namespace) -> Report:
    baseline, optimized = profiles.load("baseline"), profiles.load("optimized")
    chosen = [one for one in OPTIMIZATIONS if options.only in (None, one.key)]
    groups = [
        ("One switched on in `baseline`", group(baseline, optimized, "with", chosen), optimized),
        ("One taken away from `optimized`", group(optimized, baseline, "without", chosen), baseline),
    ]
    asked = sides.past(options.stored_rows)
    with b.servers(store_settings=sides.STORE_SETTINGS) as bench, redis_server.running(bench.folder / "redis") as redis:
        report = _report(options, redis)
        bench.fill(options.rows)
        report.alone += alone.reading(bench, options.slow_rows, options.runs)
        report.alone += alone.writing(bench, options.slow_rows, options.runs)
        report.alone += alone.source_index(bench, options.runs)
        _tell("reading, writing and a source's index by themselves: measured")
        sides.cut(bench, SLOW, options.slow_rows)
        every = [one.profile for _, variants, _ in groups for one in variants]
        prepared = {side.name: side for side in sides.prepare(bench, every, options.stored_rows, _WARM)}
        report.queries["without"] = plans.timed(prepared["baseline"].store_url, asked, _CALLS)
        report.queries["with"] = plans.timed(prepared["optimized"].store_url, asked, _CALLS)
        report.groups += [_group(title, variants) for title, variants, _ in groups]
        for number in range(options.runs):
            _round(bench, number, [prepared[profile.name] for profile in every], report, options, redis)
    for made, (_, _, other) in zip(report.groups, groups, strict=True):  # the other end, for comparison
        made.names[other.name] = f"`{other.name}`: all of them" if made is report.groups[0] else f"`{other.name}`: none"
        made.turns[other.name] = next(one.turns[other.name] for one in report.groups if other.name in one.turns)
    return report


def _report(options: argparse.Namespace, redis: str | None) -> Report:
    return Report(
        machine=machine.describe(),
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=machine.command("python", "-m", "benchmarks.one_by_one"),
        rows=options.rows,
        slow_rows=options.slow_rows,
        stored_rows=options.stored_rows,
        users=options.users,
        seconds=options.seconds,
        cache="The cache is a Redis on this machine." if redis else "No Redis is here: the cache is the daemon's own.",
    )


def _group(title: str, variants: list[Variant]) -> Group:
    names = {one.profile.name: f"`{one.profile.name}`" if one.differs is None else one.differs.name for one in variants}
    return Group(title, names, {name: [] for name in names})


def _round(
    bench: b.Bench, number: int, several: list[Side], report: Report, options: argparse.Namespace, redis: str | None
) -> None:
    """Every profile once, in an order that rotates."""
    asked = sides.past(options.stored_rows)
    for place in range(len(several)):
        side = several[(place + number) % len(several)]
        made = turn(bench, side, asked, options.users, options.seconds, redis)
        next(one for one in report.groups if side.name in one.turns).turns[side.name].append(made)
        told = ", ".join(f"{name} {figure:,.4g}" for name, figure in made.figures.items())
        _tell(f"round {number + 1}: {side.name}: {told}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.one_by_one",
        description=(
            f"Measures what each of {len(OPTIMIZATIONS)} optimizations brings: the profile baseline with one of them "
            "switched on, the profile optimized with one taken away, each under a real daemon; and reading, writing "
            "and indexes by themselves."
        ),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--rows", type=int, default=1_000_000, help="of the source's table, for profiles that stream")
    add("--slow-rows", type=int, default=10_000, help="of these, for profiles that go row by row")
    add("--stored-rows", type=int, default=500_000, help="records that stand in each store")
    add("--runs", type=int, default=5, help="rounds")
    add("--users", type=int, default=100, help="who ask at once")
    add("--seconds", type=float, default=6, help="how long users ask, three times in each turn")
    add("--only", choices=[one.key for one in OPTIMIZATIONS], help="one of the optimizations instead of all")
    add("--output", type=Path, help="the JSON file; without it benchmarks/results/DATE-one-by-one.json")
    add("--from", dest="from_file", type=Path, metavar="FILE", help="measure nothing, show a result of before")
    add("--page", action="store_true", help="renew the generated part of docs/explanation/techniques.md")
    options = parser.parse_args()
    if (
        not 0 < options.slow_rows <= options.rows
        or min(options.runs, options.users) < 1
        or options.seconds <= 0
        or options.stored_rows < 1
    ):
        parser.error("take at least 1 row, run, user, second and stored row, and no more --slow-rows than --rows")
    return options


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
