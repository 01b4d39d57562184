"""Samples of a fleet that nobody changed, judged as if somebody had."""

import random
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from benchmarks.a_a import scores

from extraction_agent.judge.plan import RUN
from extraction_agent.judge.samples import HostSample, Sample, SourceSample
from extraction_agent.profiles import Gates

_SLOTS = 200
_RULES = Gates(slots_at_most=_SLOTS)
_ALIKE: dict[str, Any] = {
    "busy_seconds": 1.0, "attempts": 10, "failures": 0, "requests": {0.01: 90, 0.05: 100, inf: 100},
    "queries": {0.01: 99, 0.05: 100, inf: 100}, "pool_use": 0.1,
}  # fmt: skip
_BEGUN = datetime(2026, 11, 27, tzinfo=UTC)


def _fleet(planted: float = 1.0) -> list[Sample]:
    """Two windows of three hosts. planted: how much of its records `a` moves in the slots that are called new."""
    dice = random.Random(1)
    samples: list[Sample] = []
    for slot in range(7, 7 + 2 * _SLOTS):
        common: dict[str, Any] = {
            "rollout": 0, "slot": slot, "started_at": _BEGUN + timedelta(seconds=slot), "seconds": 1.0,
        }  # fmt: skip
        samples.append(SourceSample(**common, source="shop", round_trip_seconds=0.001))
        new = (slot - 7) % _SLOTS // RUN % 4 in (1, 2)
        for host in ("a", "b", "c"):
            moved = 1000 * dice.uniform(0.98, 1.02) * (planted if host == "a" and new else 1)
            samples.append(
                HostSample(**common, **_ALIKE, host=host, records=int(moved), generation=1, trial=False),
            )
    return samples


def test_each_host_in_turn_and_window_by_window() -> None:
    found = scores(_fleet(), _SLOTS, _RULES)
    assert {host: dict(one.verdicts) for host, one in found.items()} == {host: {"GO": 2} for host in ("a", "b", "c")}


def test_a_change_in_the_slots_that_are_called_new_would_be_seen() -> None:
    found = scores(_fleet(planted=0.8), _SLOTS, _RULES)
    assert dict(found["a"].verdicts) == {"NO-GO": 2}
    assert found["a"].rivals["threshold, to before"] == 2
