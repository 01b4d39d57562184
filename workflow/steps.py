"""What a phase is made of: steps, each with what it would do, what it does, and what came of it."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extraction_agent import profiles
from extraction_agent.profiles import Profile
from extraction_agent.report import evidence
from workflow.folder import Folder
from workflow.scenario import Scenario

if TYPE_CHECKING:
    from workflow.fleet.fleet import Fleet


class Outcome(StrEnum):
    """Of a step. Only passed is one."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_DONE = "not done"  # what it needs is not here


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a step, in a sentence."""

    outcome: Outcome
    because: str
    facts: dict[str, Any] = field(default_factory=dict)
    command: str = ""


def passed(because: str, command: str = "", **facts: Any) -> Result:
    return Result(Outcome.PASSED, because, facts, command)


def failed(because: str, command: str = "", **facts: Any) -> Result:
    return Result(Outcome.FAILED, because, facts, command)


def not_done(because: str, command: str = "", **facts: Any) -> Result:
    return Result(Outcome.NOT_DONE, because, facts, command)


@dataclass(slots=True)
class Context:
    """What every step of a run may use."""

    folder: Folder
    scale: float  # of durations; 1: the user's minutes
    tell: Callable[[str], None]
    inventory: Path | None = None  # of the fleet; None: one is made on this machine
    resources: ExitStack = field(default_factory=ExitStack)  # closed when the run ends
    made: "Fleet | None" = None

    @property
    def scenario(self) -> Scenario:
        return self.folder.scenario

    def profile(self, name: str) -> Profile:
        """One of the scenario's, as it was when the run was begun. Raises UsageError."""
        return profiles.load(str(self.folder.profile(name)))

    def fleet(self) -> "Fleet":
        """The fleet that is changed; made the first time. Raises ExtractionError."""
        if self.made is None:
            from workflow.fleet import local  # noqa: PLC0415 - most runs of most steps need no servers
            from workflow.fleet.fleet import Fleet  # noqa: PLC0415 - the same: most need none

            self.made = (
                Fleet(self.inventory, {}, self.folder.file("testing/rollout.log"))
                if self.inventory is not None
                else self.resources.enter_context(local.fleet(self))
            )
        return self.made


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a phase. `does` says in words what `run` will do, for the dry run."""

    name: str
    does: Callable[[Context], str]
    run: Callable[[Context], Result]
    on_fleet: bool = False  # it needs the fleet as the run has left it
    always: bool = False  # it is done even if a step before it has failed

    def record(self, context: Context, phase: str, result: Result) -> None:
        """Keep what came of a check beside what it has found."""
        context.folder.record(
            f"{phase}/{self.name}.json", evidence.Check, name=self.name, outcome=result.outcome.value,
            because=result.because, command=result.command, facts=result.facts,
        )  # fmt: skip
