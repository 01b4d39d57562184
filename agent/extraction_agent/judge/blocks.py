"""Which slots are compared with which: blocks of the new settings, each beside blocks of the old.

Switched (A-B-B-A …): each stretch of the new settings against as many slots of the old right before and right after it,
so that what drifts steadily cancels. Before and after: the first block of the new against the first of the old, and so
on.
"""

from dataclasses import dataclass

import numpy as np

from extraction_agent.judge.observed import BETWEEN, NEW, OLD, Ints


@dataclass(frozen=True, slots=True)
class Blocks:
    """Ranges of slots, first and one past the last: `new` of shape (blocks, 2), `old` of (1 or 2, blocks, 2)."""

    new: Ints
    old: Ints

    def __len__(self) -> int:
        return len(self.new)

    @property
    def slots_each(self) -> int:
        """From the first slot to the last of an average block with what it is compared with."""
        if not len(self):
            return 0
        lengths = np.diff(self.new, axis=1).sum() + np.diff(self.old, axis=2).sum()
        return round(float(lengths) / len(self))


def switched(phase: Ints) -> Blocks:
    """One block per stretch of the new settings that has old ones on both sides."""
    new: list[tuple[int, int]] = []
    old: list[tuple[tuple[int, int], tuple[int, int]]] = []
    runs = _runs(phase)
    for number in range(1, len(runs) - 1):
        side, begin, end = runs[number]
        if side != NEW:
            continue
        (_, before, until), (_, after, last) = runs[number - 1], runs[number + 1]
        # Between two stretches of the new, each has half of the old.
        left = until - before if number == 1 else (until - before) // 2
        right = last - after if number == len(runs) - 2 else (last - after) // 2
        equal = min(left, right, (end - begin + 1) // 2)  # unequal sides would let a drift through
        if equal:
            new.append((begin, end))
            old.append(((until - equal, until), (after, after + equal)))
    return _made(new, [[one[0] for one in old], [one[1] for one in old]])


def before_after(phase: Ints, length: int) -> Blocks:
    """Blocks of so many slots."""
    sides: dict[int, list[tuple[int, int]]] = {OLD: [], NEW: []}
    for side, begin, end in _runs(phase):
        sides[side] += [(at, at + length) for at in range(begin, end - length + 1, length)]
    count = min(map(len, sides.values()))
    return _made(sides[NEW][:count], [sides[OLD][:count]])


def _made(new: list[tuple[int, int]], old: list[list[tuple[int, int]]]) -> Blocks:
    return Blocks(np.array(new, dtype=int).reshape(-1, 2), np.array(old, dtype=int).reshape(len(old), -1, 2))


def _runs(phase: Ints) -> list[tuple[int, int, int]]:
    """Stretches of one side: side, first slot, one past the last. Slots that count for neither are passed over."""
    runs: list[tuple[int, int, int]] = []
    for at, side in enumerate(phase.tolist()):
        if side == BETWEEN:
            continue
        if runs and runs[-1][0] == side:
            runs[-1] = (side, runs[-1][1], at + 1)
        else:
            runs.append((side, at, at + 1))
    return runs
