"""Phases in their order, a gate behind each, and the way back when one does not hold."""

import time
from collections.abc import Iterator

from extraction_agent import errors
from extraction_agent.model import Verdict
from workflow import progress as states
from workflow.fleet.fleet import failure
from workflow.phases import STEPS, compliance, load, testing
from workflow.progress import Mode, PhaseState, Progress, StepState
from workflow.resume import take_up
from workflow.scenario import Scenario, nearest
from workflow.steps import Context, Outcome, Result, Step, failed, not_done

_ONLY_FULL = ("planning", "design")  # phases that the mode quality leaves out
_RECORDED = ("compliance", "operations")  # phases whose steps leave a file each that says what came of them


def plan(scenario: Scenario, mode: Mode) -> tuple[PhaseState, ...]:
    """What is to be done. Raises UsageError for a step that there is not, and for loads that cannot be."""
    known = [step for phase in _RECORDED for step in STEPS[phase]]
    for name in scenario.may_be_left:
        if name not in known:
            hint = nearest(name, known)
            raise errors.UsageError(f"may_be_left names {name}, which is no step of {' or '.join(_RECORDED)}: {hint}")
    phases = tuple(_phase(scenario, phase, mode) for phase in STEPS)
    load.check(scenario)
    return phases


def _phase(scenario: Scenario, phase: str, mode: Mode) -> PhaseState:
    names: tuple[str, ...] = getattr(scenario.phases, phase)
    for name in names:
        if name not in STEPS[phase]:
            raise errors.UsageError(
                f"Scenario {scenario.name}: phases.{phase} has no step {name}: {nearest(name, list(STEPS[phase]))}"
            )
    if mode == "quality" and phase in _ONLY_FULL:
        return PhaseState(name=phase, outcome="skipped", because="the mode is quality")
    if not names:
        return PhaseState(name=phase, outcome="skipped", because="the scenario has no step of it")
    return PhaseState(name=phase, steps=tuple(StepState(name=name) for name in names))


def would_do(context: Context, phases: tuple[PhaseState, ...]) -> Iterator[str]:
    """What a run would do, line by line."""
    for phase in phases:
        yield f"{phase.name}{f': skipped, {phase.because}' if phase.outcome == 'skipped' else ''}"
        for state in phase.steps:
            step = STEPS[phase.name][state.name]
            yield f"  {step.name}: {step.does(context)}"
        if phase.steps:
            yield "  gate: each of these has passed" + _may_be_left(context, phase)


def _may_be_left(context: Context, phase: PhaseState) -> str:
    left = [state.name for state in phase.steps if state.name in context.scenario.may_be_left]
    return f"; {', '.join(left)} may be left if what it needs is not here" if left else ""


def _verdict(outcome: Outcome | None) -> Verdict:
    """Of a run whose gate does not hold because of a step with this outcome."""
    return Verdict.INCONCLUSIVE if outcome is Outcome.NOT_DONE else Verdict.NO_GO


