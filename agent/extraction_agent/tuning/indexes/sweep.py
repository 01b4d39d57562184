"""Drops from the store what rollouts that are no more have left there, and counts what they have left at sources.

Every agent looks; whichever comes first, and may drop them, does. Credentials for a source's indexes no agent has.
"""

import logging

from extraction_agent import errors
from extraction_agent.observe import metrics
from extraction_agent.store.rollout_rows import RolloutIndex
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes.limits import Limits
from extraction_agent.tuning.indexes.place import Place
from extraction_agent.tuning.indexes.rollout import left_in, undo, unwanted
from extraction_agent.waiting import Stop

log = logging.getLogger(__name__)

_LIMITS = Limits(lock_seconds=5, tries=1)  # what is in the way now may be gone at the next look


class Sweeper:
    """One per agent; in a thread."""

    def __init__(self, store_url: str, agent: str, stop: Stop) -> None:
        """agent: in whose name it drops."""
        self._place, self._agent, self._stop = Place.store(store_url), agent, stop
        self._complaint: str | None = None

    def sweep(self, store: Store) -> None:
        """Raises StoreUnavailable, Cancelled. A role that may not drop them leaves them to another agent."""
        here, elsewhere = self._left(store), self._elsewhere(store)
        for where, left in (("store", here), ("source", elsewhere)):
            metrics.INDEXES_LEFT.labels(where).set(len(left))
        if not here:
            self._complaint = None
            return
        try:
            with store.acting(self._agent):
                for number in sorted({one.rollout_id for one in here}):
                    undo(store, self._place, number, _LIMITS, lambda _: None, heed=self._stop.check)
                    log.info("dropped the indexes of rollout %d, which is no more", number)
            metrics.INDEXES_LEFT.labels("store").set(0)
        except (errors.StoreError, errors.Conflict) as error:
            if error.transient:
                raise
            if str(error) != self._complaint:  # once, however often it is met running
                log.warning("indexes of a rollout that is no more stay for now: %s", error)
            self._complaint = str(error)

    def _left(self, store: Store) -> list[RolloutIndex]:
        found = left_in(store, self._place, store.connection)
        return unwanted(store, self._place, found)

    def _elsewhere(self, store: Store) -> list[RolloutIndex]:
        return [one for one in store.rollout_indexes() if one.left and one.database != self._place.name]
