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
the same without it; and an extraction with it from whose midst pgbench is stopped. Medians of the rounds are printed.
"""

import argparse
import ctypes
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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import sql as q

from extraction_agent import embedded

EXTRACTCTL = Path(sys.executable).parent / "extractctl"
CLIENTS = 8
SETTLE = 3.0  # s that pgbench runs before anything is measured
ALONE = 6.0  # s of pgbench alone, before an extraction and after it
CHUNK_ROWS = 50_000
_AUTOGROUP = Path("/proc/sys/kernel/sched_autogroup_enabled")
_CONGESTION_CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")
_CLONE_NEWNET = 0x40000000  # of unshare(2)

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
        with on(self.cores):
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
    """One `extractctl extract` into a store of its own."""

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
        self.begun = time.time()
        self._process = subprocess.Popen(
            [EXTRACTCTL, "extract", place.source.url(), "--table", "moved", "--store", url, "--format", format_,
             "--profile", str(profile_file), "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self.running.add(self._process)

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
        own_network()
    with (
        embedded.folder() as folder,
        embedded.folder() if together else memory() as fast,
        nullcontext() if together else no_autogroup(),
        ExitStack() as running,
    ):
        of_source, of_store = (folder, fast) if on_disk else (fast, folder)
        with on(its):
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


@contextmanager
def on(cores: list[int]) -> Iterator[None]:
    """What is started inside runs on these."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def own_network() -> None:
    """A network that only this process and its children are in."""
    with _CONGESTION_CONTROL.open("r+", encoding="ascii") as of_host:  # a new network takes over the host's
        before = of_host.read()
        try:
            _CONGESTION_CONTROL.write_text("cubic", encoding="ascii")
            if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "this benchmark needs root, for a network of its own")
        finally:
            of_host.seek(0)
            of_host.write(before)
    subprocess.run(["ip", "link", "set", "lo", "up", "mtu", "1500"], check=True)


@contextmanager
def no_autogroup() -> Iterator[None]:
    """The scheduler's classes hold between sessions, too."""
    before = _AUTOGROUP.read_text(encoding="ascii") if _AUTOGROUP.exists() else None
    if before is not None:
        _AUTOGROUP.write_text("0", encoding="ascii")
    try:
        yield
    finally:
        if before is not None:
            _AUTOGROUP.write_text(before, encoding="ascii")


@contextmanager
def memory() -> Iterator[Path]:
    """A folder in memory that the server's user may enter."""
    with tempfile.TemporaryDirectory(prefix="extraction-", dir="/dev/shm", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@dataclass
class Round:
    """What was measured, one after the other."""

    free: float  # rows/s of an extraction alone
    alone: float  # p95 of pgbench around the next, ms
    guarded: float  # beside an extraction with the guard
    guarded_speed: float  # of the extraction
    alone_too: float  # around the next
    unguarded: float
    unguarded_speed: float
    back: float  # s from pgbench's end until the extraction moved at full speed again
    load: float  # of the machine, the mean of the last minute


def measure(place: Place, *, guarded: bool, **guard: object) -> tuple[float, float, float]:
    """p95 before and after an extraction, p95 beside it, and its rows per second."""
    with place.load() as load:
        begun = time.time()
        time.sleep(ALONE)
        extraction = Extraction(place, profile(place.folder, guarded=guarded, **guard))
        speed = extraction.wait()
        time.sleep(SETTLE)  # what waits in pgbench for its turn
        after = time.time()
        time.sleep(ALONE)
        ended = time.time()
        time.sleep(0.5)  # pgbench writes its log by the block
        alone = load.latencies(begun, begun + ALONE) + load.latencies(after, ended)
        beside = load.latencies(extraction.begun, extraction.ended)
    extraction.drop()
    return p95(sorted(alone)), p95(beside), speed


def free_speed(place: Place) -> float:
    extraction = Extraction(place, profile(place.folder, guarded=True))
    speed = extraction.wait()
    extraction.drop()
    return speed


def back_to_full(place: Place, free: float, *, of_free: float = 0.8, window: float = 1.0) -> float:
    """Seconds from pgbench's end until the window begins in which the extraction moves at full speed."""
    with place.load() as load:
        extraction = Extraction(place, profile(place.folder, guarded=True))
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
    free = free_speed(place)
    alone, guarded, guarded_speed = measure(place, guarded=True, **guard)
    alone_too, unguarded, unguarded_speed = measure(place, guarded=False)
    back = back_to_full(place, free)
    load = os.getloadavg()[0]
    return Round(free, alone, guarded, guarded_speed, alone_too, unguarded, unguarded_speed, back, load)


def table(rounds: list[Round], place: Place, capacity: float) -> str:
    """Medians, with the least and the most rise of a round."""

    def median(name: str) -> float:
        return statistics.median(float(getattr(one, name)) for one in rounds)

    def row(words: str, name: str, alone: str) -> str:
        rises = sorted(getattr(one, name) / getattr(one, alone) - 1 for one in rounds)
        speed, of_free = f"{name}_speed", statistics.median(getattr(one, f"{name}_speed") / one.free for one in rounds)
        rise = f"{statistics.median(rises):+.0%} ({rises[0]:+.0%} to {rises[-1]:+.0%})"
        return f"| {words} | {median(name):.1f} | {rise} | {median(speed):,.0f} | {of_free:.0%} |"

    lines = (
        f"pgbench {place.script}, {CLIENTS} clients: {capacity:,.0f} tps unlimited, {place.rate:,.0f} asked for;",
        f"{len(rounds)} rounds of {place.rows:,} rows; load of the machine {median('load'):.1f}",
        "",
        "| | p95 of pgbench, ms | its rise, median (least to most) | extraction, rows/s | of its free speed |",
        "|---|---|---|---|---|",
        f"| alone | {median('alone'):.1f} | | {median('free'):,.0f} | |",
        row("with the guard", "guarded", "alone"),
        row("without", "unguarded", "alone_too"),
        "",
        f"After pgbench's end at full speed again within {median('back'):.1f} s,",
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
