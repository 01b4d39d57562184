"""An agent that works on every extraction keeps nothing of one that ended by another's hand."""

from collections.abc import Callable
from contextlib import closing
from typing import LiteralString

import pytest

from agent.faults.harness import until
from agent.faults.worker import Worker
from extraction_agent import deadlines
from extraction_agent.model import Consistency, Definition, Status
from extraction_agent.pipeline import commit
from extraction_agent.pipeline.prune import prune_these
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.sources.protocol import Session
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop
from support import Database

SHARED = Definition(table="item", chunk_rows=1000, consistency=Consistency.SNAPSHOT)
IN_A_VIEW: LiteralString = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'extraction-agent source' AND backend_xmin IS NOT NULL"
)


def _copied(other: Store, extraction_id: int, chunk_no: int, session: Session) -> None:
    with closing(Stop()) as stop:
        extraction = other.extraction(extraction_id)
        assert commit.copy_chunk(extraction, chunk_no, session, other, "other", stop) is not None
    assert other.finish(extraction_id)
    session.close()


def _cancelled(other: Store, extraction_id: int, _: int, session: Session) -> None:
    session.close()
    assert other.end(extraction_id, Status.CANCELLED, None)


def _pruned(other: Store, extraction_id: int, chunk_no: int, session: Session) -> None:
    _cancelled(other, extraction_id, chunk_no, session)
    assert [one.extraction_id for one in prune_these(other, [extraction_id]).extractions] == [extraction_id]


@pytest.mark.parametrize("end", [_copied, _cancelled, _pruned])
def test_its_sessions_leave_the_source(
    source: Database,
    store: Database,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[Store, int, int, Session], None],
) -> None:
    """One at rest in a shared view would keep VACUUM from cleaning the whole source."""
    monkeypatch.setattr(deadlines, "SNAPSHOT_PING", 0.2)
    source.run(
        "CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 3000) AS n",
        "ALTER TABLE item ADD PRIMARY KEY (id)",
        "VACUUM ANALYZE item",
    )
    opened = open_source(source.url)
    with Store(store.url) as other:
        begun = start(other, opened, "test", source.url, None, SHARED, Settings())
        assert begun.snapshot is not None
        chunks = other.chunks(begun.extraction_id)
        session = opened.session(begun.snapshot.token)
        assert other.claim(begun.extraction_id, chunks[-1].no, "other") is not None
        store.run("DELETE FROM procrastinate_jobs WHERE id = (SELECT max(id) FROM procrastinate_jobs)")
        with Worker(store.url, source.url):
            done = "SELECT count(*) FROM extraction_chunks WHERE state = 'done'"
            until(lambda: store.value(done) == len(chunks) - 1)
            begun.snapshot.close()
            until(lambda: source.value(IN_A_VIEW) == 2)  # the other agent's session, and the lane for the next chunk
            end(other, begun.extraction_id, chunks[-1].no, session)
            until(lambda: source.value(IN_A_VIEW) == 0)
