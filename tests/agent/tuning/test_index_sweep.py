"""Agents drop from the store what an aborted rollout has left there, and count what it has left at sources."""

import logging
import threading
from collections.abc import Iterator

import pytest
from psycopg import sql as q

from agent.tuning.index_bench import Side, catalog
from agent.tuning.records import commit
from extraction_agent.observe import metrics
from extraction_agent.store.rollout_rows import IndexState
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes.sweep import Sweeper
from extraction_agent.waiting import Stop
from support import Database


@pytest.fixture
def stop() -> Iterator[Stop]:
    made = Stop()
    yield made
    made.close()


def _left(where: str) -> float:
    return float(metrics.INDEXES_LEFT.labels(where)._value.get())


def test_only_what_was_aborted_is_dropped(at_store: Side, store: Database, stop: Stop) -> None:
    before = catalog(store)
    sweeper = Sweeper(store.url, "agent:one", stop)
    at_store.apply()
    built = catalog(store)
    sweeper.sweep(at_store.store)
    assert catalog(store) == built, "its rollout runs"
    at_store.abort()
    sweeper.sweep(at_store.store)
    assert catalog(store) == before
    entry = at_store.store.entries(1)[0]
    assert (entry.action, entry.who) == ("index.dropped", "agent:one")
    store.run(f"CREATE INDEX jivs_r{at_store.rollout.id}_2 ON extractions (status, created_at)")
    sweeper.sweep(at_store.store)
    assert catalog(store) == before, "one whose build came late"


def test_committed_ones_stay(at_store: Side, store: Database, stop: Stop) -> None:
    at_store.apply()
    commit(at_store.store, at_store.rollout)
    built = catalog(store)
    Sweeper(store.url, "agent:one", stop).sweep(at_store.store)
    assert catalog(store) == built


def test_those_of_a_source_are_counted(side: Side, store: Database, stop: Stop) -> None:
    side.apply()
    side.abort()
    built = catalog(store)
    Sweeper(store.url, "agent:one", stop).sweep(side.store)
    assert (_left("store"), _left("source")) == (0, 1)
    assert catalog(store) == built
    side.undo()
    Sweeper(store.url, "agent:one", stop).sweep(side.store)
    assert _left("source") == 0


def test_two_agents_at_once(at_store: Side, other: Store, store: Database, stop: Stop) -> None:
    before = catalog(store)
    at_store.apply()
    at_store.abort()
    agents = [
        threading.Thread(target=Sweeper(store.url, f"agent:{number}", stop).sweep, args=[opened])
        for number, opened in enumerate((at_store.store, other))
    ]
    for agent in agents:
        agent.start()
    for agent in agents:
        agent.join()
    assert catalog(store) == before
    states = [one.state for one in at_store.store.rollout_indexes(at_store.rollout.id)]
    assert states == [IndexState.DROPPED] * 3


def test_an_agent_that_may_not_says_so_once(
    at_store: Side, store: Database, stop: Stop, caplog: pytest.LogCaptureFixture
) -> None:
    at_store.apply()
    at_store.abort()
    built = catalog(store)
    name = f"lesser_of_{store.value('SELECT current_database()')}"
    role = q.Identifier(name)
    owner = at_store.store.connection
    owner.execute(q.SQL("CREATE ROLE {0} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {0}").format(role))
    try:
        url = store.url.replace("//postgres@", f"//{name}@")
        sweeper = Sweeper(url, "agent:one", stop)
        with Store(url) as lesser, caplog.at_level(logging.WARNING):
            for _ in range(2):
                sweeper.sweep(lesser)
        assert _left("store") == 3
        [record] = caplog.records
        assert "must be owner of" in record.getMessage()
        assert catalog(store) == built
    finally:
        owner.execute(q.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))
