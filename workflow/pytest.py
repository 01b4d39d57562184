"""Tests of the project as a step runs them: in a process of their own, counted from pytest's own report."""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from extraction_agent import errors
from workflow import commands
from workflow.steps import Result, failed, not_done, passed

_PARALLEL = ["--numprocesses", "logical", "--maxprocesses", "4", "--dist", "worksteal"]


@dataclass(frozen=True, slots=True)
class Counted:
    """What pytest has counted."""

    command: str
    passed: int
    failed: int  # or ended by an error
    skipped: int
    seconds: float
    first: str  # that failed
    why_skipped: str  # the first one

    @property
    def words(self) -> str:
        return f"{self.passed:,} passed, {self.failed} failed, {self.skipped} skipped in {self.seconds:,.0f} s"


def words(paths: list[str], select: str, *, parallel: bool = True) -> list[str]:
    """The command."""
    return [str(commands.BIN / "pytest"), *paths, "-m", select, *(_PARALLEL if parallel else [])]


def run(command: list[str], log: Path, seconds: float) -> Counted:
    """Raises ExtractionError if pytest did not come to its end."""
    report = log.with_suffix(".xml")
    report.unlink(missing_ok=True)
    done = commands.run([*command, f"--junitxml={report}"], log, seconds)
    try:
        suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314 - pytest has just written it
    except (OSError, ElementTree.ParseError):
        suite = None
    if suite is None or done.status not in (0, 1):
        raise errors.ExtractionError(f"The tests did not come to their end: {done.last_words}")
    report.unlink()
    bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    skipped = int(suite.get("skipped", 0))
    return Counted(
        done.command,
        int(suite.get("tests", 0)) - bad - skipped,
        bad,
        skipped,
        float(suite.get("time", 0)),
        _first(suite, "failure") or _first(suite, "error"),
        _first(suite, "skipped", reason=True),
    )


def deselected(path: str, select: str, log: Path, seconds: float) -> int:
    """How many tests are not even begun, since others are asked for. Raises ExtractionError."""
    done = commands.run([*words([path], select, parallel=False), "--collect-only"], log, seconds)
    found = re.search(r"tests collected(?: \((\d+) deselected\))? in ", done.last_words)
    if found is None:
        raise errors.ExtractionError(f"The tests could not be counted: {done.last_words}")
    return int(found[1] or 0)


def proof(paths: list[str], log: Path, seconds: float) -> Result:
    """Tests that prove one thing: each must pass, and none be skipped, for what they need is what is proved."""
    counted = run(words(paths, "ci or not ci", parallel=False), log, seconds)
    facts = {"passed": counted.passed, "failed": counted.failed, "skipped": counted.skipped}
    if counted.failed:
        return failed(f"{counted.first}: {counted.words}", counted.command, **facts)
    if counted.skipped or not counted.passed:
        return not_done(counted.why_skipped or "there is no such test", counted.command, **facts)
    return passed(counted.words, counted.command, **facts)


def _first(suite: ElementTree.Element, kind: str, *, reason: bool = False) -> str:
    for case in suite.iter("testcase"):
        found = case.find(kind)
        if found is not None:
            name = f"{case.get('classname')}.{case.get('name')}"
            return str(found.get("message", name)) if reason else name
    return ""
