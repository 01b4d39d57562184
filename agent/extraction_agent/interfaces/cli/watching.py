"""Looks at an extraction until it has ended, from outside: who works on it does not matter."""

import signal
import time
from collections.abc import Callable

from extraction_agent import errors
from extraction_agent.interfaces.cli.progress import Shown
from extraction_agent.interfaces.cli.where import Where
from extraction_agent.model import Status, Summary

PAUSE = 0.5  # s, between two looks


class Look:
    """One extraction, looked at again and again; who is away in between is waited for, and that is said."""

    def __init__(self, where: Where, extraction_id: int, shown: Shown, patience: float, advice: str) -> None:
        """patience: how many seconds to wait for who is away; advice: what to do when that was too long."""
        self._where, self._extraction_id, self._shown = where, extraction_id, shown
        self._patience, self._advice = patience, advice
        self._away_since: float | None = None

    def __call__(self) -> Summary | None:
        """None: nobody answers at the moment. Raises ExtractionError when that has lasted, and NotFound."""
        try:
            summary = self._where.summary(self._extraction_id)
        except errors.ExtractionError as error:
            if not error.transient:
                raise
            now = time.monotonic()
            if self._away_since is None:
                self._away_since = now
                self._shown.say(f"{error} Waiting up to {self._patience:g} s.")
            if now - self._away_since > self._patience:
                raise errors.ExtractionError(
                    f"{error} It has been so for {self._patience:g} s. {self._advice}"
                ) from error
            return None
        if self._away_since is not None:
            self._shown.say(f"Back after {time.monotonic() - self._away_since:,.0f} s.")
            self._away_since = None
        self._shown.show(summary)
        return summary


def until_ended(look: Callable[[], Summary | None], extraction_id: int, shown: Shown) -> Summary:
    """Look until it has ended. Raises ExtractionError if it failed, KeyboardInterrupt on SIGINT and SIGTERM."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # or a terminal would be left without its cursor
    try:
        while (summary := look()) is None or not summary.status.final:
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        shown.say(f"Extraction {extraction_id} goes on; `extractctl watch {extraction_id}` looks at it again.")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    return ended_well(summary)


def ended_well(summary: Summary) -> Summary:
    """Raises ExtractionError if it failed, Cancelled if it was given up."""
    if summary.status is Status.FAILED:
        raise errors.ExtractionError(
            f"Extraction {summary.extraction_id} failed. {summary.error} Finished chunks are kept: when the cause is "
            f"mended, `extractctl resume {summary.extraction_id}` does the rest."
        )
    if summary.status is Status.CANCELLED:
        raise errors.Cancelled(f"Extraction {summary.extraction_id} was cancelled; nothing of it is in the store.")
    return summary
