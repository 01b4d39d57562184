"""The name of an exported snapshot is not enough: after a crash the server gives the same name to another view."""

import psycopg
import pytest

from agent.faults.harness import Bench, execute
from extraction_agent import errors
from extraction_agent.model import Column, Consistency, Format, Plan
from extraction_agent.sources import open_source

PLAN = Plan(
    method="ctid",
    relation="public.loose",
    columns=(Column(name="id", type="bigint", sent_as="bigint"),),
    format=Format.JSON,
    consistency=Consistency.SNAPSHOT,
    chunk_rows=1000,
    estimated_rows=1000,
    reason="a test",
)


def _export(connection: psycopg.Connection[tuple[str]]) -> str:
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    row = connection.execute("SELECT pg_export_snapshot()").fetchone()
    assert row is not None
    return row[0]


def test_a_view_that_took_over_the_name_of_a_lost_snapshot_is_refused(bench: Bench) -> None:
    bench.source.stop("immediate")  # a server that has just started counts its names from the beginning
    bench.source.start()
    held = [open_source(bench.source.url()).hold_snapshot(PLAN) for _ in range(20)]
    lost = {snapshot.token.partition(" ")[0]: snapshot.token for snapshot in held}
    bench.source.stop("immediate")
    bench.source.start()
    for snapshot in held:
        snapshot.close()
    execute(bench.source.url(), "UPDATE loose SET touched = touched + 1 WHERE id = 1")
    others = [psycopg.connect(bench.source.url(), autocommit=True) for _ in range(50)]
    try:
        for _ in range(40):
            again = lost.keys() & {_export(other) for other in others}
            if again:
                break
            for other in others:
                other.execute("ROLLBACK")
        assert again, "no view took one of the names over"
        with pytest.raises(errors.SnapshotLost, match="another has its name"):
            open_source(bench.source.url()).session(lost[again.pop()])
    finally:
        for other in others:
            other.close()
