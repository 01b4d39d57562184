"""Mends what the queue forgot: chunks that have no job, and extractions whose last agent died before their end."""

import contextlib
import logging
from collections.abc import Set as AbstractSet

from procrastinate import exceptions as queue_errors

from extraction_agent import errors
from extraction_agent.jobs.control import Control
from extraction_agent.store import queue
from extraction_agent.store.store import Store
from extraction_agent.waiting import ended_by

log = logging.getLogger(__name__)


class Reconciler:
    """One round after another, in a thread."""

    def __init__(self, control: Control, only: int | None, running: AbstractSet[tuple[int, int]]) -> None:
        """only: look at this extraction; None: at all. running: the chunks in flight here, kept by the agent."""
        self._control, self._only, self._running = control, only, running

    def reconcile(self) -> None:
        self._control.run(self.defer_orphans)
        for extraction_id in self._control.run(lambda store: store.complete(self._only)):
            try:
                with ended_by(self._control.stop), self._control.open() as store:  # of its own: to index takes long
                    self._control.finish(store, extraction_id)
            except errors.StoreUnavailable as error:  # its table is locked, say: the others are not to wait for it
                log.warning("extraction %s is finished in a later round: %s", extraction_id, error)

    def defer_orphans(self, store: Store) -> None:
        """Give each unfinished chunk without a job a new one."""
        orphans = [pair for pair in store.orphans(self._only) if pair not in self._running]
        if orphans:
            with contextlib.suppress(queue_errors.AlreadyEnqueued), store.transaction():  # another agent was first
                queue.defer(store.connection, orphans)
