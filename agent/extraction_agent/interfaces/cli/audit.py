"""`extractctl audit`: who changed what, and whether that record is whole."""

from typing import Annotated, Any

import typer

from extraction_agent import errors
from extraction_agent.interfaces.cli import options, output
from extraction_agent.interfaces.cli.choosing import at_store_or_agent
from extraction_agent.interfaces.cli.where import Where
from extraction_agent.store.audit import Anchor, Entry
from extraction_agent.store.store import Store

app = typer.Typer(help="Who changed what, and whether that record is whole.", no_args_is_help=True)

_MOST_SHOWN = 20  # faults in a sentence; --json has all


@app.command(name="list")
@at_store_or_agent
def list_(
    where: Where,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, newest first.")] = 20,
    object_: Annotated[
        str | None, typer.Option("--object", metavar="NAME", help="Of this only: `config orders`, `extraction 7`.")
    ] = None,
    json: options.Json = False,
) -> None:
    """List changes, newest first."""
    entries = where.entries(limit, object_)
    if json:
        output.as_json({"entries": [entry.as_dict() for entry in entries]})
    else:
        output.rows(("id", "at", "who", "action", "object", "change"), map(_row, entries))


@app.command()
def verify(
    store: options.Store,
    anchor: Annotated[
        str | None,
        typer.Option("--anchor", metavar="NUMBER:HASH", help="As an earlier verify printed it; kept elsewhere since."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Compute the chain of entries anew; name each that was altered, removed or moved."""
    with Store(store) as opened:
        found = opened.verify_audit(None if anchor is None else Anchor.parse(anchor))
    if json:
        output.as_json({"entries": found.entries, "anchor": str(found.anchor), "faults": found.faults})
    else:
        output.facts({"entries": found.entries, "anchor": str(found.anchor)})
    if found.faults:
        more = len(found.faults) - _MOST_SHOWN
        told = [*found.faults[:_MOST_SHOWN], *([f"And {more} faults more; --json has all."] if more > 0 else [])]
        raise errors.VerificationFailed(" ".join(["The audit log is not as it was written.", *told]))


def _row(entry: Entry) -> tuple[int | str, ...]:
    return entry.id, f"{entry.at:%F %T}", entry.who, entry.action, entry.object, _change(entry)


def _change(entry: Entry) -> str:
    """What differs between before and after, in short."""
    before, after = entry.before or {}, entry.after or {}
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return "; ".join(f"{name}: {_told(before, name)}{_told(after, name, ' → ')}" for name in names)


def _told(values: dict[str, Any], name: str, prefix: str = "") -> str:
    return f"{prefix}{values[name]}" if name in values else ""
