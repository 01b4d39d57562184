"""`extractctl tuning`: what an agent works with."""

import typer
import yaml

from extraction_agent.interfaces.cli import options, output
from extraction_agent.interfaces.cli.choosing import at_agent
from extraction_agent.interfaces.cli.client import Client

app = typer.Typer(help="See the tuning in effect at an agent.", no_args_is_help=True)


@app.command()
@at_agent
def show(agent: Client, json: options.Json = False) -> None:
    """Show the profile in effect on the agent's host, with its generation."""
    found = agent.tuning()
    if json:
        output.as_json(found)
    else:
        typer.echo(yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=120), nl=False)
