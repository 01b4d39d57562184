"""`python -m benchmarks.ab`: profiles against each other on the same data, the real daemon under each in turn."""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import bench as b
from benchmarks import machine, plans, sides
from benchmarks.ab import offered_load as offered
from benchmarks.ab.files import Writer
from benchmarks.ab.full_load import full_load
from benchmarks.ab.shown import shown
from extraction_agent import errors, profiles

_CALLS = 200  # of each main query
_STORED = 10  # times as many records stand in the store as the source has, 1,000,000 at most


def main() -> int:
    """Returns the exit status: 1, a profile failed or brought wrong records; 2, asked wrongly."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    try:
        chosen = [profiles.load(name.strip()) for name in options.profiles.split(",")]
        if len({profile.name for profile in chosen}) < len(chosen):
            raise errors.UsageError("A profile is named twice: give each one of its own.")
        least = offered.rows_each(options.offered)
        if options.rows < least:
            raise errors.UsageError(f"Take at least {least:,} --rows: an extraction of the offered load has so many.")
        _compare(chosen, options)
    except errors.ExtractionError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    return 0


def _compare(chosen: list[profiles.Profile], options: argparse.Namespace) -> None:
    writer = Writer(options.output, options.scenario, machine.command("python", "-m", "benchmarks.ab"))
    stored = min(_STORED * options.rows, 1_000_000)
    asked = sides.past(stored)
    with b.servers(store_settings=sides.STORE_SETTINGS) as bench:
        _tell(f"{options.rows:,} rows at the source, {stored:,} records in each profile's store …")
        bench.fill(options.rows)
        several = sides.prepare(bench, chosen, stored, offered.rows_each(options.offered))
        runs = full_load(bench, several, options.runs, _tell)
        writer.throughput(runs, options.rows)
        main_queries = {side.name: plans.timed(side.store_url, asked, _CALLS) for side in several}
        found = offered.offered_load(bench, several, options.runs, options.seconds, asked, _tell)
        writer.resources(found, options.offered)
        writer.queries(found, main_queries)
    for line in shown(several, runs, found, main_queries, options.offered):
        _tell(line)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ab",
        description=(
            "Profiles against each other: source and store are two servers of this machine, durability on; each run "
            "has a daemon of its own under its profile. First at full load, rounds in rotating order; then each under "
            "the same offered load with a few users beside it. Writes throughput.json, resources.json, queries.json."
        ),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--scenario", required=True, help="the scenario's name, which the files bear")
    add("--output", type=Path, required=True, metavar="DIR", help="where the files go: a run folder's testing/")
    add(
        "--profiles",
        metavar="A,B",
        default="baseline,optimized,adaptive",
        help="by name or file; the first is the old way",
    )
    add("--rows", type=_at_least(1), default=100_000, help="of the source's table")
    add("--runs", type=_at_least(1), default=5, help="rounds: runs of each profile, of both kinds")
    add("--seconds", type=_at_least(round(offered.EVERY)), default=60, help="of each run under the offered load")
    add("--offered", type=_at_least(10), default=20_000, help="records a minute of that load")
    return parser.parse_args()


def _at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is less than {least}")
        return number

    return parse


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
