"""A-B-B-A: under which settings a canary runs in a slot."""

from __future__ import annotations

_SIDES = (False, True, True, False)


def tried(slot: int, run: int) -> bool:
    """Whether it is the new settings' turn. run: slots of each A and B."""
    return _SIDES[slot // run % len(_SIDES)]


def first_look(run: int) -> int:
    """Slots before there is anything to judge: one cycle."""
    return run * len(_SIDES)
