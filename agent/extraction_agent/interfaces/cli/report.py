"""`extractctl report`: the report of an acceptance run, from its folder."""

import json as json_module
from contextlib import suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from extraction_agent import errors
from extraction_agent.interfaces.cli import options, output
from extraction_agent.model import Verdict
from extraction_agent.pipeline import history
from extraction_agent.store.store import Store

app = typer.Typer()

NEEDED = ("scipy", "vl_convert", "jinja2")


@app.command()
def report(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN_FOLDER", help="What an acceptance run has written.")],
    directory: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Write report.html, .md and .json here, not into the run folder."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="URL",
            show_default=False,
            help="First write what the user's own jobs took into the run folder's history.json, from this store.",
        ),
    ] = None,
    changed_at: Annotated[
        datetime | None,
        typer.Option("--changed-at", help="UTC; belongs to --store. Without it: when the last rollout was committed."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Say whether an acceptance run holds: every line A1 to A9, the regressions, what it costs, and a verdict.

    Exit status 0 is GO; 1 is NO-GO or INCONCLUSIVE; 2: a file is broken, or files do not belong together.
    """
    if changed_at is not None and store is None:
        raise errors.UsageError("--changed-at belongs to --store: it parts the jobs that are taken from there.")
    if any(find_spec(name) is None for name in NEEDED):
        raise errors.UsageError("The report needs more than is installed: pip install 'extraction-agent[report]'.")
    from extraction_agent.report import document, folder, html, markdown  # noqa: PLC0415 - only this command needs them

    to = directory or run_folder
    for name in folder.REPORTS:  # what cannot be told anew must not be told by an old one
        with suppress(OSError):
            (to / name).unlink()
    if store is not None:
        name = folder.scenario(run_folder / folder.SCENARIO)[0].name
        with Store(store) as opened:
            found = history.export(opened, name, changed_at and changed_at.replace(tzinfo=UTC))
        _write(run_folder, {folder.HISTORY: found.model_dump_json(indent=2) + "\n"})
    run = folder.read(run_folder)
    made = document.make(run)
    texts = (html.render(made, run), markdown.render(made), made.model_dump_json(indent=2) + "\n")
    _write(to, dict(zip(folder.REPORTS, texts, strict=True)))
    if json:
        output.as_json(json_module.loads(texts[-1]))
    else:
        output.rows(
            ("criterion", "", "floor", "before", "after", "outcome"),
            [
                (line.id, part.what, part.floor, part.before.shown if part.before else "",
                 part.after.shown if part.after else "", part.outcome)
                for line in made.lines
                for part in line.parts
            ],
        )  # fmt: skip
        typer.echo()
        because = list(made.because) if len(made.because) > 1 else []
        output.facts({"verdict": made.sentence, "because": because, "report": str(to / folder.REPORTS[0])})
    if made.verdict is not Verdict.GO:
        raise typer.Exit(1)


def _write(directory: Path, texts: dict[str, str]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (directory / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise errors.HostError(f"The report cannot be written to {directory}: {error.strerror}.") from error
