"""`extractctl rollout`: a change of the fleet. `begin`, `renew`, `verdict` and `commit` are the controller's."""

import json as json_text
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from pydantic import TypeAdapter, ValidationError

from extraction_agent import errors, profiles, textfiles
from extraction_agent.interfaces.cli import options, output
from extraction_agent.model import Verdict
from extraction_agent.store.audit import person
from extraction_agent.store.rollout_rows import Judgement, Rollout
from extraction_agent.store.store import Store
from extraction_agent.tuning import rollout as rules
from extraction_agent.tuning.watched import Watched

app = typer.Typer(help="Change the fleet's profile: the record that decides it.", no_args_is_help=True)

_Id = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="The rollout's number.", show_default=False)
]
_OrRunning = Annotated[
    int | None,
    typer.Argument(metavar="[ID]", min=1, max=2**63 - 1, help="The rollout's number; without it the one that runs."),
]
_OrLatest = Annotated[
    int | None,
    typer.Argument(metavar="[ID]", min=1, max=2**63 - 1, help="The rollout's number; without it the latest."),
]
_OrWatched = Annotated[
    int | None,
    typer.Argument(
        metavar="[ID]", min=1, max=2**63 - 1, help="Without it the fleet's, or the one it was taken back from."
    ),
]
_Profile = Annotated[str, typer.Argument(metavar="PROFILE", help="A profile's name, or its file.", show_default=False)]
_Hosts = Annotated[int, typer.Option("--hosts", min=1, max=100_000, help="How many hosts run an agent on this store.")]
_Reason = Annotated[str, typer.Option("--reason", metavar="WORDS", help="Why; it is kept on the audit log.")]
_Wave = Annotated[int, typer.Option("--wave", min=0, max=100_000, help="0: the databases; 1: the canary; the others.")]


@app.command()
def begin(
    profile: _Profile,
    hosts: _Hosts,
    store: options.Store,
    lease: Annotated[
        float, typer.Option("--lease", metavar="SECONDS", min=1, max=86_400, help="Aborted unless renewed within.")
    ] = 60.0,
    holder: Annotated[str | None, typer.Option("--holder", metavar="NAME", help="The controller, for people.")] = None,
    firing: Annotated[
        list[str] | None, typer.Option("--firing", metavar="ALERT", help="An alert that fires now; each forbids it.")
    ] = None,
    window: Annotated[
        list[str] | None, typer.Option("--window", metavar="HH:MM-HH:MM", help="Begin in these hours only.")
    ] = None,
    time_zone: Annotated[
        str, typer.Option("--time-zone", metavar="ZONE", help="Whose wall clock the windows are of.")
    ] = "UTC",
    watch_seconds: Annotated[
        float,
        typer.Option(
            "--watch", metavar="SECONDS", min=0, max=31_536_000, help="For how long it is watched after its commit."
        ),
    ] = rules.WATCH,
    back: Annotated[
        bool,
        typer.Option("--back", help="Undo the latest committed one; PROFILE is what was before. Nobody judges it."),
    ] = False,
    who: options.Who = None,
    json: options.Json = False,
) -> None:
    """Begin a rollout. Refused while another runs, outside its window, and beyond the budget of connections."""
    circumstances = rules.Circumstances(tuple(firing or ()), _hours(window or []), _zone(time_zone))
    loaded = profiles.load(profile)
    with store_for(store, who) as opened:
        begun = rules.begin(opened, loaded, holder or person(), lease, hosts, circumstances, watch_seconds, back=back)
    _tell(begun, json=json)


