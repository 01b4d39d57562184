"""The composition root: everything the daemon consists of, built from its configuration and told of the others."""

from aiohttp import web

from extraction_agent import errors, secrets
from extraction_agent.daemon import Component
from extraction_agent.interfaces.agent.configuration import Configuration
from extraction_agent.interfaces.agent.parts import Http, Worker
from extraction_agent.jobs import Agent
from extraction_agent.protect.threads import Threads
from extraction_agent.sources import open_source
from extraction_agent.sources.protocol import Source
from extraction_agent.store.store import Extraction


def components(configuration: Configuration) -> list[Component[Configuration]]:
    """In the order they are started. Nothing is connected yet. Raises UsageError."""
    store_url = configuration.store_url()
    sources = Sources(configuration)
    settings = configuration.profile.settings
    threads = Threads(settings.threads.core, settings.threads.maximum, settings.threads.queue)

    def make_agent() -> Agent:
        return Agent(store_url, sources.open, threads, settings.reading.chunks_in_flight)

    worker = Worker(make_agent)
    http = Http(configuration, web.Application())
    return [worker, http]


class Sources:
    """Opens the sources of extractions with their secrets."""

    def __init__(self, configuration: Configuration) -> None:
        self._reserved = configuration.reserved_secrets()

    def open(self, extraction: Extraction) -> Source:
        config = extraction.config
        if config.secret in self._reserved:  # whoever may save a config could have it sent to a host of theirs
            raise errors.UsageError(f"The secret {config.secret} is the daemon's own: no source is opened with it.")
        return open_source(secrets.join(config.source_url, config.secret and secrets.resolve(config.secret)))
