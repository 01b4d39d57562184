"""`extractctl demo`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from extraction_agent import embedded, errors
from extraction_agent.demo import show

app = typer.Typer()


@app.command()
def demo(
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIRECTORY", help="Leave the two servers' files in a new directory."),
    ] = None,
) -> None:
    """Show the main job on real data, with two PostgreSQL servers of its own; about two minutes."""
    console = Console()
    if keep is not None:
        try:
            keep.mkdir(parents=True)
        except OSError as error:
            raise errors.UsageError(f"The directory {keep} cannot be made: {error.strerror}.") from error
        show.run(keep.absolute(), console)
        return
    with embedded.folder() as folder:
        show.run(folder, console)
