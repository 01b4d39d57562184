"""How often the judge is right, by simulation, and how often simpler judges are on the same data.

.venv/bin/python -m benchmarks.judge                 # the tables of docs/explanation/judge.md; takes minutes
"""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu  # type: ignore[import-untyped] # scipy carries no annotations

from benchmarks.simulated_fleet import Fleet, observed, until
from extraction_agent.judge.decide import decide
from extraction_agent.judge.evidence import Design, Evidence
from extraction_agent.judge.measures import P95, P99, QUERY_P95, THROUGHPUT, Measure, tolerated
from extraction_agent.judge.observed import NEW, OLD, Floats, Observed, Track
from extraction_agent.judge.plan import RUN
from extraction_agent.model import Verdict
from extraction_agent.profiles import Gates

HOSTS = range(3, 11)
FIRST_LOOK = 6 * (4 * RUN) + RUN  # the fewest that can be enough


@dataclass(frozen=True, slots=True)
class Scenario:
    """What the new settings do."""

    name: str
    changes: dict[Measure, float] = field(default_factory=dict)
    to_neighbours: dict[Measure, float] = field(default_factory=dict)
    to_source: float = 0.0


SCENARIOS = (
    Scenario("nothing (A/A)"),
    Scenario("p95 +10 %", {P95: 0.10}),
    Scenario("throughput -15 %", {THROUGHPUT: -0.15}),
    Scenario("p95 +5 %, just what is tolerated", {P95: 0.05}),
    Scenario("p95 +2 %", {P95: 0.02}),
    Scenario("p95 -20 %, throughput +30 %", {P95: -0.2, THROUGHPUT: 0.3}),
    Scenario("canary +30 %, neighbours -35 % throughput", {THROUGHPUT: 0.3}, {THROUGHPUT: -0.35}),
    Scenario("the source answers in 45 % more time", to_source=0.45),
)


def judged(whole: Observed, limits: Gates, design: Design) -> Evidence:
    """As a playbook asks: again and again, each time after as many slots as the answer before named."""
    slots = FIRST_LOOK if design is Design.SWITCHED else (whole.slots + FIRST_LOOK) // 2
    while True:
        evidence = decide(until(whole, slots), limits, design)
        if evidence.final or slots >= whole.slots:
            return evidence
        slots = min(slots + max(evidence.more_slots, RUN), whole.slots)


def _means(whole: Observed, measure: Measure, side: int) -> tuple[Floats, Floats]:
    """Figures of the canary and of the others, slot by slot, on one side."""
    inside = whole.phase == side
    return _known(whole.of_canaries[measure], inside), _known(whole.of_untouched[measure], inside)


def _known(track: Track, slots: NDArray[np.bool_]) -> Floats:
    there = track.known & slots
    return track.amount[there] / track.per[there]


def _fixed(new: Floats, reference: Floats, measure: Measure, limits: Gates) -> bool:
    ratio = float(new.mean() / reference.mean())
    return measure.worse * math.log(ratio) > measure.log(tolerated(measure, limits))


def _mann_whitney(new: Floats, reference: Floats, measure: Measure) -> bool:
    side = "greater" if measure.worse > 0 else "less"
    return float(mannwhitneyu(new, reference, alternative=side).pvalue) < 0.01  # Kayenta's 0.98, of both sides


RIVALS: dict[str, Callable[[Observed, Measure, Gates], bool]] = {
    "threshold, to others": lambda one, m, limits: _fixed(*_means(one, m, NEW), m, limits),
    "threshold, to before": lambda one, m, limits: _fixed(_means(one, m, NEW)[0], _means(one, m, OLD)[0], m, limits),
    "Mann-Whitney, to others": lambda one, m, _: _mann_whitney(*_means(one, m, NEW), m),
    "Mann-Whitney, to before": lambda one, m, _: _mann_whitney(_means(one, m, NEW)[0], _means(one, m, OLD)[0], m),
}


@dataclass
class Score:
    """Of one scenario."""

    runs: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    slots: list[int] = field(default_factory=list)
    rivals: Counter[str] = field(default_factory=Counter)  # NO-GO of each

    def add(self, whole: Observed, limits: Gates, design: Design) -> None:
        """One rollout. Rivals get the slots the judge asked for."""
        evidence = judged(whole, limits, design)
        self.runs += 1
        self.verdicts[evidence.verdict] += 1
        self.slots.append(evidence.slots)
        seen = until(whole, evidence.slots)
        for name, rival in RIVALS.items():
            self.rivals[name] += any(rival(seen, m, limits) for m in (THROUGHPUT, P95, P99, QUERY_P95))


def score(scenario: Scenario, runs: int, fleet: Fleet, limits: Gates, design: Design, seed: int) -> Score:
    """So many rollouts of fleets of 3 to 10 hosts."""
    made = Score()
    rng = np.random.default_rng(seed)
    for number in range(runs):
        one = replace(
            fleet, hosts=HOSTS[number % len(HOSTS)], changes=scenario.changes, to_neighbours=scenario.to_neighbours,
            to_source=scenario.to_source,
        )  # fmt: skip
        made.add(observed(one, limits.slots_at_most, design, rng), limits, design)
    return made


def table(scores: dict[str, Score]) -> str:
    """For the docs."""
    head = ["the new settings change", "runs", *Verdict, "slots, median (most)", *(f"NO-GO by {one}" for one in RIVALS)]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, one in scores.items():
        slots = f"{np.median(one.slots):,.0f} ({max(one.slots):,})"
        rivals = [f"{one.rivals[rival] / one.runs:.1%}" for rival in RIVALS]
        row = [name, f"{one.runs:,}", *(str(one.verdicts[v]) for v in Verdict), slots, *rivals]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--null-runs", type=int, default=1000, help="of A/A")
    parser.add_argument("--runs", type=int, default=200, help="of each change")
    parser.add_argument("--phi", type=float, default=0.04, help="how much a host's own noise resembles the slot before")
    parser.add_argument("--spikes", type=float, default=0.0, help="share of a host's slots that are thrice as bad")
    parser.add_argument("--slots-at-most", type=int, default=Gates().slots_at_most)
    parser.add_argument("--design", choices=[one.value for one in Design], default=Design.SWITCHED.value)
    parser.add_argument("--seed", type=int, default=1)
    options: Any = parser.parse_args()
    limits = Gates(slots_at_most=options.slots_at_most)
    scores = {}
    for scenario in SCENARIOS:
        runs = options.runs if scenario is not SCENARIOS[0] else options.null_runs
        fleet = Fleet(own_phi=options.phi, spikes=options.spikes)
        scores[scenario.name] = score(scenario, runs, fleet, limits, Design(options.design), options.seed)
        print(scenario.name, dict(scores[scenario.name].verdicts), file=sys.stderr, flush=True)
    print(table(scores))


if __name__ == "__main__":
    main()
