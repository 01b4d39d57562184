"""The cache `extraction-configs`: configs by number, read through, evicted after the commit of a change.

Why it is never stale once a change has been answered: docs/explanation/cache.md.
"""

import json
import logging
import uuid

from pydantic import ValidationError

from extraction_agent import errors, profiles
from extraction_agent.cache.lease import Leases, OpenStore, outlast
from extraction_agent.cache.protocol import NAME, Away, Key, OtherServer, Place
from extraction_agent.model import Definition
from extraction_agent.observe import metrics
from extraction_agent.store.epochs import Epoch
from extraction_agent.store.store import Config

log = logging.getLogger(__name__)


class Configs:
    """Safe for many threads; every call may wait for the store."""

    def __init__(self, open_store: OpenStore, place: Place, settings: profiles.Cache) -> None:
        """open_store: lends a connection, e.g. Pool.store."""
        self._open_store, self._place = open_store, place
        self._leases = Leases(open_store, place)
        self._settings = settings
        for counter in (metrics.CACHE_HITS, metrics.CACHE_MISSES, metrics.CACHE_EVICTIONS, metrics.CACHE_ERRORS):
            counter.labels(NAME)  # 0 until it counts, instead of absent

    def reload(self, settings: profiles.Cache) -> None:
        """Other settings, from the next call on."""
        self._settings = settings

    def get(self, config_id: int) -> Config | None:
        """A config as it is, or was while this call went on. None: there is none. Raises StoreError."""
        lease = self._leases.current() if self._settings.enabled else None
        if lease is None or not lease.usable:
            metrics.CACHE_MISSES.labels(NAME).inc()
            return self._read(config_id)
        key, ticket = _key(lease.epoch, config_id), uuid.uuid4().hex
        found = self._take(key, ticket)
        config = None if found is None or not lease.good else _decoded(found)
        if config is not None:
            metrics.CACHE_HITS.labels(NAME).inc()
            return config
        metrics.CACHE_MISSES.labels(NAME).inc()
        config = self._read(config_id)  # after the ticket was taken: see put.lua
        if config is not None:
            self._put(key, ticket, config)
        return config

    def evict(self, config_id: int) -> None:
        """After the commit of a change, before it is answered. Returns once no agent can serve what was before.

        Raises StoreError: then the change must not be answered as done, though it is.
        """
        metrics.CACHE_EVICTIONS.labels(NAME).inc()
        while True:
            with self._open_store() as store:
                epoch = store.cache_epoch()
                evicted = epoch.server is None or self._evicted(_key(epoch, config_id))
                if not evicted:
                    log.warning(
                        "a changed config could not be evicted: no agent uses the cache until it can be reached"
                    )
                    store.change_cache_epoch(epoch, None)
            if evicted:
                outlast(self._open_store, epoch)
                return

    def close(self) -> None:
        self._place.close()

    def _read(self, config_id: int) -> Config | None:
        try:
            with self._open_store() as store:
                return store.config_of(config_id)
        except errors.NotFound:
            return None

    def _take(self, key: Key, ticket: str) -> str | None:
        try:
            return self._place.take(key, ticket)
        except Away as away:
            log.debug("%s", away)
        except OtherServer:
            self._leases.drop()
        return None

    def _put(self, key: Key, ticket: str, config: Config) -> None:
        try:
            self._place.put(key, ticket, _encoded(config), self._settings.ttl_seconds)
        except Away as away:
            log.debug("%s", away)
        except OtherServer:
            self._leases.drop()

    def _evicted(self, key: Key) -> bool:
        try:
            self._place.evict(key)
        except (Away, OtherServer):
            return False
        return True


def _key(epoch: Epoch, config_id: int) -> Key:
    return Key(epoch.server or "", f"{epoch.database}:{epoch.id}:{config_id}")


def _encoded(config: Config) -> str:
    return json.dumps(
        {
            "id": config.id,
            "name": config.name,
            "source_type": config.source_type,
            "source_url": config.source_url,
            "secret": config.secret,
            "definition": config.definition.model_dump(mode="json"),
        }
    )


def _decoded(text: str) -> Config | None:
    """None: another version of the program wrote it."""
    try:
        value = json.loads(text)
        return Config(**{**value, "definition": Definition.model_validate(value["definition"])})
    except (ValueError, TypeError, KeyError, ValidationError, RecursionError):
        return None
