"""Indexes of a rollout: built once, compared by definition, undone to the byte, and nobody else's touched."""

import threading
import time

import psycopg
import pytest
from psycopg import sql as q

from agent.tuning.index_bench import (
    BRIEF,
    NAME,
    Side,
    begin,
    building,
    catalog,
    profile,
    remains,
    transaction,
    until,
)
from agent.tuning.records import commit
from extraction_agent import errors, profiles
from extraction_agent.model import Consistency, Definition
from extraction_agent.sources import open_source
from extraction_agent.store.rollout_rows import IndexState
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes.limits import Limits
from extraction_agent.tuning.indexes.place import Place
from extraction_agent.tuning.indexes.rollout import Report, apply
from support import Database, extract


def _actions(report: Report) -> list[tuple[str, str]]:
    return [(one.name, one.action) for one in report.outcomes]


# Of the store


def test_the_three_of_the_store_and_back(at_store: Side, store: Database) -> None:
    before = catalog(store)
    names = [str(name) for name in profiles.StoreIndex]
    assert _actions(at_store.apply(dry_run=True)) == [(name, "build") for name in names]
    assert catalog(store) == before, "a dry run changes nothing"
    assert at_store.store.rollout_indexes(at_store.rollout.id) == []
    assert _actions(at_store.apply()) == [(name, "build") for name in names]
    built = {definition: valid for definition, valid, _ in catalog(store) if (definition, valid, None) not in before}
    assert built == {
        "CREATE INDEX idx_extraction_config_source_type ON public.extraction_configs USING btree (source_type)": True,
        "CREATE INDEX idx_extraction_status_created ON public.extractions USING btree (status, created_at)": True,
        "CREATE INDEX idx_extraction_data_extracted_at ON public.extraction_data "
        "USING btree (extraction_id, extracted_at)": True,
    }
    assert {one.definition for one in at_store.store.rollout_indexes(at_store.rollout.id)} == built.keys()
    again = at_store.apply()
    assert not again.changed
    assert _actions(again) == [(name, "keep") for name in names]
    with pytest.raises(errors.Conflict, match=r"runs: end it with `extractctl rollout abort"):
        at_store.undo()
    at_store.abort()
    assert at_store.undo(dry_run=True).changed
    assert len(catalog(store)) == len(before) + 3, "a dry run changes nothing"
    assert _actions(at_store.undo(of_all=True)) == [(name, "drop") for name in names]
    assert catalog(store) == before
    assert not at_store.undo().changed
    told = [entry.action for entry in at_store.store.entries(100, object_=f"index {names[0]}")]
    assert told == ["index.dropped", "index.renamed", "index.built", "index.wanted"]


def test_queries_use_them(at_store: Side, store: Database) -> None:
    """Each serves what it is there for, when there is enough to look through."""
    store.run(
        "INSERT INTO extraction_configs (name, source_type, source_url, definition) "
        "SELECT n::text, CASE WHEN n = 1 THEN 'mysql' ELSE 'postgresql' END, '', '{}' FROM generate_series(1, 5000) n",
        "INSERT INTO extraction_data (extraction_id, data) SELECT n % 500, '1' FROM generate_series(1, 50000) AS n",
        "ANALYZE extraction_configs, extraction_data",
    )
    at_store.apply()
    for query, name in (
        ("SELECT FROM extraction_configs WHERE source_type = 'mysql'", "idx_extraction_config_source_type"),
        ("SELECT FROM ONLY extraction_data WHERE extraction_id = 7 ORDER BY extracted_at LIMIT 9",
         "idx_extraction_data_extracted_at"),
    ):  # fmt: skip
        with psycopg.connect(store.url) as connection:
            plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {query}".encode()))
        assert name in plan


def test_parts_attached_meanwhile_get_no_copy_that_would_stay(
    at_store: Side, filled: Database, store: Database
) -> None:
    copies = q.SQL("SELECT count(*) FROM pg_indexes WHERE schemaname = 'extraction_parts'")
    at_store.apply()
    extract(filled.url, store, Definition(table="item", chunk_rows=300))
    assert store.value(copies) == 0
    commit(at_store.store, at_store.rollout)
    extract(filled.url, store, Definition(table="item", chunk_rows=300))
    assert store.value(copies) == 1
    assert store.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'extraction_parts'") == 2


