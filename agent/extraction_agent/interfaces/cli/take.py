"""`extractctl profile take`: what holds an extraction up, one that it runs itself or those of a running agent."""

import os
import threading
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from extraction_agent import errors, profiles, secrets, waits
from extraction_agent.interfaces.cli import follow, options, output
from extraction_agent.interfaces.cli.http import scrape
from extraction_agent.interfaces.cli.traceless import Traceless
from extraction_agent.model import Definition, Format
from extraction_agent.observe import exposition
from extraction_agent.pipeline.start import Started
from extraction_agent.profiling import report
from extraction_agent.profiling.bottleneck import Place, bottleneck
from extraction_agent.profiling.window import Side, Window
from extraction_agent.sources import open_source
from extraction_agent.store.store import Extraction, Store
from extraction_agent.waiting import Stop, ended_by

_SHORTEST = 1.0  # s
app = typer.Typer()

_MOST_SOURCES = 4  # of an agent's extractions, that are looked at


@app.command()
def take(
    store: options.Store,
    source_url: Annotated[
        str | None, typer.Argument(metavar="SOURCE_URL", help="Extract a table there, and profile that.")
    ] = None,
    table: Annotated[str | None, typer.Option("--table", help="The table or view; belongs to SOURCE_URL.")] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", help="A column of the unique key to cut by, or ctid.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How records are kept.")] = Format.JSON,
    profile: Annotated[str, typer.Option("--profile", help="A tuning profile, by name or file.")] = "optimized",
    secret: options.Secret = None,
    agent: Annotated[
        str | None,
        typer.Option("--agent", metavar="URL", help="Profile what this agent does, in the place of SOURCE_URL."),
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", metavar="FILE", help="Of the authority that signed its certificate.")
    ] = None,
    pid: Annotated[
        int | None, typer.Option("--pid", min=1, help="Of the agent's process, if it is on this host.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=_SHORTEST, max=3600, help="How long at most.")] = 30.0,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="A new folder for the files; made from the time.")
    ] = None,
    flame: Annotated[bool, typer.Option("--flame/--no-flame", help="A flame graph, by py-spy.")] = True,
    json: options.Json = False,
) -> None:
    """Name what holds an extraction up: source, network, agent, store or lock. Its own leaves nothing in the store."""
    if (source_url is None) == (agent is None) or (source_url is None) != (table is None):
        raise errors.UsageError(
            "Say what to profile: SOURCE_URL and --table for an extraction of its own, --agent URL for what that does."
        )
    if source_url is not None and pid is not None:
        raise errors.UsageError("--pid belongs to --agent: an extraction of its own runs in this process.")
    folder = to or Path(f"profile-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    report.make_folder(folder)
    tell = partial(_tell, folder, json=json)
    if agent is not None:
        tell(_of_agent(agent, ca_file, pid, store, seconds, flame=flame))
        return
    assert source_url is not None
    kept_url, password = secrets.split(source_url)
    url = secrets.join(kept_url, secrets.resolve(secret) if secret else password)
    definition = Definition(table=table, key=tuple(key or ()), format=format_)
    own = _Own(url, store, definition, profiles.load(profile).settings)
    with own.config.cleaned():
        tell(*own.profile(seconds, flame=flame, quiet=json))


def _tell(folder: Path, window: Window, failure: errors.ExtractionError | None = None, *, json: bool) -> None:
    """failure: how the extraction ended. Where that is all there was, it is raised."""
    evidence = window.evidence
    verdict = bottleneck(evidence)
    if failure is not None and verdict.place is not Place.LOCK and not evidence.records:
        raise failure
    report.write(folder, verdict, evidence, window.stacks)
    if json:
        output.as_json({**report.as_dict(verdict, evidence), "folder": str(folder)})
    else:
        output.facts({**report.told(verdict, evidence), "files": f"{folder}/"})


class _Own:
    """An extraction that this process runs, for as long as it is looked at."""

    def __init__(self, source_url: str, store_url: str, definition: Definition, settings: profiles.Settings) -> None:
        self.config = Traceless(store_url, "profile")
        self._url, self._store_url, self._definition, self._settings = source_url, store_url, definition, settings
        self._source = open_source(source_url)

    def profile(self, seconds: float, *, flame: bool, quiet: bool) -> tuple[Window, errors.ExtractionError | None]:
        """What was seen, and why the extraction failed if it did. Raises UsageError for what cannot be extracted."""
        sides = [Side.source(self._url)] if self._source.kind == "postgresql" else []
        window = Window(_own_metrics, Side.store(self._store_url), sides, os.getpid(), flame=flame)
        if not sides:
            window.note(f"{self._source.where}: its sessions can be looked at on PostgreSQL only")
        until = time.monotonic() + seconds
        failure = None
        window.start()
        try:
            started = self._start(seconds)
            if started is None:
                window.note("it was still being planned when the time was over")
            else:
                self._work(started, max(until - time.monotonic(), 0.0), quiet=quiet)
        except (errors.UsageError, errors.Cancelled):
            raise
        except errors.ExtractionError as error:
            failure = error
            window.note(f"it failed: {error}")
        finally:
            window.stop()
        self._explain(window, sides)
        return window, failure

    def _start(self, seconds: float) -> Started | None:
        """None: it took longer than this."""
        stop = Stop()
        timer = threading.Timer(seconds, stop.request)
        timer.start()
        try:
            with ended_by(stop), waits.counted(), Store(self._store_url) as store:
                return self.config.start(store, self._source, self._url, self._definition, self._settings)
        except errors.Cancelled:
            return None
        finally:
            timer.cancel()
            timer.join()
            stop.close()

    def _work(self, started: Started, seconds: float, *, quiet: bool) -> None:
        follow.work_for(
            seconds,
            self._store_url,
            self._source,
            started,
            self._settings,
            self._definition.snapshot_max_seconds,
            quiet=quiet,
        )

    def _explain(self, window: Window, sides: list[Side]) -> None:
        with Store(self._store_url) as store:
            config = store.config(self.config.name)
            mine = [] if config is None else store.summaries(limit=1, config_id=config.id)
            if mine:
                _explain(window, store, store.extraction(mine[0].extraction_id), sides)


def _explain(window: Window, store: Store, extraction: Extraction, sides: list[Side]) -> None:
    """The plan of its first chunk's query, at the first of these sides."""
    if sides:
        window.explain(sides[0], extraction.plan, store.chunk(extraction.id, 0))


def _own_metrics() -> str:
    return exposition.render()[0].decode()


def _of_agent(
    url: str, ca_file: Path | None, pid: int | None, store_url: str, seconds: float, *, flame: bool
) -> Window:
    """What a running agent does, whatever it does."""
    said: list[str] = []
    with Store(store_url) as store:
        running = [store.extraction(one) for one in store.running()[:_MOST_SOURCES]]
        sides = {one.id: side for one in running if (side := _source_of(one, said)) is not None}
        window = Window(
            partial(scrape, url, ca_file), Side.store(store_url), dict.fromkeys(sides.values()), pid, flame=flame
        )
        for one in said:
            window.note(one)
        if not running:
            window.note("no extraction ran when this began, so no source was looked at")
        window.start()
        try:
            time.sleep(seconds)
        finally:
            window.stop()
        for extraction in running:
            if extraction.id in sides:
                _explain(window, store, extraction, [sides[extraction.id]])
    return window


def _source_of(extraction: Extraction, said: list[str]) -> Side | None:
    """Its source, if it is one that can be looked at; else why not is said."""
    config = extraction.config
    if config.source_type != "postgresql":
        said.append(f"{config.name}: the sessions of its source can be looked at on PostgreSQL only")
        return None
    try:
        return Side.source(secrets.join(config.source_url, secrets.resolve(config.secret) if config.secret else None))
    except errors.UsageError as error:
        said.append(f"{config.name}: its source was not looked at: {error}")
        return None
