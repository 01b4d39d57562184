"""The budget's formula is what a daemon opens: idle, at work, and while one profile follows another."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from agent.daemon.conftest import MakeDaemon
from agent.daemon.gates import Gate, assert_exact
from daemons import Daemon, until
from extraction_agent import profiles
from extraction_agent.tuning.budget import Need
from support import Database

_SESSIONS = """
SELECT application_name FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'extraction-agent %'
"""
_UNGUARDED = {"enabled": False}  # the guard takes the test's own sessions for others, and makes room slowly
_PROBES = dict.fromkeys(("sampler", "probe", "guard", "tuning"), "probes")
_KINDS = {"store": "pool", "queue": "queue", **_PROBES}


def _kind(name: str) -> str:
    """Lanes and control bear the agent's own name."""
    return _KINDS.get(name.removeprefix("extraction-agent "), "lanes and control")


@contextmanager
def _watched(store: Database) -> Iterator[Counter[str]]:
    """The most sessions of each kind, and of all together, that are seen inside."""
    most: Counter[str] = Counter()
    end = threading.Event()

    def watch() -> None:
        with psycopg.connect(store.url, autocommit=True) as connection:
            while not end.wait(0.02):
                seen = Counter(_kind(row[0]) for row in connection.execute(_SESSIONS).fetchall())
                most.update({kind: max(number - most[kind], 0) for kind, number in seen.items()})
                most["total"] = max(most["total"], seen.total())

    thread = threading.Thread(target=watch, name="watch")
    thread.start()
    try:
        yield most
    finally:
        end.set()
        thread.join()


def _need(daemon: Daemon) -> Need:
    return Need.of(profiles.load(str(daemon.profile_file)).settings)


def _assert_within(most: Counter[str], need: Need) -> None:
    assert most["pool"] <= need.pool
    assert most["lanes and control"] <= need.lanes + need.control
    assert most["queue"] <= need.queue
    assert most["probes"] <= need.probes
    assert most["total"] <= need.total


def test_a_daemon_at_work_opens_what_the_formula_says(
    make_daemon: MakeDaemon, source: Database, store: Database
) -> None:
    daemon = make_daemon()
    daemon.tune(pool={"maximum": 7, "minimum_idle": 7}, reading={"chunks_in_flight": 1})
    need = _need(daemon)
    with _watched(store) as most:
        daemon.start()
        gate = Gate(source)
        first = gate.extraction(store)
        assert_exact(store, first)
        with gate:  # lanes of the first rest, those of the second are in use
            second = gate.extraction(store)
            gate.wait_for(1)
            until(lambda: most["pool"] == 7, "a full pool")
            until(lambda: most["probes"] >= 3, "the guard's look")
        assert_exact(store, second)
    print(dict(most), need, need.total)
    _assert_within(most, need)
    # Nothing is counted that is not opened: but resting lanes, a part being indexed and the queue's spare may be few.
    assert most["lanes and control"] >= need.lanes / 2 + 1
    assert most["queue"] >= 2
    assert most["total"] >= need.total - need.lanes / 2 - 5
    daemon.stop()


def test_one_profile_after_another_never_needs_more_than_the_larger(
    make_daemon: MakeDaemon, source: Database, store: Database
) -> None:
    daemon = make_daemon()
    daemon.tune(pool={"maximum": 4, "minimum_idle": 4}, reading={"chunks_in_flight": 4}, source_guard=_UNGUARDED)
    before = _need(daemon)
    with Gate(source) as gate, _watched(store) as most:
        daemon.start()
        extraction = gate.extraction(store)
        gate.wait_for(3)
        until(lambda: most["pool"] == 4, "a full pool")
        daemon.tune(pool={"maximum": 9, "minimum_idle": 9}, reading={"chunks_in_flight": 1}, source_guard=_UNGUARDED)
        after = _need(daemon)
        daemon.reload()
        until(lambda: most["pool"] == 9, "a larger pool")
        gate.open()
        assert_exact(store, extraction)
    assert most["lanes and control"] >= 3, "chunks of the profile before were in flight"
    _assert_within(most, after.beside(before))
    assert after.beside(before).total < before.total + after.total
    daemon.stop()
