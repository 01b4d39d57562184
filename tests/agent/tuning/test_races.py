"""Several at once at one record: each race is decided by the store, and all agree on how."""

import functools
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from agent.tuning import model
from agent.tuning.records import begin, judge
from extraction_agent import errors
from extraction_agent.store.rollout_rows import Rollout
from extraction_agent.store.store import Store
from support import Database

Act = Callable[[Store], Rollout]
_WORDS = ["begin", "renew", "commit", "abort", "lapse", "read"]
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def _at_once(url: str, acts: list[Act]) -> list[Rollout | errors.ExtractionError]:
    """Each on a connection of its own, begun at the same moment."""
    ready = threading.Barrier(len(acts))

    def run(act: Act) -> Rollout | errors.ExtractionError:
        with Store(url) as store:
            ready.wait(10)
            try:
                return act(store)
            except errors.ExtractionError as error:
                return error

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(run, acts))


def test_of_many_that_begin_at_once_one_does(opened: Store, store: Database) -> None:
    tokens = []
    for _ in range(5):
        ends = _at_once(store.url, [lambda one: begin(one, holder="somebody")] * 6)
        [won] = [end for end in ends if isinstance(end, Rollout)]
        refused = [end for end in ends if isinstance(end, errors.Conflict)]
        assert len(refused) == 5
        assert all(f"Rollout {won.id} " in str(end) and "somebody holds it" in str(end) for end in refused)
        tokens.append(won.token)
        opened.abort_rollout(won.id, "next round")
    assert tokens == sorted(set(tokens))


@pytest.mark.parametrize("first", ["commit", "abort"])
def test_of_a_commit_and_an_abort_at_once_one_counts(opened: Store, other: Store, store: Database, first: str) -> None:
    begun = begin(opened)
    judge(opened, begun)
    acts: dict[str, Act] = {
        "commit": lambda one: one.commit_rollout(begun.id, begun.token),
        "abort": lambda one: one.abort_rollout(begun.id, "a guard tripped"),
    }
    order = [first, *(acts.keys() - {first})]
    with psycopg.connect(store.url) as holder, ThreadPoolExecutor(2) as threads:
        holder.execute("SELECT FROM rollouts FOR UPDATE")
        ends = []
        for waiting, (name, connection) in enumerate(zip(order, (opened, other), strict=True), 1):
            ends.append(threads.submit(acts[name], connection))
            _until(functools.partial(_waits, store, waiting))
        holder.rollback()
        won = ends[0].result(10)
        with pytest.raises(errors.Conflict, match="was committed at" if first == "commit" else "a guard tripped"):
            ends[1].result(10)
    assert won.state == {"commit": "committed", "abort": "aborted"}[first]
    assert opened.rollout(begun.id).state == won.state
    ended = [one.action for one in opened.entries(10) if one.action in {"rollout.committed", "rollout.aborted"}]
    assert ended == [f"rollout.{won.state}"]


def test_a_renewal_and_a_reader_at_the_end_of_a_lease_agree(opened: Store, store: Database) -> None:
    """Whichever comes first: a holder that was told it still holds the rollout does."""
    outcomes: set[str] = set()
    for played in itertools.count(1):
        if played > 20 and outcomes == {"renewed", "lapsed"}:
            break
        assert played < 500, f"the end of a lease was never met: {outcomes}"
        begun = begin(opened, 0.02)
        time.sleep(random.uniform(0.0, 0.015))  # connecting takes the rest
        with Store(store.url) as reader, ThreadPoolExecutor(1) as threads:
            reading = threads.submit(reader.rollout, begun.id)
            try:
                renewed = opened.renew_rollout(begun.id, begun.token)
                assert renewed.running
                outcomes.add("renewed")
            except errors.Conflict:
                assert opened.rollout(begun.id).reason is not None
                outcomes.add("lapsed")
            seen = reading.result(10)
            assert seen.running or opened.rollout(begun.id).state == seen.state
        opened.abort_rollout(begun.id, "next round")


def test_the_store_decides_as_the_model_does(opened: Store, other: Store, store: Database) -> None:
    """Random words of several controllers and of a reader, each said to the store and to the model."""
    chance, state = random.Random(7), model.State(rollouts=(model.Rollout(),) * 100, hosts=())
    begun: list[Rollout] = []
    counted: Counter[str] = Counter()
    for _ in range(400):
        who, said = (
            chance.choice([opened, other]),
            chance.choice(["begin", "renew", "commit", "abort", "lapse", "read"]),
        )
        number = len(begun) + 1 if said == "begin" else chance.randint(max(len(begun) - 1, 1), max(len(begun), 1))
        if said == "lapse":
            store.run("UPDATE rollouts SET lease_until = clock_timestamp() WHERE state = 'running'")
            state = functools.reduce(model.aborted, range(1, len(begun) + 1), state)
        elif said == "read":
            recorded = [str(one.state) for one in reversed(who.rollouts(100))]
            assert recorded == [one.record for one in state.rollouts[: len(begun)]]
        elif said == "begin" or number <= len(begun):
            expected = _in_the_model(state, number, said)
            taken = _in_the_store(who, begun, number, said)
            assert taken == (expected is not None), f"{said} of rollout {number} was {taken or 'refused'}"
            state = expected or state
            counted[f"{said} {'taken' if taken else 'refused'}"] += 1
    assert len(counted) == 8, f"some word was never taken, or never refused: {counted}"


def _in_the_model(state: model.State, number: int, said: str) -> model.State | None:
    """None: refused. What has ended a rollout may be said again."""
    record = state.record(number)
    if said == "abort":
        return model.aborted(state, number) if record in {"running", "aborted"} else None
    if said == "renew":
        return state if record == "running" else None
    return state if said == "commit" and record == "committed" else model.after(state, number, said, model.Rules())


def _in_the_store(who: Store, begun: list[Rollout], number: int, said: str) -> bool:
    try:
        if said == "begin":
            begun.append(begin(who))
            judge(who, begun[-1])  # the model has no gates
        elif said == "abort":
            who.abort_rollout(begun[number - 1].id, "said so")
        elif said == "renew":
            who.renew_rollout(begun[number - 1].id, begun[number - 1].token)
        else:
            who.commit_rollout(begun[number - 1].id, begun[number - 1].token)
    except errors.Conflict:
        return False
    return True


def _waits(store: Database, sessions: int) -> bool:
    return bool(store.value(_WAITING) == sessions)


def _until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)
