"""A change made where no cache can be reached: none is in use when it is answered, nor comes into use with what was."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from cached_agent import Stores, save, version_of
from extraction_agent import deadlines
from extraction_agent.cache.configs import Configs
from extraction_agent.cache.lease import outlast_suspension
from extraction_agent.cache.protocol import Place
from extraction_agent.store.epochs import Epoch
from extraction_agent.store.store import Store
from support import Database


def test_a_cache_that_would_come_into_use_before_such_a_change_commits(
    store: Database, stores: Stores, agent: Callable[[Place], Configs], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is in use when the change begins, so there is none to suspend; before it commits, an agent adopts one."""
    monkeypatch.setattr(deadlines, "CACHE_ADOPT", 0.0)
    configs = agent(place)
    before = save(stores, "orders", 1)

    def read() -> None:
        try:
            configs.get(before.id)  # puts the cache to use
            configs._leases.drop()
            configs.get(before.id)  # fills it
        finally:
            stores.close()  # of this thread

    def waits() -> bool:
        return bool(store.rows("SELECT FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"))

    with Store(store.url) as command, ThreadPoolExecutor() as threads:
        assert command.cache_epoch().server is None
        with command.transaction():
            command.save_config("orders", before.source_type, before.source_url, "v2", before.definition, uncached=True)
            reading = threads.submit(read)
            deadline = time.monotonic() + 30
            while not (waits() or reading.done()):  # the agent is through with it, or waits for the change
                assert time.monotonic() < deadline
        outlast_suspension(command)
        reading.result(30)
    assert version_of(configs.get(before.id)) == 2
    configs._leases.drop()
    assert version_of(configs.get(before.id)) == 2


def test_only_a_cache_that_was_in_use_is_waited_for(store: Database) -> None:
    """Whoever finds an epoch that is not settled waits for a lease's length."""
    with Store(store.url) as opened:

        def suspended() -> Epoch:
            before = opened.cache_epoch()
            opened.suspend_cache()
            after = opened.cache_epoch()
            assert (after.id != before.id, after.server) == (True, None)
            return after

        assert suspended().settled  # none was
        opened.change_cache_epoch(opened.cache_epoch(), "one")
        assert not suspended().settled
        assert not suspended().settled  # of another change, that has not waited yet
        opened.settle_cache_epoch(opened.cache_epoch())
        assert suspended().settled
