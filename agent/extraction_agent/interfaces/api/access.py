"""Who may come in: bearer tokens, their scopes and their rate."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from http import HTTPStatus
from math import ceil

from aiohttp import hdrs, web

from extraction_agent import deadlines, errors
from extraction_agent.interfaces.api.context import Context
from extraction_agent.interfaces.api.problems import Refused
from extraction_agent.interfaces.api.rate import Buckets
from extraction_agent.store import tokens
from extraction_agent.store.tokens import Scope, Token

log = logging.getLogger(__name__)

_FRESH = 1.0  # s; older, the valid tokens are read anew beside the requests
_STALE = 5.0  # s; older, they are read before anybody comes in: so long may a revoked token still serve
_SOON = 0.25  # s from one reading to the next, however many tokens come that nobody knows


class Directory:
    """All valid tokens, read in one query, so that a flood of wrong ones costs the store nothing."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._valid: dict[str, Token] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._buckets = Buckets()

    async def admit(self, request: web.Request, scope: Scope) -> Token:
        """The request's token. Raises Refused: 401, 403, 429; StoreUnavailable, Busy."""
        scheme, _, text = request.headers.get(hdrs.AUTHORIZATION, "").strip().partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "Send a bearer token in the header Authorization; `extractctl token create` makes one.",
                WWW_Authenticate="Bearer",
            )
        token = await self._find(text.strip())
        if token is None:
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "The token is not known, has expired or was revoked; `extractctl token list` shows those there are.",
                WWW_Authenticate='Bearer error="invalid_token"',
            )
        if scope not in token.scopes:
            raise Refused(
                HTTPStatus.FORBIDDEN,
                f"This needs a token of the scope {scope}; token {token.name} has {', '.join(sorted(token.scopes))}.",
                WWW_Authenticate=f'Bearer error="insufficient_scope", scope="{scope}"',
            )
        api = self._context.config.api
        wait = self._buckets.take(token.id, api.rate_per_second, api.burst)
        if wait:
            raise Refused(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"Token {token.name} may make {api.rate_per_second:g} requests a second; try again in {wait:.2f} s.",
                Retry_After=str(ceil(wait)),
            )
        return token

    async def _find(self, text: str) -> Token | None:
        """A token that nobody knows may have been made a moment ago: the store is asked once more."""
        arrived = time.monotonic()
        while True:
            token = self._known(text)
            age = time.monotonic() - self._read_at
            if age <= _STALE and (token is not None or self._read_at >= arrived):
                if age > _FRESH:
                    self._read()
                return token
            try:
                async with asyncio.timeout(2 * deadlines.TOKENS):
                    await asyncio.shield(self._read())
            except TimeoutError:
                raise errors.StoreUnavailable("The store does not answer, so no token can be checked.") from None

    def _known(self, text: str) -> Token | None:
        token = self._valid.get(tokens.id_of(text))
        if token is None or not token.is_of(text):
            return None
        expired = token.expires_at is not None and token.expires_at <= datetime.now(UTC)
        return None if expired else token

    def _read(self) -> "asyncio.Task[None]":
        """One reading serves all who wait for it."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._renew(), name="tokens")
            self._reading.add_done_callback(_note)
        return self._reading

    async def _renew(self) -> None:
        await asyncio.sleep(self._read_at + _SOON - time.monotonic())  # at once, if that is past
        begun = time.monotonic()
        found = await self._context.threads.run(self._fetch)
        self._valid = {token.id: token for token in found}
        self._read_at = begun
        self._buckets.keep(self._valid)

    def _fetch(self) -> list[Token]:
        with self._context.pool.store() as store, store.connection.within(deadlines.TOKENS):
            return store.tokens(valid=True)


def _note(reading: "asyncio.Task[None]") -> None:
    """What nobody may be waiting for."""
    if not reading.cancelled() and (error := reading.exception()) is not None:
        level = logging.INFO if isinstance(error, errors.ExtractionError) else logging.ERROR
        log.log(level, "the tokens could not be read: %s", error)
