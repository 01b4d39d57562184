"""This host's generations on its disk: a file for each, and one that says which holds and which is on trial.

The second is replaced in one step, always after the first is there whole. What it allows the next start to begin with
is the confirmed generation; one on trial only once, when a planned restart was written down before.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from extraction_agent import errors
from extraction_agent.model import Strict
from extraction_agent.profiles import Profile
from extraction_agent.tuning import durable

log = logging.getLogger(__name__)

STARTED = "the agent was started anew during the trial"
_KEPT = 10  # generations, besides the one that holds and the one on trial
_STATE, _LOCK = "state.json", "lock"


class Moment(Strict):
    """A point of time that no change of the clock moves, and no suspend stops; another boot has others."""

    seconds: float  # CLOCK_BOOTTIME
    boot: str

    @classmethod
    def now(cls) -> "Moment":
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return cls(seconds=time.clock_gettime(time.CLOCK_BOOTTIME), boot=boot)

    def left(self, now: "Moment") -> float:
        """Seconds until it; 0 if it has passed, or was of another boot."""
        return max(self.seconds - now.seconds, 0.0) if self.boot == now.boot else 0.0


class Generation(Strict):
    """One applied profile. Its file never changes."""

    number: int
    rollout: int
    token: int
    profile: Profile

    @property
    def digest(self) -> str:
        """Of all of it, in hex."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class _File(Strict):
    generation: Generation
    digest: str


class Trial(Strict):
    """A generation that the rollout has not committed."""

    number: int
    rollout: int
    deadline: Moment
    tries_left: int = 0  # restarts that are planned and may still begin with it
    granted: bool = False  # the start that follows may
    failed_before: float = 0  # share of the attempts at chunks, before it


class Ended(Strict):
    """The last trial that did not lead to a confirmed generation."""

    number: int
    rollout: int
    reason: str
    by: Literal["host", "rollout", "request"]  # the host's own doing aborts the rollout
    told: bool = False  # the record in the store knows


class State(Strict):
    """What holds on this host."""

    token: int = 0  # the highest ever seen: a lower one comes from a controller that has lost its rollout
    last: int = 0  # the highest number ever given
    confirmed: int = Field(0, description="0: the profile that the configuration names")
    failed_before: float = 0  # share of the attempts at chunks, before the confirmed one
    trial: Trial | None = None
    ended: Ended | None = None

    def gone_back(self, reason: str, by: Literal["host", "rollout", "request"]) -> "State":
        """Without the trial."""
        assert self.trial is not None
        ended = Ended(number=self.trial.number, rollout=self.trial.rollout, reason=reason, by=by)
        return self.model_copy(update={"trial": None, "ended": ended})


