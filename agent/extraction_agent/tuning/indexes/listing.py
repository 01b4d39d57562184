"""What the ledger has of indexes, beside what is really there."""

from dataclasses import dataclass
from typing import Any

from extraction_agent.store.rollout_rows import RolloutIndex
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes.work import Work


@dataclass(frozen=True, slots=True)
class Listed:
    """One index."""

    index: RolloutIndex
    there: str | None  # None: nobody looked

    def as_dict(self) -> dict[str, Any]:
        rollout = {"rollout_id": self.index.rollout_id, "rollout_state": self.index.rollout_state.value}
        return {**rollout, **self.index.as_dict(), "there": self.there}


def listed(store: Store, work: Work, rollout_id: int | None) -> list[Listed]:
    """By rollout. None: of all that are ours and still there. `work` looks into its own database only."""
    return [
        Listed(one, _there(work, one) if one.database == work.place.name else None)
        for one in store.rollout_indexes(rollout_id)
    ]


def _there(work: Work, index: RolloutIndex) -> str:
    with work.place.translated():
        look = work.look(index)
    if look.build is not None:
        return f"being built: {look.build.words}"
    found = look.final or look.temporary or look.same
    if found is None:
        return "absent"
    if not found.valid:
        return f"INVALID, as {found.name}"
    return "valid" if found.name == index.name else f"valid, as {found.name}"
