"""Transactions that commit long after they stamped their rows: nothing missed, nothing twice, nothing uncommitted."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from extraction_agent import embedded
from extraction_agent.model import Definition
from late_commits import Cursor, Poller, Size, Storm, Verdict
from support import Database

SHORT = Size(seconds=8, hold=2, bulk=500)
LONG = pytest.param(Size(seconds=75, hold=10, bulk=12_000, writes=100_000), marks=pytest.mark.ci)
SOUND = Verdict(lost=0, repeated=0, uncommitted=0)


@pytest.mark.parametrize("size", [SHORT, LONG])
def test_exact(source: Database, store: Database, make_database: Callable[[str], Database], size: Size) -> None:
    storm = Storm(source, make_database("elsewhere"), size)
    stamps = Definition(table="item", watermark="changed_at", chunk_rows=2000, overlap_seconds=0.2)  # well below a hold
    numbers = Definition(table="item", watermark="xmin", chunk_rows=2000)
    by_column = Poller(source.url, store, stamps, "column")
    by_number = Poller(source.url, store, numbers, "xmin")
    cursor = Cursor(source)
    storm.run(by_column, by_number, cursor)
    naive = storm.judge(cursor.taken)
    print(f"\n{size}\nwrites {len(storm.committed):,}, {dict(storm.kinds)}")
    for name, poller in (("column", by_column), ("xmin", by_number)):
        print(f"{name}: {len(poller.runs)} runs, {poller.useful_runs} took rows, {storm.judge(poller.taken)}")
    print(f"plain cursor: {naive}")
    assert naive.lost > 0, "no transaction committed late, so nothing was tried"
    assert min(storm.kinds.values()) > 0
    assert len(storm.kinds) == 7
    assert len(storm.committed) >= size.writes
    assert by_column.useful_runs > 3
    assert by_number.useful_runs > 3
    assert storm.judge(by_column.taken) == SOUND
    assert storm.judge(by_number.taken) == SOUND
    assert not any(by_column.notes), "not one run had to overlap"


@pytest.fixture
def standby(server: embedded.Server) -> Iterator[embedded.Server]:
    """A streaming copy of the server."""
    settings = {
        "max_prepared_transactions": "20", "max_connections": "200", "hot_standby_feedback": "on", "fsync": "off",
    }  # fmt: skip
    with embedded.folder() as folder:
        copy = embedded.Server(folder / "standby", settings, server.bin)
        copy.run("pg_basebackup", "-D", str(copy.data), "-d", server.url(), "-R", "-c", "fast")
        copy.start()
        yield copy
        copy.stop("immediate")


def test_overlap(
    source: Database,
    store: Database,
    make_database: Callable[[str], Database],
    server: embedded.Server,
    standby: embedded.Server,
) -> None:
    storm = Storm(source, make_database("elsewhere"), Size(seconds=8, hold=1, bulk=300))
    source.run("CREATE ROLE onlooker LOGIN", "GRANT SELECT ON item TO onlooker")
    try:
        name = source.url.rsplit("/", 1)[1]
        definition = Definition(table="item", watermark="changed_at", overlap_seconds=6, chunk_rows=2000)
        on_standby = Poller(standby.url(name), store, definition, "standby")
        unseeing = Poller(server.url(name, "onlooker"), store, definition, "onlooker")
        cursor = Cursor(source)
        _caught_up(source, standby.url(name))
        storm.run(on_standby, unseeing, cursor)
        _caught_up(source, standby.url(name))
        on_standby()
    finally:
        source.run("DROP OWNED BY onlooker", "DROP ROLE onlooker")
    print(f"\nwrites {len(storm.committed):,}, {dict(storm.kinds)}, plain cursor {storm.judge(cursor.taken)}")
    assert storm.judge(cursor.taken).lost > 0, "no transaction committed late, so nothing was tried"
    for poller, reason in ((on_standby, "standby"), (unseeing, "may not see other sessions")):
        print(f"{reason}: {len(poller.runs)} runs, {storm.judge(poller.taken)}")
        assert storm.judge(poller.taken) == SOUND
        assert all(len(notes) == 1 and reason in notes[0] and "overlaps" in notes[0] for notes in poller.notes)
        assert poller.useful_runs > 3


def _caught_up(source: Database, standby_url: str) -> None:
    """Wait until the standby has replayed what the source has committed."""
    target = source.value("SELECT pg_current_wal_insert_lsn()::text")
    with psycopg.connect(standby_url, autocommit=True) as connection:
        for _ in range(3000):
            row = connection.execute(
                "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn, pg_sleep(0.01)", [target]
            ).fetchone()
            if row and row[0]:
                return
    raise AssertionError("the standby did not catch up")