@app.command()
def renew(
    id_: _Id,
    token: options.Token,
    store: options.Store,
    wave: Annotated[
        int | None, typer.Option("--wave", min=0, max=100_000, help="Which is changed from now on.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Prolong the lease, from now on by its length; with --wave, begin a wave."""
    with store_for(store) as opened:
        renewed = opened.renew_rollout(id_, token, wave)
    _tell(renewed, json=json)


@app.command()
def verdict(
    id_: _Id,
    token: options.Token,
    wave: _Wave,
    store: options.Store,
    evidence: Annotated[
        str, typer.Option("--evidence", metavar="FILE", help="What `judge --json` said; - for standard input.")
    ] = "-",
    who: options.Who = None,
    json: options.Json = False,
) -> None:
    """Record what the gate behind a wave has found. Only GO, or an override, lets the rollout be committed."""
    found = _evidence(evidence)
    with store_for(store, who) as opened:
        opened.judge_rollout(id_, token, wave, Verdict(found["verdict"]), found)
        judged = opened.rollout(id_)
    _tell(judged, json=json, wave=wave, verdict=found["verdict"])


@app.command()
def commit(
    id_: _Id, token: options.Token, store: options.Store, who: options.Who = None, json: options.Json = False
) -> None:
    """Make its generation the fleet's; hosts confirm it within seconds. Every wave needs its verdict."""
    with store_for(store, who) as opened:
        committed = opened.commit_rollout(id_, token)
    _tell(committed, json=json)


@app.command()
def abort(
    store: options.Store, reason: _Reason, id_: _OrRunning = None, who: options.Who = None, json: options.Json = False
) -> None:
    """End a rollout; its hosts go back by themselves."""
    with store_for(store, who) as opened:
        aborted = opened.abort_rollout(_running(opened, id_), reason)
    _tell(aborted, json=json)


@app.command()
def pause(store: options.Store, id_: _OrRunning = None, who: options.Who = None, json: options.Json = False) -> None:
    """Let no wave begin and nothing be committed until it is resumed. Its lease still has to be renewed."""
    with store_for(store, who) as opened:
        paused = opened.pause_rollout(_running(opened, id_), paused=True)
    _tell(paused, json=json)


@app.command()
def resume(store: options.Store, id_: _OrRunning = None, who: options.Who = None, json: options.Json = False) -> None:
    """Let a paused rollout go on."""
    with store_for(store, who) as opened:
        resumed = opened.pause_rollout(_running(opened, id_), paused=False)
    _tell(resumed, json=json)


@app.command()
def override(
    store: options.Store, wave: _Wave, reason: _Reason, id_: _OrRunning = None, who: options.Who = None,
    json: options.Json = False,
) -> None:  # fmt: skip
    """Answer for a wave whose verdict is INCONCLUSIVE. A NO-GO cannot be overridden."""
    if not reason.strip():
        raise errors.UsageError("An override needs a reason: --reason says why the wave may pass.")
    with store_for(store, who) as opened:
        number = _running(opened, id_)
        opened.override_verdict(number, wave, opened.who or person(), reason.strip())
        overridden = opened.rollout(number)
    _tell(overridden, json=json, wave=wave, overridden=reason.strip())


@app.command()
def status(store: options.Store, id_: _OrLatest = None, json: options.Json = False) -> None:
    """Show a rollout, its hosts, its verdicts and its indexes."""
    with store_for(store) as opened:
        found = opened.latest_rollout() if id_ is None else opened.rollout(id_)
        if found is None:
            output.as_json({"rollout_id": None}) if json else output.facts({"rollout": "none yet"})
            return
        hosts, verdicts = opened.rollout_hosts(found.id), opened.verdicts(found.id)
        indexes = opened.rollout_indexes(found.id)
    if json:
        listed = {
            name: [one.as_dict() for one in rows]
            for name, rows in (("hosts", hosts), ("verdicts", verdicts), ("indexes", indexes))
        }
        output.as_json({**found.as_dict(), "settings": found.settings, **listed})
        return
    _tell(found, json=False)
    if hosts:
        output.rows(
            ("host", "wave", "generation", "state", "since", "seen", "note"),
            (
                (one.host, one.wave, one.generation, str(one.state), f"{one.entered_at:%F %T}",
                 f"{one.seen_at:%F %T}", one.reason or "")
                for one in hosts
            ),
        )  # fmt: skip
    if verdicts:
        output.rows(
            ("wave", "verdict", "at", "note"),
            ((one.wave, str(one.verdict), f"{one.judged_at:%F %T}", _answered(one)) for one in verdicts),
        )
    if indexes:
        output.rows(
            ("index", "database", "state", "ours"),
            ((one.name, one.database, str(one.state), "yes" if one.ours else "no") for one in indexes),
        )


@app.command()
def watch(store: options.Store, id_: _OrWatched = None, json: options.Json = False) -> None:
    """Show what hosts have seen since a rollout was committed, and whether it has held."""
    with store_for(store) as opened:
        found = opened.committed_rollout() if id_ is None else opened.rollout(id_)
        if found is None:
            raise errors.NotFound("No rollout has been committed yet: nothing is watched.")
        if id_ is None and found.undoes is not None:
            found = opened.rollout(found.undoes)
        watched = Watched.of(opened, found)
    if json:
        output.as_json(watched.as_dict())
        return
    output.facts({"watch": str(watched)})
    if watched.hosts:
        output.rows(
            ("host", "seen", "records", "least per busy minute", "errors", "pool", "note"),
            (
                (one.host, f"{one.seconds / 3600:.1f} h" if one.seconds >= 3600 else f"{one.seconds:.0f} s",
                 f"{sum(point.records for point in one.points):,}",
                 "" if one.least_per_minute is None else f"{one.least_per_minute:,.0f}",
                 "" if one.error_rate is None else f"{one.error_rate:.2%}", f"{one.pool_use:.0%}", one.tripped or "")
                for one in watched.hosts
            ),
        )  # fmt: skip


@app.command()
def history(
    store: options.Store,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, newest first.")] = 20,
    json: options.Json = False,
) -> None:
    """List rollouts, newest first."""
    with store_for(store) as opened:
        found = opened.rollouts(limit)
    if json:
        output.as_json({"rollouts": [one.as_dict() for one in found]})
    else:
        output.rows(
            ("id", "profile", "state", "began", "ended", "holder", "reason"),
            (
                (one.id, one.profile, str(one.state), f"{one.started_at:%F %T}",
                 f"{one.ended_at:%F %T}" if one.ended_at else "", one.holder, one.reason or "")
                for one in found
            ),
        )  # fmt: skip


@app.command()
def budget(profile: _Profile, hosts: _Hosts, store: options.Store, json: options.Json = False) -> None:
    """Say what a profile's connections come to, and what the store has; fail if it does not fit."""
    loaded = profiles.load(profile)
    with store_for(store) as opened:
        found = rules.budget(opened, loaded, hosts)
    if json:
        output.as_json(found.as_dict())
    else:
        output.facts({"budget": str(found)})
    found.check()


@contextmanager
def store_for(url: str, who: str | None = None) -> Iterator[Store]:
    """A store on which what is done is done for somebody."""
    with Store(url) as opened:
        opened.who = f"cli:{who}" if who else None
        yield opened


def _running(store: Store, id_: int | None) -> int:
    if id_ is not None:
        return id_
    latest = store.latest_rollout()
    if latest is None or not latest.running:
        raise errors.UsageError("No rollout is running; `extractctl rollout history` lists those there were.")
    return latest.id


def _tell(rollout: Rollout, *, json: bool, **more: Any) -> None:
    if json:
        output.as_json({**rollout.as_dict(), **more})
        return
    output.facts(
        {
            "rollout": str(rollout.id),
            "profile": rollout.profile,
            "state": f"{rollout.state}, paused" if rollout.paused and rollout.running else str(rollout.state),
            "wave": rollout.wave or None,
            "reason": rollout.reason,
            "holder": rollout.holder,
            "token": str(rollout.token) if rollout.running else None,
            "lease": f"{rollout.lease_left:.0f} of {rollout.lease_seconds:g} s left" if rollout.running else None,
            "began": f"{rollout.started_at:%F %T} UTC",
            "ended": f"{rollout.ended_at:%F %T} UTC" if rollout.ended_at else None,
            **more,
        }
    )


def _answered(judged: Judgement) -> str:
    return f"overridden by {judged.overridden_by}: {judged.overridden_because}" if judged.overridden_by else ""


def _hours(windows: list[str]) -> tuple[profiles.Hours, ...]:
    try:
        return TypeAdapter(tuple[profiles.Hours, ...]).validate_python(tuple(windows))
    except ValidationError:
        raise errors.UsageError(f"A window is HH:MM-HH:MM, as 22:00-05:00; {', '.join(windows)} is not.") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise errors.UsageError(f"There is no time zone {name}: write one as Europe/Berlin or UTC.") from None


def _evidence(file: str) -> dict[str, Any]:
    """The judge's answer. Raises UsageError."""
    try:
        found = json_text.loads(textfiles.read_or_stdin(file, "The evidence"))
    except ValueError as error:
        raise errors.UsageError(f"The evidence {file} is not JSON: {error}.") from error
    if not isinstance(found, dict) or found.get("verdict") not in list(Verdict):
        raise errors.UsageError(f"The evidence {file} has no verdict that is one of {', '.join(Verdict)}.")
    return found
