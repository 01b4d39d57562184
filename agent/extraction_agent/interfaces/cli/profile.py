"""`extractctl profile`: the tuning profiles there are, and what is in them; and `take`, which has its own file."""

import json as json_text
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml

from extraction_agent import profiles
from extraction_agent.interfaces.cli import options, output, spring

app = typer.Typer(help="See the tuning profiles, or take a profile of an extraction.", no_args_is_help=True)


class Engine(StrEnum):
    """Whose words a profile can be rendered in."""

    SPRING = "spring"


_Name = Annotated[str, typer.Argument(metavar="NAME", help="A profile's name, or its file.", show_default=False)]
_As = Annotated[Engine, typer.Option("--as", help="Whose configuration it becomes.", show_default=False)]


@app.command(name="list")
def list_(json: options.Json = False) -> None:
    """List the profiles that come with the program."""
    found = [profiles.load(name) for name in profiles.shipped()]
    if json:
        output.as_json({"profiles": [{"name": one.name, "description": one.description} for one in found]})
    else:
        output.rows(("name", "description"), [(one.name, one.description) for one in found])


@app.command()
def show(name: _Name, json: options.Json = False) -> None:
    """Show the settings in effect, with those of the profile it extends."""
    effective: dict[str, Any] = profiles.load(name).model_dump(mode="json", exclude_none=True)
    if json:
        output.as_json(effective)
    else:
        typer.echo(yaml.safe_dump(effective, sort_keys=False, allow_unicode=True, width=120), nl=False)


@app.command()
def render(name: _Name, engine: _As, json: options.Json = False) -> None:
    """Print a profile as another engine's configuration: for Spring Boot 3, application-prod.yml."""
    loaded = profiles.load(name)
    assert engine is Engine.SPRING
    if json:
        output.as_json(spring.properties(loaded))
    else:
        typer.echo(spring.render(loaded), nl=False)


@app.command()
def schema(json: options.Json = False) -> None:
    """Print the JSON Schema of a profile file, for editors and checks."""
    if json:
        output.as_json(profiles.schema())
    else:
        typer.echo(json_text.dumps(profiles.schema(), indent=2, ensure_ascii=False))
