"""`extractctl profile`: the tuning profiles there are, and what is in them."""

import json as json_text
from typing import Annotated, Any

import typer
import yaml

from extraction_agent import profiles
from extraction_agent.interfaces.cli import options, output

app = typer.Typer(help="See the tuning profiles.", no_args_is_help=True)


@app.command(name="list")
def list_(json: options.Json = False) -> None:
    """List the profiles that come with the program."""
    found = [profiles.load(name) for name in profiles.shipped()]
    if json:
        output.as_json({"profiles": [{"name": one.name, "description": one.description} for one in found]})
    else:
        output.rows(("name", "description"), [(one.name, one.description) for one in found])


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A profile's name, or its file.", show_default=False)],
    json: options.Json = False,
) -> None:
    """Show the settings in effect, with those of the profile it extends."""
    effective: dict[str, Any] = profiles.load(name).model_dump(mode="json", exclude_none=True)
    if json:
        output.as_json(effective)
    else:
        typer.echo(yaml.safe_dump(effective, sort_keys=False, allow_unicode=True, width=120), nl=False)


@app.command()
def schema(json: options.Json = False) -> None:
    """Print the JSON Schema of a profile file, for editors and checks."""
    if json:
        output.as_json(profiles.schema())
    else:
        typer.echo(json_text.dumps(profiles.schema(), indent=2, ensure_ascii=False))
