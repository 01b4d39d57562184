"""`extractctl judge`: a verdict from samples, and how many samples it takes."""

from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from extraction_agent import errors, profiles
from extraction_agent.interfaces.cli import options, output
from extraction_agent.judge.evidence import Design, Evidence
from extraction_agent.model import Verdict

app = typer.Typer()


@app.command()
def judge(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Samples, JSON lines; of several files together.", show_default=False),
    ] = None,
    profile: Annotated[
        str, typer.Option("--profile", help="The profile under trial, by name or file: its gates are the rules.")
    ] = "optimized",
    before_after: Annotated[
        bool, typer.Option("--before-after", help="The canary was changed once, not switched back and forth.")
    ] = False,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="Every host was changed at once, by a change of a database.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say how many samples a verdict will need; takes no files.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Judge a canary by samples of it, of the other hosts and of the sources: GO, NO-GO or INCONCLUSIVE.

    Exit status 0 is GO; 1 is NO-GO, or INCONCLUSIVE, which may just need more samples; 2: a file cannot be judged.
    """
    limits = profiles.load(profile).gates
    if before_after and everywhere:
        raise errors.UsageError("Give --before-after or --everywhere: a canary was changed, or every host.")
    if plan == bool(files):
        raise errors.UsageError("Give files with samples to judge, or --plan to learn how many are needed.")
    if find_spec("scipy") is None:
        raise errors.UsageError("The judge needs numpy and scipy: pip install 'extraction-agent[controller]'.")
    if plan:
        _plan(limits, json=json)
        return
    from extraction_agent.judge import decide  # noqa: PLC0415 - only this command needs numpy

    design = Design.EVERYWHERE if everywhere else Design.BEFORE_AFTER if before_after else Design.SWITCHED
    evidence = decide.judge(files or [], limits, design)
    if json:
        output.as_json(evidence.model_dump(mode="json"))
    else:
        _show(evidence)
    if evidence.verdict is not Verdict.GO:
        raise typer.Exit(1)


def _show(evidence: Evidence) -> None:
    output.rows(
        ("about", "metric", "old", "new", "effect", "interval", "rule", "outcome"),
        [
            (
                one.about, one.metric, one.shown_old, one.shown_new, one.shown_effect, one.shown_interval,
                one.rule, one.outcome,
            )
            for one in evidence.findings
        ],
    )  # fmt: skip
    typer.echo()
    more = "" if evidence.final else f", {evidence.more_slots:,} more slots are needed"
    output.facts(
        {
            "verdict": f"{evidence.verdict}{more}",
            "because": list(evidence.because),
            "canaries": ", ".join(evidence.canaries),
            "untouched": ", ".join(evidence.untouched),
            "samples": f"{evidence.slots:,} slots, {evidence.design}, {evidence.blocks} blocks; what a slot was is "
            f"forgotten after {evidence.decorrelation_slots}",
            "intervals": f"{evidence.confidence:.0%}, all together",
            "notes": list(evidence.notes),
        }
    )


def _plan(limits: profiles.Gates, *, json: bool) -> None:
    from extraction_agent.judge import plan as planning  # noqa: PLC0415 - only --plan needs scipy

    needed = planning.needs(limits)
    if json:
        output.as_json({"slots_at_most": limits.slots_at_most, "metrics": [asdict(one) for one in needed]})
        return
    output.rows(
        ("metric", "rule", "variation", "correlation", "slots in all", "of these each side"),
        [(one.metric, one.rule, one.variation, one.correlation, one.slots, one.each_side) for one in needed],
    )
    typer.echo()
    output.facts(
        {
            "slots": f"{max(one.slots for one in needed):,}, switched A-B-B-A, {planning.RUN} slots each",
            "allowed": f"{limits.slots_at_most:,} (the gates' slots_at_most)",
            "measured": "variation and correlation, in slots of 1 s beside another host; yours may differ",
        }
    )
