"""A backend whose client is gone ends soon, even while it computes and sends nothing."""

import socket

import pytest

from agent.faults.harness import Bench, rows, until
from extraction_agent import postgres
from extraction_agent.sources.postgresql import Source
from extraction_agent.store.store import Store


@pytest.mark.parametrize("side", ["source", "store"])
def test_a_backend_without_a_client_ends(bench: Bench, side: str) -> None:
    url = bench.source.url() if side == "source" else bench.store.url(bench.new_store())
    connection: postgres.Connection = Source(url).connect() if side == "source" else Store(url).connection
    pid = connection.info.backend_pid
    connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10000000000)")
    until(lambda: rows(url, "SELECT state FROM pg_stat_activity WHERE pid = %s", pid) == [("active",)])
    with socket.socket(fileno=socket.dup(connection.fileno())) as ours:
        ours.shutdown(socket.SHUT_RDWR)
    connection.close()
    until(lambda: rows(url, "SELECT FROM pg_stat_activity WHERE pid = %s", pid) == [], 10)
