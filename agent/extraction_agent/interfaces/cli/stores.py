"""`extractctl store`: prepare a store, look at one."""

import typer

from extraction_agent.interfaces.cli import options, output
from extraction_agent.store import migrate
from extraction_agent.store.store import Store

app = typer.Typer(help="Prepare a store, look at one.", no_args_is_help=True)


@app.command()
def init(store: options.Store, json: options.Json = False) -> None:
    """Create the store's tables, or bring them to this program's version."""
    with Store(store, check=False) as opened:
        applied = [f"{migration.version:04d} {migration.name}" for migration in opened.migrate()]
    if json:
        output.as_json({"applied": applied})
    else:
        output.facts({"applied": applied or "nothing: the store was up to date"})


@app.command()
def status(store: options.Store, json: options.Json = False) -> None:
    """Say which version the store has and which this program needs."""
    with Store(store, check=False) as opened:
        have = max(opened.versions(), default=None)
        server = opened.connection.info.server_version
        extractions = opened.counts() if have is not None else {}
    facts = {
        "store": opened.where.removeprefix("store "),
        "postgresql": f"{server // 10000}.{server % 10000}",
        "version": have,
        "needed": migrate.shipped()[-1].version,
        "extractions": extractions,
    }
    if json:
        output.as_json(facts)
    else:
        by_status = ", ".join(f"{number:,} {name}" for name, number in extractions.items()) or "none"
        output.facts({**facts, "version": have if have is not None else "empty", "extractions": by_status})
