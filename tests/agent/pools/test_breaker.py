"""A pool behind the store's breaker: a store that is down keeps nobody waiting and is not hammered; back, it serves."""

import socket
import threading
import time
from contextlib import closing, suppress

import pytest

from agent.faults.harness import until
from agent.pools.conftest import MakePool
from extraction_agent import embedded, errors
from extraction_agent.protect.breaker import Breaker, State
from extraction_agent.protect.threads import Threads
from extraction_agent.store.pools import Pool

GENEROUS = 20.0  # s, for what should be done at once


def ask(pool: Pool) -> None:
    with pool.store() as lent:
        lent.versions()


def works(pool: Pool) -> bool:
    try:
        ask(pool)
    except errors.StoreUnavailable:
        return False
    return True


def stays_open(breaker: Breaker) -> bool:
    """Stop its clock, if it is open."""
    now = time.monotonic()
    breaker._clock = lambda: now
    if breaker.state is State.OPEN:
        return True
    breaker._clock = time.monotonic
    return False


class Counting:
    """Listens in the place of a server that is down, and closes every connection at once."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self.attempts = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                self._listener.accept()[0].close()
                self.attempts += 1

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def test_behind_a_breaker_nobody_waits_for_a_store_that_is_down_and_few_ask_it(
    restarted: embedded.Server, make_pool: MakePool
) -> None:
    breaker = Breaker("store of the test", errors.StoreUnavailable)
    pool = make_pool(restarted.url(), breaker=breaker, maximum=20, minimum_idle=20, connection_timeout_seconds=60)
    until(lambda: pool.stats().idle == 20)
    restarted.stop()
    try:
        with closing(Counting(restarted.port)) as counting, closing(Threads(8, 8, 0)) as threads:
            begun = time.monotonic()
            calls = [threads.submit(ask, pool) for _ in range(8)]
            for call in calls:
                with pytest.raises(errors.StoreUnavailable) as refusal:
                    call.result(GENEROUS)
            assert refusal.value.retry_after is not None
            until(lambda: stays_open(breaker))
            before = time.monotonic()
            with pytest.raises(errors.StoreUnavailable, match="it is asked again in"):
                ask(pool)
            assert time.monotonic() - before < GENEROUS, "it waited"
            breaker._clock = time.monotonic
            time.sleep(max(0, begun + 6 - time.monotonic()))
            assert 3 <= counting.attempts <= 20, "6 s and a pool of 20"
        restarted.start()
        begun = time.monotonic()
        until(lambda: works(pool))
        assert time.monotonic() - begun < 10
    finally:
        if restarted.pid is None:
            restarted.start()
    until(lambda: pool.stats().idle == 20)
