"""`extractctl token`: who may use the HTTP interface."""

from typing import Annotated

import typer

from extraction_agent.interfaces.cli import options, output
from extraction_agent.store import tokens
from extraction_agent.store.store import Store
from extraction_agent.store.tokens import Scope

app = typer.Typer(help="Make, list and revoke the tokens of the HTTP interface.", no_args_is_help=True)

_DAY = 86_400.0  # s
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is.", show_default=False)]


@app.command()
def create(
    name: _Name,
    store: options.Store,
    scope: Annotated[list[Scope], typer.Option("--scope", help="What it may do; give each, as none includes another.")],
    days: Annotated[
        float | None, typer.Option("--days", min=0.0001, max=36_500, help="How long it is valid; for ever without it.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Make a token and print it, this once: the store keeps only its SHA-256."""
    text = tokens.mint()
    with Store(store) as opened:
        made = opened.create_token(text, name, frozenset(scope), None if days is None else days * _DAY)
    if json:
        output.as_json({**made.as_dict(), "token": text})
    else:
        typer.echo(text)


@app.command(name="list")
def list_(store: options.Store, json: options.Json = False) -> None:
    """List all tokens there are and were, without what makes them tokens."""
    with Store(store) as opened:
        found = [token.as_dict() for token in opened.tokens()]
    if json:
        output.as_json({"tokens": found})
    else:
        output.rows(
            ("name", "scopes", "created", "expires", "revoked"),
            [
                (
                    one["name"], ", ".join(one["scopes"]), one["created_at"][:19],
                    (one["expires_at"] or "never")[:19], (one["revoked_at"] or "")[:19],
                )
                for one in found
            ],
        )  # fmt: skip


@app.command()
def revoke(name: _Name, store: options.Store, json: options.Json = False) -> None:
    """Make a token invalid; agents know it within seconds."""
    with Store(store) as opened:
        opened.revoke_token(name)
    if json:
        output.as_json({"revoked": name})
    else:
        output.facts({"revoked": name})
