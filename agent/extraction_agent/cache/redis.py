"""Configs cached in Redis, for all agents of a fleet."""

from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from extraction_agent import deadlines, errors
from extraction_agent.cache.protocol import NAME, TICKET_SECONDS, Away, Key, OtherServer
from extraction_agent.observe import metrics
from extraction_agent.protect.breaker import Breaker

_CONNECTIONS = 100  # at most: as many threads as a profile would have
_VERSION = 1  # of what an entry looks like


class Redis:
    """Each call is one script, which Redis runs as one step, and which checks first who it is that answers."""

    def __init__(self, url: str, password: str | None = None) -> None:
        """Connects when needed. Raises UsageError for a URL that is none."""
        try:
            parts = urlsplit(url)
            self.where = f"cache {parts.hostname or parts.path}:{parts.port or 6379}"
            self._client = redis.Redis.from_url(
                url,
                **({} if password is None else {"password": password}),
                client_name="extraction-agent",
                socket_connect_timeout=deadlines.CACHE_CONNECT,
                socket_timeout=deadlines.CACHE,
                max_connections=_CONNECTIONS,
                retry=Retry(NoBackoff(), 0),  # the store is the second try
                decode_responses=True,
            )
        except ValueError as error:
            raise errors.UsageError("cache.redis_url is redis://host:6379/0, or rediss://… with TLS.") from error
        self._take, self._put, self._evict = (self._script(name) for name in ("take", "put", "evict"))
        self._breaker = Breaker(self.where, Away)

    def _script(self, name: str) -> Script:
        text = (files("extraction_agent.cache.lua") / f"{name}.lua").read_text(encoding="utf-8")
        return self._client.register_script(text)

    def server(self) -> str:
        with self._breaker:
            try:
                info: Any = self._client.info("server")
            except (redis.RedisError, OSError) as error:
                raise self._away(error) from error
        return str(info["run_id"])

    def take(self, key: Key, ticket: str) -> str | None:
        answer = self._run(self._take, key, ticket, int(TICKET_SECONDS * 1000))
        return None if answer[1] is None else str(answer[1])

    def put(self, key: Key, ticket: str, value: str, ttl_seconds: float) -> None:
        self._run(self._put, key, ticket, value, int(ttl_seconds * 1000))

    def evict(self, key: Key) -> None:
        self._run(self._evict, key)

    def close(self) -> None:
        self._client.close()

    def _run(self, script: Script, key: Key, *arguments: str | int) -> list[Any]:
        name = f"{NAME}:{_VERSION}:{key.name}"
        with self._breaker:
            try:
                answer: list[Any] = script(keys=[name, f"{name}:ticket"], args=[key.server, *arguments])
            except (redis.RedisError, OSError) as error:
                raise self._away(error) from error
        if answer[0] != key.server:
            raise OtherServer(f"{self.where} was started anew, or another server answers there.")
        return answer

    def _away(self, error: Exception) -> Away:
        metrics.CACHE_ERRORS.labels(NAME).inc()
        return Away(f"{self.where}: {' '.join(str(error).split())}.")
