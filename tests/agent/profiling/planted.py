"""Bottlenecks that a test plants, and the command that has to name them."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from proxy import Judge
from support import Database

SECONDS = 3.0  # that a profile lasts
_COMMAND = [sys.executable, "-c", "from extraction_agent.interfaces.cli.main import main; main()", "profile", "take"]
_HELD = 2.5  # s, a lock: most of the time that it is looked on

ITEMS: LiteralString = (
    "CREATE TABLE item AS SELECT n AS id, repeat(md5(n::text), 4) AS text FROM generate_series(1, 100000) AS n"
)
KEYED: LiteralString = "ALTER TABLE item ADD PRIMARY KEY (id)"
BURN: LiteralString = """
    CREATE FUNCTION burn() RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
    DECLARE made text := '';
    BEGIN
        FOR number IN 1..2000 LOOP made := md5(made || number); END LOOP;
        RETURN length(made);
    END $$"""


def begin(*arguments: str, seconds: float = SECONDS) -> "subprocess.Popen[str]":
    command = [*_COMMAND, *arguments, "--seconds", str(seconds), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(running: "subprocess.Popen[str]") -> dict[str, Any]:
    output, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    told: dict[str, Any] = json.loads(output)
    return told


def take(source_url: str, store: Database, folder: Path, *more: str, table: str = "item") -> dict[str, Any]:
    """Profile an extraction of the command's own."""
    where = ["--table", table, "--store", store.url, "--to", str(folder)]
    return ended(begin(source_url, *where, *(more or ["--no-flame"])))


@contextmanager
def locked(database: Database, lock: LiteralString) -> Iterator[threading.Event]:
    """Another session holds a lock, for a while from when one of ours stands behind it; then the event is set."""
    met = threading.Event()
    with psycopg.connect(database.url, application_name="somebody else") as holder:
        holder.execute(lock)

        def release() -> None:
            until = time.monotonic() + 30
            while time.monotonic() < until and not met.is_set():
                if database.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
                    met.set()
                time.sleep(0.02)
            time.sleep(_HELD)
            holder.commit()

        thread = threading.Thread(target=release)
        thread.start()
        try:
            yield met
        finally:
            thread.join()


def slow_line(bytes_per_second: float, *, from_client: bool) -> Judge:
    """A line of this width, in one direction."""

    def judge(_: int, client_speaks: bool, data: bytes) -> Any:
        if client_speaks == from_client:
            time.sleep(len(data) / bytes_per_second)
        return "pass"

    return judge


def long_line(seconds: float) -> Judge:
    """Each piece takes so long to arrive, in either direction."""

    def judge(_: int, _speaks: bool, _data: bytes) -> Any:
        time.sleep(seconds)
        return "pass"

    return judge
