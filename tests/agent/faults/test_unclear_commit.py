"""A connection that breaks at any byte, and a COMMIT whose answer never came: the fence settles it, once."""

import random
from collections.abc import Iterator

import pytest

from agent.faults.harness import KINDS, Bench, Kind, begin, check_rows, rows, until
from proxy import Act, Proxy, after_bytes, at_commit

FENCE = b"SET state = 'done'"


@pytest.fixture
def proxies(bench: Bench) -> Iterator[tuple[Proxy, Proxy]]:
    """Before the source, and before the store."""
    with Proxy(bench.source.port) as source, Proxy(bench.store.port) as store:
        yield source, store


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[3]], ids=lambda kind: str(kind.name))
@pytest.mark.parametrize("act", ["cut before", "cut after"])
def test_a_commit_nobody_acknowledged_counts_once(
    bench: Bench, proxies: tuple[Proxy, Proxy], kind: Kind, act: Act
) -> None:
    database = bench.new_store()
    direct = bench.store.url(database)
    store = proxies[1]
    store.judge = at_commit(FENCE, act)
    agent = begin(
        "extract", bench.source.url(), "--table", kind.table, "--store", store.url(database), "--name", "point",
        "--chunk-rows", str(bench.rows // 4), *kind.arguments,
    )  # fmt: skip
    _, told = agent.communicate(timeout=60)
    assert agent.returncode == 0, told
    assert store.cuts, "no connection was cut"
    attempts = [row[0] for row in rows(direct, "SELECT attempt FROM extraction_chunks ORDER BY attempt DESC")]
    if act == "cut after":  # it had committed: nothing is done again
        assert attempts[0] == 1
    else:
        assert attempts[:2] == [2, 1]
    check_rows(bench, kind, direct)


@pytest.mark.parametrize("side", ["source", "store"])
@pytest.mark.parametrize("number", range(3))
def test_a_connection_may_break_at_any_byte(bench: Bench, proxies: tuple[Proxy, Proxy], side: str, number: int) -> None:
    kind = KINDS[(number * 2 + (side == "store")) % len(KINDS)]
    database = bench.new_store()
    direct = bench.store.url(database)
    source, store = proxies
    agent = begin(
        "extract", source.url("postgres"), "--table", kind.table, "--store", store.url(database), "--name", "point",
        "--chunk-rows", str(bench.rows // 10), *kind.arguments,
    )  # fmt: skip
    broken = source if side == "source" else store
    until(lambda: rows(direct, "SELECT status FROM extractions") != [])
    before = broken.cuts
    broken.judge = after_bytes(random.Random(number).randrange(4_000_000), from_client=side == "store")
    _, told = agent.communicate(timeout=60)
    assert agent.returncode == 0, told
    assert broken.cuts > before, "no connection was cut"
    check_rows(bench, kind, direct)
