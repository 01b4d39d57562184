"""What tests of the record share."""

import time

from extraction_agent.model import Verdict
from extraction_agent.store.rollout_rows import Rollout
from extraction_agent.store.store import Store

SETTINGS = {"name": "optimized", "settings": {"pool": {"maximum": 50}}}
BRIEF = 0.15  # s, a lease that a test lets pass


def begin(store: Store, lease: float = 60.0, holder: str = "ansible@controller") -> Rollout:
    return store.begin_rollout("optimized", SETTINGS, holder, lease)


def judge(store: Store, rollout: Rollout) -> None:
    """GO on all that the store wants judged: the databases, the canary, and each wave that was begun."""
    for wave in range(max(store.rollout(rollout.id).wave, 1) + 1):
        store.judge_rollout(rollout.id, rollout.token, wave, Verdict.GO, {})


def commit(store: Store, rollout: Rollout) -> Rollout:
    """One that is judged."""
    judge(store, rollout)
    return store.commit_rollout(rollout.id, rollout.token)


def begin_and_lose(store: Store) -> Rollout:
    """One whose controller has not renewed it in time; nobody has noticed."""
    lost = begin(store, BRIEF)
    assert lost.running
    time.sleep(2 * BRIEF)
    return lost
