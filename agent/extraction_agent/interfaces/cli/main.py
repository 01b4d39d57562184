"""`extractctl`: the commands, and how they end."""

import logging
import sys

import typer

from extraction_agent import errors
from extraction_agent.interfaces.cli import benchmark, demo, extractions, profile, prune, stores, verify, watermarks

app = typer.Typer(
    name="extractctl",
    help="Moves rows in bulk out of operational databases, each exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
extractions.register(app)
verify.register(app)
prune.register(app)
benchmark.register(app)
demo.register(app)
app.add_typer(watermarks.app, name="watermark")
app.add_typer(profile.app, name="profile")
app.add_typer(stores.app, name="store")


def main() -> None:
    """Run a command; exit with 0, 1 (it failed) or 2 (it was asked wrongly)."""
    logging.getLogger("procrastinate").addHandler(logging.NullHandler())
    logging.getLogger("procrastinate").propagate = False
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    logging.getLogger("extraction_agent").setLevel(logging.ERROR)
    try:
        app()
    except errors.ExtractionError as error:
        fail(str(error), error.exit_status)
    except BrokenPipeError:  # the reader of our output has left
        sys.stderr.close()
        sys.exit(1)


def fail(message: str, status: int) -> None:
    """Say what failed and end."""
    typer.secho(message, err=True, fg=typer.colors.RED if sys.stderr.isatty() else None)
    sys.exit(status)
