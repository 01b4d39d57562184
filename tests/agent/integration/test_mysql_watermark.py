"""Incremental runs on MariaDB: a window that overlaps, by time or by number."""

import json
from contextlib import closing

import pytest
from benchmarks.mariadb_server import MariaDB

from extraction_agent import errors
from extraction_agent.model import Definition
from extraction_agent.sources import open_source, overlap
from extraction_agent.sources.protocol import Planned
from extraction_agent.waiting import Stop
from extraction_agent.walker import Block
from support import ids_read

TIMED = "CREATE TABLE item (id INT PRIMARY KEY, at DATETIME(6) NULL)"


def taken(mariadb: MariaDB, planned: Planned) -> list[tuple[int, bool]]:
    """The ids of each chunk in turn, with whether it is the window."""
    with closing(Stop()) as stop, closing(open_source(mariadb.url).session(None)) as session:
        found = []
        for chunk in planned.chunks:
            for block in session.stream(planned.plan, chunk, Block(), stop):
                found += [(json.loads(bytes(message)[6:])["id"], block.in_window) for message in block.messages()]
        return found


def test_incremental_by_time(mariadb: MariaDB) -> None:
    mariadb.run(
        TIMED,
        "INSERT INTO item VALUES (1, NULL), (2, '2024-01-01 00:00:00'), (3, '2024-01-01 11:57:00'),"
        " (4, '2024-01-01 12:00:00.5')",
    )
    definition = Definition(table="item", watermark="at", overlap_seconds=300)
    source = open_source(mariadb.url)
    first = source.plan(definition, 1000, None)
    assert sorted(taken(mariadb, first)) == [(1, False), (2, False), (3, True), (4, True)]
    state = first.watermark
    assert state is not None
    assert (state["from"], state["high"]) == ("2024-01-01 11:55:00.500000", "2024-01-01 12:00:00.500000")
    mariadb.run("INSERT INTO item VALUES (5, '2024-01-01 11:56:00'), (6, '2024-01-02 00:00:00'), (7, NULL)")
    second = source.plan(definition, 1000, state)
    assert second.plan.deduplicate
    assert sorted(taken(mariadb, second)) == [(3, False), (4, False), (5, False), (6, True)]
    assert any("overlaps the last one by 300 s" in note for note in second.notes)


def test_a_row_that_moves_into_the_window_meanwhile_comes_once(mariadb: MariaDB) -> None:
    mariadb.run(TIMED, "INSERT INTO item VALUES (1, '2024-01-01 00:00:00'), (2, '2024-01-01 00:00:00'), (3, now(6))")
    planned = open_source(mariadb.url).plan(Definition(table="item", watermark="at"), 1000, None)
    [chunk] = planned.chunks

    def move() -> None:
        mariadb.run("UPDATE item SET at = now(6) WHERE id = 2")

    # Of two moments: the failure this is about.
    assert ids_read(mariadb.url, planned, overlap.halves(chunk), after_each_block=move) == [1, 2, 2, 3]
    mariadb.run("UPDATE item SET at = '2024-01-01 00:00:00' WHERE id = 2")
    assert ids_read(mariadb.url, planned, [chunk], after_each_block=move) == [1, 2, 3]


def test_a_stamp_of_the_future_does_not_move_the_window_past_now(mariadb: MariaDB) -> None:
    mariadb.run(TIMED, "INSERT INTO item VALUES (1, '2999-01-01'), (2, now(6))")
    planned = open_source(mariadb.url).plan(Definition(table="item", watermark="at", overlap_seconds=60), 100_000, None)
    assert planned.watermark is not None
    assert planned.watermark["high"] < "2999"
    assert sorted(taken(mariadb, planned)) == [(1, True), (2, True)]


def test_incremental_by_number(mariadb: MariaDB) -> None:
    mariadb.run(
        "CREATE TABLE item (id BIGINT UNSIGNED PRIMARY KEY)", "INSERT INTO item SELECT seq FROM seq_1_to_20",
        "ANALYZE TABLE item",
    )  # fmt: skip
    source = open_source(mariadb.url)
    definition = Definition(table="item", watermark="id", overlap_seconds=100)
    first = source.plan(definition, 1000, None)
    assert len(taken(mariadb, first)) == 20
    definition = Definition(table="item", watermark="id", overlap_seconds=5)
    second = source.plan(definition, 1000, first.watermark)
    assert second.watermark is not None
    assert float(second.watermark["from"]) == 15
    third = source.plan(definition, 1000, second.watermark)
    assert sorted(taken(mariadb, third)) == [(number, True) for number in range(15, 21)]


def test_incremental_of_nothing_and_of_a_text(mariadb: MariaDB) -> None:
    mariadb.run(TIMED, "CREATE TABLE words (id INT PRIMARY KEY, w TEXT)")
    source = open_source(mariadb.url)
    first = source.plan(Definition(table="item", watermark="at"), 1000, None)
    assert taken(mariadb, first) == []
    mariadb.run("INSERT INTO item VALUES (1, '2024-01-01'), (2, NULL)")
    second = source.plan(Definition(table="item", watermark="at"), 1000, first.watermark)
    assert taken(mariadb, second) == [(1, True)]
    with pytest.raises(errors.UsageError, match="The watermark w is text"):
        source.plan(Definition(table="words", watermark="w"), 100_000, None)


def test_xmin_is_of_postgresql(mariadb: MariaDB) -> None:
    mariadb.run(TIMED)
    with pytest.raises(errors.UsageError, match=r"Column xmin does not exist in table \w+\.item"):
        open_source(mariadb.url).plan(Definition(table="item", watermark="xmin"), 1000, None)
