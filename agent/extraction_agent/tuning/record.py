"""What this host asks the store's record of rollouts, and tells it; by a connection that no profile can take away."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from extraction_agent import deadlines, errors
from extraction_agent.profiles import Profile, explain
from extraction_agent.store.rollout_rows import Rollout, TrialState
from extraction_agent.store.store import Store
from extraction_agent.tuning.generations import Ended, Generation, Trial
from extraction_agent.tuning.vigil import Noted
from extraction_agent.waiting import Stop, ended_by

log = logging.getLogger(__name__)

T = TypeVar("T")


class Record:
    """One question at a time, each under a deadline. On the daemon's loop."""

    def __init__(self, store_url: str, agent: str) -> None:
        """agent: in whose name it tells what happened here, unless another is said."""
        self._url, self._agent = store_url, agent
        self._store: Store | None = None
        self._turn = asyncio.Lock()  # held until the thread that asks has ended, whoever still waits for it

    async def ask(self, action: Callable[[Store], T]) -> T:
        """Raises StoreUnavailable, also if no answer comes in time; what else the action raises."""
        begun = time.monotonic()
        await self._take_turn(deadlines.RECORD)
        stop = Stop()
        asking = asyncio.ensure_future(asyncio.to_thread(self._ask, action, stop))
        asking.add_done_callback(lambda _: stop.close())
        asking.add_done_callback(lambda _: self._turn.release())
        await asyncio.wait([asking], timeout=begun + deadlines.RECORD - time.monotonic())
        if not asking.done():
            stop.request()
            asking.add_done_callback(lambda asked: asked.cancelled() or asked.exception())  # nobody waits for it
            raise _no_answer()
        try:
            return asking.result()
        except errors.Cancelled:
            raise _no_answer() from None

    async def close(self) -> None:
        """Once nobody asks any more."""
        with suppress(errors.StoreUnavailable):
            await self._take_turn(deadlines.CANCEL)
            if self._store is not None:
                self._store.close()

    async def _take_turn(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._turn.acquire(), seconds)
        except TimeoutError:
            raise _no_answer() from None

    def _ask(self, action: Callable[[Store], T], stop: Stop) -> T:
        with ended_by(stop):
            if self._store is None or not self._store.usable:
                if self._store is not None:
                    self._store.close()
                self._store = None
                self._store = Store(self._url, "extraction-agent tuning")
                self._store.who = self._agent
            return action(self._store)


def _no_answer() -> errors.StoreUnavailable:
    return errors.StoreUnavailable(f"The store's record of rollouts gave no answer within {deadlines.RECORD:g} s.")


@dataclass(frozen=True, slots=True)
class Order:
    """What a controller wants of this host."""

    rollout: int
    token: int
    profile: dict[str, Any]  # as the rollout has it, so that both mean the same one
    seconds: float  # the trial's length
    who: str
    request: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the record says, and when it was asked."""

    asked: float  # monotonic
    rollout: Rollout | None = None  # the trial's
    committed: Rollout | None = None  # the fleet's
    told: Ended | None = None
    noted: tuple[Noted, ...] = ()
    known: int = 0  # the rollout of which the record knows now that this host holds it
    error: str | None = None  # why it said nothing, or did not take all that was told
    away: bool = False  # the store is: what the guards see meanwhile is its fault


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked again and again: during a trial its rollout, otherwise the fleet's. Tells what has changed here."""

    host: str
    trial: Trial | None
    left: float  # s of the trial
    ended: Ended | None
    held: Generation | None
    known: int  # the rollout of which the record knows that this host holds it
    configured: Profile  # by the configuration
    because: str | None = None  # why the fleet must go back from what is held
    to_note: tuple[Noted, ...] = ()  # what the watch has seen

    def ask(self, store: Store) -> Answer:
        asked = time.monotonic()
        if self.trial is not None:
            return Answer(asked, rollout=self._of_trial(store, self.trial))
        refused = _refused(lambda: self._take_back(store))  # ahead of all that could fail before it
        told = None
        if self.ended is not None and not self.ended.told:
            told = self.ended
            self._tell(store, told)
        unnoted = _refused(lambda: self._note_points(store))
        committed = store.committed_rollout()
        known = self.known
        if committed is not None and self.held is not None and committed.id == self.held.rollout != known:
            store.note_host(committed.id, self.host, self.held.number, TrialState.CONFIRMED)
            known = committed.id
        noted = self.to_note if unnoted is None else ()
        return Answer(asked, committed=committed, told=told, noted=noted, known=known, error=refused or unnoted)

    def _of_trial(self, store: Store, trial: Trial) -> Rollout:
        found = store.rollout(trial.rollout)
        if found.running:
            store.note_host(trial.rollout, self.host, trial.number, TrialState.TRIAL, self.left)
        return found

    def _take_back(self, store: Store) -> None:
        """Ask for the way back of all, if the watch wants it."""
        if self.because is not None and self.held is not None:
            named = self.configured.model_dump(mode="json")
            store.take_back(self.held.rollout, self.host, self.because, self.configured.name, named)

    def _note_points(self, store: Store) -> None:
        for rollout, point in self.to_note:
            store.note_point(rollout, point)

    def _tell(self, store: Store, ended: Ended) -> None:
        """A rollout that a host could not bear is over, unless it has been decided already."""
        try:
            if ended.by == "host":
                store.abort_rollout(ended.rollout, f"host {self.host}: {ended.reason}")
        except errors.NotFound:
            return
        except errors.Conflict as committed:
            log.warning("%s", committed)
        store.note_host(ended.rollout, self.host, ended.number, TrialState.BACK, reason=ended.reason)


def _refused(act: Callable[[], None]) -> str | None:
    """Why the store does not allow it, for want of a right say; whatever else is asked for is still answered."""
    try:
        act()
    except errors.StoreError as error:
        if error.transient:
            raise
        return str(error)
    return None


def check(store: Store, order: Order, host: str) -> Profile:
    """What is to be tried. Raises Conflict unless the record says the same; the audit log has who asked."""
    found = store.rollout(order.rollout)
    if not found.running:
        raise errors.Conflict(f"Rollout {found.id} is {found.state}: nothing is tried for it any more.")
    if found.token != order.token:
        raise errors.Conflict(f"The token of rollout {found.id} is {found.token}, not {order.token}.")
    if {**found.settings, "extends": None} != {**order.profile, "extends": None}:
        raise errors.Conflict(f"Rollout {found.id} was begun with another profile than the one sent here: send that.")
    profile = profile_of(found)
    after = {"rollout": found.id, "token": found.token, "profile": found.profile, "seconds": order.seconds}
    audit(store, order.who, order.request, "tuning.tried", f"host {host}", after)
    return profile


def profile_of(rollout: Rollout) -> Profile:
    """Raises Conflict if it is of another version of the program."""
    try:
        return Profile.model_validate(rollout.settings)
    except ValidationError as error:
        raise errors.Conflict(
            f"This agent cannot take the profile of rollout {rollout.id}: {explain(error, Profile)} "
            "Another version of the program has written it."
        ) from None


def audit(store: Store, who: str, request: str | None, action: str, object_: str, after: dict[str, Any]) -> None:
    with store.transaction(), store.acting(who, request):
        store.audit(None, action, object_, after=after)
