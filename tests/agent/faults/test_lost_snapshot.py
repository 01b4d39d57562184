"""The snapshot that all chunks share: lost with its holder, held too long, and what it keeps others from doing."""

import subprocess
from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest

from agent.faults.gate import Gate
from agent.faults.harness import Bench, Kind, begin, check_rows, execute, rows, run, until

SNAPSHOT = Kind("json, gated, one snapshot", "gated", ("--format", "json", "--consistency", "snapshot"))
BLOCKS = Kind("json, gated, ctid", "gated_loose", ("--format", "json"))
ALTERED = Kind("json, gated, altered", "gated_altered", ("--format", "json"))
WAITS_FOR_A_TABLE: LiteralString = "SELECT FROM pg_locks WHERE relation IS NOT NULL AND NOT granted"
AT_ONCE = 2  # chunks of one agent


class Agents:
    """What works on the one extraction of a store of its own."""

    def __init__(self, bench: Bench, kind: Kind) -> None:
        self.bench, self.kind = bench, kind
        self.store = bench.store.url(bench.new_store())
        self.all: list[subprocess.Popen[str]] = []

    def extract(self, *arguments: str) -> "subprocess.Popen[str]":
        self.all.append(
            begin(
                "extract", self.bench.source.url(), "--table", self.kind.table, "--store", self.store,
                "--name", "point", "--chunk-rows", str(self.bench.rows // 12), *self.kind.arguments, *arguments,
            )
        )  # fmt: skip
        return self.all[-1]

    def join(self) -> "subprocess.Popen[str]":
        self.all.append(begin("resume", "1", "--store", self.store))
        return self.all[-1]

    def notes(self) -> list[str]:
        return list(rows(self.store, "SELECT notes FROM extractions")[0][0])

    def chunks(self, state: str) -> int:
        return int(rows(self.store, "SELECT count(*) FROM extraction_chunks WHERE state = %s", state)[0][0])

    def close(self) -> None:
        for agent in self.all:
            if agent.poll() is None:
                agent.kill()
            agent.communicate()


def ends(agent: "subprocess.Popen[str]", status: int) -> str:
    _, told = agent.communicate(timeout=60)
    assert agent.returncode == status, told
    assert "Traceback" not in told
    return told


@pytest.fixture
def sharers(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Agents]:
    made = Agents(bench, request.param)
    yield made
    made.close()


def _lose_the_holder(agents: Agents, gate: Gate, *, sessions_too: bool) -> "subprocess.Popen[str]":
    """Two agents are in the middle of two chunks each; the one that holds the snapshot is killed."""
    holder = agents.extract()
    gate.wait_for(AT_ONCE)
    other = agents.join()
    readers = gate.wait_for(2 * AT_ONCE)
    holder.kill()
    assert holder.wait() == -9
    if sessions_too:
        for pid in readers:
            rows(agents.bench.source.url(), "SELECT pg_terminate_backend(%s, 5000)", pid)
    return other


@pytest.mark.parametrize("sharers", [SNAPSHOT, BLOCKS], indirect=True, ids=["key", "ctid"])
def test_sessions_that_joined_a_snapshot_outlive_its_holder(bench: Bench, sharers: Agents) -> None:
    with Gate(bench, sharers.kind, key=sharers.kind is SNAPSHOT) as gate:
        other = _lose_the_holder(sharers, gate, sessions_too=False)
    ends(other, 0)
    check_rows(bench, sharers.kind, sharers.store)
    assert not [note for note in sharers.notes() if "lost" in note], "it was one view all along"


@pytest.mark.parametrize("sharers", [SNAPSHOT], indirect=True)
def test_ranges_of_a_key_go_on_under_another_snapshot_and_say_so(bench: Bench, sharers: Agents) -> None:
    with Gate(bench, SNAPSHOT) as gate:
        other = _lose_the_holder(sharers, gate, sessions_too=True)
    ends(other, 0)
    check_rows(bench, SNAPSHOT, sharers.store)
    assert "The snapshot was lost: chunks copied before and after that are of two moments." in sharers.notes()


@pytest.mark.parametrize("sharers", [BLOCKS], indirect=True)
def test_ranges_of_blocks_begin_again(bench: Bench, sharers: Agents) -> None:
    with Gate(bench, BLOCKS, key=False) as gate:
        other = _lose_the_holder(sharers, gate, sessions_too=True)
        before = rows(bench.source.url(), "SELECT ctid FROM gated_loose WHERE id = 1")
        execute(bench.source.url(), "UPDATE gated_loose SET name = name", "VACUUM gated_loose")
        assert rows(bench.source.url(), "SELECT ctid FROM gated_loose WHERE id = 1") != before, "no row has moved"
    ends(other, 0)
    check_rows(bench, BLOCKS, sharers.store)
    assert "The snapshot was lost and the extraction began again under a new one." in sharers.notes()
    assert rows(sharers.store, "SELECT count(*) FROM pg_tables WHERE schemaname = 'extraction_parts'") == [(1,)]


@pytest.mark.parametrize("sharers", [BLOCKS], indirect=True)
def test_a_failed_extraction_of_blocks_begins_again_when_it_is_resumed(bench: Bench, sharers: Agents) -> None:
    """Its snapshot was let go: the rest must not be read as if none were needed."""
    with Gate(bench, BLOCKS, key=False) as gate:
        agent = sharers.extract("--snapshot-max-seconds", "4")  # its keeper looks at the start, and 5 s later
        gate.wait_for(AT_ONCE)
        told = ends(agent, 1)
        assert "The snapshot at the source stood for 4 s, the longest allowed, and was let go." in told
        assert rows(sharers.store, "SELECT status FROM extractions") == [("failed",)]
        execute(bench.source.url(), "UPDATE gated_loose SET name = name", "VACUUM gated_loose")
    done = run("resume", "1", "--store", sharers.store)
    assert done.returncode == 0, done.stderr
    check_rows(bench, BLOCKS, sharers.store)
    assert "The snapshot was lost and the extraction began again under a new one." in sharers.notes()


@pytest.mark.parametrize("sharers", [SNAPSHOT, BLOCKS], indirect=True, ids=["key", "ctid"])
def test_a_snapshot_keeps_its_table_from_being_truncated_or_rewritten(bench: Bench, sharers: Agents) -> None:
    table = sharers.kind.table
    with Gate(bench, sharers.kind, key=sharers.kind is SNAPSHOT) as gate:
        agent = sharers.extract()
        gate.wait_for(AT_ONCE)
        for statement in ("TRUNCATE {}", "ALTER TABLE {} ALTER amount TYPE text"):
            with (
                psycopg.connect(bench.source.url(), options="-c lock_timeout=300ms") as connection,
                pytest.raises(psycopg.errors.LockNotAvailable),
            ):
                connection.execute(statement.format(table).encode())
    ends(agent, 0)
    check_rows(bench, sharers.kind, sharers.store)


@pytest.mark.parametrize("sharers", [ALTERED], indirect=True)
def test_a_column_that_changes_between_two_chunks_stops_the_extraction(bench: Bench, sharers: Agents) -> None:
    with Gate(bench, ALTERED) as gate:
        agent = sharers.extract()
        gate.wait_for(AT_ONCE)
        altering = psycopg.connect(bench.source.url(), autocommit=True)
        altering.pgconn.send_query(b"ALTER TABLE gated_altered DROP COLUMN name")  # waits for the chunks in flight
        until(lambda: rows(bench.source.url(), WAITS_FOR_A_TABLE) != [])
    try:
        told = ends(agent, 1)
    finally:
        altering.close()
        execute(bench.source.url(), "DROP TABLE gated_altered")
    assert "Extraction 1 failed" in told
    assert "name" in told
    assert sharers.chunks("done") < 12
    assert rows(sharers.store, "SELECT count(*) FROM extraction_data") == [(0,)]


def test_a_new_column_that_may_be_null_changes_nothing(bench: Bench) -> None:
    agents = Agents(bench, Kind("json, gated, widened", "gated_widened", ("--format", "json")))
    try:
        with Gate(bench, agents.kind) as gate:
            agent = agents.extract()
            gate.wait_for(AT_ONCE)
            altering = psycopg.connect(bench.source.url(), autocommit=True)
            altering.pgconn.send_query(b"ALTER TABLE gated_widened ADD COLUMN more text")
            until(lambda: rows(bench.source.url(), WAITS_FOR_A_TABLE) != [])
        ends(agent, 0)
        altering.close()
        check_rows(bench, agents.kind, agents.store)
    finally:
        agents.close()
        execute(bench.source.url(), "DROP TABLE gated_widened")
