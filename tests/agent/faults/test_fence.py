"""The fence by itself: two attempts at one chunk whose backends both live, and one of them counts."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from extraction_agent.jobs.control import Control
from extraction_agent.jobs.copier import Copier
from extraction_agent.jobs.keeper import Keeper
from extraction_agent.model import Definition, Manifest
from extraction_agent.pipeline import commit
from extraction_agent.pipeline.lanes import Lanes
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from support import Database

MANIFEST = Manifest(rows=1, hash=0, digests=None, window=None, bytes=1)


@pytest.fixture
def attempts(source: Database, store: Database) -> Iterator[tuple[Store, Store]]:
    """Two agents that both hold chunk 0 of extraction 1; the second took it over without ending the first."""
    source.run(
        "CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 10) AS n", "ALTER TABLE item ADD PRIMARY KEY (id)"
    )
    with Store(store.url) as first, Store(store.url) as second:
        definition = Definition(table="item", chunk_rows=5)
        start(first, open_source(source.url), "item", source.url, None, definition, Settings())
        claimed = first.claim(1, 0, "first")
        assert claimed is not None
        assert claimed[0] == 1
        store.run("UPDATE extraction_chunks SET backend_pid = NULL")  # what ends an earlier attempt finds nothing
        claimed = second.claim(1, 0, "second")
        assert claimed is not None
        assert claimed[0] == 2
        yield first, second


def test_the_first_attempt_is_fenced_before_and_after_the_second_is_done(attempts: tuple[Store, Store]) -> None:
    first, second = attempts
    with first.transaction():
        assert not first.fence(1, 0, 1, MANIFEST)
    with second.transaction():
        assert second.fence(1, 0, 2, MANIFEST)
    with first.transaction():
        assert not first.fence(1, 0, 1, MANIFEST)


def test_a_chunk_that_is_done_is_fenced_for_the_very_attempt_that_did_it(attempts: tuple[Store, Store]) -> None:
    """A COMMIT nobody acknowledged: asked again, the fence says that it counts."""
    _, second = attempts
    with second.transaction():
        assert second.fence(1, 0, 2, MANIFEST)
    with second.transaction():
        assert not second.fence(1, 0, 2, MANIFEST)
    assert second.claim(1, 0, "second") is None


def test_an_attempt_whose_backend_was_ended_by_the_next_does_not_ask_for_another(
    source: Database, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job, tried again, would take the chunk from the next in turn: two agents could go on so for ever."""
    source.run("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 10) AS n", "ANALYZE item")
    opened = open_source(source.url)

    def taken_over(_: object, chunk_no: int, __: object, first: Store, *___: object) -> None:
        assert first.claim(1, chunk_no, "first") is not None
        with Store(store.url) as second:
            assert second.claim(1, chunk_no, "second") is not None
        with first.transaction():
            first.fence(1, chunk_no, 1, MANIFEST)
        raise AssertionError("its backend still stands")

    monkeypatch.setattr(commit, "copy_chunk", taken_over)
    with closing(Control(store.url, "first")) as control:
        with Store(store.url) as began:
            begun = start(began, opened, "item", source.url, None, Definition(table="item"), Settings())
        lanes = Lanes(lambda _: opened, control.open, 1)
        assert Copier(control, lanes, Keeper(control, lanes)).copy(1, 0) is False
        lanes.forget()
    if begun.snapshot is not None:
        begun.snapshot.close()
    assert store.value("SELECT agent FROM extraction_chunks") == "second"
    assert store.value("SELECT failures FROM extraction_chunks") == 0