# Of others


def test_what_was_there_before_stays(side: Side, filled: Database) -> None:
    filled.run(f"CREATE INDEX {NAME} ON item (at, id)")
    before = catalog(filled)
    assert _actions(side.apply()) == [(NAME, "keep")]
    assert catalog(filled) == before
    [recorded] = side.store.rollout_indexes(side.rollout.id)
    assert not recorded.ours
    side.abort()
    assert _actions(side.undo()) == []
    assert catalog(filled) == before


def test_the_same_under_another_name_serves(side: Side, filled: Database) -> None:
    filled.run("CREATE INDEX somebody_elses ON item (at, id)")
    before = catalog(filled)
    [kept] = side.apply().outcomes
    assert (kept.action, kept.reason) == ("keep", "it was there before, as somebody_elses")
    side.abort()
    side.undo()
    assert catalog(filled) == before


def test_one_that_somebody_has_put_in_the_place_of_ours_stays(side: Side, filled: Database) -> None:
    side.apply()
    filled.run(f"DROP INDEX {NAME}", f"CREATE INDEX {NAME} ON item (at, id)")
    before = catalog(filled)
    side.abort()
    side.undo()
    assert catalog(filled) == before


# In the middle of things


class Beside(threading.Thread):
    """An apply of its own thread and connection."""

    def __init__(self, side: Side, limits: Limits) -> None:
        super().__init__()
        self._side, self._limits = side, limits
        self.error: Exception | None = None
        self.told: list[str] = []

    def run(self) -> None:
        with Store(self._side.store.conninfo) as store:
            side = Side(store, self._side.place, self._side.rollout)
            side.told = self.told
            try:
                side.apply(self._limits)
            except errors.ExtractionError as error:
                self.error = error


PATIENT = Limits(lock_seconds=60)
SNAPSHOT = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "TABLE other")


def test_others_in_the_way_are_named_in_the_end(side: Side, filled: Database) -> None:
    before = catalog(filled)
    with transaction(filled, *SNAPSHOT):
        told = rf"the index {NAME} is not settled: 2 times others did not let go within 1.2 s; session \d+ of postgres"
        with pytest.raises(errors.Conflict, match=told):
            side.apply(Limits(lock_seconds=1.2, tries=2))
        assert any("tried again in 1 s" in sentence for sentence in side.told)
        assert any("waiting for old snapshots" in sentence for sentence in side.told), side.told
    side.apply()
    assert remains(filled) == []
    side.abort()
    side.undo()
    assert catalog(filled) == before


def test_the_build_ends_with_its_rollout(side: Side, filled: Database) -> None:
    before = catalog(filled)
    with transaction(filled, *SNAPSHOT):
        beside = Beside(side, PATIENT)
        beside.start()
        until(lambda: building(filled) != [], "the build")
        side.abort()
        beside.join()
        assert isinstance(beside.error, errors.Conflict)
        assert "was aborted" in str(beside.error)
        assert catalog(filled) == before, "it has dropped what it had begun"
    assert [one.state for one in side.store.rollout_indexes(side.rollout.id)] == [IndexState.DROPPED]


def test_the_lease_is_kept_while_it_builds(opened: Store, filled: Database) -> None:
    side = Side(opened, Place.source(filled.url), begin(opened, profile(filled), lease=4))
    with transaction(filled, *SNAPSHOT) as blocking:
        beside = Beside(side, PATIENT)
        beside.start()
        until(lambda: building(filled) != [], "the build")
        time.sleep(6)  # longer than the lease
        assert opened.rollout(side.rollout.id).running
        until(lambda: opened.rollout(side.rollout.id).renewals >= 5, "the renewals")
        blocking.rollback()
    beside.join()
    assert beside.error is None


def test_another_build_forbids_it(side: Side, filled: Database) -> None:
    def build() -> None:
        with psycopg.connect(filled.url, autocommit=True) as connection:
            connection.execute("CREATE INDEX CONCURRENTLY somebody_elses ON other (n)")

    with transaction(filled, "UPDATE other SET n = n", *SNAPSHOT[1:]) as blocking:
        blocking.execute("SELECT pg_current_xact_id(); LOCK other IN ROW EXCLUSIVE MODE")
        beside = threading.Thread(target=build)
        beside.start()
        until(lambda: building(filled) != [], "the build")
        with pytest.raises(errors.Conflict, match=r"session \d+ of postgres builds another index in this database"):
            side.apply()
        blocking.rollback()
    beside.join()
    assert side.apply().changed


