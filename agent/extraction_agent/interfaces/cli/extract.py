"""`extractctl extract`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from extraction_agent import errors, profiles, secrets, textfiles
from extraction_agent.interfaces.cli import follow, options, output
from extraction_agent.model import Consistency, Definition, Format, slug
from extraction_agent.pipeline.start import plan, start
from extraction_agent.sources import kind_of, open_source
from extraction_agent.sources.protocol import Planned
from extraction_agent.store.store import Store

app = typer.Typer()


@app.command()
def extract(
    source_url: Annotated[str, typer.Argument(metavar="SOURCE_URL", help="postgresql://…, mysql://… or sqlite://…")],
    store: options.Store,
    table: Annotated[str | None, typer.Option("--table", help="A table or view, or schema.table.")] = None,
    query: Annotated[str | None, typer.Option("--query", help="A SELECT, or @FILE that holds one.")] = None,
    param: Annotated[list[str] | None, typer.Option("--param", help="name=value for %(name)s in the query.")] = None,
    column: Annotated[list[str] | None, typer.Option("--column", help="A column to extract; all without it.")] = None,
    exclude: Annotated[list[str] | None, typer.Option("--exclude", help="A column to leave out.")] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", help="A column of the unique key to cut by, or ctid.")
    ] = None,
    watermark: Annotated[
        str | None, typer.Option("--watermark", help="Only rows changed since the last run, by this column, or xmin.")
    ] = None,
    overlap_seconds: Annotated[
        float, typer.Option("--overlap-seconds", min=0, help="How far an incremental run looks back.")
    ] = 300.0,
    format_: Annotated[Format, typer.Option("--format", help="How records are kept.")] = Format.JSON,
    consistency: Annotated[
        Consistency | None, typer.Option("--consistency", help="One snapshot for all chunks, or each its own.")
    ] = None,
    chunk_rows: Annotated[int | None, typer.Option("--chunk-rows", min=1, help="Rows a chunk aims at.")] = None,
    snapshot_max_seconds: Annotated[
        float, typer.Option("--snapshot-max-seconds", min=1, help="How long a snapshot may stand at the source.")
    ] = 6 * 3600.0,
    name: Annotated[
        str | None, typer.Option("--name", help="The config's name; made from the table without it.")
    ] = None,
    profile: Annotated[str, typer.Option("--profile", help="A tuning profile, by name or file.")] = "optimized",
    secret: options.Secret = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be read, and why; change nothing.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Extract a table, a view or a query into the store."""
    settings = profiles.load(profile).settings
    definition = _definition(
        table=table,
        query=_text(query),
        parameters=dict(_pair(text) for text in param or []),
        columns=tuple(column or ()),
        exclude=tuple(exclude or ()),
        key=tuple(key or ()),
        watermark=watermark,
        overlap_seconds=overlap_seconds,
        format=format_,
        consistency=consistency,
        chunk_rows=chunk_rows,
        snapshot_max_seconds=snapshot_max_seconds,
    )
    kind_of(source_url)
    kept_url, password = secrets.split(source_url)
    source = open_source(secrets.join(kept_url, secrets.resolve(secret) if secret else password))
    name = name or slug(table or "query")
    with Store(store) as opened:
        if dry_run:
            known = opened.config(name)
            planned = plan(source, definition, settings, opened.watermark(known.id) if known else None, name)
            _print_plan(planned, json=json)
            return
        started = start(opened, source, name, kept_url, secret, definition, settings)
    summary = follow.work_off(store, source, started, settings, definition.snapshot_max_seconds, quiet=json)
    output.summary(summary, json=json)


def _definition(**values: Any) -> Definition:
    try:
        return Definition(**values)
    except ValidationError as error:
        raise errors.UsageError(profiles.explain(error, Definition)) from error


def _text(query: str | None) -> str | None:
    if query is None or not query.startswith("@"):
        return query
    return textfiles.read(Path(query[1:]), f"The query file {query[1:]}")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise errors.UsageError(f"--param is written name=value; {text!r} has no =.")
    return name, value


def _print_plan(planned: Planned, *, json: bool) -> None:
    found = planned.plan
    if planned.snapshot is not None:
        planned.snapshot.close()
    columns = [column.name for column in found.columns]
    facts = {
        "reads": found.relation,
        "method": found.method,
        "why": found.reason,
        "consistency": str(found.consistency),
        "format": str(found.format),
        "columns": columns,
        "estimated_rows": found.estimated_rows,
        "chunks": len(planned.chunks),
        "only": found.condition,
        "notes": planned.notes,
        "plan": planned.explain,
    }
    if json:
        output.as_json(facts)
    else:
        output.facts({**facts, "columns": ", ".join(columns)})