class Generations:
    """The folder. Not for two threads at once, nor for two processes."""

    def __init__(self, folder: Path, now: Callable[[], Moment] = Moment.now) -> None:
        """Raises HostError if the folder cannot be used, UsageError while another process uses it."""
        self.folder, self._now = folder, now
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise errors.HostError(
                f"The state directory {folder} cannot be used: {error.strerror}. Give the agent one it may write to."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise errors.UsageError(f"Another agent uses the state directory {folder}: give each its own.") from None
        self.state = self._read_state()
        self._saved: State | None = self.state  # what the disk has; None: nobody knows, after an error

    def close(self) -> None:
        os.close(self._lock)

    # Starts

    def settle(self) -> str:
        """Before a start, outside the agent: decide which generation it begins with. Returns that in words.

        One on trial is begun with once, if its restart was planned; otherwise the host goes back.
        """
        trial = self.state.trial
        if trial is None:
            return f"The agent begins with {self._named(self.state.confirmed)}."
        if trial.tries_left > 0 and trial.deadline.left(self._now()):
            granted = trial.model_copy(update={"tries_left": trial.tries_left - 1, "granted": True})
            self._replace(self.state.model_copy(update={"trial": granted}))
            return f"The agent begins with {self._named(trial.number)}, on trial, as planned."
        self._replace(self.state.gone_back(STARTED, "host"))
        return f"The agent goes back to {self._named(self.state.confirmed)}: {STARTED}."

    def begin(self) -> Generation | None:
        """At the agent's start: what it begins with. None: the profile that the configuration names.

        Whatever is wrong with the folder, the agent begins, and never with what was not allowed.
        """
        trial = self.state.trial
        if trial is not None and trial.granted and trial.deadline.left(self._now()):
            used = self.state.model_copy(update={"trial": trial.model_copy(update={"granted": False})})
            try:
                begun = self.read(trial.number)
                self._replace(used)
            except errors.HostError as error:
                log.warning("generation %d is not begun with: %s", trial.number, error)
            else:
                return begun
        if trial is not None:
            log.warning("gone back to %s: %s", self._named(self.state.confirmed), STARTED)
            self._keep(self.state.gone_back(STARTED, "host"))
        return self.confirmed()

    # Changes. The first raises HostError and has then changed nothing; the others hold, and are saved once they can be.

    def try_(self, trial: Generation, seconds: float, failed_before: float, *, restart: bool) -> None:
        """Put a generation on trial. restart: it may be begun with once more. Raises HostError."""
        durable.write(self._path(trial.number), self._text(trial))
        now = self._now()
        entered = Trial(
            number=trial.number,
            rollout=trial.rollout,
            deadline=Moment(seconds=now.seconds + seconds, boot=now.boot),
            tries_left=int(restart),
            failed_before=failed_before,
        )
        seen = {"token": trial.token, "last": trial.number}
        self._replace(self.state.model_copy(update={**seen, "trial": entered, "ended": None}))
        self._prune()

    def prolong(self, seconds: float) -> None:
        """Let the trial end so many seconds from now. Raises HostError."""
        trial, now = self.state.trial, self._now()
        assert trial is not None
        deadline = Moment(seconds=now.seconds + seconds, boot=now.boot)
        self._replace(self.state.model_copy(update={"trial": trial.model_copy(update={"deadline": deadline})}))

    def join(self, committed: Generation, failed_before: float = 0) -> None:
        """Keep a generation that the store has committed already. Raises HostError."""
        durable.write(self._path(committed.number), self._text(committed))
        seen = {
            "token": committed.token,
            "last": committed.number,
            "confirmed": committed.number,
            "failed_before": failed_before,
        }
        self._replace(self.state.model_copy(update=seen))
        self._prune()

    def confirm(self) -> None:
        """What is on trial holds."""
        trial = self.state.trial
        assert trial is not None
        holds = {"confirmed": trial.number, "failed_before": trial.failed_before, "trial": None}
        self._keep(self.state.model_copy(update=holds))

    def back(self, reason: str, by: Literal["host", "rollout", "request"]) -> None:
        """What held before holds again."""
        self._keep(self.state.gone_back(reason, by))

    def told(self) -> None:
        """The record knows how the last trial ended."""
        assert self.state.ended is not None
        self._keep(self.state.model_copy(update={"ended": self.state.ended.model_copy(update={"told": True})}))

    @property
    def saved(self) -> bool:
        """Whether the disk has all that holds."""
        return self._saved is self.state

    def save(self) -> bool:
        """Write what could not be written before. Returns whether it is."""
        self._keep(self.state)
        return self.saved

    # Reading

    def left(self) -> float:
        """Seconds until the trial ends."""
        return 0.0 if self.state.trial is None else self.state.trial.deadline.left(self._now())

    def confirmed(self) -> Generation | None:
        """None: the configuration's profile, also when a file is broken; the store's record then brings it again."""
        if not self.state.confirmed:
            return None
        try:
            return self.read(self.state.confirmed)
        except errors.HostError as error:
            log.warning("the configuration's profile holds until the store is asked: %s", error)
            return None

    def read(self, number: int) -> Generation:
        """Raises HostError unless it is whole."""
        path = self._path(number)
        try:
            file = _File.model_validate_json(path.read_bytes())
        except OSError as error:
            raise errors.HostError(f"Generation {number} cannot be read from {path}: {error.strerror}.") from error
        except ValidationError:
            raise errors.HostError(f"Generation {number} in {path} is broken, or of another version.") from None
        if file.generation.number != number or file.generation.digest != file.digest:
            raise errors.HostError(f"Generation {number} in {path} is not what was written there.")
        return file.generation

    # Below

    def _read_state(self) -> State:
        path = self.folder / _STATE
        try:
            return State.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return State()
        except (OSError, ValidationError):
            log.warning("%s cannot be read: begun anew; the store's record says which generation holds", path)
            return State(last=max((int(file.stem) for file in self._files()), default=0))

    def _replace(self, state: State) -> None:
        self._saved = None
        durable.write(self.folder / _STATE, state.model_dump_json(indent=1) + "\n")
        self.state = self._saved = state

    def _keep(self, state: State) -> None:
        self.state = state
        with contextlib.suppress(errors.HostError):  # told by whoever asks `save`
            self._replace(state)

    def _prune(self) -> None:
        """Forget the oldest."""
        held = {self.state.confirmed, self.state.trial.number if self.state.trial else 0}
        old = sorted((file for file in self._files() if int(file.stem) not in held), key=lambda file: int(file.stem))
        for file in old[:-_KEPT]:
            with contextlib.suppress(OSError):
                file.unlink()

    def _files(self) -> list[Path]:
        return [file for file in self.folder.glob("*.json") if file.stem.isdecimal()]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number}.json"

    @staticmethod
    def _text(generation: Generation) -> str:
        return _File(generation=generation, digest=generation.digest).model_dump_json(indent=1) + "\n"

    @staticmethod
    def _named(number: int) -> str:
        return f"generation {number}" if number else "the profile that the configuration names"
