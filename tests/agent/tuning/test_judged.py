"""What nobody has judged is not committed, whoever asks; only a way back is excused, and the record knows it."""

from typing import Any

import pytest

from agent.tuning.records import SETTINGS, begin, commit
from extraction_agent import errors
from extraction_agent.model import Verdict
from extraction_agent.store.rollout_rows import IndexState, Rollout, RolloutState
from extraction_agent.store.store import Store
from support import Database

_COMMIT = "UPDATE rollouts SET state = 'committed', ended_at = now() WHERE state = 'running'"


def _refused(store: Store, rollout: Rollout, why: str) -> None:
    with pytest.raises(errors.Conflict, match=f"^Rollout {rollout.id} is not committed: {why}"):
        store.commit_rollout(rollout.id, rollout.token)
    assert store.rollout(rollout.id).running


def _go(store: Store, rollout: Rollout, wave: int) -> None:
    store.judge_rollout(rollout.id, rollout.token, wave, Verdict.GO, {})


def _settings(pool: int) -> dict[str, Any]:
    return {**SETTINGS, "settings": {"pool": {"maximum": pool}}}


def _committed(store: Store, profile: str, pool: int) -> Rollout:
    return commit(store, store.begin_rollout(profile, _settings(pool), "a test", 60, 60))


@pytest.mark.parametrize("began", [False, True], ids=["at once", "the canary's wave"])
def test_the_canary_is_judged_before_a_commit(opened: Store, began: bool) -> None:
    begun = begin(opened)
    if began:
        opened.renew_rollout(begun.id, begun.token, wave=1)
    _refused(opened, begun, "nobody has judged wave 1; `extractctl rollout verdict` records")
    _go(opened, begun, 1)
    assert opened.commit_rollout(begun.id, begun.token).state is RolloutState.COMMITTED


def test_each_wave_that_was_begun_is_judged_before_a_commit(opened: Store) -> None:
    begun = begin(opened)
    for wave in (1, 3, 2):  # a wave that was begun stays begun
        opened.renew_rollout(begun.id, begun.token, wave=wave)
    for wave in (1, 2, 3):
        _refused(opened, begun, f"nobody has judged wave {wave}")
        _go(opened, begun, wave)
    opened.judge_rollout(begun.id, begun.token, 2, Verdict.NO_GO, {})
    _refused(opened, begun, "the verdict on wave 2 is NO-GO")
    _go(opened, begun, 2)
    assert opened.commit_rollout(begun.id, begun.token).state is RolloutState.COMMITTED


def test_databases_that_were_given_an_index_are_judged_before_a_commit(opened: Store) -> None:
    begun = begin(opened)
    opened.want_index(begun.id, begun.token, "shop", "theirs", "CREATE INDEX …", ours=False)
    _go(opened, begun, 1)
    ours = opened.want_index(begun.id, begun.token, "store", "i", "CREATE INDEX …", ours=True)
    opened.advance_index(ours, begun.token, IndexState.BUILT)
    _refused(opened, begun, r"nobody has judged its indexes \(wave 0\)")
    opened.drop_index(ours)
    assert opened.commit_rollout(begun.id, begun.token).state is RolloutState.COMMITTED


# The way back


def test_a_way_back_is_committed_by_nobodys_verdict(opened: Store) -> None:
    before, bad = _committed(opened, "before", 10), _committed(opened, "bad", 20)
    back = opened.begin_rollout("before", _settings(99), "a person", 60, 60, back=True)
    assert (back.takes_back, back.settings, back.watch_seconds) == (bad.id, before.settings, 0)
    assert opened.commit_rollout(back.id, back.token) == opened.committed_rollout()
    entry = next(one for one in opened.entries(10) if one.action == "rollout.begun")
    assert entry.after is not None
    assert (entry.after["takes_back"], entry.after["settings"]) == (bad.id, before.settings)


def test_a_way_back_leads_only_to_what_was_before(opened: Store) -> None:
    with pytest.raises(errors.Conflict, match=r"Nothing is taken back: no rollout has been committed"):
        opened.begin_rollout("any", SETTINGS, "a person", 60, back=True)
    first = _committed(opened, "first", 10)
    configured = opened.begin_rollout("configured", SETTINGS, "a person", 60, back=True)
    assert (configured.takes_back, configured.profile) == (first.id, "configured")
    with pytest.raises(errors.Conflict, match=f"Rollout {configured.id} of profile configured is running"):
        opened.begin_rollout("first", SETTINGS, "a person", 60, back=True)
    opened.abort_rollout(configured.id, "of a test")
    bad = _committed(opened, "bad", 20)
    told = rf"way back from rollout {bad.id} is profile first, .* or new without it, to be judged"
    with pytest.raises(errors.Conflict, match=told):
        opened.begin_rollout("new", SETTINGS, "a person", 60, back=True)
    latest = opened.latest_rollout()
    assert latest is not None
    assert latest.id == bad.id, "what is refused leaves nothing"


def test_a_way_back_from_what_is_no_more_the_fleets_is_refused(opened: Store, store: Database) -> None:
    _committed(opened, "before", 10)
    bad = _committed(opened, "bad", 20)
    back = opened.begin_rollout("before", SETTINGS, "a person", 600, back=True)
    store.run(_COMMIT)
    another = _committed(opened, "another", 30)
    store.run(f"UPDATE rollouts SET state = 'running', ended_at = NULL WHERE id = {back.id}")
    _refused(opened, back, f"it takes back rollout {bad.id}, and the fleet has rollout {another.id} by now")
