"""What a source feels of an extraction, with the guard and without: pgbench at half of what it can do, beside it.

.venv/bin/python -m benchmarks.source_guard [--rounds 5] [--rows 3000000] [--script tpcb-like|select-only]
    [--source-on memory|disk] [--together] [--guard tolerated_rise=0.3 max_share_of_time=0.2 ...]

A source is a machine of its own, which shares neither cores nor disk with the store and with us. Here half of the cores
are its and pgbench's, the other half the store's and ours, and one of the two servers has its files in memory. They
talk as hosts do: packets of 1,500 bytes, congestion control as Debian has it (cubic), in a network of this process's
own. Within its half nothing is shared by sessions (autogroup), which would split it between pgbench and the server.
Needs root, for all that. --together: all of them share all cores and the disk.
--guard: other settings than the profile's. A share as it is, without a law: a tolerated_rise of 10.
--source-on disk: pgbench's transactions wait for their WAL, as they do in production; memory: for cores only.

Every round, one after the other: the extraction alone; pgbench before, beside and after an extraction with the guard;
the same without it; the same beside a process on the source's core that only computes, in stretches as short as ours,
for as much of the time as the source works for 30 % of the free speed; and an extraction with it from whose midst
pgbench is stopped. Medians of the rounds are printed.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

import psycopg
from psycopg import sql as q

from benchmarks import two_hosts, usage
from extraction_agent import embedded

EXTRACTCTL = Path(sys.executable).parent / "extractctl"
CLIENTS = 8
SETTLE = 3.0  # s that pgbench runs before anything is measured
ALONE = 6.0  # s of pgbench alone, before an extraction and after it
COMPUTING = 10.0  # s beside a process that only computes
CHUNK_ROWS = 50_000
ASKED = 0.3  # of its free speed, that an extraction was to keep
STRETCH = 0.0004  # s that a session of ours runs at a time, with a narrow connection
_BURNER = Path(__file__).with_name("burner.py")

_TABLE = """
CREATE TABLE moved AS
SELECT n AS id, 'name of ' || n AS name, n * 1.25 AS amount, timestamptz '2024-01-01 UTC' + n * interval '1 min' AS at,
       md5(n::text) AS payload
