"""The rules that name what holds an extraction up. docs/how-to/profile-an-extraction.md says them in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from extraction_agent.profiling.evidence import Database, Evidence, Sessions
from extraction_agent.waits import Wait

_NOTHING = 0.02  # of the window: threads that copied for less have shown nothing
_BLOCKED = 0.1  # of the window: a session that stood behind a lock for this long counts even if no thread copied
_CLOSE = 0.7  # of the first's time: the second is named, too
_SHORT = 2.0  # s: sessions looked at ten times a second have told little by then
_BUSY = 0.85  # of a core: a process that takes more has none of its interpreter left
_HALF = 0.5


class Place(StrEnum):
    """Where the time goes."""

    SOURCE = "source"
    NETWORK = "network"
    AGENT = "agent"
    STORE = "store"
    LOCK = "lock"
    NONE = "none"  # nothing was copied, so nothing held it up


@dataclass(frozen=True, slots=True)
class Verdict:
    """What holds the extraction up, and why it is that."""

    place: Place
    shares: dict[Place, float]  # of the copying threads' time, 0 to 1
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Side:
    """The time that threads waited for one side, divided by what its sessions did meanwhile.

    Both ends of a connection are looked at. What the thread waited and the server worked is the server's; what
    neither worked nor stood behind a lock was on its way.
    """

    locked: float
    server: float
    unexplained: float


def bottleneck(evidence: Evidence) -> Verdict:
    """The place that took most of the copying threads' time."""
    source = _divide(evidence.relay[Wait.SOURCE], [one.sessions for one in evidence.sources])
    store = _divide(evidence.relay[Wait.STORE], [evidence.store.sessions])
    unexplained = source.unexplained + store.unexplained
    starved = _starved(evidence, unexplained)
    spent = {
        Place.SOURCE: source.server + evidence.relay[Wait.REST],
        Place.NETWORK: unexplained - starved,
        Place.AGENT: evidence.relay[Wait.NOTHING] + starved,
        Place.STORE: store.server,
        Place.LOCK: source.locked + store.locked,
    }
    whole = sum(evidence.relay.values())
    if whole < _NOTHING * evidence.seconds:
        return _without_copying(evidence)
    shares: dict[Place, float] = {place: seconds / whole for place, seconds in spent.items()}
    first, second, *_ = sorted(shares, key=shares.__getitem__, reverse=True)
    reasons = [f"{shares[first]:.0%} of the time of the threads that copied went there.", *_why(first, evidence)]
    if shares[second] > _CLOSE * shares[first]:
        reasons.append(f"The {second} is close behind with {shares[second]:.0%}: mending one shows the other.")
    if evidence.seconds < _SHORT:
        reasons.append(f"It was over after {evidence.seconds:.1f} s, too soon to be sure: profile a larger table.")
    return Verdict(first, shares, tuple(reasons))


def _divide(waited: float, sessions: Iterable[Sessions | None]) -> _Side:
    seen = [one for one in sessions if one is not None and one.looks]
    if not seen:  # both ends cannot be compared: what is waited for counts as the server's
        return _Side(0.0, waited, 0.0)
    locked = min(sum(one.locked for one in seen), waited)
    server = min(sum(one.at_work for one in seen), waited - locked)
    return _Side(locked, server, waited - locked - server)


def _starved(evidence: Evidence, unexplained: float) -> float:
    """Of a wait that neither end explains, what the agent's own host or interpreter made of it.

    A thread that is woken needs a CPU and the interpreter's lock to go on. For a CPU it may also stand in line while it
    waits for nothing: what that time leaves unexplained comes first.
    """
    process = evidence.process
    if process is not None and process.cpu > _BUSY * evidence.seconds:
        return unexplained
    at_work = max(evidence.relay[Wait.NOTHING] - evidence.running, 0.0)
    return min(max(evidence.ready - at_work, 0.0), unexplained)


