"""What a place for cached configs can do, and how it says that it cannot."""

from dataclasses import dataclass
from typing import Protocol

from extraction_agent import errors

NAME = "extraction-configs"  # of the cache, in its keys and metrics
TICKET_SECONDS = 10.0  # how long whoever found nothing may take to bring the entry


class Away(errors.StoreUnavailable):
    """The cache does not answer. It never reaches a caller: the store is asked instead."""


class OtherServer(errors.StoreError):
    """Another server answers, or the same started anew: what it holds is of another epoch."""


@dataclass(frozen=True, slots=True)
class Key:
    """One config in one epoch, on the server the epoch belongs to."""

    server: str
    name: str


class Place(Protocol):
    """Safe for many threads. All but `server` raise OtherServer if the key's server is not the one that answers."""

    def server(self) -> str:
        """Who answers: another name after each start. Raises Away."""

    def take(self, key: Key, ticket: str) -> str | None:
        """The entry. None: there is none, and whoever holds this ticket may bring it. Raises Away."""

    def put(self, key: Key, ticket: str, value: str, ttl_seconds: float) -> None:
        """Bring an entry, if the ticket is still good: no eviction since, and nobody took one later. Raises Away."""

    def evict(self, key: Key) -> None:
        """Drop the entry, and every ticket for it. Raises Away."""

    def close(self) -> None:
        """Let go of connections."""
