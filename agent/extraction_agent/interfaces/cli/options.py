"""Options that several commands share."""

from typing import Annotated

import typer

STORE = typer.Option(
    "--store",
    envvar="EXTRACTION_STORE",
    metavar="URL",
    show_default=False,
    help="The store, postgresql://user@host/database; better in the environment than on the command line.",
)
Store = Annotated[str, STORE]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Secret = Annotated[
    str | None,
    typer.Option(
        "--secret",
        metavar="NAME",
        help="The secret that holds the source's password: a systemd credential NAME, or EXTRACTION_SECRET_NAME.",
    ),
]
Extraction = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="The extraction's number.", show_default=False)
]
ConfigName = Annotated[str, typer.Argument(metavar="CONFIG", help="The config's name.", show_default=False)]
Detach = Annotated[bool, typer.Option("--detach", help="Leave the work to the agents of the fleet; do not wait.")]
Token = Annotated[int, typer.Option("--token", metavar="NUMBER", help="As `begin` gave it: only its holder has it.")]
Who = Annotated[
    str | None, typer.Option("--who", metavar="NAME", help="For whom, on the audit log; without it whoever runs this.")
]
