"""Which cached configs are valid, as the store decides it for all agents."""

from dataclasses import dataclass

from extraction_agent.store.connection import StoreConnection


@dataclass(frozen=True, slots=True)
class Epoch:
    """Entries made in one epoch are worth nothing in another."""

    id: str
    database: str  # of the store
    server: str | None  # where the entries are; None: no cache is valid
    settled: bool  # no agent believes in an earlier epoch any more


class Epochs(StoreConnection):
    """One row, read by every agent that uses a cache."""

    def cache_epoch(self) -> Epoch:
        row = self._one("cache_epoch")
        assert row is not None
        return Epoch(*row)

    def change_cache_epoch(self, before: Epoch, server: str | None) -> None:
        """Begin another epoch, unless somebody has since `before` was read."""
        self._run("change_cache_epoch", epoch=before.id, server=server)

    def settle_cache_epoch(self, epoch: Epoch) -> None:
        self._run("settle_cache_epoch", epoch=epoch.id)

    def suspend_cache(self) -> None:
        """Let no cache be valid, nor become so before the end of the transaction, which changes what it would hold.

        For a change made where no cache can be reached.
        """
        self._run("suspend_cache")
