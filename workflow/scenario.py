"""Scenarios: what is to be reached, what may go wrong, and which steps prove it. YAML files under a strict model."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, ValidationError

from extraction_agent import errors, profiles
from extraction_agent.model import Strict, Word
from extraction_agent.report import evidence

DIRECTORY = Path(__file__).parents[1] / "scenarios"

Priority = Literal["P1", "P2", "P3", "P4"]
Steps = tuple[Word, ...]


class Phases(Strict):
    """The steps of each phase, in the order in which they are done. None: the phase is left out."""

    planning: Steps = ()
    design: Steps = ()
    testing: Steps = ()
    compliance: Steps = ()
    operations: Steps = ()


class Tests(Strict):
    """Which of the existing tests are run."""

    select: str = Field("not ci", description="pytest's -m")


class Comparison(Strict):
    """Old against new on the same data."""

    rows: int = Field(200_000, ge=1000, le=100_000_000, description="of the source's table, at scale 1")
    runs: int = Field(5, ge=3, le=100, description="of each profile, interleaved")
    offered: int = Field(
        20_000,
        ge=10,
        le=100_000_000,
        description="records a minute, under which resources are compared: what both carry",
    )
    beside: tuple[Word, ...] = Field((), description="other profiles that are measured too")


class Rollout(Strict):
    """How a fleet is given the profile."""

    waves: tuple[int | str, ...] = Field((1,), description="waves before the last: a number, a share, or a group")
    slot_seconds: float = Field(1.0, gt=0, le=60, description="length of a slot of samples")
    run_slots: int = Field(6, ge=2, le=1000, description="slots of each A and B")
    baseline_slots: int = Field(120, ge=8, le=10_000, description="slots before databases are changed")
    slots_at_most: int = Field(1200, ge=20, le=100_000, description="slots, after which the verdict stands")
    here: dict[str, float] = Field(
        default_factory=dict,
        description="gates of the profile that are wider on a fleet made on this machine, whose hosts share its cores",
    )


class Scenario(evidence.Scenario):
    """A scenario file. The report reads the fields of its parent, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    priority: Priority = "P2"
    effort: Word = Field(description="what the change takes, for the plan")
    goals: tuple[Word, ...] = Field(min_length=1, description="what is to be better, in the user's words")
    phases: Phases
    tests: Tests = Field(default_factory=Tests)
    comparison: Comparison = Field(default_factory=Comparison)
    rollout: Rollout = Field(default_factory=Rollout)
    may_be_left: Steps = Field((), description="steps that stop nothing if what they need is not here")
    watch_hours: float = Field(48, gt=0, le=24 * 30, description="for which the guards look on after the commit")
    feedback: tuple[Word, ...] = Field((), description="questions to the users, after the change")

    @property
    def risk(self) -> str:
        """The highest of its risks."""
        levels = ("LOW", "MEDIUM", "HIGH")
        return max((one.level for one in self.risks), key=levels.index, default="LOW")

    def profiles(self) -> dict[str, profiles.Profile]:
        """Its profiles as they are named in it, by name or file. Raises UsageError, for two of one name too."""
        loaded = {given: profiles.load(given) for given in (self.before, self.after, *self.comparison.beside)}
        names = [profile.name for profile in loaded.values()]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None or self.before == self.after:
            raise errors.UsageError(
                f"Two profiles of the scenario are named {twice or self.after}: what is measured goes by their "
                "names, so give each one of its own."
            )
        return loaded

    def naming(self, names: dict[str, str]) -> "Scenario":
        """The same with its profiles named so, each by what it was given as."""
        beside = tuple(names[one] for one in self.comparison.beside)
        comparison = self.comparison.model_copy(update={"beside": beside})
        changes = {"before": names[self.before], "after": names[self.after], "comparison": comparison}
        return self.model_copy(update=changes)


Scale = Annotated[float, Field(gt=0, le=10)]


def load(name: str, changes: dict[str, str] | None = None) -> Scenario:
    """A scenario by its name, or by its file. changes: of fields that are words, by their names.

    Raises UsageError that names the nearest scenario or key.
    """
    file = Path(name) if name.endswith((".yml", ".yaml")) else _file(name)
    return parse(file, changes or {})


def names() -> dict[str, Path]:
    """Of the scenarios that are shipped, with their files."""
    found = {}
    for file in sorted(DIRECTORY.glob("*.yml")):
        data = _read(file)
        found[str(data.get("name", file.stem))] = file
    return found


def parse(file: Path, changes: dict[str, str]) -> Scenario:
    """Raises UsageError."""
    data = _read(file)
    allowed = ("before", "after")
    for key, value in changes.items():
        if key not in allowed:
            raise errors.UsageError(f"--set changes {' and '.join(allowed)}, each a profile; {key} is neither.")
        data[key] = value
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise errors.UsageError(f"Scenario {file}: {profiles.explain(error, Scenario)}") from error


def nearest(word: str, known: list[str]) -> str:
    """A hint: what was probably meant, or all there is."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."


def _file(name: str) -> Path:
    known = names()
    if name not in known:
        hint = nearest(name, list(known))
        raise errors.UsageError(f"There is no scenario {name!r}: {hint} A file is given by its path, ending in .yml.")
    return known[name]


def _read(file: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise errors.UsageError(f"Scenario {file} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise errors.UsageError(f"Scenario {file} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, dict):
        raise errors.UsageError(f"Scenario {file} is not a mapping; it needs at least name, goals, effort and phases.")
    return data
