"""A rollout in small steps, explored in every order: controllers that die, or are slow; hosts that start again; a store
that goes away; clocks that step back; guards that trip, in a trial or after the commit.

Nothing here knows time: a lease or a deadline may pass at any moment. What holds in every order holds at every speed.
"""

import functools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

FAULTS = 2  # reboots, outages, guards that trip and clocks that step, in one history; kills besides


@dataclass(frozen=True, slots=True)
class Rules:
    """What the protocol rests on. A test breaks one after the other, and sees that each is needed."""

    one_at_a_time: bool = True  # the store lets one rollout run
    commit_compares: bool = True  # only a running rollout is committed
    lapse_aborts: bool = True  # whoever finds a lease that has passed writes `aborted`
    hosts_ask: bool = True  # a host whose trial expires asks the store, and does not confirm by itself
    away_is_back: bool = True  # it goes back if the store does not answer
    own_deadline: bool = True  # its trial expires by its own clock too, which no step of the store's reaches
    fenced: bool = True  # a host refuses a token lower than the highest it has seen
    start_is_back: bool = True  # a start during a trial means back
    joins: bool = True  # a host that was away, or is new, joins at the committed generation
    guard_aborts: bool = True  # a tripped guard ends the rollout, not only the trial of its host
    intent_first: bool = True  # an index is recorded before it is built
    named: bool = True  # an index bears its rollout's number until it is renamed, so that a late one is found
    one_transaction: bool = True  # it is renamed and recorded as renamed at once
    fleet_goes_back: bool = True  # a guard that trips after the commit takes the fleet back, not its host alone
    undo_compares: bool = True  # only what still is the fleet's is taken back
    undo_drops: bool = True  # with a rollout that is taken back its index goes


class Host(NamedTuple):
    """Generations have the number of the rollout that brought them; 0 is what was there before."""

    runs: int = 0
    confirmed: int = 0  # what it goes back to
    trial: int = 0  # of which rollout; 0: in none
    highest: int = 0  # token it has seen
    owes: int = 0  # rollout that its guard wants aborted; the store does not know it yet
    wants_back: int = 0  # committed rollout that its guard wants the fleet to take back; the same

    def back(self, owes: int = 0) -> "Host":
        return self._replace(runs=self.confirmed, trial=0, owes=owes or self.owes)

    def confirm(self, generation: int) -> "Host":
        return Host(generation, generation, 0, max(self.highest, generation), 0)

    def enter(self, rollout: int) -> "Host":
        return self._replace(runs=rollout, trial=rollout, highest=max(self.highest, rollout), wants_back=0)


class Rollout(NamedTuple):
    """Its row, its index and its controller. Its token is its number."""

    record: Literal["none", "running", "committed", "aborted"] = "none"
    ledger: Literal["none", "intent", "renamed", "dropped"] = "none"
    built: Literal["none", "building", "temporary", "renamed"] = "none"  # its index
    step: int = 0  # the controller's next
    alive: bool = True
    late: str = ""  # a step that a module may still do, though the controller it served is gone
    guarded: bool = False  # the store has taken a guard's word while it ran
    undoes: int = 0  # which one its watch has taken back; then it has neither controller nor index


class State(NamedTuple):
    rollouts: tuple[Rollout, ...]
    hosts: tuple[Host, ...]
    store: bool = True  # it answers
    clock: bool = True  # the store's shows a time at which leases pass
    faults: int = FAULTS
    watched: bool = False  # guards go on after a commit

    def host(self, number: int, host: Host) -> "State":
        return self._replace(hosts=(*self.hosts[:number], host, *self.hosts[number + 1 :]))

    def rollout(self, number: int, **changes: object) -> "State":
        changed = self.rollouts[number - 1]._replace(**changes)  # type: ignore[arg-type] # of its own fields
        return self._replace(rollouts=(*self.rollouts[: number - 1], changed, *self.rollouts[number:]))

    def record(self, number: int) -> str:
        return self.rollouts[number - 1].record

    @property
    def committed(self) -> int:
        """The fleet's generation."""
        return max((n for n, one in enumerate(self.rollouts, 1) if one.record == "committed"), default=0)

    def brings(self, number: int) -> int:
        """Whose profile a committed rollout brings: its own, or what was the fleet's before the one it undoes."""
        undone = number and self.rollouts[number - 1].undoes
        if not undone:
            return number
        before = [n for n in range(1, undone) if self.record(n) == "committed"]
        return self.brings(max(before, default=0))

    @property
    def undone(self) -> set[int]:
        return {one.undoes for one in self.rollouts} - {0}


