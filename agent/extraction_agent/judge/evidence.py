"""A verdict with its evidence: what the gate answers, what a person reads, what the store keeps."""

from enum import StrEnum
from typing import Literal

from extraction_agent.model import Strict, Verdict


class Design(StrEnum):
    """How the canary was changed: back and forth, or once; or every host at once, by a change of a database."""

    SWITCHED = "switched"
    BEFORE_AFTER = "before-after"
    EVERYWHERE = "everywhere"


Outcome = Literal["better", "same", "worse", "unclear", "kept", "broken", "no data"]

AGAINST: tuple[Outcome, ...] = ("worse", "broken")
OPEN: tuple[Outcome, ...] = ("unclear", "no data")


class Finding(Strict):
    """One metric of one party under one rule. `effect`, `low` and `high` are shares, 0.1: by 10 % more, or points."""

    about: str  # canary, neighbours, or a source
    metric: str
    unit: str
    points: bool  # compared by difference instead of ratio
    old: float | None  # median of the slots under the old settings
    new: float | None  # under the new; of a gate the figure it is held against
    effect: float | None
    low: float | None  # of the interval
    high: float | None
    rule: str
    outcome: Outcome
    slots_needed: int | None  # in all, for an interval half as wide as what is tolerated

    @property
    def shown_old(self) -> str:
        return _figure(self.old, self.unit)

    @property
    def shown_new(self) -> str:
        return _figure(self.new, self.unit)

    @property
    def shown_effect(self) -> str:
        return "" if self.effect is None else self._change(self.effect)

    @property
    def shown_interval(self) -> str:
        return "" if self.low is None or self.high is None else f"{self._change(self.low)} to {self._change(self.high)}"

    def _change(self, value: float) -> str:
        return f"{100 * value:+.1f} {'points' if self.points else '%'}"


def _figure(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.4g} {unit}".rstrip() if abs(value) < 10_000 else f"{value:,.0f} {unit}"


class Evidence(Strict):
    """`final`: more samples will not be asked for. Else `more_slots` says how many."""

    verdict: Verdict
    final: bool
    more_slots: int
    because: tuple[str, ...]
    design: Design
    canaries: tuple[str, ...]
    untouched: tuple[str, ...]
    slots: int
    blocks: int
    decorrelation_slots: int
    confidence: float  # that all intervals hold what they should, together
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
