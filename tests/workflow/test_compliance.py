"""Compliance: what is new is found, and what could not be looked at has not passed."""

import shutil
import subprocess
from pathlib import Path

import pytest
from workflow.folder import Folder
from workflow.phases import STEPS, compliance
from workflow.steps import Context, Outcome, Result

from workflow import commands, scenario
from workflow_runs import NAME

pytestmark = pytest.mark.ci


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Folder.create(tmp_path / "runs", scenario.load(NAME)), 1.0, print)


def _done(context: Context, step: str) -> Result:
    result = STEPS["compliance"][step].run(context)
    STEPS["compliance"][step].record(context, "compliance", result)
    return result


def test_a_planted_flaw_is_new(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean, flawed = tmp_path / "clean", tmp_path / "flawed"
    for folder, text in ((clean, "print('fine')\n"), (flawed, "import os\nos.system(input())\nexec(input())\n")):
        folder.mkdir()
        (folder / "code.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(compliance, "_CODE", [str(folder)])
        result = _done(context, "bandit")
        if folder is clean:
            assert result.outcome is Outcome.PASSED, result
    assert result.outcome is Outcome.FAILED
    assert "flawed/code.py" in result.because


def test_a_planted_secret_is_new(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(compliance.BASELINES, checkout / "workflow" / "baselines")
    (checkout / "fine.py").write_text("greeting = 'hello'\n", encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
    subprocess.run(["git", "add", "."], cwd=checkout, check=True)
    compliance.tool(tmp_path / "log", "detect-secrets-hook")  # made where make is
    monkeypatch.setattr(compliance, "tool", lambda _log, name: str(compliance.TOOLS / "bin" / name))
    monkeypatch.setattr(commands, "ROOT", checkout)
    assert _done(context, "secrets").outcome is Outcome.PASSED
    (checkout / "keys.py").write_text("url = 'postgresql://agent:Tr0ub4dor" + "3xyz@db/store'\n", encoding="utf-8")
    subprocess.run(["git", "add", "."], cwd=checkout, check=True)
    assert _done(context, "secrets").outcome is Outcome.FAILED


def test_what_cannot_be_reached_was_not_audited(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    result = _done(context, "dependency_audit")
    assert result.outcome is Outcome.NOT_DONE, result
    assert "cannot be reached" in result.because


def test_dependencies_are_listed_with_their_licences(context: Context) -> None:
    result = _done(context, "dependency_list")
    assert result.outcome is Outcome.PASSED, result
    lines = (context.folder.path / "compliance" / "dependencies.txt").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("psycopg 3.") and "LGPL" in line for line in lines)
    assert any(line.startswith("aiohttp 3.") and "Apache-2.0" in line for line in lines)
