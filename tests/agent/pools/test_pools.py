"""The pool of connections to the store: resized, exhausted, killed, leaked, left in the middle; on real servers."""

import re
import threading
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import psycopg
import pytest

from agent.faults.harness import until
from agent.pools.conftest import MakePool, backends
from extraction_agent import deadlines, embedded, errors, profiles
from extraction_agent.observe import metrics
from extraction_agent.protect.threads import Threads
from extraction_agent.store import pools
from extraction_agent.store.connection import prepare
from extraction_agent.store.connections import Pooled
from extraction_agent.store.pools import Pool
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop, ended_by
from proxy import Proxy
from support import Database

GENEROUS = 20.0  # s, for what should be done at once


def pid(store: Store) -> int:
    return store.connection.info.backend_pid


def asked(store: Store) -> int:
    """A round trip that shows the connection works."""
    row = store.connection.execute("SELECT 42").fetchone()
    assert row is not None
    return int(row[0])


def figure(name: str, pool: Pool) -> float | None:
    return metrics.REGISTRY.get_sample_value(f"hikari_pool_{name}", {"pool": pool.name})


def terminate(url: str) -> int:
    """Kill the pools' connections. Returns how many there were."""
    victims = backends(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for victim in victims:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", [victim])
    return len(victims)


def test_lends_one_prepared_connection_after_another(
    store: Database, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[object] = []

    def counting(connection: Pooled, url: str, where: str) -> None:
        prepared.append(connection)
        prepare(connection, url, where)

    monkeypatch.setattr(pools, "prepare", counting)
    pool = make_pool(store.url, maximum=2)
    seen = set()
    for _ in range(20):
        with pool.store() as lent:
            seen.add(pid(lent))
            assert lent.summaries(10) == []
            assert lent.connection.execute("SHOW lock_timeout").fetchone() == ("30s",)
            assert pool.stats().active == 1
    assert len(prepared) == len(seen) == 1
    assert (pool.stats().active, pool.stats().idle) == (0, 1)


def test_resized_to_less_and_back_under_load_fails_no_call(store: Database, make_pool: MakePool) -> None:
    pool = make_pool(store.url, maximum=50, minimum_idle=20)
    wide, narrow = (profiles.Pool(maximum=size, minimum_idle=size // 3) for size in (50, 10))
    going = threading.Event()
    going.set()
    done: list[int] = []

    def work() -> None:
        while going.is_set():
            with pool.store() as lent:
                lent.connection.execute("SELECT pg_sleep(0.02)")
                done.append(asked(lent))

    def answered(number: int) -> bool:
        return len(done) >= number

    with closing(Threads(60, 60, 0)) as threads:
        calls = [threads.submit(work) for _ in range(60)]
        until(lambda: len(backends(store.url)) == 50)
        for _ in range(2):
            pool.resize(narrow)
            until(lambda: len(backends(store.url)) <= 10)
            until(lambda: pool.stats().pending >= 45)  # whoever has just given one back is in no figure
            until(partial(answered, len(done) + 250))
            pool.resize(wide)
            until(lambda: len(backends(store.url)) == 50)
        going.clear()
        for call in calls:
            call.result(GENEROUS)
    assert set(done) == {42}
    assert (pool.stats().active, pool.stats().timeouts) == (0, 0)


def test_a_thousand_callers_of_an_exhausted_pool_all_end_in_time_and_are_counted(
    store: Database, make_pool: MakePool
) -> None:
    pool = make_pool(store.url, maximum=2, connection_timeout_seconds=2)
    waited: list[float] = []

    def call() -> None:
        begun = time.monotonic()
        try:
            with pool.store():
                raise AssertionError("it was exhausted")
        finally:
            waited.append(time.monotonic() - begun)

    with closing(Threads(1000, 1000, 0)) as threads, pool.store(), pool.store():
        calls = [threads.submit(call) for _ in range(1000)]
        raised = [call.exception(60) for call in calls]
    assert {type(error) for error in raised} == {errors.StoreUnavailable}
    assert "all 2 connections of the pool were in use for 2 s" in str(raised[0])
    assert min(waited) >= 1.9
    assert max(waited) < 2 + GENEROUS
    assert (pool.stats().timeouts, figure("timeouts_total", pool)) == (1000, 1000)
    assert pool.stats().pending == 0
    with pool.store() as lent:
        assert asked(lent) == 42


def test_killed_while_idle_the_next_takers_get_working_ones(store: Database, make_pool: MakePool) -> None:
    pool = make_pool(store.url, maximum=8, minimum_idle=8)
    until(lambda: pool.stats().idle == 8)
    assert terminate(store.url) == 8
    begun = time.monotonic()
    with ExitStack() as all_of_them:
        for _ in range(8):
            assert asked(all_of_them.enter_context(pool.store())) == 42
    assert time.monotonic() - begun < GENEROUS
    assert pool.stats().timeouts == 0


def test_killed_while_used_the_user_is_told_and_the_next_gets_a_working_one(
    store: Database, make_pool: MakePool
) -> None:
    pool = make_pool(store.url, maximum=1)
    with pool.store() as lent:
        assert terminate(store.url) == 1
        with pytest.raises(errors.StoreUnavailable, match="terminating connection"):
            lent.summaries(1)
    with pool.store() as lent:
        assert asked(lent) == 42


def test_outlives_a_restart_of_the_server(restarted: embedded.Server, make_pool: MakePool) -> None:
    pool = make_pool(restarted.url(), maximum=10, minimum_idle=10)
    until(lambda: pool.stats().idle == 10)
    with pool.store() as lent:
        restarted.stop()
        restarted.start()
        with pytest.raises(errors.StoreUnavailable):
            lent.summaries(1)
    begun = time.monotonic()
    with pool.store() as lent:
        assert asked(lent) == 42
    assert time.monotonic() - begun < GENEROUS
    until(lambda: pool.stats().idle == 10)


def test_a_caller_who_waits_through_an_outage_is_served_when_the_server_is_back(
    restarted: embedded.Server, make_pool: MakePool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    pool = make_pool(restarted.url(), maximum=3, minimum_idle=1)
    until(lambda: pool.stats().idle == 1)
    restarted.stop()
    try:
        with closing(Threads(4, 4, 0)) as threads:
            calls = [threads.submit(_ask, pool) for _ in range(4)]
            time.sleep(3 * deadlines.POOL_RECONNECT)  # long enough for the base's pool to give up
            assert not any(call.done() for call in calls)
            restarted.start()
            begun = time.monotonic()
            assert [call.result(GENEROUS) for call in calls] == [42] * 4
            assert time.monotonic() - begun < 10
    finally:
        if restarted.pid is None:
            restarted.start()
    until(lambda: "again" in caplog.text)
    told = [record.getMessage() for record in caplog.records if record.name == pools.__name__]
    assert [("no connection to" in line, "again" in line) for line in told] == [(True, False), (False, True)]


def _ask(pool: Pool) -> int:
    with pool.store() as lent:
        return asked(lent)


def test_says_why_there_is_no_connection(store: Database, make_pool: MakePool) -> None:
    nowhere = make_pool("postgresql://postgres@127.0.0.1:1/store", connection_timeout_seconds=2)
    with pytest.raises(errors.StoreUnavailable, match=r"store 127.0.0.1:1/store: no connection within 2 s: .*refused"):
        _ask(nowhere)
    empty = make_pool(re.sub(r"/[^/]*$", "/template1", store.url), connection_timeout_seconds=2)
    with pytest.raises(errors.StoreUnavailable, match="The store is empty: prepare it"):
        _ask(empty)
    with pytest.raises(errors.UsageError, match="begins otherwise"):
        make_pool("mysql://host/store")


def test_a_server_that_says_nothing_costs_a_taker_no_more_than_its_time_out(
    server: embedded.Server, store: Database, make_pool: MakePool
) -> None:
    with Proxy(server.port) as proxy:
        pool = make_pool(proxy.url(store.url.rpartition("/")[2]), connection_timeout_seconds=3, minimum_idle=2)
        until(lambda: pool.stats().idle == 2)
        time.sleep(pools._FRESH)
        proxy.freeze()
        begun = time.monotonic()
        with pytest.raises(errors.StoreUnavailable):
            _ask(pool)
        assert time.monotonic() - begun < 3 + GENEROUS
        proxy.thaw()
        until(lambda: _works(pool))


def _works(pool: Pool) -> bool:
    try:
        return _ask(pool) == 42
    except errors.StoreUnavailable:
        return False


def test_nothing_of_one_taker_is_left_to_the_next(
    store: Database, make_pool: MakePool, caplog: pytest.LogCaptureFixture
) -> None:
    pool = make_pool(store.url, maximum=1)
    with pool.store() as lent:
        first = pid(lent)
        lent.connection.execute("BEGIN")
        lent.connection.execute("CREATE TABLE left_over ()")
        lent.connection.deadline = 0.001
    assert f"a transaction left open by {__file__}" in caplog.text
    with pool.store() as lent:
        assert pid(lent) == first
        assert lent.usable
        assert lent.connection.deadline == deadlines.STATEMENT
        assert lent.connection.execute("SELECT to_regclass('left_over')").fetchone() == (None,)
        lent.connection.pgconn.send_query(b"SELECT pg_sleep(60)")
    with pool.store() as lent:  # the one before was busy: it is closed
        assert pid(lent) != first
        assert asked(lent) == 42
    assert pool.stats().active == 0


def test_a_stop_in_the_middle_costs_one_connection_and_no_place(store: Database, make_pool: MakePool) -> None:
    pool = make_pool(store.url, maximum=1)
    with closing(Stop()) as stop:
        threading.Timer(0.2, stop.request).start()
        with pytest.raises(errors.Cancelled), ended_by(stop), pool.store() as lent:
            lent.connection.execute("SELECT pg_sleep(60)")
    assert _ask(pool) == 42


def test_a_connection_held_too_long_is_told_once_with_its_place_and_counted(
    store: Database, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deadlines, "POOL_ROUND", 0.02)
    pool = make_pool(store.url, leak_seconds=0.1)
    with pool.store(), ExitStack() as stack:
        stack.enter_context(pool.store())
        until(lambda: pool.stats().leaks == 2)
        time.sleep(0.2)  # ten more looks
    lines = [record.getMessage() for record in caplog.records if "has been held" in record.getMessage()]
    places = sorted(int(re.findall(rf"taken at {re.escape(__file__)}:(\d+) ", line)[0]) for line in lines)
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert [source[place - 1].strip()[:10] for place in places] == ["with pool.", "stack.ente"]
    assert (pool.stats().leaks, figure("leaks_total", pool)) == (2, 2)


def test_what_is_held_on_purpose_is_no_leak_until_it_is_held_for_longer(
    store: Database, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "POOL_ROUND", 0.02)
    pool = make_pool(store.url, leak_seconds=0.1)
    with pool.store(3600):
        with pool.store():
            until(lambda: pool.stats().leaks == 1)
        time.sleep(0.2)  # ten more looks
        assert pool.stats().leaks == 1
        with pool.store(0.2):
            until(lambda: pool.stats().leaks == 2)
    assert pool.stats().leaks == 2


def test_unused_connections_are_closed(store: Database, make_pool: MakePool) -> None:
    pool = make_pool(store.url, maximum=6, minimum_idle=2, idle_timeout_seconds=0.3)
    with ExitStack() as many:
        for _ in range(6):
            many.enter_context(pool.store())
        first = backends(store.url)
        assert len(first) == 6
    until(lambda: len(backends(store.url)) == 2)
    assert backends(store.url) <= first


def test_old_connections_are_closed_without_being_taken(
    store: Database, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "POOL_ROUND", 0.05)
    pool = make_pool(store.url, maximum=2, minimum_idle=2, max_lifetime_seconds=2)
    with pool.store() as one, pool.store() as other:
        first = {pid(one), pid(other)}
    until(lambda: not backends(store.url) & first)
    until(lambda: pool.stats().idle == 2)


def test_close_waits_for_what_is_lent_but_not_for_ever(
    store: Database, make_pool: MakePool, caplog: pytest.LogCaptureFixture
) -> None:
    pool = make_pool(store.url, minimum_idle=2)
    lent = threading.Event()
    leave = threading.Event()

    def hold() -> int:
        with pool.store() as held:
            lent.set()
            assert leave.wait(GENEROUS)
            return asked(held)

    with closing(Threads(1, 1, 0)) as threads:
        call = threads.submit(hold)
        assert lent.wait(GENEROUS)
        begun = time.monotonic()
        assert not pool.close(0.3)
        assert time.monotonic() - begun < GENEROUS
        assert re.search(rf"taken at {re.escape(__file__)}:\d+ was not given back", caplog.text)
        with pytest.raises(errors.StoreUnavailable, match="stopping"), pool.store():
            pass
        leave.set()
        assert call.result(GENEROUS) == 42
    until(lambda: not backends(store.url))
    assert figure("max_connections", pool) is None


def test_reports_itself_under_its_name(store: Database, make_pool: MakePool) -> None:
    pool = make_pool(store.url, maximum=3, minimum_idle=2)
    until(lambda: pool.stats().idle == 2)
    with closing(Threads(4, 4, 0)) as threads, ExitStack() as loans:
        for _ in range(3):
            loans.enter_context(pool.store())
        waiting = threads.submit(_ask, pool)
        until(lambda: figure("pending_connections", pool) == 1)
        assert figure("active_connections", pool) == 3
        assert figure("idle_connections", pool) == 0
        assert figure("max_connections", pool) == 3
        assert figure("min_connections", pool) == 2
        loans.close()
        assert waiting.result(GENEROUS) == 42
    assert figure("active_connections", pool) == 0
    for name, least in (("acquire", 4), ("usage", 4), ("creation", 3)):
        assert figure(f"{name}_seconds_count", pool) == least
