"""The verdict: harm that is proven outweighs what is unknown, and what is unknown is no GO."""

from collections.abc import Iterator

from extraction_agent.judge.evidence import AGAINST, OPEN
from extraction_agent.model import Verdict
from extraction_agent.report import evidence, folder
from extraction_agent.report.acceptance import Line
from extraction_agent.report.figures import Figure, shown
from extraction_agent.report.regression import Regression

Decision = tuple[Verdict, tuple[str, ...]]


def decide(run: folder.Folder, lines: tuple[Line, ...], regressions: tuple[Regression, ...]) -> Decision:
    """The verdict and its reasons, the weightiest first."""
    against = [*_failed(run), *_told(lines, "fails"), *(one.because for one in regressions if one.outcome in AGAINST)]
    unknown = [*_told(lines, "not measured"), *_not_done(run), *_aborted(run), *_unknown(regressions)]
    if against:
        return Verdict.NO_GO, (*against, *unknown)
    if unknown:
        return Verdict.INCONCLUSIVE, tuple(unknown)
    return Verdict.GO, ("All of A1 to A9 hold, and nothing is worse than tolerated, for certain.",)


def sentence(decided: Decision, times: Figure | None) -> str:
    """The verdict in one sentence with its reason."""
    verdict, because = decided
    more = f" ({len(because) - 1} more below)" if len(because) > 1 else ""
    won = f" Throughput is {times.shown} what it was." if times and verdict is Verdict.GO else ""
    return f"{verdict}: {because[0]}{more}{won}"


def _failed(run: folder.Folder) -> Iterator[str]:
    """What else ended badly: a phase of the workflow, a check."""
    state = run.get(folder.STATE, evidence.State)
    for phase in state.phases if state else ():
        if phase.outcome == "failed":
            yield f"The phase {phase.name} of the workflow failed: {phase.because or 'it does not say why'}"
    for name, check in run.checks().items():
        if check.outcome == "failed":
            yield f"{check.name} failed ({name}): {check.because}"


def _not_done(run: folder.Folder) -> Iterator[str]:
    """Phases of the workflow whose gate was never put to the test."""
    state = run.get(folder.STATE, evidence.State)
    for phase in state.phases if state else ():
        if phase.outcome == "not done":
            yield f"The phase {phase.name} of the workflow was not done: {phase.because or 'it does not say why'}"


def _aborted(run: folder.Folder) -> Iterator[str]:
    """Loads that did not come to their end, so that nobody knows what the rest would have shown."""
    for name, load in run.found.items():
        if isinstance(load, evidence.Load) and load.aborted:
            yield f"The {load.shape} load of {load.profile} was aborted after {shown(load.seconds, 's')} ({name})."


def _told(lines: tuple[Line, ...], outcome: str) -> Iterator[str]:
    for line in lines:
        for part in line.parts:
            if part.outcome == outcome:
                yield f"{line.id} {outcome if outcome == 'fails' else 'was not measured'}: {part.what}: {part.because}"


def _unknown(regressions: tuple[Regression, ...]) -> Iterator[str]:
    for one in regressions:
        if one.outcome in OPEN:
            yield f"Whether {one.metric} ({one.where}) became worse is not known: {one.because}"
