"""This host's part in rollouts: confirmed → trial → confirmed, or back. The store decides, and the host never for it.

During a trial it asks the record every second: committed confirms, aborted goes back. A guard that trips, or a trial
that ends with nothing decided, goes back at once and then aborts the rollout; while the store is away, once it is back.
Outside a trial the host joins what is committed.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal, NoReturn

from extraction_agent import deadlines, errors
from extraction_agent.observe import metrics
from extraction_agent.profiles import Profile, restart_keys
from extraction_agent.store.rollout_rows import Rollout, RolloutState
from extraction_agent.tuning.generations import Ended, Generation, Generations, Trial
from extraction_agent.tuning.guards import Watch
from extraction_agent.tuning.record import Answer, Order, Question, Record, audit, check, profile_of
from extraction_agent.tuning.vigil import Vigil

log = logging.getLogger(__name__)

GoOver = Callable[[Profile | None], Awaitable[None]]  # None: the configuration's; raises, and then nothing has changed


class Host:
    """On the daemon's loop."""

    def __init__(
        self,
        name: str,
        configured: Profile,
        generations: Generations | None,
        begun: Generation | None,
        record: Record,
        watch: Watch,
        vigil: Vigil,
    ) -> None:
        """configured: the profile that the configuration names. generations: None without a state directory.

        begun: what the agent began with, as `Generations.begin` says.
        """
        self.name, self.configured = name, configured
        self.watch, self.vigil = watch, vigil
        self.go_over: GoOver = _nobody
        self._generations, self._record = generations, record
        self._holding = begun
        self._changing = asyncio.Lock()
        self._asking: asyncio.Task[Answer] | None = None
        self._ask_at = self._moved = time.monotonic()
        self._expired: float | None = None  # since when, monotonic
        self._known = 0  # the rollout of which the record knows that this host holds it
        self.restart: str | None = None  # why the agent is about to be started anew
        self._complaint: str | None = None
        self._show()

    # What it is

    @property
    def trial(self) -> Trial | None:
        return None if self._generations is None else self._generations.state.trial

    @property
    def ended(self) -> Ended | None:
        """The last trial that led to nothing."""
        return None if self._generations is None else self._generations.state.ended

    @property
    def generation(self) -> Generation | None:
        """In force. None: the configuration's profile."""
        return self._holding

    @property
    def back_to(self) -> int | None:
        """The generation that holds unless the trial is confirmed. None: the configuration's profile."""
        return None if self._generations is None else self._generations.state.confirmed or None

    @property
    def token(self) -> int:
        """The highest ever seen."""
        return 0 if self._generations is None else self._generations.state.token

    @property
    def left(self) -> float:
        """Seconds until the trial ends."""
        return 0.0 if self._generations is None else self._generations.left()

    @property
    def tuned(self) -> Profile | None:
        """In force, unless it is the configuration's."""
        return None if self._holding is None else self._holding.profile

    @property
    def profile(self) -> Profile:
        """In force."""
        return self.tuned or self.configured

    def late(self) -> str | None:
        """A trial must end, and the rounds must go on."""
        if self._expired is not None and time.monotonic() - self._expired > deadlines.OVERDUE:
            return "a trial has passed its deadline and does not end"
        silence = time.monotonic() - self._moved
        return f"nobody has looked at the trial for {silence:.0f} s" if silence > deadlines.LATE else None

    # What is asked of it

    async def try_(self, order: Order) -> None:
        """Put a rollout's profile on trial. Raises Conflict, HostError and what a part met: nothing was changed."""
        async with self._changing:
            generations = self._kept()
            self._refuse_lower(order.token)
            profile = await self._record.ask(lambda store: check(store, order, self.name))
            if self.trial is not None and self.trial.rollout == order.rollout:
                await asyncio.to_thread(generations.prolong, order.seconds)
                self._expired = None
                return
            number = generations.state.last + 1
            wanted = Generation(number=number, rollout=order.rollout, token=order.token, profile=profile)
            keys = restart_keys(self.profile.settings, profile.settings)
            failed = self.watch.failed(profile.guards)
            await asyncio.to_thread(generations.try_, wanted, order.seconds, failed, restart=bool(keys))
            if keys:
                self.restart = _cannot_follow(keys)
                return
            try:
                await self.go_over(wanted.profile)
            except Exception as error:
                await asyncio.to_thread(generations.back, f"it could not be applied: {error}", "request")
                raise
            self._holding = wanted
            self._enter()

    async def back(self, rollout: int, token: int, who: str, request: str | None = None) -> None:
        """End this rollout's trial, if the host is in one. Raises Conflict."""
        async with self._changing:
            self._kept()
            self._refuse_lower(token)
            if self.trial is None or self.trial.rollout != rollout:
                return
            told = {"generation": self.trial.number, "rollout": rollout}
            await self._record.ask(lambda store: audit(store, who, request, "tuning.back", f"host {self.name}", told))
            await self._go_back(f"asked by {who}", "request")

    def _kept(self) -> Generations:
        if self._generations is None:
            raise errors.Conflict(
                "This agent keeps no generations: name a state_directory in its configuration, or start it by systemd "
                "with StateDirectory=."
            )
        if self.restart:
            raise errors.Conflict(f"The agent is about to be started anew: {self.restart}.")
        return self._generations

    def _refuse_lower(self, token: int) -> None:
        if token < self.token:
            raise errors.Conflict(
                f"Token {token} is lower than {self.token}, which this host has seen: its controller has lost its "
                "rollout to another and must end."
            )

    # What it does by itself

    async def run(self) -> NoReturn:
        """Look after the trial, and join what is committed. Raises Restart when the agent must be started anew."""
        if self.trial is not None:
            self._enter()
        while True:
            await asyncio.sleep(deadlines.TRIAL if self.trial is not None else deadlines.TRIAL_IDLE)
            self.watch.look()
            async with self._changing:
                try:
                    await self._step()
                except errors.ExtractionError as error:
                    self._complain(str(error))
            if self.restart:
                raise errors.Restart(f"It is to be started anew: {self.restart}.")
            self._moved = time.monotonic()

    async def close(self) -> None:
        await self._record.close()
        if self._generations is not None:
            self._generations.close()

    async def _step(self) -> None:
        if self._generations is None or self.restart:
            return
        answer = self._learn()
        if answer is not None:
            self._complain(answer.error)
        if answer is not None and answer.told is not None and answer.told == self.ended:
            await asyncio.to_thread(self._generations.told)
        if self.trial is not None:
            await self._judge(self.trial, answer)
        else:
            await self._follow(answer)
        if not self._generations.saved and not await asyncio.to_thread(self._generations.save):
            self._complain(f"{self._generations.folder} cannot be written; what the host has done is written later")

    async def _judge(self, trial: Trial, answer: Answer | None) -> None:
        """What becomes of the trial, as far as can be said now."""
        said = None if answer is None else answer.rollout
        if said is not None and said.id == trial.rollout and not said.running:
            if said.state is RolloutState.COMMITTED:
                await self._confirm()
            else:
                await self._go_back(f"rollout {said.id} was aborted: {said.reason}", "rollout")
            return
        figure = self.watch.tripped()
        if figure is not None:
            metrics.TRIAL_TRIPS.labels(figure.guard).inc()
            await self._go_back(f"the guard {figure.guard} tripped: {figure.tripped}", "host")
        elif self.left:
            self._expired = None
        elif self._expired is None:
            self._expired = self._ask_at = time.monotonic()  # asked once more, and then there is no more waiting
        elif answer is not None and answer.asked >= self._expired:
            await self._go_back(answer.error or "its trial has ended and the rollout was not committed", "host")

    async def _follow(self, answer: Answer | None) -> None:
        """Outside a trial: do as the fleet does, and watch what it has committed."""
        if answer is not None:
            if answer.away:
                self.vigil.away()
            if answer.committed is not None:
                self._known = answer.known
                await self._join(answer.committed)
                self._heed(answer.committed)
            for noted in answer.noted:
                if noted in self.vigil.to_tell:
                    self.vigil.to_tell.remove(noted)
        if self.vigil.look():
            self._ask_at = time.monotonic()

    def _heed(self, committed: Rollout) -> None:
        held = self._holding
        if held is not None and held.rollout == committed.id:
            self.vigil.follow(committed, held.profile.guards, self._kept().state.failed_before)

    async def _join(self, committed: Rollout) -> None:
        """A host that was away, is new, or has gone back from what was then committed."""
        generations = self._kept()
        held = self._holding
        if held is not None and held.rollout == committed.id:
            return
        if held is not None and held.token > committed.token:
            raise errors.Conflict(
                f"The store calls rollout {committed.id} committed, which is older than that of generation "
                f"{held.number}: was the store restored? This host stays as it is; a new rollout settles it."
            )
        profile = profile_of(committed)
        number = generations.state.last + 1
        joined = Generation(number=number, rollout=committed.id, token=committed.token, profile=profile)
        keys = restart_keys(self.profile.settings, profile.settings)
        failed = self.watch.failed(profile.guards)
        await asyncio.to_thread(generations.join, joined, failed)
        self._holding = joined
        self._show()
        log.info("joined the fleet at rollout %d: generation %d, profile %s", committed.id, number, profile.name)
        await self._over(keys)

    async def _confirm(self) -> None:
        generations = self._kept()
        await asyncio.to_thread(generations.confirm)
        self._leave("confirmed")
        log.info("confirmed: generation %d", generations.state.confirmed)

    async def _go_back(self, reason: str, by: Literal["host", "rollout", "request"]) -> None:
        """First what runs, then the disk: a crash between them goes back, too."""
        generations, trial = self._kept(), self.trial
        assert trial is not None
        log.warning("generation %d is taken back: %s", trial.number, reason)
        tried = self.profile
        self._holding = generations.confirmed()
        await self._over(restart_keys(tried.settings, self.profile.settings))
        await asyncio.to_thread(generations.back, reason, by)
        self._leave("back")

    async def _over(self, keys: list[str]) -> None:
        """Let what holds now hold for what runs. keys: what only a restart can follow."""
        if keys:
            self.restart = _cannot_follow(keys)
            return
        try:
            await self.go_over(self.tuned)
        except Exception as error:  # noqa: BLE001 - whatever a part has met, a start does without it
            self.restart = f"the profile could not be changed while the agent ran: {error}"

    def _enter(self) -> None:
        trial, held = self.trial, self._holding
        assert trial is not None
        assert held is not None
        self._expired, self._ask_at = None, time.monotonic()
        self.vigil.end()
        self.watch.begin(held.profile.guards, trial.failed_before)
        self._show()
        log.info("on trial for %.0f s: generation %d, profile %s", self.left, held.number, held.profile.name)

    def _leave(self, result: str) -> None:
        self._expired, self._ask_at = None, time.monotonic()
        self._known = 0
        metrics.TRIALS.labels(result).inc()
        self._show()

    def _show(self) -> None:
        metrics.GENERATION.set(0 if self._holding is None else self._holding.number)
        metrics.TRIAL.set(self.trial is not None)

    def _complain(self, what: str | None) -> None:
        """Once, however often it is met running. None: all is well."""
        if what and what != self._complaint:
            log.warning("%s", what)
        self._complaint = what

    # The record

    def _learn(self) -> Answer | None:
        """What it has answered since the last look. The next question is on its way when it is due."""
        answer = None
        if self._asking is not None and self._asking.done():
            answer, self._asking = self._asking.result(), None
        if self._asking is None and time.monotonic() >= self._ask_at:
            every = deadlines.RECORD_EVERY if self.trial is not None else deadlines.RECORD_IDLE
            self._ask_at = time.monotonic() + every
            self._asking = asyncio.create_task(self._ask(), name="record")
        return answer

    async def _ask(self) -> Answer:
        asked = time.monotonic()
        question = Question(
            self.name, self.trial, self.left, self.ended, self._holding, self._known,
            self.configured, self.vigil.because, self.vigil.telling(),
        )  # fmt: skip
        try:
            return await self._record.ask(question.ask)
        except errors.ExtractionError as error:
            return Answer(asked, error=str(error), away=error.transient)


def _cannot_follow(keys: list[str]) -> str:
    return f"only a restart can follow a change of {', '.join(keys)}"


async def _nobody(_: Profile | None) -> None:
    raise errors.ExtractionError("nobody was told how to go over to another profile.")
