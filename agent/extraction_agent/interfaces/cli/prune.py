"""`extractctl prune`: retire old extractions."""

from typing import Annotated

import typer

from extraction_agent.interfaces.cli import options, output
from extraction_agent.pipeline.prune import prune as prune_store
from extraction_agent.store.store import Store

app = typer.Typer()


@app.command()
def prune(
    older_than: Annotated[
        float, typer.Option("--older-than", metavar="DAYS", min=0, max=100_000, help="Finished longer ago than that.")
    ],
    store: options.Store,
    config: Annotated[str | None, typer.Option("--config", metavar="NAME", help="Of this config only.")] = None,
    keep: Annotated[int, typer.Option("--keep", min=0, help="Newest successes of each config that stay.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")] = False,
    json: options.Json = False,
) -> None:
    """Remove finished extractions with their records, chunks and jobs; watermarks stay."""
    with Store(store) as opened:
        done = prune_store(opened, older_than, config, keep, dry_run=dry_run)
    if json:
        output.as_json(done.as_dict())
        return
    if done.extractions:
        output.rows(
            ("id", "config", "status", "finished", "rows", "its records", "watermark"),
            (
                (
                    one.extraction_id, one.config, str(one.status), f"{one.finished_at:%F %T}", one.rows,
                    one.action, "stays" if one.has_watermark else "",
                )
                for one in done.extractions
            ),
        )  # fmt: skip
    verb = "would go" if done.dry_run else "are gone"
    number = len(done.extractions)
    output.facts(
        {
            "in all": f"{number:,} extraction{'' if number == 1 else 's'} with {done.rows:,} rows {verb}",
            "not again": _not_again(done.not_again),
            "left": [f"extraction {one}, which somebody else has a hold of" for one in done.skipped],
        }
    )


def _not_again(configs: list[str]) -> str | None:
    if not configs:
        return None
    return (
        f"{', '.join(configs)}: a watermark is past these rows, so a run brings them again only if they change, or "
        "after `extractctl watermark reset`"
    )
