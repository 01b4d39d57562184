"""The judge on simulated fleets, in a small form; `python -m benchmarks.judge` is the long one."""

import numpy as np
import pytest
from benchmarks.judge import SCENARIOS, Scenario, score
from benchmarks.simulated_fleet import Fleet, observed, until

from extraction_agent.judge.decide import decide
from extraction_agent.judge.evidence import Design
from extraction_agent.judge.measures import P95
from extraction_agent.judge.plan import NOISE, by_formula, need
from extraction_agent.judge.rules import Rule
from extraction_agent.profiles import Gates

RUNS = 20
NOTHING, P95_RISES, THROUGHPUT_FALLS, *_ = SCENARIOS


def test_nothing_is_go_where_simpler_judges_see_harm() -> None:
    found = score(NOTHING, RUNS, Fleet(), Gates(), Design.SWITCHED, seed=11)
    assert found.verdicts["NO-GO"] == 0
    assert found.verdicts["GO"] >= RUNS - 2
    assert found.rivals["Mann-Whitney, to others"] > RUNS / 4  # hosts differ by 5 %
    assert found.rivals["threshold, to others"] > 0


@pytest.mark.parametrize("planted", [P95_RISES, THROUGHPUT_FALLS], ids=lambda one: one.name)
def test_planted_harm_is_seen_with_the_samples_that_were_planned(planted: Scenario) -> None:
    found = score(planted, RUNS, Fleet(), Gates(), Design.SWITCHED, seed=12)
    assert found.verdicts["NO-GO"] >= RUNS - 1
    assert max(found.slots) <= Gates().slots_at_most


def test_harm_to_others_is_seen() -> None:
    for planted in SCENARIOS[-2:]:
        assert score(planted, RUNS // 2, Fleet(), Gates(), Design.SWITCHED, seed=13).verdicts["NO-GO"] >= RUNS // 2 - 1


def test_before_and_after_calls_nothing_harm() -> None:
    found = score(NOTHING, RUNS, Fleet(), Gates(), Design.BEFORE_AFTER, seed=14)
    assert found.verdicts["NO-GO"] == 0


@pytest.mark.parametrize("slots", [150, 300, 450, 600])
def test_when_it_ends_does_not_depend_on_what_it_finds(slots: int) -> None:
    """The same noise, whatever the new settings do."""
    ends = set()
    for effect in (-0.5, 0.0, 0.1, 3.0):
        fleet = Fleet(changes={P95: effect})
        seen = until(observed(fleet, slots, Design.SWITCHED, np.random.default_rng(slots)), slots)
        evidence = decide(seen, Gates(), Design.SWITCHED)
        ends.add((evidence.final, evidence.more_slots, evidence.blocks))
    assert len(ends) == 1


def test_the_plan_is_the_formula_and_a_little_for_what_must_be_estimated() -> None:
    rule, (variation, correlation) = Rule(P95, 0.05), NOISE[P95]
    planned = need(rule, variation, correlation, comparisons=10).each_side
    known = by_formula(variation, correlation, rule.limit / 2, 0.995)
    assert known < planned < 1.5 * known
    assert need(rule, 2 * variation, correlation).each_side > 3 * planned