class Run:
    """One run, from wherever it is to its verdict."""

    def __init__(self, context: Context, progress: Progress) -> None:
        self._context, self._progress = context, progress

    def run(self) -> Progress:
        """Raises ExtractionError only if its state cannot be kept."""
        self._progress = take_up(self._context, self._progress)
        states.save(self._context.folder, self._progress)
        with self._context.resources:
            for number, phase in enumerate(self._progress.phases):
                stopped = None if phase.outcome in ("passed", "skipped") else self._stopped(number)
                if stopped is not None:
                    self._take_back()
                    if stopped.name != testing.REPORT:  # which would only give itself as its reason
                        self._tell_all()
                    return self._progress
            left = [
                f"{phase.name}.{state.name}"
                for phase in self._progress.phases
                for state in phase.steps
                if state.outcome is Outcome.NOT_DONE
            ]
            because = "every gate has been passed" + (f"; not done: {', '.join(left)}" if left else "")
            verdict = Verdict.GO
            if self._outcome(testing.REPORT) is not Outcome.PASSED:  # nothing was measured, so nothing is decided
                verdict, because = Verdict.INCONCLUSIVE, f"the scenario asks for no report, which decides; {because}"
            self._note(verdict=verdict, because=because, taken_back="")
            self._tell_all()
        return self._progress

    def _tell_all(self) -> None:
        """The report anew, with what came after it was made."""
        if self._outcome(testing.REPORT) is None:
            return
        result = self._result(STEPS["testing"][testing.REPORT])
        if self._progress.verdict is Verdict.GO and result.outcome is not Outcome.PASSED:
            self._note(verdict=_verdict(result.outcome), because=f"the report of the whole run: {result.because}")
            self._take_back()

    def _stopped(self, number: int) -> StepState | None:
        """Do a phase. Returns the step for which its gate does not hold; None if it does."""
        phase = self._progress.phases[number]
        self._note_phase(number, outcome="running", because="")
        self._context.tell(f"{phase.name}")
        stopped: StepState | None = None
        for at, state in enumerate(phase.steps):
            step = STEPS[phase.name][state.name]
            if state.outcome is Outcome.PASSED and not step.always:
                self._context.tell(f"  {step.name}: passed before")
                continue
            if stopped is not None and not step.always:
                continue
            done = self._done(number, at, step)
            if stopped is None and not self._holds(done):
                stopped = done
                came_to = "not done" if done.outcome is Outcome.NOT_DONE else "failed"
                self._note_phase(number, outcome=came_to, because=f"{done.name}: {done.because}")
        if stopped is None:
            self._note_phase(number, outcome="passed")
            return None
        because = f"{stopped.name}: {stopped.because}"
        self._note(verdict=_verdict(stopped.outcome), because=f"the gate of {phase.name} does not hold: {because}")
        return stopped

    def _holds(self, state: StepState) -> bool:
        return state.outcome is Outcome.PASSED or (
            state.outcome is Outcome.NOT_DONE and state.name in self._context.scenario.may_be_left
        )

    def _done(self, number: int, at: int, step: Step) -> StepState:
        """Do a step, and keep what came of it."""
        phase = self._progress.phases[number]
        self._context.tell(f"  {step.name}: {step.does(self._context)} …")
        begun = time.monotonic()
        result = self._result(step)
        if phase.name in _RECORDED:
            step.record(self._context, phase.name, result)
        state = StepState(
            name=step.name, outcome=result.outcome, because=result.because, seconds=round(time.monotonic() - begun, 1)
        )
        self._context.tell(f"  {step.name}: {state.outcome} in {state.seconds:,.0f} s; {state.because}")
        self._note_phase(number, steps=(*phase.steps[:at], state, *phase.steps[at + 1 :]))
        return state

    def _result(self, step: Step) -> Result:
        try:
            return step.run(self._context)
        except errors.UsageError as error:  # it could not even begin
            return not_done(str(error))
        except (errors.ExtractionError, OSError) as error:
            return failed(str(error))

    def _take_back(self) -> None:
        """What a rollout has committed, since a gate behind it does not hold. What it has not, it took back itself."""
        made, before = self._context.made, self._outcome(testing.ROLLOUT)
        if not (made is not None and made.committed is not None) and before is not Outcome.PASSED:
            return
        self._context.tell("the fleet is taken back …")
        told = self._taken_back()
        self._context.tell(told)
        self._note(taken_back=told)

    def _taken_back(self) -> str:
        """In a sentence. If the fleet has another profile by now, as after its own watch has tripped, it keeps that."""
        try:
            fleet = self._context.fleet()
            ours, now = compliance.rolled_out(self._context)["rollout_id"], fleet.in_force()
            if now != ours:
                return f"the fleet has rollout {now} by now, not rollout {ours} of this run, and keeps it"
            done = fleet.take_back()
        except (errors.ExtractionError, OSError) as error:
            return f"THE FLEET COULD NOT BE TAKEN BACK: {error}"
        if done.status:
            return f"THE FLEET COULD NOT BE TAKEN BACK: {failure(done)}"
        return f"the fleet was taken back in {done.seconds:.0f} s"

    def _outcome(self, name: str) -> Outcome | None:
        """Of a step; None if it has not been done, or is no part of the run."""
        found = [one.outcome for phase in self._progress.phases for one in phase.steps if one.name == name]
        return found[0] if found else None

    def _note(self, **changes: object) -> None:
        self._progress = self._progress.model_copy(update=changes)
        states.save(self._context.folder, self._progress)

    def _note_phase(self, number: int, **changes: object) -> None:
        phases = list(self._progress.phases)
        phases[number] = phases[number].model_copy(update=changes)
        self._note(phases=tuple(phases))
