"""A run's folder: everything that one acceptance run leaves."""

import json
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from extraction_agent import errors
from extraction_agent.profiles import Profile
from extraction_agent.report import evidence
from workflow.scenario import Scenario, parse


def dumped(profile: Profile) -> str:
    """A profile as a file that extends nothing."""
    return yaml.safe_dump(profile.model_dump(mode="json", exclude={"extends"}), sort_keys=False, allow_unicode=True)


class Folder:
    """runs/<YYYYMMDDTHHMMSSZ>-<slug>/."""

    def __init__(self, path: Path, scenario: Scenario) -> None:
        self.path, self.scenario = path.absolute(), scenario  # which programs that run elsewhere are told, too

    @classmethod
    def create(cls, runs: Path, scenario: Scenario) -> "Folder":
        """A new one, with the scenario and its profiles as they are now. Raises UsageError if it cannot be made."""
        loaded = scenario.profiles()
        slug = re.sub(r"[^a-z0-9]+", "-", scenario.name.lower()).strip("-")[:60] or "run"
        path = runs / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{slug}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise errors.UsageError(f"The run's folder {path} cannot be made: {error.strerror}.") from error
        scenario = scenario.naming({given: profile.name for given, profile in loaded.items()})
        made = cls(path, scenario)
        for profile in loaded.values():
            made.write(f"profiles/{profile.name}.yml", dumped(profile))
        text = yaml.safe_dump(scenario.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
        made.write("scenario.yml", text)
        return made

    @classmethod
    def imagined(cls, runs: Path, scenario: Scenario) -> "Folder":
        """One that is not made, for a dry run. Raises UsageError as create does."""
        return cls(runs / "RUN", scenario.naming({given: one.name for given, one in scenario.profiles().items()}))

    @classmethod
    def open(cls, path: Path) -> "Folder":
        """One that is there, with the scenario as it was begun. Raises UsageError."""
        if not (path / "scenario.yml").is_file():
            raise errors.UsageError(f"{path} is no run's folder: it holds no scenario.yml.")
        return cls(path, parse(path / "scenario.yml", {}))

    def profile(self, name: str) -> Path:
        """The file of one of the scenario's profiles, as it was when the run was begun."""
        return self.path / "profiles" / f"{name}.yml"

    def file(self, name: str) -> Path:
        """The path of one of its files, whose folder is made."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, text: str) -> Path:
        """Whole or not at all."""
        path = self.file(name)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".", delete=False) as file:
            file.write(text)
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
        return path

    def record(self, file: str, model: type[BaseModel], /, **fields: Any) -> Path:
        """A file of the report's kinds, checked by its model before it is written."""
        header = {
            "kind": model.model_fields["kind"].annotation.__args__[0],  # type: ignore[union-attr]  # a Literal of one
            "version": evidence.VERSION,
            "scenario": self.scenario.name,
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        text = json.dumps({**header, **fields}, indent=2, ensure_ascii=False, default=str) + "\n"
        model.model_validate_json(text)
        return self.write(file, text)
