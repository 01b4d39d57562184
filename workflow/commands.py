"""Other programs, run with a log and a deadline; and what is wrong when one cannot be."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from extraction_agent import errors

ROOT = Path(__file__).parents[1]
BIN = ROOT / ".venv" / "bin"
_LOOK = 0.05  # s
_END = 20.0  # s that a program has to end in when it was asked to
_TOLD = 600  # characters of its last words


@dataclass(frozen=True, slots=True)
class Done:
    """A program that has ended."""

    command: str  # without this machine's paths
    status: int
    seconds: float
    log: Path

    @property
    def last_words(self) -> str:
        """The last line it has written, which says why if it failed."""
        lines = [line.strip() for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "it said nothing")[-_TOLD:]


def found(program: str) -> str | None:
    """Its path, in the project's environment first."""
    own = BIN / program
    return str(own) if own.exists() else shutil.which(program)


def run(
    words: list[str], log: Path, seconds: float, *, output: Path | None = None, folder: Path = ROOT,
    environment: dict[str, str] | None = None,
) -> Done:  # fmt: skip
    """Run it to its end, in a process group of its own so that none of its children outlives it.

    output: a file for what it writes to stdout, which otherwise goes to the log too. Raises ExtractionError if it
    cannot be begun or takes longer than `seconds`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with log.open("ab") as told, (output or Path(os.devnull)).open("wb") as answered:
        told.write(f"$ {shown(words)}\n".encode())
        told.flush()
        try:
            process = subprocess.Popen(  # noqa: S603 - the steps' own commands
                words, stdin=subprocess.DEVNULL, stdout=answered if output else told, stderr=told, cwd=folder,
                env={**os.environ, **(environment or {})}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise errors.ExtractionError(f"{words[0]} cannot be run: {error.strerror}.") from error
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise errors.ExtractionError(
                f"`{shown(words)}` had not ended after {seconds:g} s, and was ended; {log} has what it said."
            ) from None
        finally:
            _end(process)
    return Done(shown(words), status, time.monotonic() - begun, log)


def shown(words: list[str]) -> str:
    """A command line as a person would type it in the checkout."""
    return shlex.join(words).replace(f"{ROOT}/", "")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """It and all that it has begun, which may outlive it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        limit = time.monotonic() + _END
        try:
            os.killpg(process.pid, number)
            while time.monotonic() < limit:
                process.poll()  # or it would count as alive
                os.killpg(process.pid, 0)
                time.sleep(_LOOK)
        except ProcessLookupError:  # nobody is left
            return
