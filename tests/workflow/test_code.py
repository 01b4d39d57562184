"""Which code is here: the same files are the same, committed or not."""

import subprocess
from pathlib import Path

import pytest
from workflow.code import Code, here


def _git(checkout: Path, *words: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *who, *words], cwd=checkout, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "workflow" / "baselines").mkdir(parents=True)
    (folder / ".gitignore").write_text("*.so\n", encoding="utf-8")
    (folder / "agent.py").write_text("speed = 1\n", encoding="utf-8")
    _git(folder, "init", "-q")
    _git(folder, "add", ".")
    _git(folder, "commit", "-qm", "first")
    return folder


def _here(checkout: Path) -> Code:
    found = here(checkout / "run", checkout)
    assert found is not None
    return found


def test_a_change_is_other_code_and_its_commit_is_not(checkout: Path) -> None:
    first = _here(checkout)
    assert not first.changed
    (checkout / "agent.py").write_text("speed = 2\n", encoding="utf-8")
    changed = _here(checkout)
    assert (changed.changed, changed.commit) == (True, first.commit)
    assert changed.digest != first.digest
    _git(checkout, "commit", "-qam", "second")
    committed = _here(checkout)
    assert (committed.changed, committed.digest) == (False, changed.digest)
    assert committed.commit != first.commit
    (checkout / "new.py").write_text("", encoding="utf-8")
    assert _here(checkout).digest != committed.digest


def test_what_nothing_is_measured_by_is_no_code(checkout: Path) -> None:
    first = _here(checkout)
    for name in ("run/testing/tests.json", "workflow/baselines/secrets.json", "walker.so"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("{}", encoding="utf-8")
    assert _here(checkout).digest == first.digest


def test_without_a_checkout_nobody_can_tell(tmp_path: Path) -> None:
    assert here(tmp_path / "run", tmp_path) is None
