"""The rules, on figures that leave no doubt and on those that could mislead."""

import pytest

from extraction_agent.profiling.bottleneck import Place, bottleneck
from extraction_agent.profiling.evidence import Database, Evidence, Process, Sessions
from extraction_agent.waits import Wait

_SECONDS = 10.0
_WITHOUT_WORK = Sessions(100)


def _evidence(
    at_source: Sessions | None = _WITHOUT_WORK,
    at_store: Sessions | None = _WITHOUT_WORK,
    process: Process | None = None,
    running: float = 0.0,
    ready: float = 0.0,
    **relay: float,
) -> Evidence:
    """relay: seconds of the threads by what they waited for."""
    return Evidence(
        seconds=_SECONDS,
        relay={wait: relay.get(wait, 0.0) for wait in Wait},
        running=running,
        ready=ready,
        records=1000,
        bytes=100_000,
        gc_runs=0,
        gc_seconds=0.0,
        agent_statements={},
        store=Database("store b", at_store, 0.001),
        sources=(Database("source a", at_source, 0.001),),
        process=process,
    )


def _process(cpu: float) -> Process:
    return Process(cpu, 0, 0, 0, 4)


_CASES = {
    "the source works while it is waited for": (
        Place.SOURCE, _evidence(Sessions(100, at_work=8.0), source=8.0, store=1.0, nothing=1.0)),
    "a guard holds back to spare the source": (Place.SOURCE, _evidence(rest=8.0, nothing=2.0)),
    "the store works while it is waited for": (
        Place.STORE, _evidence(at_store=Sessions(100, at_work=8.0), store=8.0, source=1.0, nothing=1.0)),
    "both work all the time, but only one is waited for": (
        Place.STORE, _evidence(Sessions(100, at_work=10.0), Sessions(100, at_work=10.0), store=7.0, source=2.0)),
    "half of the time one, half of it the other, and each rests meanwhile": (
        Place.SOURCE, _evidence(Sessions(100, at_work=5.2), Sessions(100, at_work=4.7), source=5.2, store=4.8)),
    "a lock at the source": (Place.LOCK, _evidence(Sessions(100, locked=9.0, at_work=0.5), source=9.5)),
    "a lock at the store": (Place.LOCK, _evidence(at_store=Sessions(100, locked=9.0), store=9.5)),
    "a lock before anything is copied": (Place.LOCK, _evidence(Sessions(100, locked=9.0))),
    "neither end works": (Place.NETWORK, _evidence(Sessions(100, at_work=1.0), source=9.0, nothing=1.0)),
    "neither end works, though the process has time": (
        Place.NETWORK, _evidence(process=_process(cpu=1.0), ready=0.1, store=9.0, nothing=1.0)),
    "neither end works, for want of a CPU": (
        Place.AGENT, _evidence(running=1.0, ready=8.0, source=9.0, nothing=1.0)),
    "neither end works, and a CPU was wanted for other work": (
        Place.NETWORK, _evidence(running=1.0, ready=4.0, source=5.5, nothing=4.5)),
    "neither end works, for want of the interpreter": (
        Place.AGENT, _evidence(process=_process(cpu=9.5), source=9.0, nothing=1.0)),
    "nothing to wait for": (Place.AGENT, _evidence(process=_process(cpu=9.0), source=1.0, nothing=9.0)),
    "sessions that cannot be seen": (Place.SOURCE, _evidence(None, None, source=9.0, nothing=1.0)),
    "nothing at all": (Place.NONE, _evidence(process=_process(cpu=0.1))),
}  # fmt: skip


@pytest.mark.parametrize(("place", "evidence"), _CASES.values(), ids=_CASES.keys())
def test_the_place(place: Place, evidence: Evidence) -> None:
    verdict = bottleneck(evidence)
    assert verdict.place is place
    assert verdict.reasons
    assert sum(verdict.shares.values()) == pytest.approx(0.0 if place is Place.NONE else 1.0)
    assert all(share >= 0 for share in verdict.shares.values())


def test_the_holder_of_the_lock_is_named() -> None:
    sessions = Sessions(100, locked=9.0, blocked_by=("AccessShareLock on item is held up by session 7.",))
    assert any("session 7" in reason for reason in bottleneck(_evidence(sessions, source=9.0)).reasons)


def test_a_second_that_is_close_is_named_too() -> None:
    busy = Sessions(100, at_work=10.0)
    assert any(
        "store is close behind" in reason for reason in bottleneck(_evidence(busy, busy, source=5, store=4)).reasons
    )
    assert not any("close behind" in reason for reason in bottleneck(_evidence(busy, busy, source=5, store=3)).reasons)


def test_sessions_that_cannot_be_seen_are_said_to_be() -> None:
    assert any("network is counted in" in one for one in bottleneck(_evidence(None, source=9.0)).reasons)
