"""`extraction-agent`: its options, and how it ends."""

import argparse
import asyncio
import faulthandler
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import yaml

from extraction_agent import errors
from extraction_agent.daemon import Daemon
from extraction_agent.interfaces.agent import composition, configuration
from extraction_agent.interfaces.agent.configuration import Configuration
from extraction_agent.interfaces.agent.http import refuse_pair
from extraction_agent.notify import Systemd
from extraction_agent.observe import logs
from extraction_agent.profiles import Profile


def main() -> None:
    """Run the daemon, or say what is asked.

    Exit with 0 (drained), 1 (it failed), 2 (the configuration is wrong) or 75 (to be started again at once).
    """
    options = _options().parse_args()
    try:
        loaded = configuration.load(options.config)
        if options.validate_config:
            refuse_pair(loaded)
            sys.stdout.write(f"The configuration {options.config} is valid.\n")
        elif options.print_config:
            yaml.safe_dump(loaded.resolved(), sys.stdout, sort_keys=False, allow_unicode=True)
        else:
            logs.to_stderr(loaded.config.log_level)
            faulthandler.enable()  # systemd's watchdog ends us by SIGABRT: where each thread stood is then told
            sys.exit(asyncio.run(_live(options.config, loaded)))
    except errors.ExtractionError as error:
        _fail(str(error), error.exit_status)


async def _live(path: Path, loaded: Configuration) -> int:
    systemd = Systemd(os.environ, os.getpid())
    try:
        made = composition.compose(loaded)
    except errors.ExtractionError as error:
        systemd.tell(STATUS=str(error))
        raise

    def load() -> Configuration:
        wanted = configuration.load(path)
        wanted.refuse_from(loaded)
        return wanted.tuned(made.host.tuned)

    async def go_over(profile: Profile | None) -> None:
        await daemon.change(lambda present: present.tuned(profile))

    made.host.go_over = go_over
    daemon = Daemon(made.configuration, load, made.parts, systemd)
    return await daemon.run()


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="extraction-agent",
        description="Runs extractions: an HTTP interface, a worker on the store's queue, and what watches over both.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration, a YAML file")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--validate-config", action="store_true", help="only say whether the file is right; nothing is touched"
    )
    instead.add_argument(
        "--print-config", action="store_true", help="only print the configuration with all defaults; no secret"
    )
    parser.add_argument("--version", action="version", version=f"extraction-agent {version('extraction-agent')}")
    return parser


def _fail(message: str, status: int) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(status)
