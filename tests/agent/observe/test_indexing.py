"""An extraction that is indexed, which may take hours, is no slow one: no chunk is in flight, and no second is busy."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from unittest.mock import patch

import pytest

from extraction_agent import profiles
from extraction_agent.jobs.control import Control
from extraction_agent.jobs.copier import Copier
from extraction_agent.jobs.keeper import Keeper
from extraction_agent.model import Definition
from extraction_agent.observe import metrics
from extraction_agent.observe.throughput import WINDOW, Recent, Throughput
from extraction_agent.pipeline.lanes import Lanes
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.pools import Stats
from extraction_agent.store.store import Store
from extraction_agent.tuning.guards import THROUGHPUT, Figure, Watch
from support import Database

_ROWS = 100_000  # of two chunks
_COPIED = 6.0  # s, while they are
_INDEXED = 30.0  # s afterwards, so that the window still knows of the copying
_FREE = Stats(minimum=0, maximum=4, active=1, idle=1, pending=0, timeouts=0, leaks=0)
_RULES = profiles.Guards(throughput_records_per_minute=500_000, throughput_busy_seconds=1)


@dataclass(frozen=True)
class _Seen:
    """At one moment."""

    in_flight: float | None
    busy_total: float  # s, as a scrape and the judge are told
    per_minute: float
    recent: Recent
    guard: Figure


class _Indexing:
    """A store that builds a part's indexes for a while; what is seen before and after."""

    def __init__(self) -> None:
        self.now = 1000.5
        self.throughput = Throughput(lambda: self.now)
        self.watch = Watch(lambda: _FREE, self.throughput, lambda: self.now)
        self.watch.begin(_RULES, 0)
        self.now += 1  # a guard counts in whole seconds
        self.looks: list[_Seen] = []
        self._finish = Control.finish

    def finish(self, control: Control, store: Store, extraction_id: int) -> bool:
        self.looks.append(self._look())
        self.now += _INDEXED
        self.looks.append(self._look())
        return self._finish(control, store, extraction_id)

    def _look(self) -> _Seen:
        return _Seen(
            per_minute=self.throughput.per_minute(),
            in_flight=metrics.figures(metrics.CHUNKS_IN_FLIGHT)[""],
            busy_total=metrics.figures(metrics.BUSY)[""],
            recent=self.throughput.recent(WINDOW),
            guard=next(one for one in self.watch.figures() if one.guard == THROUGHPUT),
        )


@pytest.fixture
def indexing() -> Iterator[_Indexing]:
    made = _Indexing()
    with (
        patch("extraction_agent.jobs.copier.of_this_agent", made.throughput),
        patch("extraction_agent.pipeline.commit.of_this_agent", made.throughput),
        patch.object(Control, "finish", autospec=True, side_effect=made.finish),
    ):
        yield made


def test_to_index_is_no_busy_time(source: Database, store: Database, indexing: _Indexing) -> None:
    source.run(
        f"CREATE TABLE item AS SELECT n AS id FROM generate_series(1, {_ROWS}) AS n",
        "ALTER TABLE item ADD PRIMARY KEY (id)",
        "ANALYZE item",
    )
    opened = open_source(source.url)
    definition = Definition(table="item", chunk_rows=_ROWS // 2)
    with Store(store.url) as made:
        begun = start(made, opened, "item", source.url, None, definition, Settings())
    chunks = store.value("SELECT count(*) FROM extraction_chunks")
    assert chunks > 1, "it has a part of its own"
    with closing(Control(store.url, "test")) as control:

        def connect() -> Store:
            indexing.now += _COPIED
            return control.open()

        lanes = Lanes(lambda _: opened, connect, 1)
        copier = Copier(control, lanes, Keeper(control, lanes))
        ended = [copier.copy(begun.extraction_id, number) for number in range(chunks)]
        lanes.forget()
    if begun.snapshot is not None:
        begun.snapshot.close()
    assert ended == [False] * (chunks - 1) + [True]
    assert store.value("SELECT count(*) FROM extraction_data") == _ROWS
    before, after = indexing.looks
    assert before.recent == Recent(rows=_ROWS, busy=_COPIED, chunks=0, expected=0)
    assert before.guard.value == before.per_minute == 60 * _ROWS / _COPIED
    assert before.in_flight == 0, "the alert and the dashboards take it for at work otherwise"
    assert after == before, "the alert's agents at work, the guard, and what the judge divides by"
