"""Jobs are hints: what the queue forgets or gets wrong about them, the agents mend."""

from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest

from agent.faults.gate import GATED, Gate
from agent.faults.harness import Bench, begin, check_rows, execute, rows, until

IN_FLIGHT = 2


@pytest.fixture
def gate(bench: Bench) -> Iterator[Gate]:
    with Gate(bench) as made:
        yield made


@pytest.mark.parametrize(
    "accident",
    [
        # The connection that should have ended them broke, and the worker lives on.
        "UPDATE procrastinate_jobs SET status = 'doing', worker_id = w.id FROM procrastinate_workers AS w",
        # A stopped worker woke and ended them under its successor.
        "DELETE FROM procrastinate_jobs",
        # Another worker thought this one dead.
        "DELETE FROM procrastinate_workers",
        # Each hint comes twice.
        "UPDATE procrastinate_jobs SET status = 'todo', worker_id = NULL, queueing_lock = NULL",
    ],
    ids=["said to run", "gone", "worker pruned", "handed out again"],
)
def test_every_chunk_is_done_once_all_the_same(bench: Bench, gate: Gate, accident: LiteralString) -> None:
    store = bench.store.url(bench.new_store())
    agent = begin(
        "extract", bench.source.url(), "--table", "gated", "--store", store, "--name", "point",
        "--chunk-rows", str(bench.rows // 12),
    )  # fmt: skip
    try:
        gate.wait_for(IN_FLIGHT)
        assert rows(store, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")[0][0] >= 8
        execute(store, accident)
        gate.open()
        _, told = agent.communicate(timeout=60)
    finally:
        agent.kill()
        agent.communicate()
    assert agent.returncode == 0, told
    assert "Traceback" not in told
    check_rows(bench, GATED, store)
    assert rows(store, "SELECT max(attempt) FROM extraction_chunks") == [(1,)]


def test_an_extraction_whose_last_agent_died_before_its_end_is_finished(bench: Bench, gate: Gate) -> None:
    """All chunks are done, and nobody is left to attach the part: whoever comes next does."""
    store = bench.store.url(bench.new_store())
    arguments = (
        "extract", bench.source.url(), "--table", "gated", "--store", store, "--name", "point",
        "--chunk-rows", str(bench.rows // 12),
    )  # fmt: skip
    gate.open()
    agent = begin(*arguments)
    with psycopg.connect(store) as holder:
        until(lambda: rows(store, "SELECT FROM extractions") != [])
        holder.execute("SELECT FROM extractions FOR NO KEY UPDATE")  # finish() skips a locked extraction
        until(lambda: rows(store, "SELECT FROM extraction_chunks WHERE state <> 'done'") == [])
        agent.kill()
        agent.communicate()
    assert rows(store, "SELECT status FROM extractions") == [("running",)]
    other = begin("resume", "1", "--store", store)
    _, told = other.communicate(timeout=60)
    assert other.returncode == 0, told
    check_rows(bench, GATED, store)
