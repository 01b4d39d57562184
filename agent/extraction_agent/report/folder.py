"""A run folder on disk: which of its files are there, what is in them, and that they belong together."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from extraction_agent import errors, profiles
from extraction_agent.report import evidence

SCENARIO = "scenario.yml"
MACHINE = "testing/machine.json"
THROUGHPUT = "testing/throughput.json"
RESOURCES = "testing/resources.json"
QUERIES = "testing/queries.json"
TESTS = "testing/tests.json"
HISTORY = "history.json"
STATE = "state.json"
LOADS = "testing/load"
REPORTS = ("report.html", "report.md", "report.json")

_CHECKED = ("compliance", "operations")  # folders that hold checks beside documents
_MODELS: dict[str, type[evidence.Sourced]] = {
    MACHINE: evidence.Machine,
    THROUGHPUT: evidence.Throughput,
    RESOURCES: evidence.Resources,
    QUERIES: evidence.Queries,
    TESTS: evidence.Tests,
    HISTORY: evidence.History,
    STATE: evidence.State,
}

Model = TypeVar("Model", bound=evidence.Sourced)


@dataclass(frozen=True, slots=True)
class File:
    """Any file of the folder."""

    name: str  # relative to the folder, with slashes
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Folder:
    """What was found. `raw`: each file that a figure may come from, as it was read."""

    scenario: evidence.Scenario
    found: dict[str, evidence.Sourced]
    raw: dict[str, Any]
    files: list[File] = field(default_factory=list)

    def get(self, name: str, model: type[Model]) -> Model | None:
        """A file's content; None if the file is not there."""
        content = self.found.get(name)
        assert content is None or isinstance(content, model)
        return content

    def load(self, profile: str, shape: evidence.Shape) -> evidence.Load | None:
        """A load test's content; None if there was none."""
        return self.get(load_name(profile, shape), evidence.Load)

    def checks(self) -> dict[str, evidence.Check]:
        """By file."""
        return {name: one for name, one in self.found.items() if isinstance(one, evidence.Check)}


def load_name(profile: str, shape: str) -> str:
    """The file of one load test."""
    return f"{LOADS}/{profile}-{shape}.json"


def read(path: Path) -> Folder:
    """Everything in the folder. Raises UsageError for what cannot be read or does not belong together."""
    if not path.is_dir():
        raise errors.UsageError(f"There is no run folder {path}: give the folder that an acceptance run has written.")
    described, raw_scenario = scenario(path / SCENARIO)
    found: dict[str, evidence.Sourced] = {}
    raw: dict[str, Any] = {SCENARIO: raw_scenario}
    for name, model in _candidates(path):
        content, told = _json(path / name)
        if model is evidence.Check and not (isinstance(content, dict) and content.get("kind") == "check"):
            continue  # a document of another kind
        one = _validated(name, told, model)
        if one.scenario != described.name:
            raise errors.UsageError(
                f"{path / name} is of the scenario “{one.scenario}”, {SCENARIO} of “{described.name}”: a report is of "
                "one scenario. Measure again, or take the file out."
            )
        if isinstance(one, evidence.Load) and load_name(one.profile, one.shape) != name:
            raise errors.UsageError(
                f"{path / name} holds the load {one.shape} of the profile {one.profile}: it belongs into "
                f"{load_name(one.profile, one.shape)}."
            )
        found[name], raw[name] = one, content
    return Folder(described, found, raw, list(_files(path)))


def _candidates(path: Path) -> Iterator[tuple[str, type[evidence.Sourced]]]:
    for name, model in _MODELS.items():
        if (path / name).exists():
            yield name, model
    for file in sorted((path / LOADS).glob("*.json")):
        yield file.relative_to(path).as_posix(), evidence.Load
    for checked in _CHECKED:
        for file in sorted((path / checked).glob("*.json")):
            yield file.relative_to(path).as_posix(), evidence.Check


def scenario(file: Path) -> tuple[evidence.Scenario, Any]:
    """What the report needs of scenario.yml, and all of it. Raises UsageError."""
    try:
        described = yaml.safe_load(_text(file))
    except yaml.YAMLError as error:
        raise errors.UsageError(f"{file} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(described, dict):
        raise errors.UsageError(f"{file} is not a mapping with a name.")
    try:
        return evidence.Scenario.model_validate(described), described
    except ValidationError as error:
        raise errors.UsageError(f"{file}: {profiles.explain(error, evidence.Scenario)}") from error


def _json(file: Path) -> tuple[Any, str]:
    text = _text(file)
    try:
        return json.loads(text), text
    except ValueError as error:
        raise errors.UsageError(
            f"{file} is not JSON, or cut short: {error}. Measure again, or take the file out; what it was to prove "
            "then counts as not measured."
        ) from error


def _text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise errors.UsageError(
            f"{file.parent} has no {file.name}: it is not the folder of an acceptance run."
        ) from error
    except OSError as error:
        raise errors.UsageError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise errors.UsageError(f"{file} is not UTF-8 text.") from error
    if not text.strip():
        raise errors.UsageError(f"{file} is empty: whoever was to write it did not come to its end. Measure again.")
    return text


def _validated(name: str, text: str, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise errors.UsageError(f"{name}: {profiles.explain(error, model, most=3)}") from error


def _files(path: Path) -> Iterator[File]:
    """All but logs, which may go on, and the report itself, which would have to know its own digest."""
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if file.is_file() and name not in REPORTS and file.suffix != ".log":
            with file.open("rb") as opened:
                yield File(name, file.stat().st_size, hashlib.file_digest(opened, "sha256").hexdigest())
