"""The budget: the connections that a fleet's agents come to, against those that the store allows."""

from dataclasses import asdict, dataclass
from typing import Any

from extraction_agent import errors
from extraction_agent.jobs.agent import QUEUE_CONNECTIONS
from extraction_agent.profiles import Settings
from extraction_agent.store.allowance import Allowance

_COMMANDS = 4  # of the controller, three while it builds an index, and of a person who looks on
_LEAST_POOL = 2  # of a profile


@dataclass(frozen=True, slots=True)
class Need:
    """What one agent opens to the store at most. A test holds it against a daemon at work."""

    pool: int  # the API's, schedules included
    lanes: int  # of chunks in flight; as many may rest, of the extraction before
    queue: int  # the worker's, and one that listens
    control: int  # short actions; one that indexes and attaches a part
    probes: int  # the sampler, the pulse, the record of rollouts, the guard of the store

    @classmethod
    def of(cls, settings: Settings) -> "Need":
        return cls(
            pool=settings.pool.maximum,
            lanes=2 * settings.reading.chunks_in_flight,
            queue=QUEUE_CONNECTIONS + 1,
            control=2,
            probes=3 + settings.source_guard.enabled,
        )

    def beside(self, other: "Need | None") -> "Need":
        """While one follows the other on a host: each kind is resized in place, so the larger counts."""
        if other is None:
            return self
        return Need(**{kind: max(one, asdict(other)[kind]) for kind, one in asdict(self).items()})

    @property
    def total(self) -> int:
        return sum(asdict(self).values())


@dataclass(frozen=True, slots=True)
class Budget:
    """A profile over a fleet, beside the one that it follows."""

    profile: str
    hosts: int
    after: Need
    before: Need | None  # None: nothing is known of it
    allowance: Allowance

    @property
    def need(self) -> Need:
        """Of each host, during the rollout."""
        return self.after.beside(self.before)

    @property
    def needed(self) -> int:
        return self.hosts * self.need.total + _COMMANDS

    @property
    def fits(self) -> bool:
        return self.needed <= self.allowance.left

    @property
    def grows(self) -> bool:
        """Whether a host may open more of any kind than it may now."""
        return self.need != self.before

    def check(self) -> None:
        """Raise UsageError, with both sums, if it grows and does not fit.

        What grows nothing, most rollbacks, makes nothing worse, however many connections others have taken meanwhile.
        """
        if self.grows and not self.fits:
            raise errors.UsageError(f"{self} {self._advice}")

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {number}" for kind, number in asdict(self.need).items())
        allowed = self.allowance
        spared = "" if self.fits or self.grows else " None of it is more than the fleet may have now: not refused."
        return (
            f"Profile {self.profile} needs {self.needed} connections of the store: {self.hosts} × {self.need.total} "
            f"({kinds}) and {_COMMANDS} for commands. The store has {allowed.left}: {allowed.maximum} at most, less "
            f"{allowed.reserved} reserved and {allowed.others} in use by others.{spared}"
        )

    @property
    def _advice(self) -> str:
        raised = f"allow at least {self.needed + self.allowance.maximum - self.allowance.left} (max_connections)"
        pool = self.need.pool - -(-(self.needed - self.allowance.left) // self.hosts)
        least = max(_LEAST_POOL, self.before.pool if self.before else 0)  # what there is, counts until it is replaced
        return f"Set pool.maximum to {pool}, or {raised}." if pool >= least else f"It must {raised}."

    def as_dict(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "hosts": self.hosts,
            "each": asdict(self.need),
            "needed": self.needed,
            "maximum": self.allowance.maximum,
            "reserved": self.allowance.reserved,
            "others": self.allowance.others,
            "left": self.allowance.left,
            "fits": self.fits,
            "grows": self.grows,
        }