def test_two_at_once_make_one(side: Side, filled: Database) -> None:
    with transaction(filled, *SNAPSHOT) as blocking:
        both = [Beside(side, PATIENT), Beside(side, PATIENT)]
        both[0].start()
        until(lambda: building(filled) != [], "the build")
        both[1].start()
        until(lambda: both[1].told != [], "the second's wait")
        assert f"jivs_r{side.rollout.id}_1: session" in both[1].told[0]
        blocking.rollback()
    for one in both:
        one.join()
        assert one.error is None
    assert remains(filled) == []
    assert not side.apply().changed


def test_an_extraction_gives_way_to_a_build(side: Side, filled: Database) -> None:
    source = open_source(filled.url)
    shared = Definition(table="item", consistency=Consistency.SNAPSHOT)
    with transaction(filled, *SNAPSHOT) as blocking:
        beside = Beside(side, PATIENT)
        beside.start()
        until(lambda: building(filled) != [], "the build")
        with pytest.raises(errors.SourceUnavailable, match="an index is being built there, and would have to wait"):
            source.plan(shared, 100, None)
        assert len(source.plan(Definition(table="item"), 100, None).chunks) > 1, "a snapshot a chunk is in nobody's way"
        brief = source.plan(shared, 10_000, None)
        assert brief.snapshot is not None, "nor is one that lasts a chunk"
        brief.snapshot.close()
        blocking.rollback()
    beside.join()
    planned = source.plan(shared, 100, None)
    assert planned.snapshot is not None
    planned.snapshot.close()


# Rollouts after rollouts


def test_the_next_rollout_clears_up_after_an_aborted_one(side: Side, filled: Database) -> None:
    before = catalog(filled)
    side.apply()
    side.abort()
    later = Side(side.store, side.place, begin(side.store, profile(filled)))
    assert _actions(later.apply(dry_run=True)) == [(NAME, "drop"), (NAME, "build")]
    assert _actions(later.apply()) == [(NAME, "drop"), (NAME, "build")]
    [mark] = {comment for _, _, comment in catalog(filled) if comment}
    assert f"of rollout {later.rollout.id}," in mark
    later.abort()
    later.undo()
    assert catalog(filled) == before


def test_a_build_that_began_after_its_undoing_is_found_by_name(side: Side, filled: Database) -> None:
    before = catalog(filled)
    side.apply()
    side.abort()
    side.undo()
    filled.run(f"CREATE INDEX jivs_r{side.rollout.id}_1 ON item (at, id)")
    assert _actions(side.undo(of_all=True)) == [(NAME, "drop")]
    assert catalog(filled) == before


def test_a_committed_rollouts_index_stays_as_long_as_the_fleet_wants_it(side: Side, filled: Database) -> None:
    before = catalog(filled)
    side.apply()
    commit(side.store, side.rollout)
    assert _actions(side.undo(of_all=True)) == []
    later = Side(side.store, side.place, begin(side.store, profile(filled)))
    assert _actions(later.apply()) == [(NAME, "keep")]
    commit(later.store, later.rollout)
    [kept] = side.undo().outcomes
    assert (kept.action, kept.reason) == (
        "keep", f"rollout {later.rollout.id}, whose profile is the fleet's, wants it too"
    )  # fmt: skip
    without = Side(side.store, side.place, begin(side.store, profile()))
    without.apply()
    commit(without.store, without.rollout)
    assert _actions(without.undo(of_all=True)) == [(NAME, "drop")]
    assert catalog(filled) == before


def test_only_the_holder_builds_and_only_while_it_runs(side: Side) -> None:
    number, token = side.rollout.id, side.rollout.token
    with pytest.raises(errors.Conflict, match=f"its token is {token}, not {token + 1}"):
        apply(side.store, side.place, number, token + 1, BRIEF, side.told.append)
    side.abort()
    with pytest.raises(errors.Conflict, match="it is aborted"):
        side.apply()
