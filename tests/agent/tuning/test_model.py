"""Every history of a rollout ends well; with any one of its rules broken, some history does not."""

from dataclasses import replace

import pytest

from agent.tuning.model import Rules, each_rule, explore


@pytest.mark.parametrize(
    ("hosts", "rollouts", "faults", "watched"),
    [(2, 2, 2, False), (3, 1, 3, False), (2, 2, 2, True)],
    ids=["one after another", "three hosts", "watched"],
)
def test_no_history_breaks_anything(hosts: int, rollouts: int, faults: int, watched: bool) -> None:
    explored = explore(Rules(), hosts, rollouts, faults, watched=watched)
    print(
        f"{hosts} hosts, {rollouts} rollouts, {faults} faults: {explored.states:,} states, {explored.at_rest:,} at rest"
    )
    assert explored.broken is None, " > ".join(explored.history)
    assert explored.states > 5_000, "the model has lost most of what it explored"
    assert explored.at_rest > 500
    assert explored.ends == set(range(rollouts + 1)), "some end was never reached"


# What becomes of the fleet without each rule. The histories are the shortest, so they tell what the rule is for.
WITHOUT = {
    "one_at_a_time": "two rollouts run",
    "commit_compares": "rollout 1 was committed though a guard had tripped",
    "lapse_aborts": "rollout 1 runs for ever",
    "hosts_ask": "host 0 has confirmed generation 1, which nobody committed",
    "away_is_back": "host 0 is left in a trial",
    "own_deadline": "host 0 is left in a trial",
    "fenced": "host 0 is in a trial of rollout 1 and had seen 2",
    "start_is_back": "host 0 has confirmed generation 1, which nobody committed",
    "joins": "host 1 runs generation 0, the fleet's is 1",
    "guard_aborts": "rollout 1 was committed though a guard had tripped",
    "intent_first": "index 1 is there, and nobody recorded it",
    "named": "rollout 1 is aborted and its index is temporary",
    "one_transaction": "rollout 1 is aborted and its index is renamed",
    "fleet_goes_back": "host 0 runs generation 0 outside a trial",
    "undo_compares": "the fleet is back at generation 1, which its watch had taken back",
    "undo_drops": "rollout 1 is committed and its index is renamed",
}
WATCHED = {"fleet_goes_back": 1, "undo_compares": 2, "undo_drops": 1}  # those of the watch, and the faults they take


@pytest.mark.parametrize("rule", each_rule())
def test_each_rule_is_needed(rule: str) -> None:
    broken = replace(Rules(), **{rule: False})
    if rule in WATCHED:
        explored = explore(broken, hosts=2, rollouts=WATCHED[rule] + 1, faults=WATCHED[rule], watched=True)
    else:
        explored = explore(broken, hosts=2, rollouts=2, faults=1)
    assert explored.broken == WITHOUT[rule], " > ".join(explored.history)
