"""A server that restarts while lanes are idle costs a chunk one failure, not one for each dead connection at rest."""

from collections.abc import Iterator
from contextlib import closing
from typing import LiteralString

import pytest

from agent.faults.harness import until
from extraction_agent import sockets
from extraction_agent.jobs.control import Control
from extraction_agent.jobs.copier import MOST_FAILURES, Copier
from extraction_agent.jobs.keeper import Keeper
from extraction_agent.model import Definition, Status
from extraction_agent.pipeline.lanes import Lanes
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store import queue
from extraction_agent.store.store import Store
from support import Database

ROWS = 100
OURS: LiteralString = (
    "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'extraction-agent%'"
)


@pytest.fixture
def extraction(source: Database, store: Database) -> Iterator[int]:
    """One of a single chunk, such as is left at the tail."""
    source.run(f"CREATE TABLE item AS SELECT n AS id FROM generate_series(1, {ROWS}) AS n", "ANALYZE item")
    with Store(store.url) as opened:
        begun = start(opened, open_source(source.url), "tail", source.url, None, Definition(table="item"), Settings())
    yield begun.extraction_id
    if begun.snapshot is not None:
        begun.snapshot.close()


@pytest.mark.parametrize("side", ["source", "store"])
def test_dead_lanes_at_rest_cost_one_failure(source: Database, store: Database, extraction: int, side: str) -> None:
    opened = open_source(source.url)
    with closing(Control(store.url, "test")) as control:
        lanes = Lanes(lambda _: opened, control.open, MOST_FAILURES)
        copier = Copier(control, lanes, Keeper(control, lanes))
        with Store(store.url) as look:
            taken = [lanes.take(look.extraction(extraction)) for _ in range(MOST_FAILURES)]
        for lane in taken:
            lanes.give_back(lane)
        _restart(source if side == "source" else store, MOST_FAILURES)
        assert all(lane.session.usable and lane.store.usable for lane in taken), "a look would have told"
        with pytest.raises(queue.Again):
            copier.copy(extraction, 0)
        assert store.value("SELECT failures FROM extraction_chunks") == 1
        copier.copy(extraction, 0)
        lanes.forget()
    assert store.value("SELECT status FROM extractions") == Status.SUCCEEDED
    assert store.value("SELECT count(*) FROM extraction_data") == ROWS


def test_a_source_that_is_spared_gets_narrow_lanes_and_the_wide_ones_are_closed(
    source: Database, store: Database, extraction: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrowed: list[int] = []
    monkeypatch.setattr(sockets, "narrow", narrowed.append)
    opened = open_source(source.url)
    with closing(Control(store.url, "test")) as control, Store(store.url) as look:
        known = look.extraction(extraction)
        lanes = Lanes(lambda _: opened, control.open, 2)
        lanes.give_back(wide := lanes.take(known))
        assert lanes.take(known) is wide
        lanes.give_back(wide)
        assert not narrowed
        narrow = lanes.take(known, lambda: True)
        assert not wide.session.usable, "its buffers stay as large as they have become"
        lanes.give_back(narrow)
        assert lanes.take(known, lambda: True) is narrow
        assert len(narrowed) == 1
        lanes.give_back(narrow)
        lanes.forget()


def test_others_that_are_seen_while_a_lane_is_opened_are_spared_from_its_first_chunk_on(
    source: Database, store: Database, extraction: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrowed: list[int] = []
    monkeypatch.setattr(sockets, "narrow", narrowed.append)
    opened, seen = open_source(source.url), []

    def open_store() -> Store:
        seen.append("others")
        return Store(store.url)

    with Store(store.url) as look:
        known = look.extraction(extraction)
        lanes = Lanes(lambda _: opened, open_store, 2)
        first = lanes.take(known, lambda: bool(seen))
        assert len(narrowed) == 1
        lanes.give_back(first)
        assert lanes.take(known, lambda: True) is first, "it is known as a narrow one"
        lanes.give_back(first)
        lanes.forget()


def _restart(database: Database, sessions: int) -> None:
    """What it does to those who are there."""
    until(lambda: database.value(f"SELECT count(*) {OURS}") == sessions)  # one closed just before may take a while
    assert database.value(f"SELECT count(pg_terminate_backend(pid, 5000)) {OURS}") == sessions
