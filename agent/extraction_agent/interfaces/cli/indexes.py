"""`extractctl indexes`: what a rollout's profile wants of databases, built beside writers, and dropped again."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from extraction_agent import errors, secrets
from extraction_agent.interfaces.cli import options, output
from extraction_agent.interfaces.cli.rollout import store_for
from extraction_agent.tuning.indexes import rollout as rules
from extraction_agent.tuning.indexes.limits import Limits
from extraction_agent.tuning.indexes.listing import listed
from extraction_agent.tuning.indexes.place import Place
from extraction_agent.tuning.indexes.refusals import words
from extraction_agent.tuning.indexes.suggestions import suggestions
from extraction_agent.tuning.indexes.work import Tell, Work

app = typer.Typer(help="Indexes of a rollout: built without blocking writers, dropped with it.", no_args_is_help=True)

_NUMBER = typer.Option(
    "--rollout", metavar="ID", min=1, max=2**63 - 1, help="The rollout's number.", show_default=False
)
_Rollout = Annotated[int, _NUMBER]
_OfRollout = Annotated[int | None, _NUMBER]
_Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="URL",
        show_default=False,
        help="A source, postgresql://user@host/database, whose user owns the tables; without it, the store.",
    ),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
_Lock = Annotated[
    float,
    typer.Option(
        "--lock-timeout", metavar="SECONDS", min=0.1, max=3600, help="The longest wait for a lock or a transaction."
    ),
]
_Tries = Annotated[int, typer.Option("--tries", min=1, max=1000, help="Of an index that others stand in the way of.")]
_DEFAULT = Limits()


@app.command()
def apply(
    id_: _Rollout,
    token: options.Token,
    store: options.Store,
    source: _Source = None,
    secret: options.Secret = None,
    free_bytes: Annotated[
        int | None,
        typer.Option("--free-bytes", min=0, help="On the disk of the server, where this host cannot look."),
    ] = None,
    transaction_seconds: Annotated[
        float,
        typer.Option(
            "--max-transaction", metavar="SECONDS", min=0, max=86_400, help="An older one of others forbids a build."
        ),
    ] = _DEFAULT.transaction_seconds,
    lock_timeout: _Lock = _DEFAULT.lock_seconds,
    tries: _Tries = _DEFAULT.tries,
    dry_run: _DryRun = False,
    who: options.Who = None,
    json: options.Json = False,
) -> None:
    """Build what the rollout's profile wants and is not there; again after whatever went wrong. Renews the lease."""
    limits = Limits(lock_timeout, tries, transaction_seconds, free_bytes)
    place = _place(store, source, secret)
    with store_for(store, who) as connection, _progress() as tell:
        report = rules.apply(connection, place, id_, token, limits, tell, dry_run=dry_run)
    _print(report, json=json, dry_run=dry_run)


@app.command()
def undo(
    store: options.Store,
    id_: _OfRollout = None,
    source: _Source = None,
    secret: options.Secret = None,
    lock_timeout: _Lock = _DEFAULT.lock_seconds,
    tries: _Tries = _DEFAULT.tries,
    dry_run: _DryRun = False,
    who: options.Who = None,
    json: options.Json = False,
) -> None:
    """Drop what a rollout made; without --rollout, what any has left and the fleet's profile does not want."""
    place = _place(store, source, secret)
    with store_for(store, who) as connection, _progress() as tell:
        report = rules.undo(connection, place, id_, Limits(lock_timeout, tries), tell, dry_run=dry_run)
    _print(report, json=json, dry_run=dry_run)


@app.command(name="list")
def list_(
    store: options.Store,
    id_: _OfRollout = None,
    source: _Source = None,
    secret: options.Secret = None,
    json: options.Json = False,
) -> None:
    """List indexes that rollouts have made, and what is really there of them."""
    with store_for(store) as connection, Work(_place(store, source, secret), _DEFAULT, lambda _: None) as work:
        found = listed(connection, work, id_)
    if json:
        output.as_json({"indexes": [one.as_dict() for one in found]})
    else:
        output.rows(
            ("rollout", "it is", "index", "database", "state", "ours", "there"),
            (
                (one.index.rollout_id, str(one.index.rollout_state), one.index.name, one.index.database,
                 str(one.index.state), "yes" if one.index.ours else "no", one.there or "")
                for one in found
            ),
        )  # fmt: skip


@app.command()
def suggest(
    store: options.Store,
    source: Annotated[
        str, typer.Option("--source", metavar="URL", show_default=False, help="postgresql://user@host/database.")
    ],
    secret: options.Secret = None,
    json: options.Json = False,
) -> None:
    """Name the tables of a source that its configs read by full scans, and the indexes that would serve instead."""
    with store_for(store) as connection, Work(_place(store, source, secret), _DEFAULT, lambda _: None) as work:
        found, notes = suggestions(connection, work)
    if json:
        output.as_json({"suggestions": [one.as_dict() for one in found], "notes": notes})
        return
    for one in found:
        output.facts(
            {
                "config": one.config,
                "reason": one.reason,
                "table": f"{one.table}, {words(one.table_bytes)}",
                "index": f"{one.name}, about {words(one.index_bytes)}",
                "statement": one.statement,
            }
        )
    _say(notes)


@contextmanager
def _progress() -> Iterator[Tell]:
    """On a terminal only."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    with Console(stderr=True).status("") as status:
        yield lambda sentence: status.update(sentence.replace("[", r"\["))


def _place(store: str, source: str | None, secret: str | None) -> Place:
    if source is None:
        if secret is not None:
            raise errors.UsageError("--secret is the password of a --source, and none is named.")
        return Place.store(store)
    return Place.source(secrets.join(source, secrets.resolve(secret)) if secret else source)


def _print(report: rules.Report, *, json: bool, dry_run: bool) -> None:
    if json:
        output.as_json(report.as_dict())
        return
    done = {"build": "to build" if dry_run else "built", "drop": "to drop" if dry_run else "dropped", "keep": "kept"}
    if report.outcomes:
        output.rows(
            ("index", "", "definition", "note"),
            ((one.name, done[one.action], one.definition, one.reason or "") for one in report.outcomes),
        )
    _say(report.notes)


def _say(notes: list[str]) -> None:
    for note in notes:
        typer.echo(note, err=True)