FROM generate_series(1, {rows}) AS n
"""


@dataclass
class Place:
    """A source with pgbench's tables and one that is extracted, and a store."""

    source: embedded.Server
    store: embedded.Server
    folder: Path
    rows: int
    script: str
    cores: list[int]  # its, and pgbench's
    rate: float = 0.0

    def prepare(self, scale: int) -> None:
        with psycopg.connect(self.source.url(), autocommit=True) as connection:
            connection.execute(q.SQL(_TABLE).format(rows=q.Literal(self.rows)))
            connection.execute("ALTER TABLE moved ADD PRIMARY KEY (id)")
        self._pgbench("-i", "-q", "-s", str(scale)).wait()
        with psycopg.connect(self.source.url(), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")

    def _pgbench(self, *arguments: str) -> "subprocess.Popen[str]":
        address = ["-h", "127.0.0.1", "-p", str(self.source.port), "-U", "postgres"]
        with two_hosts.on(self.cores):
            return subprocess.Popen(
                [self.source.bin / "pgbench", *address, *arguments, "postgres"],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder,
                start_new_session=True,  # with --together the scheduler shares the cores among sessions
            )  # fmt: skip

    def capacity(self, seconds: int) -> float:
        """Transactions per second that pgbench reaches unlimited."""
        told = self._pgbench("-n", "-b", self.script, "-c", str(CLIENTS), "-j", "2", "-T", str(seconds)).communicate()[
            0
        ]
        (line,) = [line for line in told.splitlines() if line.startswith("tps")]
        return float(line.split()[2])

    @contextmanager
    def load(self) -> "Iterator[Load]":
        """pgbench at the rate, until the block ends."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            Path(folder).chmod(0o755)
            arguments = ["-n", "-b", self.script, "-c", str(CLIENTS), "-j", "2", "-T", "600", "-R", f"{self.rate:.0f}"]
            running = self._pgbench(*arguments, "-l", f"--log-prefix={folder}/log")
            load = Load(running, Path(folder))
            try:
                time.sleep(SETTLE)
                yield load
            finally:
                load.stop()


@dataclass
class Load:
    """A running pgbench."""

    process: "subprocess.Popen[str]"
    folder: Path
    marks: list[float] = field(default_factory=list)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()

    def latencies(self, begin: float, end: float) -> list[float]:
        """In ms, of the transactions that ended in this time. The last lines of a stopped pgbench are not written."""
        found = []
        for log in self.folder.glob("log*"):
            for line in log.read_text().splitlines():
                parts = line.split()
                if len(parts) >= 6 and begin <= float(parts[4]) + float(parts[5]) / 1e6 <= end:
                    found.append(float(parts[2]) / 1000)
        return sorted(found)


def p95(values: list[float]) -> float:
    return values[len(values) * 95 // 100]


def profile(folder: Path, *, guarded: bool, **guard: object) -> Path:
    """A profile file, `optimized` but for the guard and smaller chunks, so that progress can be seen."""
    lines = [f"    enabled: {str(guarded).lower()}", *(f"    {key}: {value}" for key, value in guard.items())]
    path = folder / f"{'guarded' if guarded else 'unguarded'}.yml"
    path.write_text(
        f"name: measured\ndescription: For the benchmark.\nextends: optimized\nsettings:\n"
        f"  batch:\n    chunk_rows: {CHUNK_ROWS}\n  source_guard:\n" + "\n".join(lines) + "\n"
    )
    return path


class Extraction:
    """One `extractctl extract` into a store of its own, which is made before."""

    _made = 0
    running: ClassVar[set["subprocess.Popen[str]"]] = set()

    def __init__(self, place: Place, profile_file: Path, format_: str = "json") -> None:
        Extraction._made += 1
        self._name = f"store_{Extraction._made}"
        self._place = place
        with psycopg.connect(place.store.url(), autocommit=True) as connection:
            connection.execute(q.SQL("CREATE DATABASE {}").format(q.Identifier(self._name)))
        url = place.store.url(self._name)
        subprocess.run([EXTRACTCTL, "store", "init", "--store", url], check=True, capture_output=True)
        self._command = [
            str(EXTRACTCTL), "extract", place.source.url(), "--table", "moved", "--store", url, "--format", format_,
            "--profile", str(profile_file), "--json",
        ]  # fmt: skip

    def begin(self) -> Self:
        self.begun = time.time()
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.running.add(self._process)
        return self

    def wait(self) -> float:
        """To its end. Returns rows per second."""
        out, err = self._process.communicate()
        self.ended = time.time()
        self.running.discard(self._process)
        assert self._process.returncode == 0, (out, err)
        return self._place.rows / (self.ended - self.begun)

    def copied(self) -> int:
        """Chunks done so far."""
        ours = "extraction-agent benchmark"  # or the store's guard would take us for somebody to spare
        url = self._place.store.url(self._name)
        with psycopg.connect(url, autocommit=True, application_name=ours) as connection:
            row = connection.execute("SELECT count(*) FROM extraction_chunks WHERE state = 'done'").fetchone()
        assert row is not None
        return int(row[0])

    def drop(self) -> None:
        with psycopg.connect(self._place.store.url(), autocommit=True) as connection:
            connection.execute(q.SQL("DROP DATABASE {} WITH (FORCE)").format(q.Identifier(self._name)))
            connection.execute("CHECKPOINT")


@contextmanager
def place(rows: int, script: str, *, on_disk: bool, together: bool, scale: int = 10) -> Iterator[Place]:
    """on_disk: the source's files; the store's are elsewhere then, unless all is together."""
    settings = {"shared_buffers": "'256MB'", "max_wal_size": "'8GB'", "checkpoint_timeout": "'30min'"}
    cores = sorted(os.sched_getaffinity(0))
    its, ours = (cores, cores) if together else (cores[: len(cores) // 2], cores[len(cores) // 2 :])
    if not together:
        two_hosts.own_network()
    with (
        embedded.folder() as folder,
        embedded.folder() if together else two_hosts.memory() as fast,
        nullcontext() if together else two_hosts.no_autogroup(),
        ExitStack() as running,
    ):
        of_source, of_store = (folder, fast) if on_disk else (fast, folder)
        with two_hosts.on(its):
            bigger = {**settings, "shared_buffers": "'1GB'"}
            source = running.enter_context(embedded.Server(of_source / "source", bigger))
        os.sched_setaffinity(0, ours)
        store = running.enter_context(embedded.Server(of_store / "store", settings))
        made = Place(source, store, folder, rows, script, its)
        made.prepare(scale)
        try:
            yield made
        finally:
            for left in Extraction.running:  # they have sessions of their own, so a Ctrl-C does not reach them
                left.kill()


@dataclass(frozen=True)
class Beside:
    """pgbench around something and beside it."""

    alone: float  # p95 before and after, ms
    p95: float  # beside it, ms
    speed: float = 0.0  # of an extraction, rows/s

    @property
    def rise(self) -> float:
        return self.p95 / self.alone - 1


@dataclass(frozen=True)
class Round:
    """What was measured, one after the other."""

    free: float  # rows/s of an extraction alone
    guarded: Beside  # an extraction with the guard
    unguarded: Beside
    core: float  # the share of the source's core that 30 % of the free speed take, computed from the first
    computing: Beside  # a process that takes as much, and only computes
    back: float  # s from pgbench's end until the extraction moved at full speed again
    load: float  # of the machine, the mean of the last minute


@contextmanager
def beside(place: Place, found: list[Beside]) -> "Iterator[Load]":
    """pgbench before, beside and after the block; `found` gets what it felt of it."""
    with place.load() as load:
        before = time.time()
        time.sleep(ALONE)
        begun = time.time()
        yield load
        ended = time.time()
        time.sleep(SETTLE)  # what waits in pgbench for its turn
        after = time.time()
        time.sleep(ALONE)
        end = time.time()
        time.sleep(0.5)  # pgbench writes its log by the block
        alone = load.latencies(before, before + ALONE) + load.latencies(after, end)
        found.append(Beside(p95(sorted(alone)), p95(load.latencies(begun, ended))))


def extracting(place: Place, *, guarded: bool, **guard: object) -> Beside:
    found: list[Beside] = []
    extraction = Extraction(place, profile(place.folder, guarded=guarded, **guard))
    with beside(place, found):
        speed = extraction.begin().wait()
    extraction.drop()
    return replace(found[0], speed=speed)


def computing(place: Place, share: float) -> Beside:
    """Beside a process that computes on the source's core for this share of the time."""
    found: list[Beside] = []
    with beside(place, found), two_hosts.on(place.cores):
        figures = (share, STRETCH, COMPUTING)
        subprocess.run([sys.executable, _BURNER, *map(str, figures)], check=True, start_new_session=True)
    return found[0]


def free_speed(place: Place) -> tuple[float, float]:
    """Rows per second of an extraction alone, and the share of a core that it takes at the source."""
    assert place.source.pid is not None
    extraction = Extraction(place, profile(place.folder, guarded=True))
    before = usage.cpu_seconds(place.source.pid)
    speed = extraction.begin().wait()
    core = (usage.cpu_seconds(place.source.pid) - before) / (extraction.ended - extraction.begun)
    extraction.drop()
    return speed, core


def back_to_full(place: Place, free: float, *, of_free: float = 0.8, window: float = 1.0) -> float:
    """Seconds from pgbench's end until the window begins in which the extraction moves at full speed."""
    extraction = Extraction(place, profile(place.folder, guarded=True))
    with place.load() as load:
        extraction.begin()
        time.sleep(6)
        load.stop()
    stopped = time.time()
    looks: list[tuple[float, int]] = []
    while time.time() - stopped < 30:
        looks.append((time.time(), extraction.copied() * CHUNK_ROWS))
        now, rows = looks[-1]
        earlier = [(then, had) for then, had in looks if then <= now - window]
        if earlier and (rows - earlier[-1][1]) / (now - earlier[-1][0]) >= of_free * free:
            break
        if rows >= place.rows:
            raise RuntimeError("the extraction ended before it was back at full speed: take more --rows")
        time.sleep(0.1)
    back = looks[-1][0] - window - stopped
    extraction.wait()
    extraction.drop()
    return max(back, 0.0)


def one_round(place: Place, guard: dict[str, str]) -> Round:
    free, core = free_speed(place)
    guarded = extracting(place, guarded=True, **guard)
    unguarded = extracting(place, guarded=False)
    asked = ASKED * core
    beside_computing = computing(place, asked)
    back = back_to_full(place, free)
    return Round(free, guarded, unguarded, asked, beside_computing, back, os.getloadavg()[0])


def table(rounds: list[Round], place: Place, capacity: float) -> str:
    """Medians, with the least and the most rise of a round."""
    free = statistics.median(one.free for one in rounds)
    busy = statistics.median(one.load for one in rounds)
    core = statistics.median(one.core for one in rounds)

    def row(words: str, found: list[Beside]) -> str:
        rises = sorted(one.rise for one in found)
        rise = f"{statistics.median(rises):+.0%} ({rises[0]:+.0%} to {rises[-1]:+.0%})"
        speed = statistics.median(one.speed for one in found)
        of_free = statistics.median(one.speed / each.free for one, each in zip(found, rounds, strict=True))
        moved = f"{speed:,.0f} | {of_free:.0%}" if speed else "|"
        return f"| {words} | {statistics.median(one.p95 for one in found):.1f} | {rise} | {moved} |"

    lines = (
        f"pgbench {place.script}, {CLIENTS} clients: {capacity:,.0f} tps unlimited, {place.rate:,.0f} asked for;",
        f"{len(rounds)} rounds of {place.rows:,} rows; load of the machine {busy:.1f}",
        "",
        "| | p95 of pgbench, ms | its rise, median (least to most) | extraction, rows/s | of its free speed |",
        "|---|---|---|---|---|",
        f"| alone | {statistics.median(one.guarded.alone for one in rounds):.1f} | | {free:,.0f} | |",
        row("with the guard", [one.guarded for one in rounds]),
        row("without", [one.unguarded for one in rounds]),
        row(f"beside what only computes, {core:.1%} of the core", [one.computing for one in rounds]),
        "",
        f"Those {core:.1%} are what the source works for {ASKED:.0%} of the free speed.",
        f"After pgbench's end at full speed again within {statistics.median(one.back for one in rounds):.1f} s,",
        f"{max(one.back for one in rounds):.1f} s at most.",
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--script", choices=("tpcb-like", "select-only"), default="tpcb-like")
    parser.add_argument("--source-on", choices=("memory", "disk"), default="memory", help="where its files are")
    parser.add_argument("--guard", nargs="+", default=[], metavar="SETTING=VALUE", help="of the profile's source_guard")
    parser.add_argument("--together", action="store_true", help="source, store and agent share all cores and the disk")
    parser.add_argument("--json", action="store_true", help="every round's figures instead of the table")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or what was set on this host would stay
    on_disk = options.source_on == "disk"
    with place(options.rows, options.script, on_disk=on_disk, together=options.together) as made:
        capacity = made.capacity(8)
        made.rate = capacity / 2
        rounds = []
        for _ in range(options.rounds):
            rounds.append(one_round(made, dict(setting.split("=") for setting in options.guard)))
            print(rounds[-1], file=sys.stderr, flush=True)
        print(json.dumps([asdict(one) for one in rounds]) if options.json else table(rounds, made, capacity))


if __name__ == "__main__":
    main()
