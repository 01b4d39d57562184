"""One extraction by `extractctl`, one fault at a random moment, and what must be true afterwards."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql as q

from extraction_agent import embedded

EXTRACTCTL = Path(sys.executable).parent / "extractctl"
OURS = "extraction-agent"  # how the application name of each of our backends begins
CHUNKS_IN_FLIGHT = 2  # of the profile `optimized`
PATIENCE = 90.0  # s for a command to end, faults included

# What is compared never changes; `touched` is what the writer beside the extraction changes.
SOURCE_SQL: LiteralString = """
CREATE TABLE {name} AS
SELECT n AS id, 'name of ' || n AS name, n * 1.25 AS amount, timestamptz '2024-01-01 UTC' + n * interval '1 min' AS at,
       repeat(md5(n::text), 6) AS payload, 0 AS touched
FROM generate_series(1, {rows}) AS n
"""
COMPARED: LiteralString = (
    "count(*), count(DISTINCT id), sum(id), sum(hashtextextended(concat_ws('|', id, name, amount, at, payload), 0))"
)
FROM_JSON: LiteralString = (
    "SELECT * FROM extraction_data, json_to_record(data) "
    "AS r(id int, name text, amount numeric, at timestamptz, payload text)"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What is extracted, and how."""

    name: str
    table: str
    arguments: tuple[str, ...]


KINDS = (
    Kind("json, key, chunk", "keyed", ("--format", "json")),
    Kind("typed, key, one snapshot", "keyed", ("--format", "typed", "--consistency", "snapshot")),
    Kind("json, ctid", "loose", ("--format", "json")),
    Kind("typed, key, chunk", "keyed", ("--format", "typed")),
    Kind("json, key, one snapshot", "keyed", ("--format", "json", "--consistency", "snapshot")),
    Kind("typed, ctid", "loose", ("--format", "typed")),
)


@dataclass(slots=True)
class Bench:
    """Two servers, a source with rows and a template of an empty store."""

    source: embedded.Server
    store: embedded.Server
    rows: int
    _made: int = 0

    def fill(self) -> None:
        with psycopg.connect(self.source.url(), autocommit=True) as connection:
            for name in ("keyed", "loose"):
                connection.execute(q.SQL(SOURCE_SQL).format(name=q.Identifier(name), rows=q.Literal(self.rows)))
            connection.execute("ALTER TABLE keyed ADD PRIMARY KEY (id)")
            connection.execute("CREATE INDEX ON loose (id)")
            connection.execute("VACUUM ANALYZE")

    def new_store(self) -> str:
        """A fresh, prepared store database. Returns its name."""
        self._made += 1
        name = f"store_{self._made}"
        with psycopg.connect(self.store.url(), autocommit=True) as connection:
            for (old,) in connection.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE 'store\\_%'"
            ).fetchall():
                connection.execute(q.SQL("DROP DATABASE {} WITH (FORCE)").format(q.Identifier(old)))
            connection.execute(q.SQL("CREATE DATABASE {}").format(q.Identifier(name)))
        done = run("store", "init", "--store", self.store.url(name))
        assert done.returncode == 0, done.stderr
        return name


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `extractctl` to its end."""
    done = subprocess.run(
        [EXTRACTCTL, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def begin(*arguments: str) -> "subprocess.Popen[str]":
    """Start `extractctl`, which tells where its threads are when it is aborted."""
    return subprocess.Popen(
        [EXTRACTCTL, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
    )


def rows(url: str, query: LiteralString | q.SQL | q.Composed, *parameters: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query, parameters or None).fetchall()


def execute(url: str, *statements: LiteralString | q.SQL | q.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


class Writer:
    """Updates rows of a table all along, so that their places change; survives the server's faults."""

    def __init__(self, url: str, table: str, highest: int) -> None:
        self._url, self._table, self._highest = url, table, highest
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.updates = 0

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _write(self) -> None:
        statement = q.SQL("UPDATE {} SET touched = touched + 1 WHERE id BETWEEN %s AND %s").format(
            q.Identifier(self._table)
        )
        draw = random.Random(self._highest)
        while not self._ended.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, application_name="writer") as connection:
                    while not self._ended.wait(0.02):
                        low = draw.randrange(self._highest)
                        self.updates += connection.execute(statement, (low, low + 20)).rowcount
            except psycopg.OperationalError:
                self._ended.wait(0.1)


# Faults. Each returns the evidence that it happened: what was hit, or None.


@dataclass(slots=True)
class Point:
    """One kill point and all that is known about it afterwards."""

    kind: Kind
    fault: str
    moment: float
    database: str
    evidence: str | None = None
    lost: int = 0
    doubled: int = 0
    redone: int = 0
    restarted: bool = False
    resumed: int = 0
    seconds: float = 0.0  # of the command and all that followed
    work: float = 0.0  # of the extraction in the store
    messages: list[str] = field(default_factory=list)


def kill_agent(_: Bench, __: str, process: "subprocess.Popen[str]", ___: random.Random) -> str | None:
    process.send_signal(signal.SIGKILL)
    return "kill -9" if process.wait() == -signal.SIGKILL else None


def _ours(url: str, process: "subprocess.Popen[str]") -> list[tuple[Any, ...]]:
    """Our backends there, as soon as there is one; none if the command ends before."""
    query: LiteralString = "SELECT pid, application_name FROM pg_stat_activity WHERE application_name LIKE %s"
    while not (found := rows(url, query, f"{OURS}%")) and process.poll() is None:
        time.sleep(0.005)
    return found


