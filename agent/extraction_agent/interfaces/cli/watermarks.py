"""`extractctl watermark`: see where a config's incremental runs have got to, or forget it."""

import typer

from extraction_agent import errors
from extraction_agent.horizon import facts
from extraction_agent.interfaces.cli import options, output
from extraction_agent.pipeline.prune import known_config
from extraction_agent.store.store import Store

app = typer.Typer(help="See where incremental runs have got to, or forget it.", no_args_is_help=True)


@app.command()
def show(config: options.ConfigName, store: options.Store, json: options.Json = False) -> None:
    """Show a config's watermark."""
    with Store(store) as opened:
        known = known_config(opened, config)
        state = opened.watermark(known.id)
    found = None if state is None else facts(state)
    if json:
        output.as_json({"config": config, "watermark": None if found is None else found.as_dict()})
    elif found is None:
        output.facts({"config": config, "watermark": "none: the next run takes everything"})
    else:
        age = None if found.age_seconds is None else f"{found.age_seconds:,.0f} s ago"
        output.facts(
            {
                "config": config,
                "kind": found.kind,
                "column": found.column,
                "horizon": found.horizon or "none: the next run reads everything again",
                "which is": age,
                "transactions seen": found.seen,
            }
        )


@app.command()
def reset(config: options.ConfigName, store: options.Store, json: options.Json = False) -> None:
    """Forget a config's watermark, so that its next run takes everything."""
    with Store(store) as opened:
        known = known_config(opened, config)
        if not opened.reset_watermark(known):
            raise errors.UsageError(f"Config {config} has no watermark: its next run takes everything anyway.")
    if json:
        output.as_json({"config": config, "watermark": None})
    else:
        output.facts({"config": config, "watermark": "forgotten: the next run takes everything"})
