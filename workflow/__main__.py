"""`python -m workflow`: runs a scenario; workflow-orchestrator.sh is the same with its environment made first."""

import argparse
import signal
import sys
from pathlib import Path

from extraction_agent import errors
from extraction_agent.model import Verdict
from workflow import progress as states
from workflow import runner, scenario
from workflow.commands import ROOT
from workflow.folder import Folder
from workflow.progress import Progress
from workflow.steps import Context

_MOST_SCALE = 10.0


def main() -> int:
    """The exit status: 0 GO; 1 anything else that was run; 2 it was asked wrongly."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers, agents and programs are ended
    context: Context | None = None
    try:
        context, found = _prepared(options)
        if options.dry_run:
            for line in runner.would_do(context, found.phases):
                _tell(line)
            return 0
        _tell(f"run {context.folder.path}")
        ended = runner.Run(context, found).run()
    except errors.ExtractionError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    except (KeyboardInterrupt, SystemExit):
        if context is not None and not options.dry_run:
            sys.stderr.write(f"Stopped. --resume {context.folder.path} goes on; nothing is accepted until then.\n")
            return 1
        raise
    _tell(f"{ended.verdict}: {ended.because}{f'; {ended.taken_back}' if ended.taken_back else ''}")
    return 0 if ended.verdict is Verdict.GO else 1


def _prepared(options: argparse.Namespace) -> tuple[Context, Progress]:
    """Raises UsageError."""
    if options.resume is not None:
        if options.set or options.scenario or options.inventory or options.scale:
            raise errors.UsageError("--resume goes on with what the run was begun with: give it alone.")
        folder = Folder.open(options.resume)
        found = states.read(folder)
        inventory = None if found.inventory is None else Path(found.inventory)
        return Context(folder, found.scale, _tell, inventory), found
    if options.scenario is None:
        known = ", ".join(repr(name) for name in scenario.names())
        raise errors.UsageError(f"Say what is to be accepted: --scenario NAME. There are {known}.")
    wanted = scenario.load(options.scenario, dict(_changes(options.set)))
    phases = runner.plan(wanted, options.mode)
    if options.inventory is not None and not options.inventory.exists():
        raise errors.UsageError(f"There is no inventory {options.inventory}.")
    scale = 1.0 if options.scale is None else options.scale
    inventory = None if options.inventory is None else options.inventory.resolve()
    folder = Folder.imagined(options.runs, wanted) if options.dry_run else Folder.create(options.runs, wanted)
    named = None if inventory is None else str(inventory)
    found = Progress(mode=options.mode, scale=scale, inventory=named, phases=phases)
    return Context(folder, scale, _tell, inventory), found


def _changes(given: list[str]) -> list[tuple[str, str]]:
    changes = []
    for one in given:
        key, equals, value = one.partition("=")
        if not equals or not value:
            raise errors.UsageError(f"--set is NAME=VALUE, as after=my-profile.yml; {one} is not.")
        changes.append((key, str(Path(value).resolve()) if "/" in value or value.endswith(".yml") else value))
    return changes


def _scale(text: str) -> float:
    over, _, under = text.partition("/")
    try:
        value = float(over) / float(under or 1)
    except (ValueError, ZeroDivisionError):
        value = 0.0
    if not 0 < value <= _MOST_SCALE:
        raise argparse.ArgumentTypeError(f"a number above 0, to {_MOST_SCALE:g}, as 1/30; 1 is the user's minutes")
    return value


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="workflow-orchestrator.sh",
        description=(
            "Runs the phases of a scenario in their order: planning and design (mode full only), testing, compliance, "
            "operations. A gate that does not hold stops it, and what it has changed on the fleet is taken back. "
            "Everything it finds stays in one folder below runs/."
        ),
        epilog="Exit status: 0 GO, 1 NO-GO, INCONCLUSIVE or stopped, 2 asked wrongly.",
    )
    add = parser.add_argument
    add("--scenario", metavar="NAME", help="of scenarios/, or a file")
    add(
        "--mode", choices=("quality", "full"), default="quality", help="quality (the default) skips planning and design"
    )
    add("--scale", type=_scale, metavar="X", help="of all durations; 1 (the default) is the user's minutes")
    add("--inventory", type=Path, metavar="FILE", help="of the fleet; without it three agents on this machine are one")
    add("--set", action="append", default=[], metavar="NAME=PROFILE", help="another profile: before=… or after=…")
    add("--resume", type=Path, metavar="RUN", help="go on with a run that was stopped, by its folder")
    add("--runs", type=Path, default=ROOT / "runs", metavar="FOLDER", help="where runs are kept (runs)")
    add("--dry-run", action="store_true", help="say what would be done, and do nothing")
    return parser.parse_args()


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
