"""A real daemon clears the store of an aborted rollout's indexes."""

from agent.daemon.conftest import MakeDaemon
from agent.tuning.index_bench import Side, begin, catalog, profile
from daemons import until
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes.place import Place
from support import Database


def test_an_aborted_rollouts_indexes_are_dropped(make_daemon: MakeDaemon, store: Database) -> None:
    before = catalog(store)
    with Store(store.url) as opened:
        side = Side(opened, Place.store(store.url), begin(opened, profile()))
        side.apply()
        assert len(catalog(store)) == len(before) + 1
        side.abort()
        daemon = make_daemon().start()
        until(lambda: catalog(store) == before, "the dropping")
        until(lambda: daemon.metric('extraction_indexes_left{where="store"}') == 0, "the count")
        assert opened.entries(1)[0].who.startswith("agent:")
    daemon.stop()
