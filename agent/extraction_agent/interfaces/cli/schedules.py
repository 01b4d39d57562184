"""`extractctl schedule`: when a config's extractions begin by themselves."""

from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from extraction_agent import errors
from extraction_agent.interfaces.cli import options, output
from extraction_agent.pipeline.prune import known_config
from extraction_agent.schedules import Cron
from extraction_agent.store.schedules import Firing, Missed, Schedule
from extraction_agent.store.store import Store

app = typer.Typer(help="When extractions begin by themselves.", no_args_is_help=True)

_COMING = 3  # times that are shown


@app.command(name="set")
def set_(
    config: options.ConfigName,
    store: options.Store,
    cron: Annotated[
        str,
        typer.Option("--cron", metavar="'30 2 * * *'", help="Minute, hour, day of month, month, day of week."),
    ],
    time_zone: Annotated[
        str, typer.Option("--time-zone", metavar="ZONE", help="Whose wall clock that is: Europe/Berlin, UTC.")
    ],
    missed: Annotated[
        Missed, typer.Option("--missed", help="Times at which no agent was there: skip them, or run once for all.")
    ] = Missed.SKIP,
    json: options.Json = False,
) -> None:
    """Give a config a schedule, or another one. Daemons fire it, not this command."""
    parsed = Cron.parse(cron, time_zone)
    with Store(store) as opened:
        known = known_config(opened, config)
        opened.set_schedule(known, parsed.expression, time_zone, missed, parsed.after(opened.now()))
        [schedule] = opened.schedules(known.id)
    _print(schedule, [], json=json)


@app.command()
def show(
    config: options.ConfigName,
    store: options.Store,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="How many firings, newest first.")] = 10,
    json: options.Json = False,
) -> None:
    """Show a config's schedule, when it fires next, and what became of each time before."""
    with Store(store) as opened:
        known = known_config(opened, config)
        found = opened.schedules(known.id)
        firings = opened.firings(known.id, limit)
    if not found:
        raise errors.UsageError(f"Config {config} has no schedule; `extractctl schedule set {config} …` gives it one.")
    _print(found[0], firings, json=json)


@app.command(name="list")
def list_(store: options.Store, json: options.Json = False) -> None:
    """List schedules, those due next first."""
    with Store(store) as opened:
        found = opened.schedules()
    if json:
        output.as_json({"schedules": [schedule.as_dict() for schedule in found]})
    else:
        output.rows(
            ("config", "cron", "time zone", "missed", "next"),
            ((one.config, one.cron, one.time_zone, str(one.missed), _local(one, one.next_at)) for one in found),
        )


@app.command()
def clear(config: options.ConfigName, store: options.Store, json: options.Json = False) -> None:
    """Take a config's schedule away."""
    with Store(store) as opened:
        known = known_config(opened, config)
        if not opened.clear_schedule(known):
            raise errors.UsageError(f"Config {config} has no schedule.")
    if json:
        output.as_json({"config": config, "cron": None})
    else:
        output.facts({"config": config, "schedule": "none any more"})


def _print(schedule: Schedule, firings: list[Firing], *, json: bool) -> None:
    coming = _coming(schedule)
    if json:
        listed = [firing.as_dict() for firing in firings]
        output.as_json({**schedule.as_dict(), "coming": [at.isoformat() for at in coming], "firings": listed})
        return
    facts: dict[str, Any] = {
        "config": schedule.config,
        "cron": schedule.cron,
        "time zone": schedule.time_zone,
        "missed": str(schedule.missed),
        "next": [_local(schedule, at) for at in coming],
    }
    output.facts(facts)
    if firings:
        output.rows(
            ("due", "outcome", "extraction", "agent", "note"),
            (
                (_local(schedule, one.due_at), str(one.outcome), one.extraction_id or "", one.agent, one.detail or "")
                for one in firings
            ),
        )


def _coming(schedule: Schedule) -> list[datetime]:
    cron = Cron.parse(schedule.cron, schedule.time_zone)
    coming = [schedule.next_at.astimezone(UTC)]
    while len(coming) < _COMING:
        coming.append(cron.after(coming[-1]))
    return coming


def _local(schedule: Schedule, moment: datetime) -> str:
    return f"{moment.astimezone(ZoneInfo(schedule.time_zone)):%F %T %z}"