class Move(NamedTuple):
    name: str
    state: State
    must: bool = True  # it happens sooner or later, unless another comes first; faults and choices need not


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """All that can happen next."""
    for number in range(1, len(state.rollouts) + 1):
        yield from _controller(state, number, rules)
        yield from _record(state, number, rules)
    for number in range(len(state.hosts)):
        yield from _host(state, number, rules)
    yield from _world(state)


# The controller


def steps(hosts: int, rules: Rules) -> list[str]:
    """What it does, in this order."""
    index = ["intent", "build", "rename"] if rules.intent_first else ["build", "intent", "rename"]
    if not rules.one_transaction:
        index.append("record")
    return ["begin", *index, *(f"put {host}" for host in range(hosts)), "commit", "end"]


def _controller(state: State, number: int, rules: Rules) -> Iterator[Move]:
    rollout = state.rollouts[number - 1]
    program = steps(len(state.hosts), rules)
    step = program[rollout.step]
    if rollout.alive and step != "end":
        done = after(state, number, step, rules)
        if done is not None:
            gone_on = done.rollout(number, step=done.rollouts[number - 1].step + 1)
            yield Move(f"controller {number}: {step}", gone_on, must=step != "begin")
        if step != "begin":
            gone = state.rollout(number, alive=False, late=step)
            yield Move(f"controller {number} is killed", gone, must=False)
            if state.store:  # a gate says NO-GO, a step was refused, or a person pressed Ctrl-C
                yield Move(f"controller {number} gives up", aborted(gone, number))
    if rollout.late:
        done = after(state.rollout(number, late=""), number, rollout.late, rules)
        if done is not None:
            yield Move(f"a module of controller {number}, late: {rollout.late}", done, must=False)


def after(state: State, number: int, step: str, rules: Rules) -> State | None:
    """The state after a step. None: it is refused, or has to wait."""
    if step.startswith("put"):
        place = int(step[4:])
        host = state.hosts[place]
        return None if rules.fenced and number < host.highest else state.host(place, host.enter(number))
    rollout = state.rollouts[number - 1]
    running = rollout.record == "running"
    begun_before = all(one.record != "none" for one in state.rollouts[: number - 1])
    occupied = rules.one_at_a_time and any(one.record == "running" for one in state.rollouts)
    words: dict[str, tuple[bool, dict[str, str]]] = {
        "begin": (begun_before and not occupied, {"record": "running"}),
        "intent": (running, {"ledger": "intent"}),
        "build": (True, {"built": "building"}),  # the database asks nobody
        "rename": (
            running and rollout.built == "temporary",
            {"built": "renamed", "ledger": "renamed" if rules.one_transaction else rollout.ledger},
        ),
        "record": (running, {"ledger": "renamed"}),
        "commit": (running or not rules.commit_compares, {"record": "committed"}),
    }
    allowed, changes = words[step]
    return state.rollout(number, **changes) if state.store and allowed else None


def aborted(state: State, number: int) -> State:
    """By whoever has a reason; one that has ended stays as it is."""
    return state.rollout(number, record="aborted") if state.record(number) == "running" else state


# The record, and what any agent does for it


