"""Which code a run measures, so that one verdict is of one code."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from pydantic import Field

from extraction_agent.model import Strict
from workflow import commands

_SECONDS = 60.0
_NOT_MEASURED = "workflow/baselines/"  # what was reviewed: compliance alone reads it, and looks at all of it each time


class Code(Strict):
    """The checkout's files as they are."""

    commit: str = Field(description="that the checkout is at")
    changed: bool = Field(description="its files are not those of the commit")
    digest: str = Field(description="of all files: the same files, committed or not, are the same code")

    def __str__(self) -> str:
        return f"{self.commit[:12]}{', changed' if self.changed else ''}"


def here(run: Path, root: Path = commands.ROOT) -> Code | None:
    """Of the checkout, without the run's own folder and what git ignores. None: nobody can tell, it is no checkout."""
    commit = _git(root, "rev-parse", "HEAD")
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    changed = _git(root, "status", "--porcelain")
    if commit is None or listed is None or changed is None:
        return None
    try:
        digest = _digest(
            root, [name for name in sorted(set(listed.split("\0"))) if not (root / name).is_relative_to(run)]
        )
    except OSError:  # a file that is gone meanwhile, or may not be read
        return None
    return Code(commit=commit.strip(), changed=bool(changed), digest=digest)


def _digest(root: Path, names: list[str]) -> str:
    found = hashlib.sha256()
    for name in names:
        if (root / name).is_file() and not name.startswith(_NOT_MEASURED):
            found.update(f"{name}\0".encode(errors="surrogateescape"))
            found.update(hashlib.sha256((root / name).read_bytes()).digest())
    return found.hexdigest()


def _git(root: Path, *words: str) -> str | None:
    """What it says; None if it cannot."""
    program = shutil.which("git")
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - git's own questions, in the checkout
            [program, *words], cwd=root, capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="surrogateescape") if done.returncode == 0 else None
