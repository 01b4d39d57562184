"""The daemon's port, with the interface that answers on it."""

import asyncio
import contextlib
import logging
import os
import ssl

from aiohttp import web

from extraction_agent import errors
from extraction_agent.interfaces.agent.configuration import Configuration
from extraction_agent.interfaces.agent.parts import Part, left
from extraction_agent.interfaces.api.context import Context
from extraction_agent.interfaces.api.listener import Listener

_CREDENTIALS = "/run/credentials"  # where systemd keeps those of all units

log = logging.getLogger(__name__)


class Http(Part):
    """Answers from its start to its stop."""

    name = "http"

    def __init__(self, configuration: Configuration, application: web.Application, context: Context) -> None:
        self._api, self._context = configuration.config.api, context
        self._tls = _tls(configuration)
        self._listener = Listener(application, lambda: context.config.api.connections, self._tls)

    async def start(self) -> asyncio.Task[None] | None:
        try:
            host, port = await self._listener.open(self._api.listen, self._api.port)
        except OSError as error:
            where = f"{self._api.listen}:{self._api.port}"
            raise errors.ExtractionError(f"The daemon cannot listen on {where}: {error.strerror}.") from error
        scheme = "http" if self._tls is None else "https"
        log.info("listening on %s://%s:%d", scheme, f"[{host}]" if ":" in host else host, port)
        return None

    async def reload(self, configuration: Configuration) -> None:
        """Requests from now on see the new limits; new connections a renewed certificate."""
        tls = configuration.config.api.tls
        if tls is not None and self._tls is not None and configuration.config is not self._context.config:
            _tls(configuration)  # first elsewhere: one that is half right would be left behind
            self._tls.load_cert_chain(tls.certificate, tls.key)
        self._context.config, self._context.profile = configuration.config, configuration.profile

    async def stop(self, deadline: float) -> None:
        with contextlib.suppress(TimeoutError):
            await self._listener.close(left(deadline) / 2)


def refuse_pair(configuration: Configuration) -> None:
    """Raise UsageError if the certificate and its key do not belong together, as far as both can be read here.

    Outside the agent's unit its credentials are those of the last start: a key that is about to be replaced.
    """
    tls = configuration.config.api.tls
    if tls is None or (tls.key.is_relative_to(_CREDENTIALS) and "CREDENTIALS_DIRECTORY" not in os.environ):
        return
    if os.access(tls.certificate, os.R_OK) and os.access(tls.key, os.R_OK):
        _tls(configuration)


def _tls(configuration: Configuration) -> ssl.SSLContext | None:
    tls = configuration.config.api.tls
    if tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:  # SSLError is one
        raise errors.UsageError(
            f"The certificate {tls.certificate} with its key {tls.key} cannot be used: {error.strerror or error}."
        ) from error
    return context
