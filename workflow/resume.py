"""What a run that is taken up again keeps of what it has done. One that has done nothing yet keeps all of it."""

from datetime import UTC, datetime

from extraction_agent import errors
from workflow import code
from workflow.code import Code
from workflow.folder import Folder
from workflow.phases import STEPS, testing
from workflow.progress import PhaseState, Progress, StepState
from workflow.steps import Context, Outcome

_PAPER = ("planning", "design")  # of the scenario and its profiles, which the run keeps as they were


def take_up(context: Context, progress: Progress) -> Progress:
    """With everything pending that is to be done, by the code that is here now.

    What has passed is kept, unless its fleet is gone or was taken back, or other code has done it. What is done again
    leaves nothing that the report could read meanwhile. Raises ExtractionError if that cannot be put away.
    """
    now = code.here(context.folder.path)
    other = _other(progress, now)
    try:
        if other:
            context.tell(f"{other} All but planning and design is done again{_kept_rollout(context, progress)}.")
            _put_aside(context.folder)
        phases = tuple(_phase(context, progress, phase, other=bool(other)) for phase in progress.phases)
    except OSError as error:
        raise errors.ExtractionError(
            f"{error.filename}, which is to be made anew, cannot be put away: {error.strerror}."
        ) from error
    return progress.model_copy(update={"phases": phases, "code": now, "verdict": None, "because": "", "taken_back": ""})


def _other(progress: Progress, now: Code | None) -> str:
    """Why what was done may be of other code, in a sentence; empty if it is of this, or nothing was done."""
    if all(state.outcome is None for phase in progress.phases for state in phase.steps):
        return ""
    if progress.code is None or now is None:
        return "Which code the run was done by cannot be told: there is, or was, no checkout of git."
    if progress.code.digest != now.digest:
        return f"The run was done by other code ({progress.code}) than is here ({now})."
    return ""


def _fleet_is_gone(context: Context, progress: Progress) -> bool:
    return context.inventory is None or bool(progress.taken_back)


def _kept_rollout(context: Context, progress: Progress) -> str:
    done = any(
        state.name == testing.ROLLOUT and state.outcome is Outcome.PASSED
        for phase in progress.phases
        for state in phase.steps
    )
    return (
        ", but for the rollout, which is in force on your fleet"
        if done and not _fleet_is_gone(context, progress)
        else ""
    )


def _phase(context: Context, progress: Progress, phase: PhaseState, *, other: bool) -> PhaseState:
    if phase.outcome == "skipped":
        return phase
    gone = _fleet_is_gone(context, progress)
    steps = []
    for state in phase.steps:
        stands = state.name == testing.ROLLOUT and not gone  # the fleet runs its own code, not this checkout's
        if (
            (STEPS[phase.name][state.name].on_fleet and gone)
            or (other and phase.name not in _PAPER and not stands)
            or (state.outcome is not Outcome.PASSED and phase.outcome != "passed")
        ):
            # the step's own file, if it leaves one: the report would take it for what is now
            (context.folder.path / phase.name / f"{state.name}.json").unlink(missing_ok=True)
            steps.append(StepState(name=state.name))
        else:
            steps.append(state)
    kept = phase.outcome == "passed" and tuple(steps) == phase.steps
    return phase if kept else PhaseState(name=phase.name, steps=tuple(steps))


def _put_aside(folder: Folder) -> None:
    """What other code has measured, to where the report does not look."""
    place = folder.path / "earlier" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    measured = folder.path / "testing"
    for one in [*measured.glob("*.json"), measured / "load"]:
        if one.exists():
            place.mkdir(parents=True, exist_ok=True)
            one.rename(place / one.name)
