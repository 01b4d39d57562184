"""Rollouts in the store, which decides them: running until one compare-and-set commits or aborts it."""

from typing import Any

from psycopg.types.json import Jsonb

from extraction_agent import errors
from extraction_agent.model import Verdict
from extraction_agent.store.audit import Audit
from extraction_agent.store.rollout_rows import (
    IndexState,
    Judgement,
    Rollout,
    RolloutHost,
    RolloutIndex,
    RolloutState,
    TrialState,
)

LAPSED = "its lease ran out: its holder has not renewed it in time"
NOTHING_BACK = "Nothing is taken back: no rollout has been committed, so there is none that --back could undo."


class Rollouts(Audit):
    """The rows of rollouts, their hosts, verdicts and indexes. Every clock is the store's.

    Whoever reads a running rollout whose lease has passed, aborts it: so none that is answered as running has lapsed.
    """

    # The record

    def begin_rollout(
        self,
        profile: str,
        settings: dict[str, Any],
        holder: str,
        lease_seconds: float,
        watch_seconds: float = 0,
        *,
        back: bool = False,
    ) -> Rollout:
        """settings: the whole resolved profile. watch_seconds: for how long hosts watch it once it is committed.

        back: it takes back the fleet's, so it needs no verdict, is not watched, and is of what the record has before
        it: profile says that one's name. With nothing before, it is of this profile.

        Raises Conflict that says who holds the one that runs, or why there is no such way back.
        """
        with self.transaction():
            self._run("lock_rollouts")
            self._lapse()
            row = self._one(
                "insert_rollout",
                profile=profile, settings=Jsonb(settings), holder=holder, lease_seconds=lease_seconds,
                watch_seconds=watch_seconds, back=back,
            )  # fmt: skip
            if row is None:
                running = self._found(state=RolloutState.RUNNING.value)
                raise errors.Conflict(_occupied(running[0]) if running else NOTHING_BACK)
            begun = self._found(id_=row[0])[0]
            if begun.profile != profile:
                raise errors.Conflict(
                    f"The way back from rollout {begun.takes_back} is profile {begun.profile}, which the fleet had "
                    f"before: begin that with --back, or {profile} without it, to be judged."
                )
            self._audit_rollout("begun", begun, {**begun.as_dict(), "settings": begun.settings})
        return begun

    def rollout(self, id_: int) -> Rollout:
        """Raises NotFound."""
        found = self.rollouts(1, id_=id_)
        if not found:
            raise errors.NotFound(f"There is no rollout {id_}; `extractctl rollout history` lists those there are.")
        return found[0]

    def latest_rollout(self) -> Rollout | None:
        """The one that runs, or the last that ended."""
        return next(iter(self.rollouts(1)), None)

    def committed_rollout(self) -> Rollout | None:
        """Whose generation is the fleet's: a host that is new, or was away, joins at it."""
        return next(iter(self.rollouts(1, state=RolloutState.COMMITTED)), None)

    def rollouts(self, limit: int, *, id_: int | None = None, state: RolloutState | None = None) -> list[Rollout]:
        """Newest first."""
        found = self._found(limit, id_, state and state.value)
        if any(one.running and one.lease_left <= 0 for one in found):
            with self.transaction():
                self._lapse()
            found = self._found(limit, id_, state and state.value)
        return found

    def renew_rollout(self, id_: int, token: int, wave: int | None = None) -> Rollout:
        """Prolong the lease by its length, from now. wave: which is changed from now on. Raises Conflict."""
        with self.transaction():
            if self._run("renew_rollout", id=id_, token=token, wave=wave).rowcount:
                return self._found(id_=id_)[0]
        raise errors.Conflict(f"Rollout {id_} is not renewed: {self._why_not(id_, token)}.")

    def commit_rollout(self, id_: int, token: int) -> Rollout:
        """Make its generation the fleet's. Again, after an answer that was lost: the same. Raises Conflict."""
        with self.transaction():
            self._run("lock_rollout", id=id_)
            if self._run("commit_rollout", id=id_, token=token).rowcount:
                committed = self._found(id_=id_)[0]
                self._audit_rollout("committed", committed)
                return committed
            against = self._one("rollout_objections", id=id_)
        found = self.rollout(id_)
        if found.state is RolloutState.COMMITTED and found.token == token:
            return found
        if found.running and found.token == token and not found.paused and against is not None:
            raise errors.Conflict(f"Rollout {id_} is not committed: {_objection(*against)}.")
        raise errors.Conflict(f"Rollout {id_} is not committed: {self._why_not(id_, token)}.")

    def abort_rollout(self, id_: int, reason: str) -> Rollout:
        """By anybody: a guard, a gate, a person. One that was aborted before stays as it is. Raises Conflict."""
        with self.transaction():
            if self._run("abort_rollout", id=id_, reason=reason).rowcount:
                aborted = self._found(id_=id_)[0]
                self._audit_rollout("aborted", aborted)
                return aborted
        found = self.rollout(id_)
        if found.state is RolloutState.COMMITTED:
            raise errors.Conflict(
                f"Rollout {id_} was committed at {found.ended_at:%F %T} UTC: take it back by a rollout of the profile "
                "that was there before."
            )
        return found

    def pause_rollout(self, id_: int, *, paused: bool) -> Rollout:
        """While paused nothing is committed, and its holder begins no wave; the lease goes on. Raises Conflict."""
        with self.transaction():
            before = self.rollout(id_)
            if before.running and self._run("pause_rollout", id=id_, paused=paused).rowcount:
                after = self._found(id_=id_)[0]
                if after.paused != before.paused:
                    self._audit_rollout("paused" if paused else "resumed", after)
                return after
        raise errors.Conflict(f"Rollout {id_} is neither paused nor resumed: {_ended(self.rollout(id_))}.")

    # Its hosts

    def note_host(
        self,
        id_: int,
        host: str,
        generation: int,
        state: TrialState,
        seconds: float | None = None,
        reason: str | None = None,
    ) -> None:
        """What a host says of itself, as often as it likes. seconds: until its trial ends; reason: why it went back."""
        with self.transaction():
            before = self._one("lock_rollout_host", id=id_, host=host)
            self._run(
                "note_rollout_host",
                id=id_, host=host, generation=generation, state=state.value, seconds=seconds, reason=reason,
            )  # fmt: skip
            if before != (state.value, generation):
                after = {"state": state.value, "generation": generation, "rollout": id_, "reason": reason}
                self.audit(None, f"rollout.{state.value}", f"host {host}", after=after)

    def rollout_hosts(self, id_: int) -> list[RolloutHost]:
        """By wave and name."""
        return [
            RolloutHost(row[0], row[1], row[2], TrialState(row[3]), row[4], row[5], row[6], row[7])
            for row in self._run("rollout_hosts", id=id_)
        ]

    # Its verdicts

    def judge_rollout(self, id_: int, token: int, wave: int, verdict: Verdict, evidence: dict[str, Any]) -> None:
        """Record what the gate behind a wave has found. Raises Conflict."""
        with self.transaction():
            self._hold(id_, token)
            self._run("insert_verdict", id=id_, wave=wave, verdict=verdict.value, evidence=Jsonb(evidence))
            self.audit(None, "rollout.judged", f"rollout {id_}", after={"wave": wave, "verdict": verdict.value})

    def override_verdict(self, id_: int, wave: int, who: str, reason: str) -> None:
        """Answer for an INCONCLUSIVE verdict, the latest of its wave. Raises Conflict."""
        with self.transaction():
            self._run("lock_rollout", id=id_)
            found = self.rollout(id_)
            if not found.running:
                raise errors.Conflict(f"Nothing is overridden: {_ended(found)}.")
            if not self._run("override_verdict", id=id_, wave=wave, who=who, reason=reason).rowcount:
                judged = [one for one in latest(self.verdicts(id_)) if one.wave == wave]
                told = f"the verdict is {judged[0].verdict}" if judged else "it has no verdict yet"
                if judged and judged[0].verdict is Verdict.INCONCLUSIVE:
                    raise errors.Conflict(
                        f"The judge had not seen enough of wave {wave} of rollout {id_} when it said INCONCLUSIVE: let "
                        "it take more samples until its verdict is final, and answer for that."
                    )
                raise errors.Conflict(
                    f"Only an INCONCLUSIVE verdict can be overridden, and on wave {wave} of rollout {id_} {told}."
                )
            self.audit(who, "rollout.overridden", f"rollout {id_}", after={"wave": wave, "reason": reason})

    def verdicts(self, id_: int) -> list[Judgement]:
        """By wave, the older first."""
        return [Judgement(row[0], Verdict(row[1]), *row[2:]) for row in self._run("verdicts", id=id_)]

    # Its indexes

    def want_index(
        self, id_: int, token: int, database: str, name: str, definition: str, *, ours: bool
    ) -> RolloutIndex:
        """Record an intent, before anything is built: nobody builds for a rollout that has ended. Raises Conflict.

        ours: False for one that is there already, and so is not dropped. One that is recorded stays as it is.
        """
        with self.transaction():
            self._hold(id_, token)
            wanted = {"database": database, "name": name, "definition": definition, "ours": ours}
            if self._run("insert_rollout_index", id=id_, **wanted).rowcount:
                self.audit(None, "index.wanted", f"index {name}", after={"rollout": id_, **wanted})
            return next(one for one in self.rollout_indexes(id_) if (one.database, one.name) == (database, name))

    def advance_index(self, index: RolloutIndex, token: int, state: IndexState) -> None:
        """It is built, or renamed: in the transaction that renames it, in the store. Raises Conflict."""
        with self.transaction():
            self._hold(index.rollout_id, token)
            self._set_index(index, state)

    def drop_index(self, index: RolloutIndex) -> None:
        """It is gone, or was never built. By anybody."""
        self._set_index(index, IndexState.DROPPED)

    def rollout_indexes(self, id_: int | None = None, *, dropped: bool = False) -> list[RolloutIndex]:
        """Of one rollout. None: all that are ours and still there, of whatever rollout; dropped: the others too."""
        return [
            RolloutIndex(
                row[0], row[1], row[2], row[3], row[4], IndexState(row[5]), row[6], RolloutState(row[7]), *row[8:]
            )
            for row in self._run("rollout_indexes", id=id_, dropped=dropped)
        ]

    # Below

    def _found(self, limit: int = 1, id_: int | None = None, state: str | None = None) -> list[Rollout]:
        rows = self._run("rollouts", limit=limit, id=id_, state=state).fetchall()
        return [Rollout(row[0], row[1], RolloutState(row[2]), *row[3:]) for row in rows]

    def _set_index(self, index: RolloutIndex, state: IndexState) -> None:
        with self.transaction():
            self._run("set_rollout_index", id=index.rollout_id, no=index.no, state=state.value)
            told = {"rollout": index.rollout_id, "database": index.database}
            self.audit(None, f"index.{state.value}", f"index {index.name}", after=told)

    def _lapse(self) -> None:
        row = self._one("lapse_rollout", reason=LAPSED)
        if row is not None:
            self._audit_rollout("aborted", self._found(id_=row[0])[0])

    def _hold(self, id_: int, token: int) -> None:
        """Keep it running until the transaction ends. Raises Conflict."""
        self._run("lock_rollout", id=id_)
        found = self.rollout(id_)
        if not found.running or found.token != token:
            raise errors.Conflict(f"Rollout {id_} takes nothing more: {self._why_not(id_, token)}.")

    def _why_not(self, id_: int, token: int) -> str:
        """Why a controller's word does not count."""
        found = self.rollout(id_)
        if found.token != token:
            return f"its token is {found.token}, not {token}"
        if found.paused and found.running:
            return f"it is paused; `extractctl rollout resume {id_}` lets it go on"
        if found.running and found.takes_back is not None:
            fleets = self.committed_rollout()
            if fleets is not None and fleets.id != found.takes_back:
                return f"it takes back rollout {found.takes_back}, and the fleet has rollout {fleets.id} by now"
        return _ended(found) if not found.running else "it has just been changed; try again"

    def _audit_rollout(self, action: str, rollout: Rollout, after: dict[str, Any] | None = None) -> None:
        told = after or {"state": rollout.state.value, "profile": rollout.profile, "reason": rollout.reason}
        self.audit(None, f"rollout.{action}", f"rollout {rollout.id}", after=told)


def latest(verdicts: list[Judgement]) -> list[Judgement]:
    """Of each wave the one that counts."""
    return list({one.wave: one for one in verdicts}.values())


def _objection(wave: int, verdict: str | None) -> str:
    """verdict: None if there is none."""
    if verdict is None:
        which = f"wave {wave}" if wave else "its indexes (wave 0)"
        return f"nobody has judged {which}; `extractctl rollout verdict` records what the gate has found"
    told = f"the verdict on wave {wave} is {verdict}"
    if verdict == Verdict.INCONCLUSIVE:
        return f"{told}, which is not GO; `extractctl rollout override` answers for it, with a reason"
    return told


def _occupied(running: Rollout) -> str:
    return (
        f"Rollout {running.id} of profile {running.profile} is running: {running.holder} holds it, for "
        f"{running.lease_left:.0f} s more unless it is renewed. Wait for its end, or end it with "
        f"`extractctl rollout abort {running.id}`."
    )


def _ended(rollout: Rollout) -> str:
    why = f": {rollout.reason}" if rollout.reason else ""
    return f"rollout {rollout.id} was {rollout.state} at {rollout.ended_at:%F %T} UTC{why}"
