"""How far a run has come: state.json, from which it is taken up again."""

import json
from typing import Literal

from pydantic import Field, ValidationError

from extraction_agent import errors, profiles
from extraction_agent.model import Strict, Verdict
from extraction_agent.report import evidence
from workflow.code import Code
from workflow.folder import Folder
from workflow.steps import Outcome

FILE = "state.json"
Mode = Literal["quality", "full"]


class StepState(Strict):
    """One step. outcome: None until it has been done."""

    name: str
    outcome: Outcome | None = None
    because: str = ""
    seconds: float = 0


class PhaseState(Strict):
    """One phase; its gate is passed when each of its steps has, or may be left."""

    name: str
    outcome: Literal["pending", "running", "passed", "failed", "not done", "skipped"] = "pending"
    because: str = ""
    steps: tuple[StepState, ...] = ()


class Progress(Strict):
    """A run so far."""

    mode: Mode
    scale: float
    inventory: str | None = Field(None, description="of the fleet; None: one is made on this machine")
    phases: tuple[PhaseState, ...]
    verdict: Verdict | None = None
    because: str = ""
    taken_back: str = ""
    code: Code | None = Field(None, description="that does what is to be done, since the run was last taken up")


def save(folder: Folder, progress: Progress) -> None:
    folder.record(FILE, evidence.State, **progress.model_dump(mode="json"))


def read(folder: Folder) -> Progress:
    """Raises UsageError."""
    path = folder.path / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Progress.model_validate({name: data[name] for name in data.keys() & Progress.model_fields.keys()})
    except OSError as error:
        raise errors.UsageError(f"The state {path} cannot be read: {error.strerror}. Begin a new run.") from error
    except ValidationError as error:
        raise errors.UsageError(
            f"The state {path} cannot be used: {profiles.explain(error, Progress)} Begin a new run."
        ) from error
    except (ValueError, AttributeError) as error:
        raise errors.UsageError(f"The state {path} is not whole: {error}. Begin a new run.") from error
