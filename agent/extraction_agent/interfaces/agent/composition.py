"""The composition root: everything the daemon consists of, made from its configuration and told of each other."""

import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from extraction_agent import config, deadlines, errors, secrets
from extraction_agent.cache.configs import Configs
from extraction_agent.cache.local import Local
from extraction_agent.cache.redis import Redis
from extraction_agent.interfaces.agent.configuration import Configuration
from extraction_agent.interfaces.agent.http import Http
from extraction_agent.interfaces.agent.indexes import Indexes
from extraction_agent.interfaces.agent.parts import (
    Cache,
    Logging,
    Observation,
    Part,
    Protection,
    StorePool,
    ThreadPool,
    Worker,
)
from extraction_agent.interfaces.agent.schedules import Schedules
from extraction_agent.interfaces.agent.tuning import Tuning
from extraction_agent.interfaces.api.application import build
from extraction_agent.interfaces.api.context import Context
from extraction_agent.interfaces.api.crowd import Crowd
from extraction_agent.interfaces.page import routes
from extraction_agent.jobs import Agent
from extraction_agent.observe.host import Host
from extraction_agent.observe.recent import Recent
from extraction_agent.observe.samplers import Sampler, Samplers
from extraction_agent.observe.stored import Stored
from extraction_agent.protect.guards import Guards
from extraction_agent.protect.threads import Threads
from extraction_agent.sources import open_source
from extraction_agent.sources.protocol import Source
from extraction_agent.store.audit_watch import AuditWatch
from extraction_agent.store.pools import Pool
from extraction_agent.store.store import Config, Extraction
from extraction_agent.tuning import trial
from extraction_agent.tuning.generations import Generations
from extraction_agent.tuning.guards import Watch
from extraction_agent.tuning.record import Record
from extraction_agent.tuning.vigil import Vigil


@dataclass(frozen=True, slots=True)
class Composition:
    """A daemon, not started yet."""

    configuration: Configuration  # with the profile that this host's generation brings
    parts: Sequence[Part]  # in the order they are started
    host: trial.Host


def compose(loaded: Configuration) -> Composition:
    """Raises UsageError for a configuration that cannot work, HostError; waits for nothing."""
    folder = config.state_directory(loaded.config)
    generations = None if folder is None else Generations(folder)
    begun = None if generations is None else generations.begin()
    configuration = loaded.tuned(None if begun is None else begun.profile)
    settings, store_url = configuration.profile.settings, configuration.store_url()
    place, close_place = _place(configuration)
    threads = Threads(settings.threads.core, settings.threads.maximum, settings.threads.queue)
    crowd = Crowd()
    guards = Guards(store_url, settings, crowd)
    sources = Sources(configuration.reserved_secrets(), guards.breaker)
    pool = Pool(store_url, settings.pool, breaker=guards.store_breaker)
    configs = Configs(pool.store, place, settings.cache)
    recent = Recent()

    def make_agent(chunks_in_flight: int) -> Agent:
        return Agent(store_url, sources.of, threads, chunks_in_flight, guards=guards)

    worker = Worker(make_agent, settings.reading.chunks_in_flight)
    name = socket.gethostname()
    record = Record(store_url, f"agent:{name}")
    watch = Watch(pool.stats)
    host = trial.Host(name, configuration.named, generations, begun, record, watch, Vigil(name, watch, pool.stats))
    context = Context(
        threads=threads,
        pool=pool,
        configs=configs,
        config=configuration.config,
        profile=configuration.profile,
        store_url=store_url,
        open_source=sources.open,
        hold=worker.hold,
        reserved_secrets=configuration.reserved_secrets(),
        late=lambda: [said for part in parts if (said := part.late())],
        unready=worker.unready,
        extractions=worker.extractions,
        guards=guards.stats,
        crowd=crowd,
        recent=recent.entries,
        host=host,
    )
    worker.store_away = lambda: context.pulse.store_away is not None
    application = build(context)
    application.add_routes(routes())
    parts: list[Part] = [
        Logging(recent),
        ThreadPool(threads),
        StorePool(pool),
        Cache(configs, close_place),
        Protection(guards),
        Observation(Samplers(Host(), Stored(store_url), Sampler(AuditWatch(pool), deadlines.AUDIT_EVERY))),
        Http(configuration, application, context),
        worker,  # among the last: stopped first, while whoever wants to know can still ask how far it is
        Tuning(host),
        Indexes(pool, store_url, f"agent:{name}"),
        Schedules(pool, threads, context.open_allowed, lambda: context.profile.settings, worker.hold),
    ]
    return Composition(configuration, parts, host)


def _place(configuration: Configuration) -> tuple[Local | Redis, Callable[[], None]]:
    """Where configs are cached, and what lets go of it."""
    url = configuration.config.cache.redis_url
    if url is None:
        return Local(), lambda: None
    redis = Redis(url, configuration.redis_password())
    return redis, redis.close


class Sources:
    """Opens sources with their secrets."""

    def __init__(self, reserved: frozenset[str], breaker: Callable[[Source], AbstractContextManager[object]]) -> None:
        """reserved: variables of secrets that no source may be opened with. breaker: of a source."""
        self._reserved, self._breaker = reserved, breaker

    def of(self, extraction: Extraction) -> Source:
        """For a chunk that another agent may be able to copy. Raises NotHere, SourceUnavailable.

        Without a secret, the password may be known to nobody but the command that began the extraction: so log in once.
        """
        try:
            source = self.open(extraction.config)
            if extraction.config.secret is None:
                with self._breaker(source):
                    source.session(None).close()
        except (errors.UsageError, errors.SourceError) as error:
            if error.transient:
                raise
            raise errors.NotHere(str(error)) from error
        return source

    def open(self, config: Config) -> Source:
        """Raises UsageError."""
        # Whoever may save a config could have it sent to a host of theirs.
        if config.secret and secrets.variable(config.secret) in self._reserved:
            raise errors.UsageError(f"The secret {config.secret} is the daemon's own: no source is opened with it.")
        return open_source(secrets.join(config.source_url, config.secret and secrets.resolve(config.secret)))
