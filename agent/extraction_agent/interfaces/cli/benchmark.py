"""`extractctl benchmark`: profiles against each other, on a generated table or on a real one."""

import sys
import time
from typing import Annotated

import typer

from extraction_agent import errors, postgres, profiles, secrets
from extraction_agent.interfaces.cli import follow, options, output
from extraction_agent.interfaces.cli.traceless import Traceless
from extraction_agent.model import Definition, Format
from extraction_agent.pipeline import benchmark as measuring
from extraction_agent.pipeline.prune import prune_these
from extraction_agent.profiles import Profile
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store

app = typer.Typer()


@app.command()
def benchmark(
    names: Annotated[
        str, typer.Option("--profiles", metavar="A,B", help="Profiles, by name or file; the first is the measure.")
    ] = "baseline,optimized",
    rows: Annotated[int, typer.Option("--rows", min=1, help="Of the generated table.")] = 100_000,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Of each profile.")] = 5,
    source_url: Annotated[
        str | None,
        typer.Option("--source", metavar="URL", help="Read a table there; without it, a generated one."),
    ] = None,
    table: Annotated[str | None, typer.Option("--table", help="The table to read; belongs to --source.")] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            envvar="EXTRACTION_STORE",
            metavar="URL",
            show_default=False,
            help="Write there; belongs to --source. All that is written is deleted again.",
        ),
    ] = None,
    secret: options.Secret = None,
    format_: Annotated[Format, typer.Option("--format", help="How records are kept.")] = Format.JSON,
    json: options.Json = False,
) -> None:
    """Measure profiles against each other: interleaved runs, medians."""
    chosen = [profiles.load(name.strip()) for name in names.split(",")]
    if (source_url is None) != (table is None) or (source_url is not None and store is None):
        raise errors.UsageError("--source, --table and --store belong together; without --source all is generated.")
    if source_url is not None and table is not None and store is not None:
        kept_url, password = secrets.split(source_url)
        url = secrets.join(kept_url, secrets.resolve(secret) if secret else password)
        _measure(_Bench(url, store, Definition(table=table, format=format_)), chosen, runs, json=json)
        return
    if secret is not None:
        raise errors.UsageError("--secret belongs to --source.")
    _tell(f"Two PostgreSQL servers of its own and a table of {rows:,} rows are made …")
    with measuring.servers(rows) as (made_source, made_store):
        with Store(made_store, check=False) as opened:
            opened.migrate()
        bench = _Bench(made_source, made_store, Definition(table=measuring.TABLE, format=format_))
        _measure(bench, chosen, runs, json=json)


class _Bench:
    """Runs extractions the way `extract` does, and leaves nothing of them in the store."""

    def __init__(self, source_url: str, store_url: str, definition: Definition) -> None:
        self._source_url, self._store_url, self._definition = source_url, store_url, definition
        self._source = open_source(source_url)
        self.config = Traceless(store_url, "benchmark")

    def once(self, profile: Profile) -> measuring.Run:
        """One extraction. The time is that of planning and that from the extraction's start to its last commit."""
        with Store(self._store_url) as opened:
            begun = time.monotonic()
            started = self.config.start(opened, self._source, self._source_url, self._definition, profile.settings)
            planning = time.monotonic() - begun
        longest = self._definition.snapshot_max_seconds
        summary = follow.work_off(self._store_url, self._source, started, profile.settings, longest, quiet=True)
        with Store(self._store_url) as opened:
            prune_these(opened, [started.extraction_id])
        return measuring.Run(summary.rows, planning + summary.seconds)

    def versions(self) -> dict[str, str]:
        """Of the PostgreSQL servers."""
        with Store(self._store_url) as opened:
            found = {"store": opened.connection.info.server_version}
        if self._source.kind == "postgresql":
            with (
                postgres.translated(postgres.SOURCE, self._source.where),
                postgres.connect(self._source_url, application_name="extraction-agent benchmark") as connection,
            ):
                found["source"] = connection.info.server_version
        return {side: f"{number // 10000}.{number % 10000}" for side, number in found.items()}


def _measure(bench: _Bench, chosen: list[Profile], runs: int, *, json: bool) -> None:
    with bench.config.cleaned():
        machine = measuring.machine(bench.versions())
        measured = measuring.interleaved(chosen, runs, bench.once, _tell)
    first = measured[0]
    listed = [one.as_dict(first) for one in measured]
    if json:
        output.as_json({"rows": first.rows, "runs": runs, "profiles": listed, "machine": machine})
        return
    output.rows(
        ("profile", "median s", "min s", "max s", "rows/min", f"times {first.name}"),
        [
            (
                one["name"], one["median_seconds"], one["min_seconds"], one["max_seconds"],
                one["rows_per_minute"], one["ratio"],
            )
            for one in listed
        ],
    )  # fmt: skip
    output.facts(
        {
            "rows": first.rows,
            "runs": f"{runs}, interleaved; all they wrote is deleted again",
            "machine": f"{machine['cores']} cores, {machine['memory_bytes'] / 2**30:,.1f} GiB",
            "python": machine["python"],
            "postgresql": ", ".join(f"{side} {version}" for side, version in machine["postgresql"].items()),
        }
    )


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
