"""`extractctl judge`: what it prints and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from canary import Rollout, write
from extraction_agent import errors
from extraction_agent.interfaces.cli import judge
from extraction_agent.interfaces.cli.main import app

COMMAND = [sys.executable, "-m", "extraction_agent.interfaces.cli", "judge"]


def _run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_go_is_status_0_and_a_table_of_evidence(tmp_path: Path) -> None:
    done = _run(write(tmp_path / "samples.jsonl", Rollout().samples()))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["about", "metric", "old", "new", "effect", "interval", "rule", "outcome"]
    assert any(line.startswith("canary") and "p95" in line and "rise ≤ 5 %" in line for line in lines)
    assert any(line.startswith("neighbours") for line in lines)
    assert any(line.startswith("source db1") for line in lines)
    assert any(line.split() == ["verdict", "GO"] for line in lines)


def test_no_go_is_status_1_and_json_for_machines(tmp_path: Path) -> None:
    done = _run(write(tmp_path / "samples.jsonl", Rollout(p95=1.3).samples()), "--json")
    assert (done.returncode, done.stderr) == (1, "")
    told = json.loads(done.stdout)
    assert (told["verdict"], told["final"]) == ("NO-GO", True)
    (worse,) = [one for one in told["findings"] if one["outcome"] == "worse" and one["metric"] == "p95"]
    assert 0.2 < worse["low"] < worse["effect"] < worse["high"] < 0.4


def test_too_few_samples_are_inconclusive_and_say_how_many_more(tmp_path: Path) -> None:
    file = write(tmp_path / "samples.jsonl", Rollout(slots=60).samples())
    done = CliRunner().invoke(app, ["judge", str(file)])
    assert done.exit_code == 1
    assert "INCONCLUSIVE, " in done.stdout
    assert " more slots are needed" in done.stdout


def test_the_gates_are_the_profiles(tmp_path: Path) -> None:
    profile = tmp_path / "strict.yml"
    profile.write_text(
        "name: strict\ndescription: x\nextends: optimized\ngates: {throughput_records_per_minute: 90000}\n",
        encoding="utf-8",
    )
    file = write(tmp_path / "samples.jsonl", Rollout().samples())
    done = CliRunner().invoke(app, ["judge", str(file), "--profile", str(profile), "--json"])
    told = json.loads(done.stdout)
    assert told["verdict"] == "NO-GO"
    assert [one["rule"] for one in told["findings"] if one["outcome"] == "broken"] == ["≥ 90,000"]


def test_a_broken_file_is_status_2_and_one_sentence(tmp_path: Path) -> None:
    file = write(tmp_path / "samples.jsonl", Rollout(slots=20).samples())
    file.write_text(file.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    done = _run(file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{file} line 100 is cut short: the file does not end with a line's end.\n"


@pytest.mark.parametrize("arguments", [[], ["samples.jsonl", "--plan"]])
def test_files_or_a_plan(arguments: list[str]) -> None:
    with pytest.raises(errors.UsageError, match="or --plan"):
        CliRunner().invoke(app, ["judge", *arguments], catch_exceptions=False)


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "find_spec", lambda _: None)
    with pytest.raises(errors.UsageError, match=r"pip install 'extraction-agent\[controller\]'"):
        CliRunner().invoke(app, ["judge", "--plan"], catch_exceptions=False)


def test_the_command_line_loads_no_numpy() -> None:
    code = "import sys, extraction_agent.interfaces.cli.main; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_plan() -> None:
    told = json.loads(CliRunner().invoke(app, ["judge", "--plan", "--json"]).stdout)
    slots = {one["metric"]: one["slots"] for one in told["metrics"]}
    assert max(slots.values()) <= told["slots_at_most"]
    assert slots["query_p95"] < slots["p95"]  # twice as much is tolerated at the same noise
    shown = CliRunner().invoke(app, ["judge", "--plan", "--profile", "low_impact"]).stdout
    assert "fall ≤ 80 %" in shown
