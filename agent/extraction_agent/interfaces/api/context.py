"""What the handlers work with."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from extraction_agent.cache.configs import Configs
from extraction_agent.config import Config
from extraction_agent.interfaces.api.crowd import Crowd
from extraction_agent.interfaces.api.pulse import Pulse
from extraction_agent.observe.recent import Entry
from extraction_agent.profiles import Profile
from extraction_agent.protect import guard
from extraction_agent.protect.threads import Threads
from extraction_agent.protect.turns import Turns
from extraction_agent.sources import allowed
from extraction_agent.sources.protocol import Snapshot, Source
from extraction_agent.store import rows
from extraction_agent.store.pools import Pool
from extraction_agent.tuning.trial import Host

Hold = Callable[[int, Snapshot, float], None]


@dataclass(slots=True, eq=False)
class Context:
    """One per daemon. A reload puts another `config` and `profile` in place; requests under way keep what they read."""

    threads: Threads
    pool: Pool
    configs: Configs
    config: Config
    profile: Profile
    store_url: str = field(repr=False)  # with its password, for the probe of /readiness
    open_source: Callable[[rows.Config], Source]  # with its secret; called in a thread
    hold: Hold  # the agent's: keeps the snapshot of an extraction that was begun here; called in a thread
    reserved_secrets: frozenset[str] = frozenset()  # their variables; no source may be opened with these
    host: Host | None = None  # its part in rollouts; a daemon has one
    late: Callable[[], list[str]] = list  # what should have moved and has not, for /liveness
    unready: Callable[[], list[str]] = list  # what but the store keeps us from work, for /readiness
    extractions: Callable[[], set[int]] = set  # those this agent has chunks of in hand
    guards: Callable[[], list[guard.Stats]] = list
    recent: Callable[[], list[Entry]] = list  # what was logged as wrong, the latest last
    # Extractions being planned, by token and Idempotency-Key: a request that comes twice waits for the first.
    starting: dict[tuple[str, str], tuple[bytes, "asyncio.Task[int]"]] = field(default_factory=dict, init=False)
    crowd: Crowd = field(default_factory=Crowd)
    plans: Turns = field(init=False)
    pulse: Pulse = field(init=False)

    @property
    def generation(self) -> int | None:
        """Of the profile in force; None: it is the configuration's."""
        return None if self.host is None or self.host.generation is None else self.host.generation.number

    def open_allowed(self, config: rows.Config) -> Source:
        """The source of an extraction that begins here, by whomever its config was saved. In a thread.

        Raises Forbidden, UsageError: what is allowed may have changed since, and so may the address of a name.
        """
        allowed.check(config.source_url, self.config.sources)
        allowed.check_addresses(config.source_url)
        return self.open_source(config)

    def __post_init__(self) -> None:
        self.pulse = Pulse(self.store_url)
        # Half the core threads: sources that stall hold up who plans, and nobody else.
        self.plans = Turns("extractions being planned", lambda: max(self.threads.stats().core // 2, 1))
