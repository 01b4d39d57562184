"""What can be done with extractions: begin one of a saved config, look at it, give it up, take it up again."""

import uuid
from contextlib import nullcontext
from typing import Annotated

import typer

from extraction_agent import deadlines, errors, profiles, secrets
from extraction_agent.interfaces.cli import follow, options, output, progress, watching
from extraction_agent.interfaces.cli.choosing import at_agent, at_store_or_agent
from extraction_agent.interfaces.cli.client import Client
from extraction_agent.interfaces.cli.where import AtStore, Where
from extraction_agent.model import Summary
from extraction_agent.sources import kind_of, open_source
from extraction_agent.sources.protocol import Source
from extraction_agent.store.store import Extraction

app = typer.Typer()


@app.command()
@at_store_or_agent
def resume(
    where: Where,
    extraction_id: options.Extraction,
    source_url: Annotated[
        str | None, typer.Option("--source", metavar="URL", help="The same source under another address or password.")
    ] = None,
    secret: options.Secret = None,
    detach: options.Detach = False,
    json: options.Json = False,
) -> None:
    """Finish an extraction that was interrupted or has failed."""
    if isinstance(where, AtStore) and not detach:
        output.summary(_resume_here(where, extraction_id, source_url, secret, quiet=json), json=json)
        return
    if source_url or secret:
        raise errors.UsageError(
            "--source and --secret are for work done here: agents log in with secrets of their own."
        )
    summary = where.reopen(extraction_id)
    output.summary(summary if detach else _await(where, extraction_id, quiet=json), json=json)


@app.command()
@at_store_or_agent
def cancel(where: Where, extraction_id: options.Extraction, json: options.Json = False) -> None:
    """Give an extraction up; what was copied of it is dropped."""
    output.summary(where.cancel(extraction_id), json=json)


@app.command(name="list")
@at_store_or_agent
def list_(
    where: Where,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, newest first.")] = 20,
    json: options.Json = False,
) -> None:
    """List extractions, newest first."""
    summaries = where.summaries(limit)
    if json:
        output.as_json({"extractions": [summary.as_dict() for summary in summaries]})
    else:
        output.rows(
            ("id", "config", "status", "rows", "chunks", "rows/min", "created"),
            map(_row, summaries),
        )


@app.command()
@at_store_or_agent
def show(where: Where, extraction_id: options.Extraction, json: options.Json = False) -> None:
    """Show one extraction."""
    output.summary(where.summary(extraction_id), json=json)


@app.command()
@at_agent
def start(
    agent: Client,
    config: options.ConfigName,
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="TEXT", help="Any text of your own: repeated with it, this begins no second one."
        ),
    ] = None,
    detach: options.Detach = False,
    json: options.Json = False,
) -> None:
    """Begin an extraction of a saved config; agents of the fleet work on it."""
    key = key or str(uuid.uuid4())
    found = agent.config(config)
    try:
        summary = agent.start(found, key)
    except errors.AgentUnavailable as error:
        raise errors.AgentUnavailable(
            f"{error} `extractctl start {config} --key {key}` asks again, and begins no second one."
        ) from error
    output.summary(summary if detach else _await(agent, summary.extraction_id, quiet=json), json=json)


@app.command()
@at_store_or_agent
def watch(
    where: Where,
    extraction_id: options.Extraction,
    patience: Annotated[
        float,
        typer.Option(
            "--patience", metavar="SECONDS", min=0, help="How long an agent or store that is away is waited for."
        ),
    ] = deadlines.AGENT_AWAY,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout, whenever it moves.")] = False,
) -> None:
    """Watch an extraction until it has ended, whoever works on it."""
    if json:
        _look_to_the_end(where, extraction_id, progress.JsonLines(), patience)
    else:
        output.summary(_await(where, extraction_id, patience=patience), json=False)


def _await(where: Where, extraction_id: int, *, quiet: bool = False, patience: float = deadlines.AGENT_AWAY) -> Summary:
    with nullcontext(progress.Shown()) if quiet else progress.for_people() as shown:
        return _look_to_the_end(where, extraction_id, shown, patience)


def _look_to_the_end(where: Where, extraction_id: int, shown: progress.Shown, patience: float) -> Summary:
    advice = f"The extraction may go on all the same: `extractctl watch {extraction_id}` looks at it again."
    look = watching.Look(where, extraction_id, shown, patience, advice)
    return watching.until_ended(look, extraction_id, shown)


def _resume_here(
    where: AtStore, extraction_id: int, source_url: str | None, secret: str | None, *, quiet: bool
) -> Summary:
    """By an agent of our own."""
    extraction = where.store.extraction(extraction_id)
    settings = profiles.Settings.recorded(extraction.settings, f"The settings of extraction {extraction_id}")
    source = source_of(extraction, source_url, secret)
    where.reopen(extraction_id)
    where.close()
    with follow.own_agent(where.url, source, settings, extraction_id) as agent:
        return follow.to_the_end(agent, where.url, extraction_id, quiet=quiet)


def _row(summary: Summary) -> tuple[int | str, ...]:
    chunks = f"{summary.chunks_done}/{summary.chunks}"
    created = f"{summary.created_at:%F %T}"
    rate = round(summary.rows_per_minute)
    return summary.extraction_id, summary.config, str(summary.status), summary.rows, chunks, rate, created


def source_of(extraction: Extraction, source_url: str | None, secret: str | None) -> Source:
    """Where it is read from, as this command shall open it."""
    if source_url:
        kind_of(source_url)
    url, password = secrets.split(source_url) if source_url else (extraction.config.source_url, None)
    name = secret or (None if password else extraction.config.secret)
    return open_source(secrets.join(url, secrets.resolve(name) if name else password))
