"""`extractctl config`: the saved descriptions of what to extract, through an agent. One file format in and out."""

from typing import Annotated, Any

import typer
import yaml
from pydantic import ValidationError

from extraction_agent import errors, profiles, textfiles
from extraction_agent.interfaces.api.views import ConfigView, NewConfig
from extraction_agent.interfaces.cli import options, output
from extraction_agent.interfaces.cli.choosing import at_agent
from extraction_agent.interfaces.cli.client import Client

app = typer.Typer(help="Make, see, replace and delete extraction configs, through an agent.", no_args_is_help=True)

_File = Annotated[
    str,
    typer.Argument(metavar="FILE", help="YAML with name, source_url, secret and definition; - for stdin."),
]


@app.command(name="list")
@at_agent
def list_(
    agent: Client,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many, by number.")] = 1000,
    json: options.Json = False,
) -> None:
    """List extraction configs."""
    found = agent.configs(limit)
    if json:
        output.as_json({"configs": [one.model_dump(mode="json") for one in found]})
    else:
        output.rows(
            ("id", "config", "reads", "source", "secret"),
            ((one.id, one.name, one.definition.table or "a query", one.source_url, one.secret or "") for one in found),
        )


@app.command()
@at_agent
def show(agent: Client, config: options.ConfigName, json: options.Json = False) -> None:
    """Show an extraction config, as a file that `create` and `replace` take."""
    _print(agent.config(config), json=json)


@app.command()
@at_agent
def create(agent: Client, file: _File, json: options.Json = False) -> None:
    """Keep a new extraction config."""
    _print(agent.create_config(_read(file)), json=json)


@app.command()
@at_agent
def replace(agent: Client, file: _File, json: options.Json = False) -> None:
    """Give the extraction config of the file's name the file's content."""
    _print(agent.replace_config(_read(file)), json=json)


@app.command()
@at_agent
def delete(agent: Client, config: options.ConfigName, json: options.Json = False) -> None:
    """Delete an extraction config that has no extractions, with its watermark and its typed table."""
    agent.delete_config(config)
    if json:
        output.as_json({"deleted": config})
    else:
        output.facts({"deleted": config})


def _read(file: str) -> NewConfig:
    what = "What came by stdin" if file == "-" else f"The file {file}"
    try:
        data: Any = yaml.safe_load(textfiles.read_or_stdin(file, "The file"))
    except yaml.YAMLError as error:
        raise errors.UsageError(f"{what} is not YAML: {' '.join(str(error).split())}.") from error
    try:
        return NewConfig.model_validate(data)
    except ValidationError as error:
        raise errors.UsageError(f"{what}: {profiles.explain(error, NewConfig)}") from error


def _print(config: ConfigView, *, json: bool) -> None:
    if json:
        output.as_json(config.model_dump(mode="json"))
        return
    file: dict[str, Any] = {"name": config.name, "source_url": config.source_url}
    if config.secret is not None:
        file["secret"] = config.secret
    file["definition"] = config.definition.model_dump(mode="json", exclude_defaults=True)
    typer.echo(yaml.safe_dump(file, sort_keys=False, allow_unicode=True, width=120), nl=False)
