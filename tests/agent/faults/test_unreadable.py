"""What another version of the program has written and this one cannot read fails the extraction, with a sentence."""

from typing import LiteralString

import pytest

from agent.faults.harness import run, until
from agent.faults.worker import Worker
from extraction_agent import profiles
from extraction_agent.model import Consistency, Definition
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from support import Database

RANGES = Definition(table="item", chunk_rows=1000)
SHARED = Definition(table="item", chunk_rows=1000, consistency=Consistency.SNAPSHOT, watermark="id")
NEWER_PLAN: LiteralString = "UPDATE extractions SET plan = plan || '{\"sharding\": 4}'"
NOT_A_PLAN: LiteralString = "UPDATE extractions SET plan = '\"none\"'"
NEWER_DEFINITION: LiteralString = "UPDATE extraction_configs SET definition = definition || '{\"sharding\": 4}'"
NEWER_CHUNKS: LiteralString = "UPDATE extraction_chunks SET range = range || '{\"shard\": 4}'"
NEWER_SETTINGS: LiteralString = "UPDATE extractions SET profile = profile || '{\"sharding\": 4}'"


@pytest.fixture
def items(source: Database) -> Database:
    source.run(
        "CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 3000) AS n",
        "ALTER TABLE item ADD PRIMARY KEY (id)",
        "VACUUM ANALYZE item",
    )
    return source


def _begin(source: Database, store: Database, definition: Definition, settings: Settings) -> None:
    with Store(store.url) as opened:
        begun = start(opened, open_source(source.url), "test", source.url, None, definition, settings)
        if begun.snapshot is not None:
            begun.snapshot.close()


def _assert_fails(source: Database, store: Database, what: str) -> None:
    with Worker(store.url, source.url) as worker:
        until(lambda: store.value("SELECT status FROM extractions") == "failed")
        assert not worker.ended()
        until(lambda: store.value("SELECT count(*) FROM procrastinate_jobs") == 0)  # one may go back to the queue first
    error = store.value("SELECT error FROM extractions")
    assert what in error
    assert "of extraction 1 cannot be read: another version of the program has written it (" in error
    assert error.endswith("). Go on with that version, or begin a new extraction.")
    assert store.value("SELECT max(failures) FROM extraction_chunks") <= 1, "it was tried again"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (NEWER_PLAN, "The plan"),
        (NOT_A_PLAN, "The plan"),
        (NEWER_DEFINITION, "The definition"),
        (NEWER_CHUNKS, "The range of chunk"),
    ],
    ids=["newer plan", "no plan", "newer definition", "newer chunks"],
)
def test_plan_definition_and_ranges(items: Database, store: Database, change: LiteralString, what: str) -> None:
    _begin(items, store, RANGES, Settings())
    store.run(change)
    _assert_fails(items, store, what)


def test_settings_of_the_old_way(items: Database, store: Database) -> None:
    _begin(items, store, Definition(table="item"), profiles.load("baseline").settings)
    store.run(NEWER_SETTINGS)
    _assert_fails(items, store, "The settings")


def test_settings_where_a_lost_snapshot_makes_it_begin_again(items: Database, store: Database) -> None:
    _begin(items, store, SHARED, Settings())
    store.run(NEWER_SETTINGS)
    _assert_fails(items, store, "The settings")


def test_the_end_of_an_extraction_whose_chunks_are_done(items: Database, store: Database) -> None:
    """The reconciler meets it, and lives on."""
    _begin(items, store, RANGES, Settings())
    store.run("DELETE FROM procrastinate_jobs", "UPDATE extraction_chunks SET state = 'done'", NEWER_PLAN)
    _assert_fails(items, store, "The plan")


@pytest.mark.parametrize(("change", "what"), [(NEWER_PLAN, "The plan"), (NEWER_SETTINGS, "The settings")])
def test_a_person_is_told_in_a_sentence_and_can_give_it_up(
    items: Database, store: Database, change: LiteralString, what: str
) -> None:
    _begin(items, store, RANGES, Settings())
    store.run(change)
    done = run("resume", "1", "--store", store.url)
    assert done.returncode == 1
    assert f"{what} of extraction 1 cannot be read" in done.stderr
    assert store.value("SELECT status FROM extractions") == "running"
    done = run("show", "1", "--store", store.url)
    assert done.returncode == 0, done.stderr
    done = run("cancel", "1", "--store", store.url)
    assert done.returncode == 0, done.stderr
    assert store.value("SELECT status FROM extractions") == "cancelled"


def test_a_config_of_another_version_is_told_in_a_sentence(items: Database, store: Database) -> None:
    _begin(items, store, RANGES, Settings())
    store.run(NEWER_DEFINITION)
    done = run("extract", items.url, "--table", "item", "--name", "test", "--store", store.url)
    assert done.returncode == 1
    assert "The definition of config test cannot be read" in done.stderr
