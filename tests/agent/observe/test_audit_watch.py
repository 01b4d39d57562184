"""The daemon looks through the audit log part by part: whatever was done to it shows, and goes on showing."""

import logging
import math
from collections.abc import Callable, Iterator

import psycopg
import pytest

from extraction_agent import errors, profiles
from extraction_agent.observe import metrics
from extraction_agent.store.audit_watch import AuditWatch
from extraction_agent.store.pools import Pool
from support import Database
from tampering import REWRITE, fill, tamper

_PART = 4  # entries


def _faults() -> float:
    found = metrics.REGISTRY.get_sample_value("extraction_audit_faults")
    assert found is not None
    return found


@pytest.fixture
def pool(store: Database) -> Iterator[Pool]:
    made = Pool(store.url, profiles.Pool(maximum=2, minimum_idle=0), "audit-test")
    yield made
    made.close()


@pytest.fixture
def look(pool: Pool, store: Database) -> Callable[[], float]:
    """Looks once through a log of eleven entries, in three parts; returns the faults that are known then."""
    fill(store, 10)
    watch = AuditWatch(pool, _PART)

    def through() -> float:
        for _ in range(3):
            watch.take()
        return _faults()

    return through


def test_a_whole_log_has_no_faults_however_often_it_is_looked_at(look: Callable[[], float], store: Database) -> None:
    assert [look(), look()] == [0, 0]
    fill(store, 2)
    assert [look(), look(), look()] == [0, 0, 0]


def test_an_old_entry_that_is_altered_shows_until_it_is_as_it_was(
    look: Callable[[], float], store: Database, caplog: pytest.LogCaptureFixture
) -> None:
    assert look() == 0
    tamper(store, "UPDATE audit_log SET who = who || ' or not' WHERE id = 6")
    with caplog.at_level(logging.ERROR):
        assert [look(), look()] == [1, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "the audit log is not as it was written: Entry 6 was altered."
    ], "told once"
    tamper(store, "UPDATE audit_log SET who = replace(who, ' or not', '') WHERE id = 6")
    assert [look(), look()] == [0, 0]


def test_an_end_that_is_cut_off_together_with_its_record_shows(look: Callable[[], float], store: Database) -> None:
    assert look() == 0
    tamper(
        store,
        "DELETE FROM audit_log WHERE id > 8",
        "UPDATE audit_head SET id = 8, hash = (SELECT hash FROM audit_log WHERE id = 8)",
    )
    assert look() > 0
    assert look() > 0, "the agent takes no chain with a fault for the right one"


def test_a_log_that_was_written_anew_shows(look: Callable[[], float], store: Database) -> None:
    assert look() == 0
    with psycopg.connect(store.url) as connection:
        connection.execute("ALTER TABLE audit_log DISABLE TRIGGER ALL")
        connection.execute("UPDATE audit_log SET who = 'cli:somebody' WHERE id = 5")
        connection.execute(REWRITE)
    assert [look(), look()] == [1, 1]


def test_faults_without_end_are_not_all_kept(pool: Pool, store: Database) -> None:
    fill(store, 250)
    tamper(store, "UPDATE audit_log SET who = 'cli:somebody'")
    watch = AuditWatch(pool, 60)
    for _ in range(5):
        watch.take()
        assert 60 <= _faults() < 160


def test_a_fault_is_not_forgotten_while_nobody_can_look(pool: Pool, store: Database) -> None:
    watch = AuditWatch(pool)
    assert math.isnan(_faults()), "nobody has looked"
    watch.take()
    assert _faults() == 0
    watch.forget()
    assert math.isnan(_faults())
    tamper(store, "UPDATE audit_log SET who = 'cli:somebody' WHERE id = 1")
    watch.take()
    pool.close()
    with pytest.raises(errors.StoreUnavailable):
        watch.take()
    watch.forget()
    assert _faults() == 1
