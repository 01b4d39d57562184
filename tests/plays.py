"""Plays of the collection on this machine, for tests of what molecule's hosts would take minutes to show."""

import os
import subprocess
from pathlib import Path

import pytest

ANSIBLE = Path(__file__).parents[1] / ".venv-ansible"
COLLECTIONS = {"ANSIBLE_COLLECTIONS_PATH": str(ANSIBLE / "collections")}

needs_ansible = [
    pytest.mark.ci,
    pytest.mark.skipif(
        not (ANSIBLE / "bin" / "ansible-playbook").exists() and not os.environ.get("CI"),
        reason="make lint-collection makes Ansible",
    ),
]


def play(folder: Path, *words: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run ansible-playbook with these words in a folder; how it ended is the caller's to judge."""
    return subprocess.run(
        [ANSIBLE / "bin" / "ansible-playbook", *words],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", **environment}, cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
