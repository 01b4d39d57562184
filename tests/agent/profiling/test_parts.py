"""What a profile shows holds no data, and draws what was sampled."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from extraction_agent import embedded, errors, postgres
from extraction_agent.observe import exposition
from extraction_agent.profiling import report, sessions
from extraction_agent.profiling.drawing import draw
from extraction_agent.profiling.flame import collapse, hottest
from extraction_agent.profiling.scrape import Samples
from extraction_agent.profiling.statements import Totals, between, shape, totals
from extraction_agent.waits import Wait
from support import Database

_RAW = """thread (11): extraction-1;run (a.py:3);walk (b.py:4) 20
thread (12): extraction-1;run (a.py:3);walk (b.py:4) 10
thread (11): extraction-1;run (a.py:3);<send> (b.py:9) 10
thread (12): extraction-1;run (a.py:3);Socket._wait (c.py:7) 10
thread (13): profile-sessions;look (c.py:1) 99

no stack
"""


def test_a_statement_is_shown_without_its_values() -> None:
    said = """SELECT a1 FROM "extraction_parts"."e12"
              WHERE name > 'O''Neil' AND n < 45.5 AND t.c2 = $3 AND note = E'a\\nb'"""
    assert shape(said) == "SELECT a1 FROM extraction_parts.… WHERE name > '…' AND n < … AND t.c2 = $3 AND note = '…'"


def test_what_was_added_is_told() -> None:
    before: Totals = {"a": (10.0, 1.0, 5.0, 0.0), "b": (1.0, 9.0, 1.0, 0.0)}
    after: Totals = {"a": (12.0, 1.5, 7.0, 3.0), "b": (1.0, 9.0, 1.0, 0.0), "c": (1.0, 4.0, 1.0, 0.0)}
    assert [(one.text, one.calls, one.seconds) for one in between(before, after)] == [("c", 1, 4.0), ("a", 2, 0.5)]


@pytest.mark.ci
def test_statements_of_a_real_server() -> None:
    loaded = {"shared_preload_libraries": "pg_stat_statements"}
    with embedded.folder() as folder, embedded.Server(folder / "server", loaded) as server:
        where = server.url()
        with sessions.connect(where, postgres.SOURCE, "source") as connection:
            assert totals(connection) is None  # it is loaded, but the database has no such view
            Database(where).run("CREATE EXTENSION pg_stat_statements", "CREATE TABLE item AS SELECT 1 AS id")
            before = totals(connection)
            Database(where).run("SELECT id FROM item WHERE id = 1", "SELECT id FROM item WHERE id = 2", "TABLE item")
            after = totals(connection)
    assert before is not None
    assert after is not None
    added = {one.text: (one.calls, one.rows) for one in between(before, after)}
    assert added["SELECT id FROM item WHERE id = $1"] == (2, 1)
    assert added["TABLE item"] == (1, 1)


def test_stacks_become_a_drawing() -> None:
    stacks = collapse(_RAW)
    assert hottest(stacks) == (("walk (b.py)", 0.75), ("<send> (b.py)", 0.25))
    drawing = ElementTree.fromstring(draw(stacks, "a < b"))
    namespace = {"s": "http://www.w3.org/2000/svg"}
    titles = [one.text for one in drawing.iterfind(".//s:title", namespace)]
    assert titles == [
        "all: 50 samples, 100.0%",
        "extraction-1: 50 samples, 100.0%",
        "run (a.py:3): 50 samples, 100.0%",
        "<send> (b.py:9): 10 samples, 20.0%",
        "Socket._wait (c.py:7): 10 samples, 20.0%",
        "walk (b.py:4): 30 samples, 60.0%",
    ]
    widths = [float(one.get("width", "0")) for one in drawing.iterfind(".//s:g/s:rect", namespace)]
    assert widths[5] == pytest.approx(3 * widths[3], rel=0.01)


def test_metrics_are_differenced() -> None:
    text = exposition.render()[0].decode()
    before, after = Samples.of(text), Samples.of(text + '\nextraction_relay_seconds_total{waiting_for="new"} 5.0\n')
    assert after.since(before).value("extraction_relay_seconds_total", waiting_for="new") == 5.0
    assert set(before.since(before).relay().values()) == {0.0}
    assert set(before.relay()) == set(Wait)


@pytest.mark.parametrize("text", ["<html>hello</html>", "up 1\n", ""])
def test_what_are_no_metrics_of_ours_is_refused(text: str) -> None:
    with pytest.raises(errors.UsageError):
        Samples.of(text)


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    with pytest.raises(errors.UsageError, match="is not empty"):
        report.make_folder(tmp_path)
    with pytest.raises(errors.UsageError, match="cannot be made"):
        report.make_folder(tmp_path / "here" / "below")
