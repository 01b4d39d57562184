"""What psycopg_pool, in the release in use, does alone; and what our pool over it does in the same place.

Each first shows the base's behaviour: where a newer release behaves, its part of store/connections.py can go.
"""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import psycopg
import psycopg_pool
import pytest

from agent.faults.harness import until
from agent.pools.conftest import MakePool, backends
from agent.pools.test_pools import GENEROUS, asked, pid, terminate
from extraction_agent import deadlines, embedded, errors, profiles
from extraction_agent.protect.threads import Threads
from extraction_agent.store.connections import Connections, Pooled, options
from extraction_agent.store.pools import Pool
from support import Database

Base = psycopg_pool.ConnectionPool[psycopg.Connection[tuple[Any, ...]]]


@contextmanager
def base(url: str, **settings: Any) -> Iterator[Base]:
    kwargs = {"application_name": "extraction-agent test-base", "autocommit": True}
    with Base(url, kwargs=kwargs, open=True, name="base", **settings) as pool:
        yield pool


def grow(pool: Base, size: int) -> None:
    with ExitStack() as all_of_them:
        for _ in range(size):
            all_of_them.enter_context(pool.connection())
    until(lambda: pool.get_stats()["pool_available"] == size)


def test_between_dead_connections_the_base_sleeps_longer_and_longer(store: Database, make_pool: MakePool) -> None:
    with base(store.url, min_size=4, max_size=4, check=Base.check_connection) as alone:
        alone.wait()
        assert terminate(store.url) == 4
        begun = time.monotonic()
        with alone.connection():
            assert time.monotonic() - begun > 2.5  # 0 + 1 + 2 s, a tenth more or less
    pool = make_pool(store.url, maximum=4, minimum_idle=4)
    until(lambda: pool.stats().idle == 4)
    assert terminate(store.url) == 4
    begun = time.monotonic()
    with pool.store():
        assert time.monotonic() - begun < 2.5


def test_made_smaller_the_base_lends_as_many_as_before(store: Database, make_pool: MakePool) -> None:
    with base(store.url, min_size=0, max_size=4) as alone, ExitStack() as loans:
        grow(alone, 4)
        alone.resize(0, 2)
        for _ in range(4):
            loans.enter_context(alone.connection(timeout=GENEROUS))
        assert len(backends(store.url)) == 4
    until(lambda: not backends(store.url))

    pool = make_pool(store.url, maximum=4)
    with ExitStack() as loans:
        for _ in range(4):
            loans.enter_context(pool.store())
        pool.resize(profiles.Pool(maximum=2, minimum_idle=0, connection_timeout_seconds=2))
        assert pool.stats().active == 4  # lent is lent
    until(lambda: len(backends(store.url)) == 2)
    with pool.store(), pool.store(), pytest.raises(errors.StoreUnavailable, match="all 2"), pool.store():
        pass


def test_given_more_idle_ones_the_base_passes_its_maximum(store: Database, make_pool: MakePool) -> None:
    with base(store.url, min_size=0, max_size=4) as alone:
        grow(alone, 4)
        alone.resize(2, 4)
        until(lambda: len(backends(store.url)) == 6)
    until(lambda: not backends(store.url))

    pool = make_pool(store.url, maximum=4)
    with ExitStack() as loans:
        for _ in range(4):
            loans.enter_context(pool.store())
    pool.resize(profiles.Pool(maximum=4, minimum_idle=2))
    time.sleep(2 * deadlines.POOL_ROUND)
    assert len(backends(store.url)) == 4


def test_whoever_gave_up_waits_on_in_the_base_s_figures(store: Database) -> None:
    with base(store.url, min_size=0, max_size=1) as alone, alone.connection():
        for _ in range(3):
            with pytest.raises(psycopg_pool.PoolTimeout):
                alone.getconn(timeout=0.05)
        assert alone.get_stats()["requests_waiting"] == 3

    with Connections(
        store.url, connection_class=Pooled, kwargs=options("test"), min_size=0, max_size=1, open=True
    ) as ours:
        held = ours.getconn()
        for _ in range(3):
            with pytest.raises(psycopg_pool.PoolTimeout):
                ours.getconn(timeout=0.05)
        ours.tend()
        assert ours.get_stats()["requests_waiting"] == 0
        ours.putconn(held)


def test_when_the_base_has_given_up_it_forgets_who_waits(restarted: embedded.Server) -> None:
    """What ours does: test_a_caller_who_waits_through_an_outage_is_served_when_the_server_is_back."""
    gave_up: list[object] = []
    restarted.stop()
    try:
        with (
            base(
                restarted.url(), min_size=0, max_size=1, reconnect_timeout=0.2, reconnect_failed=gave_up.append
            ) as alone,
            closing(Threads(1, 1, 0)) as threads,
        ):
            call = threads.submit(alone.getconn, timeout=8)
            until(lambda: len(gave_up) == 1)
            restarted.start()
            assert not call.done()
            assert isinstance(call.exception(GENEROUS), psycopg_pool.PoolTimeout)
            with alone.connection(timeout=GENEROUS) as connection:  # whoever comes now is served
                assert connection.execute("SELECT 42").fetchone() == (42,)
    finally:
        if restarted.pid is None:
            restarted.start()


def test_each_thread_of_the_base_has_the_deadline_of_close_to_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never says a word
        url = f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/store"
        alone = Base(url, kwargs={"connect_timeout": 8}, min_size=3, max_size=3, open=True, name="base")
        time.sleep(0.5)
        begun = time.monotonic()
        alone.close(2)
        assert time.monotonic() - begun > 5.5

        ours = Pool(url, profiles.Pool(maximum=3, minimum_idle=3), "silent")
        time.sleep(0.5)
        begun = time.monotonic()
        assert ours.close(2)
        assert time.monotonic() - begun < 5.5


def test_a_task_that_is_cancelled_loses_no_connection(store: Database, make_pool: MakePool) -> None:
    """With the asyncio pool it could (psycopg issues 1275, 1345, 1401); threads end by their own deadlines."""
    pool = make_pool(store.url, maximum=2, connection_timeout_seconds=GENEROUS)

    def use() -> int:
        with pool.store() as lent:
            lent.connection.execute("SELECT pg_sleep(0.05)")
            return pid(lent)

    async def work(threads: Threads) -> int:
        cancelled = 0
        for round_ in range(10):
            tasks = [asyncio.create_task(asyncio.wait_for(threads.run(use), 0.01 * round_)) for _ in range(8)]
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            cancelled += sum(isinstance(each, TimeoutError) for each in ended)
        return cancelled

    with closing(Threads(8, 8, 80)) as threads:
        assert asyncio.run(work(threads)) > 20
        until(lambda: threads.stats().active == 0)
    assert (pool.stats().active, pool.stats().pending, pool.stats().timeouts) == (0, 0, 0)
    with pool.store() as one, pool.store() as other:
        assert asked(one) == asked(other) == 42
    assert len(backends(store.url)) == 2