def _terminate(url: str, process: "subprocess.Popen[str]", draw: random.Random) -> str | None:
    """End one of our backends there, and wait until it is gone."""
    found = _ours(url, process)
    if not found:
        return None
    pid, name = draw.choice(found)
    ended = rows(url, "SELECT pg_terminate_backend(%s, 5000)", pid)
    return re.sub(r" \S+-\d+-[0-9a-f]{4}$", " lane", name) if ended == [(True,)] else None


def terminate_at_source(bench: Bench, _: str, process: "subprocess.Popen[str]", draw: random.Random) -> str | None:
    return _terminate(bench.source.url(), process, draw)


def terminate_at_store(
    bench: Bench, database: str, process: "subprocess.Popen[str]", draw: random.Random
) -> str | None:
    return _terminate(bench.store.url(database), process, draw)


def _crash(server: embedded.Server, process: "subprocess.Popen[str]", draw: random.Random) -> str | None:
    """Stop a server at once while it works for us, and start it again a little later."""
    if not _ours(server.url(), process):
        return None
    before = server.pid
    server.stop("immediate")
    time.sleep(draw.uniform(0, 1.5))
    server.start()
    return "crash" if server.pid != before else None


def crash_source(bench: Bench, _: str, process: "subprocess.Popen[str]", draw: random.Random) -> str | None:
    return _crash(bench.source, process, draw)


def crash_store(bench: Bench, _: str, process: "subprocess.Popen[str]", draw: random.Random) -> str | None:
    return _crash(bench.store, process, draw)


def nothing(_: Bench, __: str, ___: "subprocess.Popen[str]", ____: random.Random) -> str | None:
    """The control run's fault."""
    return None


Fault = Callable[[Bench, str, "subprocess.Popen[str]", random.Random], str | None]
FAULTS: tuple[Fault, ...] = (kill_agent, terminate_at_store, crash_source, terminate_at_source, crash_store)


def assert_crashed(point: Point) -> None:
    """Nothing is proved by a run that was not disturbed."""
    assert point.evidence is not None, f"{point.fault} hit nothing: no crash happened"


# One point


def extract_under(
    bench: Bench, kind: Kind, fault: Fault, moment: float, draw: random.Random, *, from_start: bool = False
) -> Point:
    """Extract, disturb, let it finish, and check every row.

    moment: in seconds since the extraction was recorded, or since the command was started.
    """
    database = bench.new_store()
    point = Point(kind, fault.__name__, moment, database)
    store = bench.store.url(database)
    arguments = (
        "extract", bench.source.url(), "--table", kind.table, "--store", store, "--name", "point",
        "--chunk-rows", str(bench.rows // 25), *kind.arguments, "--json",
    )  # fmt: skip
    begun = time.monotonic()
    with Writer(bench.source.url(), kind.table, bench.rows):
        process = begin(*arguments)
        try:
            if not from_start:
                until(lambda: process.poll() is not None or rows(store, "SELECT FROM extractions") != [])
            time.sleep(moment)
            if process.poll() is None:
                point.evidence = fault(bench, database, process, draw)
            _, told = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        status = process.returncode
        while status != 0:
            assert "Traceback" not in told, told
            point.messages.append(told.strip())
            point.resumed += 1
            assert point.resumed <= 3, f"{point}"
            there = rows(store, "SELECT id, status FROM extractions")
            if there and there[0][1] == "succeeded":  # the command was killed after the end
                break
            done = run("resume", str(there[0][0]), "--store", store) if there else run(*arguments)
            status, told = done.returncode, done.stderr
        assert "Traceback" not in told, told
    point.seconds = time.monotonic() - begun
    check(bench, point)
    return point


def check(bench: Bench, point: Point) -> None:
    """Every source row once in the store, at most the chunks in flight redone, nothing left over."""
    url = bench.store.url(point.database)
    [(extraction_id, status, part, attached, notes, point.work)] = rows(
        url,
        "SELECT id, status, part, attached, notes, extract(epoch FROM finished_at - started_at)::float8 "
        "FROM extractions",
    )
    assert status == "succeeded", f"{point}"
    point.restarted = any("began again" in note for note in notes)
    point.lost, point.doubled = check_rows(bench, point.kind, url)
    assert attached
    assert part is not None
    [(unfinished, claimed, attempts)] = rows(
        url, "SELECT count(*) FILTER (WHERE state <> 'done'), count(*), sum(attempt) FROM extraction_chunks"
    )
    assert unfinished == 0
    point.redone = attempts - claimed
    assert point.redone <= CHUNKS_IN_FLIGHT, f"{point}"
    assert not rows(
        url, "SELECT FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = %s", f"extraction-{extraction_id}"
    ), f"{point}"
    parts = rows(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'extraction_parts'")
    assert parts == [(1,)], f"{point}: a part was left behind"
    for server in (bench.source, bench.store):
        assert_alone(server)


def check_rows(bench: Bench, kind: Kind, url: str) -> tuple[int, int]:
    """Every source row once in the store, by the servers' own sums. Returns rows lost and rows doubled: 0 and 0."""
    stored: q.Composable = q.SQL(FROM_JSON)
    if "typed" in kind.arguments:
        stored = q.SQL("SELECT * FROM extraction_typed.point")
    [there] = rows(bench.source.url(), q.SQL("SELECT {} FROM {}").format(q.SQL(COMPARED), q.Identifier(kind.table)))
    [here] = rows(url, q.SQL("SELECT {} FROM ({}) AS stored").format(q.SQL(COMPARED), stored))
    assert here == there, f"{kind}: {there} at the source, {here} in the store"
    return there[0] - here[1], here[0] - here[1]


def until(reached: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def assert_alone(server: embedded.Server) -> None:
    """No backend of ours stays."""
    deadline = time.monotonic() + 10
    query: LiteralString = "SELECT application_name, state, query FROM pg_stat_activity WHERE application_name LIKE %s"
    while left := rows(server.url(), query, f"{OURS}%"):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
