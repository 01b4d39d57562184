"""How far an extraction is, on a terminal, in a log and for a machine."""

import json
import os
import pty
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from extraction_agent.interfaces.cli import progress
from extraction_agent.model import Format, Status, Summary

HALFWAY = Summary(
    7, "orders", Status.RUNNING, 2000, 9000, 4, 2, 1, 4000, Format.JSON, datetime(2026, 11, 26, tzinfo=UTC), 4.0
)
PROGRAM = """
from agent.unit.test_progress import HALFWAY
from extraction_agent.interfaces.cli import progress
with progress.for_people() as shown:
    shown.show(HALFWAY)
    shown.say("The agent is away [for now].")
"""


@pytest.mark.parametrize(("terminal", "moves"), [("xterm", True), ("dumb", False)])
def test_a_terminal_that_can_shows_a_bar_and_what_is_said_above_it(terminal: str, moves: bool) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": terminal, "COLUMNS": "100", "PYTHONPATH": str(Path(__file__).parents[2])}
    try:
        subprocess.run([sys.executable, "-c", PROGRAM], stderr=theirs, env=environment, check=True)
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "The agent is away [for now].\r\n" in shown
    assert ("50%" in shown and "2,000 rows 30,000/min" in shown) is moves
    assert shown.endswith("\x1b[?25h\r\x1b[1A\x1b[2K") is moves, "the cursor is back, the bar is gone"


def test_a_machine_gets_a_line_whenever_something_has_moved(capsys: pytest.CaptureFixture[str]) -> None:
    shown = progress.JsonLines()
    for summary in (HALFWAY, replace(HALFWAY, seconds=5.0), replace(HALFWAY, chunks_done=3, rows=3000, seconds=6.0)):
        shown.show(summary)
    assert [json.loads(line)["rows"] for line in capsys.readouterr().out.splitlines()] == [2000, 3000]