def _record(state: State, number: int, rules: Rules) -> Iterator[Move]:
    rollout = state.rollouts[number - 1]
    if not state.store:
        return
    if rollout.built == "building":  # also when its client was killed
        yield Move(f"index {number} is built", state.rollout(number, built="temporary"))
    if rollout.record == "running" and rules.lapse_aborts and state.clock:
        yield Move(f"lease {number} is found to have passed", aborted(state, number))
    gone = rollout.record == "aborted" or (rules.undo_drops and number in state.undone)
    if gone and rollout.built != "building":
        recorded = rollout.ledger in {"intent", "renamed"}
        found = rules.named and rollout.built == "temporary"
        if recorded or found:
            ours = rollout.built == "temporary" or rollout.ledger == "renamed"
            left = "none" if ours else rollout.built
            yield Move(f"an agent undoes index {number}", state.rollout(number, built=left, ledger="dropped"))


# A host


def _host(state: State, number: int, rules: Rules) -> Iterator[Move]:
    host, name = state.hosts[number], f"host {number}"
    if host.trial:
        yield from _trial(state, number, rules)
    elif state.store and host.owes:
        settled = state.host(number, host._replace(owes=0))
        told = settled.rollout(host.owes, guarded=_runs(state, host.owes))
        yield Move(f"{name} tells the store of its guard", aborted(told, host.owes) if rules.guard_aborts else told)
    elif state.store and host.wants_back:
        settled = state.host(number, host._replace(wants_back=0))
        yield Move(f"{name} wants the fleet back", taken_back(settled, host.wants_back, rules) or settled)
    elif state.store and rules.joins and state.committed != host.confirmed:
        yield Move(f"{name} joins", state.host(number, host.confirm(state.committed)))
    if _is_watched(state, host) and state.faults:
        spent = state._replace(faults=state.faults - 1)
        tripped = host._replace(wants_back=host.confirmed) if rules.fleet_goes_back else host._replace(runs=0)
        yield Move(f"{name}: a guard trips after the commit", spent.host(number, tripped), must=False)


def _is_watched(state: State, host: Host) -> bool:
    """What is itself a way back is not."""
    held = host.confirmed and not host.trial and not host.wants_back
    return bool(state.watched and held and not state.rollouts[host.confirmed - 1].undoes)


def taken_back(state: State, number: int, rules: Rules) -> State | None:
    """A watch writes the next rollout. None: there is nothing to take back any more."""
    if number != state.committed and rules.undo_compares:
        return None
    free = [n for n, one in enumerate(state.rollouts, 1) if one.record == "none"]
    if not free:
        return None
    ended = functools.reduce(aborted, range(1, free[0]), state)
    return ended.rollout(free[0], record="committed", alive=False, undoes=state.committed)


def _trial(state: State, number: int, rules: Rules) -> Iterator[Move]:
    host, name, record = state.hosts[number], f"host {number}", state.record(state.hosts[number].trial)
    if state.store and record == "committed":
        yield Move(f"{name} confirms", state.host(number, host.confirm(host.trial)))
    elif state.store and record == "aborted":
        yield Move(f"{name} goes back", state.host(number, host.back()))
    elif not rules.hosts_ask:
        yield Move(f"{name} expires", state.host(number, host.confirm(host.trial)))
    elif state.store and rules.own_deadline:
        yield Move(f"{name} expires, aborts", aborted(state, host.trial).host(number, host.back()))
    elif not state.store and rules.away_is_back:
        yield Move(f"{name} expires, the store is away", state.host(number, host.back()))
    if state.faults:
        spent = state._replace(faults=state.faults - 1)
        started = host.back() if rules.start_is_back else host.confirm(host.runs)
        yield Move(f"{name} starts again", spent.host(number, started), must=False)
        yield Move(f"{name}: a guard trips", spent.host(number, host.back(owes=host.trial)), must=False)


def _runs(state: State, number: int) -> bool:
    return state.record(number) == "running" or state.rollouts[number - 1].guarded