def _without_copying(evidence: Evidence) -> Verdict:
    """Locks are felt by those, too, who never come to copy."""
    nothing: dict[Place, float] = {place: 0.0 for place in Place if place is not Place.NONE}
    databases = (*evidence.sources, evidence.store)
    locked = sum(one.sessions.locked for one in databases if one.sessions is not None)
    if locked > _BLOCKED * evidence.seconds:
        begun = "Nothing was copied: sessions of ours stood behind a lock."
        return Verdict(Place.LOCK, nothing | {Place.LOCK: 1.0}, (begun, *_blocked(databases)))
    return Verdict(Place.NONE, nothing, ("Nothing was copied while this looked on, so nothing held it up.",))


def _why(place: Place, evidence: Evidence) -> list[str]:
    databases = (*evidence.sources, evidence.store)
    match place:
        case Place.SOURCE:
            return [*_resting(evidence), *_served(evidence.relay[Wait.SOURCE], evidence.sources)]
        case Place.STORE:
            return _served(evidence.relay[Wait.STORE], [evidence.store])
        case Place.LOCK:
            return _blocked(databases)
        case Place.NETWORK:
            return _on_the_way(evidence, databases)
        case _:
            return _own_work(evidence)


def _resting(evidence: Evidence) -> list[str]:
    rest = evidence.relay[Wait.REST]
    if rest < _HALF * sum(evidence.relay.values()):
        return []
    return [f"Threads rested for {rest:,.1f} s because a guard holds them back: a database is to be spared."]


def _served(waited: float, databases: Iterable[Database]) -> list[str]:
    reasons = [f"Threads waited for it for {waited:,.1f} s."]
    for one in databases:
        if one.sessions is None:
            reasons.append(f"{one.where}: its sessions could not be seen, so the network is counted in.")
        else:
            reasons.append(f"{one.where}: our sessions were at work for {one.sessions.at_work:,.1f} s{_most(one)}.")
        if one.statements:
            top = one.statements[0]
            reasons.append(f"{one.where}: costliest was, {top.calls:,} times for {top.seconds:,.1f} s, {top.text}")
    return reasons


def _most(database: Database) -> str:
    assert database.sessions is not None
    waits = sorted(database.sessions.waits.items(), key=lambda item: -item[1])[:3]
    return f" ({', '.join(f'{name} {seconds:,.1f} s' for name, seconds in waits)})" if waits else ""


def _blocked(databases: Iterable[Database]) -> list[str]:
    return [
        f"{one.where}: our sessions stood behind locks for {one.sessions.locked:,.1f} s. {sentence}"
        for one in databases
        if one.sessions is not None and one.sessions.locked
        for sentence in one.sessions.blocked_by or ("Nobody was seen holding them.",)
    ]


def _on_the_way(evidence: Evidence, databases: Iterable[Database]) -> list[str]:
    source, store = evidence.relay[Wait.SOURCE], evidence.relay[Wait.STORE]
    waited = f"Threads waited for the source for {source:,.1f} s and for the store for {store:,.1f} s"
    return [
        f"{waited}, and for most of that neither server was at work.",
        *_round_trips(databases),
        f"{evidence.bytes / evidence.seconds / 1e6:,.1f} MB/s were committed.",
    ]


def _round_trips(databases: Iterable[Database]) -> list[str]:
    return [
        f"{one.where}: a round trip takes {one.round_trip * 1000:,.1f} ms{_most(one)}."
        for one in databases
        if one.round_trip is not None and one.sessions is not None
    ]


def _own_work(evidence: Evidence) -> list[str]:
    reasons = [
        f"Threads that copy waited for nothing for {evidence.relay[Wait.NOTHING]:,.1f} s.",
        f"They were on a CPU for {evidence.running:,.1f} s, and ready without one for {evidence.ready:,.1f} s.",
    ]
    if evidence.process is not None:
        reasons.append(f"The process took {evidence.process.cpu / evidence.seconds:.0%} of a core.")
    if evidence.hottest:
        listed = ", ".join(f"{name} {share:.0%}" for name, share in evidence.hottest[:3])
        reasons.append(f"At work were most often {listed}.")
    return reasons
