"""How long a build may be in others' way, and others in its."""

from dataclasses import dataclass

from extraction_agent import deadlines


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator may choose."""

    lock_seconds: float = deadlines.INDEX_LOCK  # the longest wait for a lock or another's transaction
    tries: int = 8  # of one index
    transaction_seconds: float = 60.0  # an older transaction of others forbids a build
    free_bytes: int | None = None  # on the server's disk, where it is not ours to look at

    def pauses(self) -> list[float]:
        """Between the tries, seconds."""
        return [min(2.0**number, deadlines.INDEX_PAUSE) for number in range(self.tries - 1)]
