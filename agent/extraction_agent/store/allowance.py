"""What the store's server allows in connections, and who else has some."""

from dataclasses import dataclass

from extraction_agent.store.connection import StoreConnection


@dataclass(frozen=True, slots=True)
class Allowance:
    """Of the whole server, or of the store's database if that allows fewer."""

    maximum: int
    reserved: int  # of it, for superusers and the like
    others: int  # of it, in use by what is not ours

    @property
    def left(self) -> int:
        return self.maximum - self.reserved - self.others


class Allowances(StoreConnection):
    """Asked before a rollout."""

    def allowance(self) -> Allowance:
        """As it is now."""
        row = self._one("allowance")
        assert row is not None
        return Allowance(*row)
