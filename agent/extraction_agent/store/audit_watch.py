"""A sampler that looks through the audit log's chain for as long as an agent lives, a part of it each time."""

import logging
from math import nan

from extraction_agent.observe import metrics
from extraction_agent.store.audit import Anchor, Chain
from extraction_agent.store.pools import Pool

log = logging.getLogger(__name__)

_ENTRIES = 5000  # a part: 10 to 20 ms of CPU, and as much at the store
_ENOUGH = 100  # faults, after which a look begins anew: whoever must act asks `extractctl audit verify` for all


class AuditWatch:
    """Each look holds the log against where the last one without a fault has ended, which nobody else can rewrite."""

    name = "audit"

    def __init__(self, pool: Pool, entries: int = _ENTRIES) -> None:
        """entries: of a part."""
        self._pool, self._entries = pool, entries
        self._anchor: Anchor | None = None
        self._chain = Chain()
        self._known = 0  # faults of the latest look through all
        self._told: str | None = None
        self.forget()

    def take(self) -> None:
        """Raises StoreUnavailable, StoreError."""
        with self._pool.store() as store:
            verified = store.follow_audit(self._chain, self._entries)
        faults = self._chain.faults
        if verified is not None or len(faults) >= _ENOUGH:
            self._known = len(faults)
            if verified is not None and not faults:
                self._anchor = verified.anchor
            self._chain = Chain(self._anchor)
        metrics.AUDIT_FAULTS.set(max(self._known, len(faults)))
        self._tell(faults)

    def forget(self) -> None:
        """A fault that was found is not forgotten because nobody can look again."""
        if not max(self._known, len(self._chain.faults)):
            metrics.AUDIT_FAULTS.set(nan)

    def close(self) -> None: ...

    def _tell(self, faults: list[str]) -> None:
        """Once, however often it is met running."""
        if faults and faults[0] != self._told:
            log.error("the audit log is not as it was written: %s", faults[0])
            self._told = faults[0]
        elif not self._known:
            self._told = None
