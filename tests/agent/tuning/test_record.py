"""The row that decides a rollout: who may begin, keep and end one, and that it ends once."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from agent.tuning.records import SETTINGS, begin, begin_and_lose, commit, judge
from extraction_agent import errors, profiles
from extraction_agent.model import Verdict
from extraction_agent.store.rollout_rows import IndexState, RolloutState, TrialState
from extraction_agent.store.store import Store
from extraction_agent.tuning.generations import Generation
from extraction_agent.tuning.record import Question
from support import Database

INDEX = "CREATE INDEX idx_extraction_status_created ON extractions (status, created_at)"
NAME = "idx_extraction_status_created"


def _told(store: Store, object_: str) -> list[tuple[str, str]]:
    """Actions on the audit log and in whose name, the oldest first."""
    return [(entry.action, entry.who) for entry in reversed(store.entries(100, object_=object_))]


def test_a_rollout_from_its_beginning_to_its_commit(opened: Store, other: Store) -> None:
    assert opened.latest_rollout() is None
    assert opened.committed_rollout() is None
    with opened.acting("cli:alice"):
        begun = begin(opened, lease=30)
        assert (begun.state, begun.profile, begun.settings) == (RolloutState.RUNNING, "optimized", SETTINGS)
        assert 29 < begun.lease_left <= 30
        renewed = opened.renew_rollout(begun.id, begun.token, wave=1)
        assert (renewed.renewals, renewed.wave) == (1, 1)
        assert opened.renew_rollout(begun.id, begun.token).wave == 1
        assert other.committed_rollout() is None, "a rollout that runs is not what a new host joins at"
        committed = commit(opened, begun)
    assert committed.state is RolloutState.COMMITTED
    assert committed.ended_at is not None
    assert other.committed_rollout() == other.rollout(begun.id)
    told = ["rollout.begun", "rollout.judged", "rollout.judged", "rollout.committed"]
    assert _told(other, f"rollout {begun.id}") == [(action, "cli:alice") for action in told]
    assert other.verify_audit().faults == []


def test_a_second_is_told_who_holds_the_first(opened: Store, other: Store) -> None:
    first = begin(opened, holder="ansible@one")
    with pytest.raises(errors.Conflict, match=rf"Rollout {first.id} of .* ansible@one holds it, for \d+ s more"):
        begin(other)
    opened.abort_rollout(first.id, "enough")
    assert begin(other).token > first.token


def test_a_lost_controller_can_do_nothing_more(opened: Store, other: Store) -> None:
    lost = begin_and_lose(opened)
    for act in (
        lambda: opened.renew_rollout(lost.id, lost.token),
        lambda: opened.commit_rollout(lost.id, lost.token),
        lambda: opened.judge_rollout(lost.id, lost.token, 1, Verdict.GO, {}),
        lambda: opened.want_index(lost.id, lost.token, "store", NAME, INDEX, ours=True),
        lambda: opened.pause_rollout(lost.id, paused=True),
    ):
        with pytest.raises(errors.Conflict, match="its lease ran out"):
            act()
    after = begin(other)
    assert after.token > lost.token
    with pytest.raises(errors.Conflict, match="its lease ran out"):
        opened.commit_rollout(lost.id, lost.token)
    assert other.rollout(after.id).running


def test_whoever_reads_that_a_lease_has_passed_writes_it(opened: Store, other: Store, store: Database) -> None:
    lost = begin_and_lose(opened)
    assert store.value("SELECT state FROM rollouts") == "running", "somebody has read it"
    with other.acting("agent:one"):
        assert other.rollout(lost.id).state is RolloutState.ABORTED
    assert store.rows("SELECT state, reason LIKE 'its lease ran out%' FROM rollouts") == [("aborted", True)]
    assert _told(other, f"rollout {lost.id}")[-1] == ("rollout.aborted", "agent:one")


def test_a_renewal_in_time_keeps_it(opened: Store, other: Store, store: Database) -> None:
    begun = begin(opened, lease=30)
    store.run("UPDATE rollouts SET lease_until = clock_timestamp() + interval '1 second'")
    opened.renew_rollout(begun.id, begun.token)
    assert other.rollout(begun.id).lease_left > 29


def test_a_beginning_takes_the_place_of_one_that_nobody_saw_lapse(opened: Store, other: Store) -> None:
    lost = begin_and_lose(opened)
    after = begin(other)
    assert [(one.id, one.state.value) for one in other.rollouts(10)] == [(after.id, "running"), (lost.id, "aborted")]


def test_another_token_is_refused(opened: Store) -> None:
    begun = begin(opened)
    for act in (
        lambda: opened.renew_rollout(begun.id, begun.token - 1),
        lambda: opened.commit_rollout(begun.id, begun.token + 1),
        lambda: opened.judge_rollout(begun.id, begun.token - 1, 1, Verdict.GO, {}),
        lambda: opened.want_index(begun.id, begun.token - 1, "store", NAME, INDEX, ours=True),
    ):
        with pytest.raises(errors.Conflict, match=f"its token is {begun.token}, not"):
            act()
    assert opened.rollout(begun.id).renewals == 0


def test_tokens_grow_over_a_store_that_was_restored(opened: Store, store: Database) -> None:
    before = begin(opened)
    store.run("TRUNCATE rollouts RESTART IDENTITY CASCADE")
    after = begin(opened)
    assert after.id == before.id
    assert after.token > before.token


def test_an_ended_rollout_stays_as_it_ended(opened: Store, other: Store) -> None:
    first = begin(opened)
    judge(opened, first)
    assert opened.commit_rollout(first.id, first.token) == opened.commit_rollout(first.id, first.token)
    with pytest.raises(errors.Conflict, match="was committed at"):
        other.abort_rollout(first.id, "too late")
    second = begin(opened)
    aborted = other.abort_rollout(second.id, "p95 is 400 ms")
    assert opened.abort_rollout(second.id, "another word") == aborted
    assert aborted.reason == "p95 is 400 ms"
    with pytest.raises(errors.Conflict, match=r"was aborted at .*: p95 is 400 ms"):
        opened.commit_rollout(second.id, second.token)
    assert opened.committed_rollout() == opened.rollout(first.id)
    assert [action for action, _ in _told(other, f"rollout {second.id}")] == ["rollout.begun", "rollout.aborted"]


def test_an_unknown_one_is_not_found(opened: Store) -> None:
    acts: list[Callable[[], object]] = [
        lambda: opened.rollout(7),
        lambda: opened.renew_rollout(7, 1),
        lambda: opened.commit_rollout(7, 1),
        lambda: opened.abort_rollout(7, "x"),
    ]
    for act in acts:
        with pytest.raises(errors.NotFound, match="no rollout 7"):
            act()


def test_a_pause_keeps_it_from_being_committed(opened: Store, other: Store) -> None:
    begun = begin(opened)
    judge(opened, begun)
    assert other.pause_rollout(begun.id, paused=True).paused
    assert other.pause_rollout(begun.id, paused=True).paused
    assert opened.renew_rollout(begun.id, begun.token).paused
    with pytest.raises(errors.Conflict, match=f"it is paused; `extractctl rollout resume {begun.id}`"):
        opened.commit_rollout(begun.id, begun.token)
    assert not other.pause_rollout(begun.id, paused=False).paused
    assert opened.commit_rollout(begun.id, begun.token).state is RolloutState.COMMITTED
    with pytest.raises(errors.Conflict, match="was committed at"):
        other.pause_rollout(begun.id, paused=True)
    told = [action for action, _ in _told(other, f"rollout {begun.id}")]
    assert [one for one in told if one != "rollout.judged"] == [
        "rollout.begun", "rollout.paused", "rollout.resumed", "rollout.committed",
    ]  # fmt: skip


def test_only_go_or_an_override_lets_it_be_committed(opened: Store, other: Store) -> None:
    begun = begin(opened)
    with pytest.raises(errors.Conflict, match="wave 1 of rollout 1 it has no verdict yet"):
        other.override_verdict(begun.id, 1, "cli:bob", "I know better")
    opened.judge_rollout(begun.id, begun.token, 1, Verdict.INCONCLUSIVE, {"p95": "too few samples"})
    with pytest.raises(errors.Conflict, match="the verdict on wave 1 is INCONCLUSIVE, which is not GO"):
        opened.commit_rollout(begun.id, begun.token)
    other.override_verdict(begun.id, 1, "cli:bob", "a quiet night")
    opened.judge_rollout(begun.id, begun.token, 2, Verdict.NO_GO, {"p95": "+40 %"})
    with pytest.raises(errors.Conflict, match="the verdict on wave 2 is NO-GO"):
        opened.commit_rollout(begun.id, begun.token)
    with pytest.raises(errors.Conflict, match="the verdict is NO-GO"):
        other.override_verdict(begun.id, 2, "cli:bob", "I know better")
    opened.judge_rollout(begun.id, begun.token, 2, Verdict.GO, {"p95": "-1 %"})
    assert opened.commit_rollout(begun.id, begun.token).state is RolloutState.COMMITTED
    assert [(one.wave, str(one.verdict), one.overridden_because) for one in other.verdicts(begun.id)] == [
        (1, "INCONCLUSIVE", "a quiet night"),
        (2, "NO-GO", None),
        (2, "GO", None),
    ]
    [overridden] = [one for one in other.entries(100) if one.action == "rollout.overridden"]
    assert (overridden.who, overridden.after) == ("cli:bob", {"wave": 1, "reason": "a quiet night"})


def test_nobody_answers_for_a_judge_that_was_not_done(opened: Store) -> None:
    begun = begin(opened)
    opened.judge_rollout(begun.id, begun.token, 1, Verdict.INCONCLUSIVE, {"final": False})
    with pytest.raises(errors.Conflict, match="The judge had not seen enough of wave 1"):
        opened.override_verdict(begun.id, 1, "cli:bob", "I know better")
    opened.judge_rollout(begun.id, begun.token, 1, Verdict.INCONCLUSIVE, {"final": True})
    opened.override_verdict(begun.id, 1, "cli:bob", "a quiet night")
    assert opened.commit_rollout(begun.id, begun.token).state is RolloutState.COMMITTED


def test_a_verdict_after_an_override_counts_again(opened: Store) -> None:
    begun = begin(opened)
    opened.judge_rollout(begun.id, begun.token, 1, Verdict.INCONCLUSIVE, {})
    opened.override_verdict(begun.id, 1, "cli:bob", "a quiet night")
    opened.judge_rollout(begun.id, begun.token, 1, Verdict.INCONCLUSIVE, {})
    with pytest.raises(errors.Conflict, match="INCONCLUSIVE"):
        opened.commit_rollout(begun.id, begun.token)


def test_what_a_host_says_of_itself(opened: Store, other: Store, store: Database) -> None:
    begun = begin(opened)
    opened.renew_rollout(begun.id, begun.token, wave=1)
    with other.acting("agent:one"):
        other.note_host(begun.id, "one", 4, TrialState.TRIAL, seconds=60)
    [entered] = opened.rollout_hosts(begun.id)
    assert (entered.host, entered.wave, entered.generation, entered.state) == ("one", 1, 4, TrialState.TRIAL)
    assert entered.deadline is not None
    assert 50 < (entered.deadline - entered.seen_at).total_seconds() < 70
    opened.renew_rollout(begun.id, begun.token, wave=2)
    other.note_host(begun.id, "one", 4, TrialState.TRIAL, seconds=60)
    [seen] = opened.rollout_hosts(begun.id)
    assert (seen.wave, seen.entered_at) == (1, entered.entered_at)
    assert seen.seen_at > entered.seen_at
    with other.acting("agent:one"):
        other.note_host(begun.id, "one", 4, TrialState.BACK, reason="the pool is exhausted")
    assert _told(opened, "host one") == [("rollout.trial", "agent:one"), ("rollout.back", "agent:one")]
    changes = store.rows("SELECT profile, host, generation, state, reason FROM tuning_changes")
    assert changes == [("optimized", "one", 4, "back", "the pool is exhausted")]


def test_an_index_is_recorded_while_its_rollout_runs_only(opened: Store, other: Store) -> None:
    begun = begin(opened)
    wanted = opened.want_index(begun.id, begun.token, "store", NAME, INDEX, ours=True)
    assert (wanted.temporary_name, wanted.state) == (f"jivs_r{begun.id}_1", IndexState.INTENT)
    assert opened.want_index(begun.id, begun.token, "store", NAME, INDEX, ours=True) == wanted, "wanted again"
    there = opened.want_index(begun.id, begun.token, "shop", "item_at", "CREATE INDEX …", ours=False)
    assert there.no == 2
    opened.advance_index(wanted, begun.token, IndexState.BUILT)
    other.abort_rollout(begun.id, "NO-GO")
    for act in (
        lambda: opened.want_index(begun.id, begun.token, "store", "another", INDEX, ours=True),
        lambda: opened.advance_index(wanted, begun.token, IndexState.RENAMED),
    ):
        with pytest.raises(errors.Conflict, match="takes nothing more"):
            act()
    [left] = other.rollout_indexes()
    assert (left.name, left.state, left.rollout_state) == (NAME, IndexState.BUILT, RolloutState.ABORTED)
    other.drop_index(left)
    other.drop_index(there)
    assert other.rollout_indexes() == []
    states = [(one.name, one.state.value) for one in other.rollout_indexes(begun.id)]
    assert states == [(NAME, "dropped"), ("item_at", "intent")], "what is not ours is not dropped"


def test_a_host_says_once_what_it_holds(opened: Store) -> None:
    """It asks every two seconds, and a question that brings nothing new writes nothing."""
    begun = begin(opened)
    commit(opened, begun)
    profile = profiles.load("optimized")
    held = Generation(number=3, rollout=begun.id, token=begun.token, profile=profile)
    question = Question("one", None, 0, None, held, 0, profile)
    answer = question.ask(opened)
    assert answer.known == begun.id
    [noted] = opened.rollout_hosts(begun.id)
    assert noted.state is TrialState.CONFIRMED
    assert replace(question, known=answer.known).ask(opened).known == begun.id
    assert opened.rollout_hosts(begun.id) == [noted]
