"""Programs that a step runs: none of theirs outlives them."""

import os
from pathlib import Path

import pytest

from workflow import commands


def test_what_a_program_has_left_behind_is_ended_with_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    left_behind = f"sleep 300 & echo $! > {pid}; kill -0 $!; echo it lives"
    done = commands.run(["sh", "-c", left_behind], tmp_path / "log", 30)
    assert (done.status, done.last_words) == (0, "it lives")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
