"""A-B-B-A: under which settings a canary runs in a slot, and how many slots to take at once."""

from __future__ import annotations

import math

_SIDES = (False, True, True, False)


def tried(slot: int, run: int) -> bool:
    """Whether it is the new settings' turn. run: slots of each A and B."""
    return _SIDES[slot // run % len(_SIDES)]


def first_look(run: int) -> int:
    """Slots before there is anything to judge: one cycle."""
    return run * len(_SIDES)


def take(seconds: float, slot_seconds: float, wanted: int) -> int:
    """Slots that fit into so many seconds, one at least, and no more than are wanted."""
    return max(1, min(wanted, math.floor(seconds / slot_seconds)))
