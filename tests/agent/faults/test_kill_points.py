"""Exactly once: a random fault at a random moment, and every row is there once."""

import os
import random

import pytest

from agent.faults.harness import (
    FAULTS,
    KINDS,
    Bench,
    Kind,
    Point,
    assert_crashed,
    extract_under,
    nothing,
)

_SEED = int(os.environ.get("EXTRACTION_KILL_SEED", "20240229"))
_POINTS = int(os.environ.get("EXTRACTION_KILL_POINTS", "20"))
_A_FEW = (0, 2, 4)  # without CI
_TRIES = 6  # a fault that came too late is drawn again, earlier


@pytest.fixture(scope="module")
def durations() -> dict[str, float]:
    """How long the work of an undisturbed run takes, by kind, once measured."""
    return {}


def test_a_run_without_a_fault_is_exact_and_fails_the_check_that_a_crash_happened(bench: Bench) -> None:
    point = extract_under(bench, KINDS[0], nothing, 0.5, random.Random(1))
    assert (point.lost, point.doubled, point.redone, point.resumed) == (0, 0, 0, 0)
    with pytest.raises(AssertionError, match="no crash happened"):
        assert_crashed(point)


@pytest.mark.parametrize(
    "number", [number if number in _A_FEW else pytest.param(number, marks=pytest.mark.ci) for number in range(_POINTS)]
)
def test_no_row_is_lost_or_doubled(bench: Bench, durations: dict[str, float], number: int) -> None:
    point = _point(bench, durations, number)
    assert (point.lost, point.doubled) == (0, 0)


def _point(bench: Bench, durations: dict[str, float], number: int) -> Point:
    draw = random.Random(_SEED + number)
    kind, fault = KINDS[number % len(KINDS)], FAULTS[number % len(FAULTS)]
    from_start = number % 8 == 7  # now and then while it still plans
    share = draw.random()
    for _ in range(_TRIES):
        moment = share * (0.8 if from_start else _duration(bench, durations, kind))
        point = extract_under(bench, kind, fault, moment, draw, from_start=from_start)
        print(
            f"point {number}: {fault.__name__} at {moment:.2f} s ({point.evidence}), {kind.name}: "
            f"{point.redone} redone, {point.resumed} resumed, {point.seconds:.1f} s {point.messages}"
        )
        if point.evidence is not None:
            break
        share /= 2
    assert_crashed(point)
    return point


def _duration(bench: Bench, durations: dict[str, float], kind: Kind) -> float:
    """Of the work of an undisturbed run."""
    if kind.name not in durations:
        durations[kind.name] = extract_under(bench, kind, nothing, 0.0, random.Random(0)).work
    return durations[kind.name]