# The world


def _world(state: State) -> Iterator[Move]:
    spent = state._replace(faults=state.faults - 1)
    if state.faults and state.store:
        yield Move("the store goes away", spent._replace(store=False), must=False)
    if state.faults and state.clock:
        yield Move("the store's clock steps back", spent._replace(clock=False), must=False)
    if not state.store:
        yield Move("the store is back", state._replace(store=True), must=False)
    if not state.clock:
        yield Move("the store's clock is right again", state._replace(clock=True), must=False)


# What must hold


def broken_always(state: State) -> Iterator[str]:
    """What no moment may show."""
    if sum(one.record == "running" for one in state.rollouts) > 1:
        yield "two rollouts run"
    for number, one in enumerate(state.rollouts, 1):
        if one.built != "none" and one.ledger == "none":
            yield f"index {number} is there, and nobody recorded it"
        if one.record == "committed" and one.guarded:
            yield f"rollout {number} was committed though a guard had tripped"
    if state.brings(state.committed) in state.undone:
        yield f"the fleet is back at generation {state.brings(state.committed)}, which its watch had taken back"
    for number, host in enumerate(state.hosts):
        if host.runs != host.confirmed and not host.trial:
            yield f"host {number} runs generation {host.runs} outside a trial"
        if host.confirmed and state.record(host.confirmed) != "committed":
            yield f"host {number} has confirmed generation {host.confirmed}, which nobody committed"
        if host.trial and host.trial < host.highest:
            yield f"host {number} is in a trial of rollout {host.trial} and had seen {host.highest}"


def broken_at_rest(state: State) -> Iterator[str]:
    """What may not be left when all has happened that must."""
    for number, host in enumerate(state.hosts):
        if host.trial:
            yield f"host {number} is left in a trial"
    if not (state.store and state.clock):
        return
    for number, host in enumerate(state.hosts):
        if host.runs != state.committed:
            yield f"host {number} runs generation {host.runs}, the fleet's is {state.committed}"
    for number, one in enumerate(state.rollouts, 1):
        if one.record == "running":
            yield f"rollout {number} runs for ever"
        wanted = one.record == "committed" and not one.undoes and number not in state.undone
        if one.built != ("renamed" if wanted else "none"):
            yield f"rollout {number} is {one.record} and its index is {one.built}"
        if one.ledger == "intent":
            yield f"rollout {number} has ended and its index is still an intent"


class Explored(NamedTuple):
    states: int
    at_rest: int
    ends: frozenset[int]  # the generations that the fleet has come to rest at
    broken: str | None
    history: list[str]  # the shortest that leads there


def explore(rules: Rules, hosts: int, rollouts: int, faults: int = FAULTS, *, watched: bool = False) -> Explored:
    """Every history there is; up to the first that breaks something."""
    first = State(rollouts=(Rollout(),) * rollouts, hosts=(Host(),) * hosts, faults=faults, watched=watched)
    origin: dict[State, tuple[State, str] | None] = {first: None}
    waiting, at_rest = deque([first]), 0
    ends: set[int] = set()
    while waiting:
        state = waiting.popleft()
        broken, must = next(broken_always(state), None), False
        for name, after, needed in moves(state, rules):
            must = must or (needed and after != state)
            if after not in origin:
                origin[after] = (state, name)
                waiting.append(after)
        if not must:
            at_rest += 1
            ends.add(state.committed)
            broken = broken or next(broken_at_rest(state), None)
        if broken:
            return Explored(len(origin), at_rest, frozenset(ends), broken, _history(origin, state))
    return Explored(len(origin), at_rest, frozenset(ends), None, [])


def _history(origin: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    names = []
    while (before := origin[state]) is not None:
        state, name = before
        names.append(name)
    return names[::-1]


def each_rule() -> list[str]:
    return [field.name for field in fields(Rules)]
