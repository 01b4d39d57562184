"""What tests of indexes share: a rollout that wants some, a client that is killed, writers who are measured."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg

from extraction_agent.profiles import Profile
from extraction_agent.store.rollout_rows import Rollout
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes.limits import Limits
from extraction_agent.tuning.indexes.place import Place
from extraction_agent.tuning.indexes.rollout import Report, apply, undo
from support import Database

_PROGRAM = Path(__file__).parent / "index_client.py"
_PATIENCE = 60.0  # s
NAME = "idx_item_at"


def profile(source: Database | None = None, *, table: str = "item", columns: Sequence[str] = ("at", "id")) -> Profile:
    """One that wants an index of the store, and one of a source's table."""
    settings: dict[str, Any] = {"store": ["idx_extraction_status_created"]}
    if source is not None:
        database = source.url.rsplit("/", 1)[1]
        settings["sources"] = [{"database": database, "table": table, "columns": list(columns), "name": NAME}]
    return Profile.model_validate({"name": "wanting", "description": "of a test", "settings": {"indexes": settings}})


def begin(store: Store, wanting: Profile, lease: float = 60.0) -> Rollout:
    return store.begin_rollout(wanting.name, wanting.model_dump(mode="json"), "controller", lease)


def fill(source: Database, rows: int = 1000) -> None:
    """A table to be indexed, another beside it, and an index of somebody else."""
    source.run(
        "CREATE TABLE item (id int PRIMARY KEY, at timestamptz, name text)",
        "CREATE TABLE other (n int)",
        "CREATE INDEX theirs ON item (name)",
    )
    with psycopg.connect(source.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO item SELECT n, timestamptz '2024-01-01 UTC' + n %% 1000 * interval '1 min', md5(n::text) "
            "FROM generate_series(1, %s) AS n",
            [rows],
        )
        connection.execute("VACUUM ANALYZE item")


def catalog(database: Database) -> list[tuple[Any, ...]]:
    """Every index, as the server writes it, with its comment."""
    return database.rows(
        "SELECT pg_get_indexdef(indexrelid), indisvalid, obj_description(indexrelid, 'pg_class') FROM pg_index "
        "ORDER BY 1"
    )


def remains(database: Database) -> list[tuple[str, bool]]:
    """Indexes that are INVALID or bear the name of a build, and whether they are valid."""
    return [
        (name, valid)
        for name, valid in database.rows(
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
            "WHERE NOT indisvalid OR relname ~ '^jivs_r'"
        )
    ]


def until(reached: Callable[[], bool], what: str, seconds: float = _PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.02)


@dataclass(slots=True)
class Client:
    """`extractctl indexes` for one rollout and place."""

    store: Database
    rollout: Rollout
    source: Database | None
    checking: bool = True  # the server looks whether its client is still there
    options: list[str] = field(default_factory=lambda: ["--lock-timeout", "2", "--json"])
    _begun: "list[subprocess.Popen[str]]" = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._begun:
            process.kill()
            process.communicate()

    def begin(self, command: str = "apply") -> "subprocess.Popen[str]":
        arguments = ["indexes", command, "--rollout", str(self.rollout.id), *self.options]
        if command == "apply":
            arguments += ["--token", str(self.rollout.token)]
        if self.source is not None:
            arguments += ["--source", self.source.url]
        process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "EXTRACTION_STORE": self.store.url, "CHECKING": "1" if self.checking else ""},
        )  # fmt: skip
        self._begun.append(process)
        return process

    def end(self, process: "subprocess.Popen[str]") -> tuple[int, Any, str]:
        """Exit status, what it said in JSON, and what it said to people."""
        told, said = process.communicate(timeout=_PATIENCE)
        assert "Traceback" not in said, said
        return process.returncode, json.loads(told) if told else None, said

    def run(self, command: str = "apply") -> tuple[int, Any, str]:
        return self.end(self.begin(command))

    def kill_while_it_builds(self) -> int:
        """Begin, and kill -9 in the middle of the build, which goes on then. Returns the backend's pid."""
        process = self.begin()
        place = self.source or self.store
        found: list[tuple[Any, ...]] = []

        def begun() -> bool:
            found.extend(building(place))
            return found != [] or process.poll() is not None

        until(begun, "the build")
        [(pid,)] = found
        os.kill(pid, signal.SIGSTOP)  # a build of a moment would end before what it leaves is looked at
        try:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=_PATIENCE)
            assert process.returncode == -signal.SIGKILL, "it was not killed"
            assert remains(place) == [(f"jivs_r{self.rollout.id}_1", False)], "it was not being built"
        finally:
            os.kill(pid, signal.SIGCONT)
        return int(pid)


def building(database: Database) -> list[tuple[Any, ...]]:
    """Backends that build an index others can see by now."""
    return database.rows(
        "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database() AND index_relid <> 0 "
        "AND EXISTS (SELECT FROM pg_class WHERE oid = index_relid)"
    )


def waiting(database: Database) -> bool:
    """Whether one of our backends waits for others."""
    found = database.rows(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'extraction-agent indexes' AND wait_event_type = 'Lock'"
    )
    return found != []


def alive(database: Database, pid: int) -> bool:
    return database.rows("SELECT FROM pg_stat_activity WHERE pid = %(pid)s", {"pid": pid}) != []


class Writer:
    """Writes all along, and waits for no lock longer than told. What it measures beside that is also the machine's."""

    def __init__(self, database: Database, statement: str, lock_seconds: float) -> None:
        self._database, self._statement, self._lock_seconds = database, statement, lock_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.writes, self.longest = 0, 0.0  # s
        self.locked_out = 0  # writes that waited for a lock for too long

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self.writes > 0, "the first write")
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _write(self) -> None:
        with psycopg.connect(self._database.url, autocommit=True) as connection:
            connection.execute(f"SET lock_timeout = {round(self._lock_seconds * 1000)}".encode())
            while not self._ended.wait(0.002):
                begun = time.monotonic()
                try:
                    connection.execute(self._statement.encode())
                except psycopg.errors.LockNotAvailable:
                    self.locked_out += 1
                self.longest = max(self.longest, time.monotonic() - begun)
                self.writes += 1


@contextmanager
def transaction(database: Database, *statements: str) -> Iterator["psycopg.Connection[Any]"]:
    """One of others that stands; its connection, to be closed at will."""
    with psycopg.connect(database.url) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield connection


BRIEF = Limits(lock_seconds=0.3, tries=2)


class Side:
    """A rollout at one place."""

    def __init__(self, store: Store, place: Place, rollout: Rollout) -> None:
        self.store, self.place, self.rollout = store, place, rollout
        self.told: list[str] = []

    def apply(self, limits: Limits = BRIEF, *, dry_run: bool = False) -> Report:
        rollout = self.rollout
        return apply(self.store, self.place, rollout.id, rollout.token, limits, self.told.append, dry_run=dry_run)

    def undo(self, *, of_all: bool = False, dry_run: bool = False) -> Report:
        number = None if of_all else self.rollout.id
        return undo(self.store, self.place, number, BRIEF, self.told.append, dry_run=dry_run)

    def abort(self) -> None:
        self.store.abort_rollout(self.rollout.id, "enough")
