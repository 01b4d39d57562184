"""`extractctl`: the commands, and how they end."""

import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from extraction_agent import errors
from extraction_agent.interfaces.cli.commands import Commands

app = typer.Typer(
    name="extractctl",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"extractctl {version('extraction-agent')}")
        raise typer.Exit


@app.callback()
def extractctl(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Moves rows in bulk out of operational databases, each exactly once."""


def main() -> None:
    """Run a command; exit with 0, 1 (it failed) or 2 (it was asked wrongly)."""
    logging.getLogger("procrastinate").addHandler(logging.NullHandler())
    logging.getLogger("procrastinate").propagate = False
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    logging.getLogger("extraction_agent").setLevel(logging.ERROR)
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a full disk can still be told
    except errors.ExtractionError as error:
        fail(str(error), error.exit_status)
    except BrokenPipeError:  # the reader of our output has left
        _drop_output()
        sys.exit(1)
    except OSError as error:
        _drop_output()
        what = "The output cannot be written" if error.filename is None else error.filename
        fail(f"{what}: {error.strerror}.", 1)


def _drop_output() -> None:
    """What is still to be written goes nowhere, or Python would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(message: str, status: int) -> None:
    """Say what failed and end."""
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    typer.echo(typer.style(message, fg=typer.colors.RED) if coloured else message, err=True)
    sys.exit(status)
