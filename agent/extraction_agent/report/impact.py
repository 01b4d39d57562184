"""Customer impact: what the user's own jobs took and take, from their history. No history, nothing said."""

from extraction_agent.model import Strict
from extraction_agent.report import evidence, folder
from extraction_agent.report.figures import Figure, Figures, How, Unit, pointer


class Jobs(Strict):
    """The jobs of one config, before and after."""

    config: str
    runs_before: Figure | None
    runs_after: Figure | None
    failed_before: Figure | None
    failed_after: Figure | None
    rows_before: Figure | None
    rows_after: Figure | None
    seconds_before: Figure | None
    seconds_after: Figure | None
    hours_won: Figure | None


class Impact(Strict):
    """Of all configs. `because` is a sentence: what is known, or why nothing is."""

    because: str
    jobs: tuple[Jobs, ...] = ()
    hours_won: Figure | None = None


def impact(run: folder.Folder) -> Impact:
    """The longest jobs first."""
    history = run.get(folder.HISTORY, evidence.History)
    if history is None:
        return Impact(
            because="No history of the user's own jobs was given, so nothing is said of what they gained: "
            "`extractctl report --store URL` takes it from the store."
        )
    figures = Figures(run.raw)
    jobs = [_jobs(figures, name) for name in history.configs]
    jobs.sort(key=lambda one: -one.seconds_before.value if one.seconds_before else 0)
    both = [one for one in jobs if one.hours_won]
    changed = f"{history.changed_at:%Y-%m-%d %H:%M %Z}"
    if not both:
        return Impact(because=f"No config has finished a job both before and after {changed}.", jobs=tuple(jobs))
    won = figures.take("hours won", *(of for one in both if one.hours_won for of in one.hours_won.of), unit="hours")
    assert won is not None
    said = "less" if won.value >= 0 else "more"
    because = (
        f"Since {changed} the jobs of {len(both)} config{'s' * (len(both) > 1)} took {abs(won.value):,.2f} hours "
        f"{said} than as many would have at the median before."
    )
    return Impact(because=because, jobs=tuple(jobs), hours_won=won)


def _jobs(figures: Figures, config: str) -> Jobs:
    def of(side: str, ended: str, field: str) -> str:
        return pointer(folder.HISTORY, "configs", config, side, ended, "*", field)

    def both(ended: str, field: str, how: How, unit: Unit) -> list[Figure | None]:
        return [figures.take(how, of(side, ended, field), unit=unit) for side in ("before", "after")]

    runs = both("succeeded", "seconds", "count", "")
    failed = both("failed", "seconds", "count", "")
    rows = both("succeeded", "rows", "median", "")
    seconds = both("succeeded", "seconds", "median", "s")
    won = figures.take("hours won", *(of(side, "succeeded", "seconds") for side in ("before", "after")), unit="hours")
    return Jobs(
        config=config,
        runs_before=runs[0], runs_after=runs[1],
        failed_before=failed[0], failed_after=failed[1],
        rows_before=rows[0], rows_after=rows[1],
        seconds_before=seconds[0], seconds_after=seconds[1],
        hours_won=won,
    )  # fmt: skip
