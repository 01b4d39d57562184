"""What is felt beside the requests: that the loop turns, and that the store answers."""

import asyncio
import logging
import time
from contextlib import suppress

from extraction_agent import deadlines, errors
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop, ended_by

log = logging.getLogger(__name__)


class Pulse:
    """Felt as long as `feel` and `turn` run."""

    def __init__(self, store_url: str) -> None:
        self._store_url = store_url
        self._store: Store | None = None
        self._turned = time.monotonic()
        self._stood = (float("-inf"), 0.0)  # when the loop last turned again after it had stood still, and for how long
        self._answered: float | None = None
        self._said = "it was not asked yet"

    @property
    def stuck(self) -> float:
        """For how many seconds the loop has just stood still; 0 for a healthy one."""
        now = time.monotonic()
        silence = now - self._turned
        if silence <= deadlines.STUCK and now - self._stood[0] <= deadlines.STUCK:
            silence = self._stood[1]  # it turns again, since a moment ago
        return silence if silence > deadlines.STUCK else 0.0

    @property
    def store_away(self) -> str | None:
        """Why the store counts as away; None: it answers."""
        if self._answered is not None and time.monotonic() - self._answered < deadlines.UNREADY:
            return None
        return self._said

    async def turn(self) -> None:
        self._turned = time.monotonic()
        while True:
            await asyncio.sleep(deadlines.PULSE)
            now = time.monotonic()
            if now - self._turned > deadlines.STUCK:
                self._stood = (now, now - self._turned)
            self._turned = now

    async def feel(self) -> None:
        """Probe the store again and again, each time under a deadline."""
        told: str | None = None
        try:
            while True:
                await self._feel_once()
                away = self.store_away
                if away is not None and told is None:
                    log.warning("the store is away: %s", away)
                elif away is None and told is not None:
                    log.info("the store is back")
                told = away
                await asyncio.sleep(deadlines.PULSE)
        finally:
            if self._store is not None:
                self._store.close()

    async def _feel_once(self) -> None:
        stop = Stop()
        probe = asyncio.ensure_future(asyncio.to_thread(self._probe, stop))
        try:
            _, late = await asyncio.wait([probe], timeout=deadlines.PROBE)
            if late:
                self._said = f"it does not answer within {deadlines.PROBE:g} s"
        finally:
            stop.request()
            with suppress(Exception):
                await asyncio.shield(probe)
            stop.close()

    def _probe(self, stop: Stop) -> None:
        try:
            with ended_by(stop):
                if self._store is None:
                    self._store = Store(self._store_url, "extraction-agent probe")
                self._store.now()
            self._answered = time.monotonic()
        except errors.ExtractionError as error:
            if not isinstance(error, errors.Cancelled):
                self._said = str(error)
            if self._store is not None:
                self._store.close()
                self._store = None
