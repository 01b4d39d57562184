"""What the life-cycle tests run in the place of the daemon: the real life cycle or agent, made to misbehave."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from extraction_agent import errors, profiles
from extraction_agent.daemon import Daemon
from extraction_agent.interfaces.agent import configuration, main
from extraction_agent.interfaces.agent.configuration import Configuration
from extraction_agent.interfaces.agent.parts import Part
from extraction_agent.notify import Systemd
from extraction_agent.observe import logs


class Stuck(Part):
    """Cannot be stopped."""

    name = "stuck"

    async def stop(self, deadline: float) -> None:
        del deadline
        await asyncio.sleep(3600)


class Blocking(Part):
    """Blocks the whole loop when it is stopped."""

    name = "blocking"

    async def stop(self, deadline: float) -> None:
        del deadline
        time.sleep(3600)  # noqa: ASYNC251 - what is to be survived


class Late(Part):
    """Late from one SIGUSR1 to the next."""

    name = "late"

    def __init__(self) -> None:
        self._late = False
        signal.signal(signal.SIGUSR1, self._turn)

    def _turn(self, *_: object) -> None:
        self._late = not self._late

    def late(self) -> str | None:
        return "the heart has stopped" if self._late else None


class Failing(Part):
    """Ends by itself with one of our errors, soon."""

    name = "failing"

    async def start(self) -> asyncio.Task[None] | None:
        async def fail() -> None:
            await asyncio.sleep(0.2)
            raise errors.StoreError("nobody can mend this.")

        return asyncio.create_task(fail(), name=self.name)


class Steady(Part):
    """Says what it goes over to."""

    name = "steady"

    async def reload(self, configuration: Configuration) -> None:
        print(f'{{"message": "drain_seconds {configuration.drain_seconds:g}"}}', file=sys.stderr, flush=True)


class Refusing(Part):
    """Goes over to nothing but what it began with."""

    name = "refusing"

    def __init__(self) -> None:
        self._begun: float | None = None

    async def reload(self, configuration: Configuration) -> None:
        if configuration.drain_seconds != 30:
            raise errors.ExtractionError("no room.")


PARTS: dict[str, list[type[Part]]] = {
    "stuck": [Stuck],
    "blocking": [Blocking],
    "late": [Late],
    "failing": [Steady, Failing],
    "refusing": [Steady, Refusing],
}


def _block(_: int, __: FrameType | None) -> None:
    """A signal's handler runs on the main thread, where the loop is."""
    time.sleep(3600)


def run(kind: str, path: Path) -> None:
    """As main() does, with parts of ours."""
    loaded = configuration.load(path)
    logs.to_stderr("info")

    async def live() -> int:
        parts = [part() for part in PARTS[kind]]
        return await Daemon(loaded, lambda: configuration.load(path), parts, Systemd(os.environ, os.getpid())).run()

    sys.exit(asyncio.run(live()))


if __name__ == "__main__":
    what = sys.argv.pop(1)
    if what == "marked":  # the whole agent, where a setting cannot change while it runs
        profiles.Pool.model_fields["leak_seconds"].json_schema_extra = {"restart": True}
        main()
        sys.exit()
    if what == "blockable":  # the whole agent, whose loop SIGUSR1 blocks
        signal.signal(signal.SIGUSR1, _block)
        main()
    run(what, Path(sys.argv[2]))
