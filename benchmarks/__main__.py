"""`python -m benchmarks`: ours beside the tools people know, on two servers of this machine, in one run."""

import argparse
import datetime
import signal
import sys
from pathlib import Path

from benchmarks import bench as b
from benchmarks import facts, history, machine, report
from benchmarks.contestants import json_field, old_way_field, typed_field
from benchmarks.contestants.protocol import Contestant
from benchmarks.contestants.python_peers import install
from benchmarks.rounds import measure

_ROOT = Path(__file__).parents[1]
_PAGE = _ROOT / "docs" / "benchmarks.md"
_HISTORY = _ROOT / "benchmarks" / "results" / "history.jsonl"  # of the smoke
_SMOKE_ROWS = 2_000_000  # a process start is then a small part of either
_SMOKE_RUNS = 3
_SMOKE_LEAST = 0.5  # × psql: room for a noisy machine, none for a relay that has become slow


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    found = report.Report(
        machine.describe(),
        datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine.command("python", "-m", "benchmarks"),
    )
    if options.smoke:
        return _smoke(options.history)
    not_installed = None if options.no_install else install()
    with b.servers(options.bin_directory) as bench:
        if options.format in ("typed", "both"):
            field = typed_field(not_installed)
            _compare(bench, found, "Typed: a table into a table of the same columns", options.rows, field, options)
        if options.format in ("json", "both"):
            title = "json: one JSON value a row into extraction_data, the user's index in place"
            _compare(bench, found, title, options.json_rows, json_field(), options)
        if options.old_way_rows:
            title = "The old way: the profile baseline, one INSERT and one commit a row"
            _compare(bench, found, title, options.old_way_rows, old_way_field(), options)
        if options.facts:
            _facts(bench, found, options)
    report.write(found, options.output, _PAGE if options.page else None)
    _tell(report.markdown(found))
    wrong = [result.name for section in found.sections for result in section.results if result.wrong]
    if wrong:
        _tell(f"WRONG RESULTS: {', '.join(wrong)}")
    ours = [section.results[0] for section in found.sections]
    return 1 if any(result.wrong or not result.runs for result in ours) else 0


def _compare(
    bench: b.Bench, found: report.Report, title: str, rows: int, field: list[Contestant], options: argparse.Namespace
) -> None:
    names = [name.strip().lower() for name in options.only.split(",")] if options.only else []
    chosen = [c for c in field if c is field[0] or not names or any(c.name.lower().startswith(n) for n in names)]
    _tell(f"{title}: {rows:,} rows, {options.runs} rounds of {len(chosen)}")
    bench.fill(rows)
    results = measure(bench, chosen, options.runs, _tell)
    found.sections.append(report.Section(title, rows, bench.server_version(), results))


def _facts(bench: b.Bench, found: report.Report, options: argparse.Namespace) -> None:
    bench.fill(min(options.rows, 1_000_000))
    for kind in b.KINDS:
        found.facts[f"What the manifest costs, {kind}"] = facts.manifest_cost(bench, kind, options.runs, _tell)
    rows = [int(text) for text in options.memory_rows.split(",")]
    for kind in b.KINDS:
        found.facts[f"Peak memory of the extracting process, {kind}"] = facts.memory_by_rows(bench, kind, rows, _tell)
        found.facts[f"A value of 50 MB among 200,000 rows, {kind}"] = facts.large_value(bench, kind, _tell)


def _smoke(kept: Path) -> int:
    """For CI: ours and psql only; 1 if ours is far slower than it should be. kept: its history."""
    with b.servers() as bench:
        bench.fill(_SMOKE_ROWS)
        results = measure(bench, typed_field(None)[:2], _SMOKE_RUNS, _tell)
        section = report.Section("smoke", _SMOKE_ROWS, bench.server_version(), results)
    found = [report.summary(result, section) for result in results]
    if found[0] is None or found[1] is None:
        return 1
    ratio = found[1]["ratio"]
    _tell(f"ours is {ratio:.2f} × {results[1].name} (at least {_SMOKE_LEAST} is asked; {history.told(kept)})")
    told = {"machine": machine.describe(), "rows": _SMOKE_ROWS, "least": _SMOKE_LEAST, "ratio": ratio}
    seconds = {result.name: [round(run.seconds, 3) for run in result.runs] for result in results}
    history.add(kept, told | {"seconds": seconds})
    return 0 if ratio >= _SMOKE_LEAST else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(
            "Runs this project beside psql | psql, pgcopydb, ADBC, Sling and dlt: the same rows between the same two "
            "servers on this machine, durability on, round by round in rotating order. What arrives is checked by SQL; "
            "a wrong result is disqualified. Writes a JSON file and the generated part of docs/benchmarks.md."
        ),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--rows", type=int, default=10_000_000, help="rows of the typed comparison")
    add("--json-rows", type=int, default=5_000_000, help="rows of the json comparison")
    add("--old-way-rows", type=int, default=100_000, help="rows of the comparison with the profile baseline; 0: none")
    add("--runs", type=int, default=5, help="rounds: runs of each contestant")
    add("--only", metavar="NAMES", default="", help="only contestants whose names begin so, by comma; ours always")
    add("--format", choices=("typed", "json", "both", "none"), default="both", help="which comparisons to run")
    add("--facts", action=argparse.BooleanOptionalAction, default=True, help="the manifest's cost, memory")
    add("--memory-rows", default="1000000,10000000", help="rows at which memory is measured, by comma")
    add("--output", type=Path, default=_ROOT / "benchmarks" / "results" / "latest.json", help="the JSON file")
    add("--page", action=argparse.BooleanOptionalAction, default=False, help="renew docs/benchmarks.md")
    add("--no-install", action="store_true", help="do not install the peers from PyPI into .venv-bench")
    add("--bin-directory", type=Path, help="a PostgreSQL's bin directory for both servers; the embedded 18 without")
    add("--smoke", action="store_true", help=f"for CI: ours beside psql only; 1 if below {_SMOKE_LEAST} of its speed")
    add("--history", type=Path, default=_HISTORY, help="of the smoke: a file that each run of it adds a line to")
    return parser.parse_args()


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
