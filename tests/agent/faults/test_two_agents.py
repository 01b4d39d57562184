"""Several agents on one store share an extraction; what happens to one never costs a row."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, LiteralString

import pytest

from agent.faults.harness import Bench, assert_alone, begin, execute, rows

CHUNKS = 30
CHUNK_ROWS = 400
PAUSES = 8  # of 0.1 s in each chunk
TAKEN_UP = 10.0  # s until the jobs of a dead agent are with another

# A row with a pause makes the source wait when it is turned to JSON: slow chunks without a mock.
SLOW: LiteralString = """
CREATE TYPE pause AS ENUM ('a tenth of a second');
CREATE FUNCTION wait(pause) RETURNS json LANGUAGE sql VOLATILE
    AS $$ SELECT to_json('waited' || pg_sleep(0.1)::text) $$;
CREATE CAST (pause AS json) WITH FUNCTION wait(pause);
CREATE TABLE slow AS
    SELECT n AS id, repeat(md5(n::text), 3) AS payload,
        CASE WHEN n % 50 = 1 THEN 'a tenth of a second'::pause END AS pause
    FROM generate_series(1, 12000) AS n;
ALTER TABLE slow ADD PRIMARY KEY (id);
ANALYZE slow
"""
SESSIONS: LiteralString = (
    "SELECT application_name, state, wait_event, clock_timestamp() - query_start, left(query, 100) "
    "FROM pg_stat_activity WHERE datname = current_database()"
)
SUMS: LiteralString = "count(*), count(DISTINCT id), sum(hashtextextended(concat_ws('|', id, payload), 0))"


@dataclass
class Shared:
    """One extraction and the agents that were set on it."""

    bench: Bench
    store: str
    agents: "list[subprocess.Popen[str]]" = field(default_factory=list)

    def extract(self) -> "subprocess.Popen[str]":
        """The first agent; returns once its extraction is recorded."""
        source = self.bench.source.url("slow")
        agent = begin(
            "extract", source, "--table", "slow", "--chunk-rows", str(CHUNK_ROWS), "--store", self.store, "--json"
        )
        self.agents.append(agent)
        self.until(lambda: self.ask("SELECT id FROM extractions") == [(1,)])
        return agent

    def join(self) -> "subprocess.Popen[str]":
        """Another agent."""
        agent = begin("resume", "1", "--store", self.store, "--json")
        self.agents.append(agent)
        return agent

    def ask(self, query: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
        return rows(self.store, query, *values)

    def until(self, reached: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < deadline, self.ask(
                "SELECT chunk_no, state, attempt, agent FROM extraction_chunks"
            )
            time.sleep(0.05)

    def busy(self, agent: "subprocess.Popen[str]") -> list[tuple[Any, ...]]:
        """Chunks an agent has in flight, with their attempts."""
        return self.ask(
            "SELECT chunk_no, attempt FROM extraction_chunks WHERE state = 'running' AND agent LIKE %s",
            f"%-{agent.pid}-%",
        )

    def stop_amid_chunks(self, agent: "subprocess.Popen[str]") -> list[tuple[Any, ...]]:
        """SIGSTOP. Returns the chunks it has in flight, once nothing that it sent before is under way any more."""
        while True:
            self.until(lambda: len(self.busy(agent)) == 2)
            agent.send_signal(signal.SIGSTOP)
            before: list[tuple[Any, ...]] | None = None
            while (found := self.busy(agent)) != before:
                before = found
                time.sleep(0.3)
            if found:
                return found
            agent.send_signal(signal.SIGCONT)  # it was between two chunks

    def alive(self) -> int:
        """Agents that have given a sign of life lately."""
        fresh: LiteralString = (
            "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '6 s'"
        )
        return int(self.ask(fresh)[0][0])

    def done(self, agent: "subprocess.Popen[str]") -> int:
        return int(
            self.ask(
                "SELECT count(*) FROM extraction_chunks WHERE state = 'done' AND agent LIKE %s", f"%-{agent.pid}-%"
            )[0][0]
        )

    def ends_well(self, agent: "subprocess.Popen[str]", seconds: float = 60.0) -> None:
        try:
            _, told = agent.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            state = self.state()  # before its sessions end
            agent.send_signal(signal.SIGABRT)
            raise AssertionError(f"{state}\n{agent.communicate(timeout=seconds)[1]}") from None
        assert agent.returncode == 0, told
        assert "Traceback" not in told

    def state(self) -> str:
        """For whoever reads of a failure: what is not done, in whose hands, and who works on it."""
        found = {
            "extraction": self.ask("SELECT status, attached FROM extractions"),
            "chunks": self.ask("SELECT chunk_no, state, attempt, agent FROM extraction_chunks WHERE state <> 'done'"),
            "jobs": self.ask("SELECT status, worker_id, queueing_lock, scheduled_at FROM procrastinate_jobs"),
            "workers": self.ask("SELECT id, now() - last_heartbeat FROM procrastinate_workers"),
            "store": self.ask(SESSIONS),
            "source": rows(self.bench.source.url("slow"), SESSIONS),
        }
        return "\n".join(f"{what}: {told}" for what, told in found.items())

    def assert_exact(self) -> None:
        there = rows(self.bench.source.url("slow"), f"SELECT {SUMS} FROM slow")
        here = self.ask(f"SELECT {SUMS} FROM extraction_data, json_to_record(data) AS r(id int, payload text)")
        assert here == there
        assert there[0][0] == CHUNKS * CHUNK_ROWS
        assert self.ask("SELECT status, attached FROM extractions") == [("succeeded", True)]
        assert self.ask("SELECT count(*) FROM extraction_chunks WHERE state <> 'done'") == [(0,)]


@pytest.fixture
def shared(bench: Bench) -> Iterator[Shared]:
    if not rows(bench.source.url(), "SELECT FROM pg_database WHERE datname = 'slow'"):
        execute(bench.source.url(), "CREATE DATABASE slow")
        execute(bench.source.url("slow"), SLOW)
    made = Shared(bench, bench.store.url(bench.new_store()))
    yield made
    for agent in made.agents:
        if agent.poll() is None:
            agent.kill()
        agent.communicate()
    for server in (bench.source, bench.store):
        assert_alone(server)


def test_both_agents_work_on_one_extraction(shared: Shared) -> None:
    first = shared.extract()
    second = shared.join()
    shared.ends_well(first)
    shared.ends_well(second)
    assert shared.done(first) >= 3
    assert shared.done(second) >= 3
    assert shared.ask("SELECT max(attempt) FROM extraction_chunks") == [(1,)]
    shared.assert_exact()


def test_another_agent_takes_up_what_a_killed_one_had_in_flight(shared: Shared) -> None:
    first = shared.extract()
    second = shared.join()
    shared.until(lambda: len(shared.busy(first)) == 2 and len(shared.busy(second)) == 2)
    orphans = [chunk for chunk, _ in shared.stop_amid_chunks(first)]
    first.kill()
    assert first.wait() == -signal.SIGKILL
    killed = time.monotonic()
    shared.until(
        lambda: (
            not shared.ask(
                "SELECT FROM extraction_chunks WHERE chunk_no = ANY(%s) AND state <> 'done' AND agent LIKE %s",
                orphans,
                f"%-{first.pid}-%",
            )
        ),
        TAKEN_UP + PAUSES * 0.1 * 2,  # a free hand may still be at a chunk of its own
    )
    print(f"\ntaken up after {time.monotonic() - killed:.1f} s")
    shared.ends_well(second)
    shared.assert_exact()
    redone = shared.ask("SELECT chunk_no FROM extraction_chunks WHERE attempt > 1")
    assert {chunk for (chunk,) in redone} <= set(orphans)


@pytest.mark.ci
@pytest.mark.parametrize("seconds", [0, 30], ids=["wakes while another redoes its chunk", "wakes when all is done"])
def test_an_agent_that_sleeps_in_a_chunk_and_wakes_adds_nothing(shared: Shared, seconds: float) -> None:
    first = shared.extract()
    second = shared.join()
    shared.until(lambda: shared.done(second) >= 1)
    asleep = shared.stop_amid_chunks(second)
    slept = time.monotonic()

    def taken_over() -> bool:
        attempts = dict(shared.ask("SELECT chunk_no, attempt FROM extraction_chunks"))
        return any(attempts[chunk] > attempt for chunk, attempt in asleep)

    try:
        shared.until(taken_over)
        if seconds:
            shared.ends_well(first)
            time.sleep(max(0.0, slept + seconds - time.monotonic()))
    finally:
        second.send_signal(signal.SIGCONT)
    shared.ends_well(second)
    shared.ends_well(first)
    shared.assert_exact()


@pytest.mark.ci
def test_both_agents_go_on_by_themselves_when_the_store_was_away(shared: Shared) -> None:
    first = shared.extract()
    second = shared.join()
    shared.until(lambda: shared.done(first) >= 2 and shared.done(second) >= 2)
    before = shared.done(first), shared.done(second)
    shared.bench.store.stop("immediate")
    time.sleep(15)
    assert first.poll() is None, first.communicate()
    assert second.poll() is None, second.communicate()
    shared.bench.store.start()
    shared.until(lambda: shared.alive() == 2)  # or each would hand on what the other has in flight
    shared.ends_well(first)
    shared.ends_well(second)
    after = shared.done(first), shared.done(second)
    assert after[0] > before[0], "the first did not go on"
    assert after[1] > before[1], "the second did not go on"
    assert shared.ask("SELECT sum(attempt) - count(*) <= 4 FROM extraction_chunks") == [(True,)], "the four in flight"
    shared.assert_exact()
