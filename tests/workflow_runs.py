"""A run of the workflow as a person begins it, with a scenario of the test's own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "scenarios" / "extraction-service-performance-optimization.yml"
_LONGEST = 840.0  # s
NAME = "Extraction Service Performance Optimization"


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended."""

    status: int
    said: str
    told: str  # on stderr
    folder: Path | None

    @property
    def state(self) -> dict[str, Any]:
        assert self.folder is not None, self.said + self.told
        state: dict[str, Any] = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        return state

    def outcomes(self) -> dict[str, str | None]:
        """Of each step."""
        return {one["name"]: one["outcome"] for phase in self.state["phases"] for one in phase["steps"]}


def scenario(folder: Path, phases: dict[str, list[str]], **changes: Any) -> Path:
    """The shipped one with other phases, as a file."""
    data = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    file = folder / "scenario.yml"
    file.write_text(yaml.safe_dump({**data, "phases": phases, **changes}), encoding="utf-8")
    return file


def run(folder: Path, *words: str | Path, **environment: str) -> Ended:
    """python -m workflow with these words; its runs are kept in the folder."""
    given: list[str | Path] = [] if {"--resume", "--runs"} & set(words) else ["--runs", folder / "runs"]
    with subprocess.Popen(
        [sys.executable, "-m", "workflow", *words, *given],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            said, told = process.communicate(timeout=_LONGEST)
        finally:
            process.terminate()  # as a person would, so that its servers are ended
    assert "Traceback" not in told, told
    begun = [line.removeprefix("run ") for line in said.splitlines() if line.startswith("run ")]
    return Ended(process.returncode, said, told, Path(begun[0]) if begun else None)
