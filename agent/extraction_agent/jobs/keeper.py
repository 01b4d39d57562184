"""What an agent holds at the source between two chunks, snapshots and idle lanes, and lets go of in time.

Either keeps the source from cleaning up: so neither may outlive the extraction's last chunk, whoever has done that.
To index and attach what was copied may take hours, and needs no source.
"""

import threading
import time
from dataclasses import dataclass

from extraction_agent import errors
from extraction_agent.jobs.control import Control
from extraction_agent.pipeline.lanes import Lanes
from extraction_agent.sources.protocol import Snapshot


@dataclass(slots=True)
class _Held:
    """A snapshot this agent holds for an extraction."""

    snapshot: Snapshot
    since: float
    longest: float  # s


class Keeper:
    """Safe for many threads."""

    def __init__(self, control: Control, lanes: Lanes) -> None:
        self._control, self._lanes = control, lanes
        self._held: dict[int, _Held] = {}
        self._untold: dict[int, str] = {}  # extractions that failed while the store was away, and why
        self._lock = threading.Lock()

    def hold(self, extraction_id: int, snapshot: Snapshot, longest: float) -> None:
        """Hold a snapshot until the last chunk of its extraction is done, at most `longest` seconds."""
        with self._lock:
            lost = self._held.pop(extraction_id, None)
            self._held[extraction_id] = _Held(snapshot, time.monotonic(), longest)
            self._untold.pop(extraction_id, None)  # somebody was quicker, and it goes on under this one
        if lost is not None:
            lost.snapshot.close()

    def keep(self) -> None:
        """Let go of a snapshot that is lost or too old, whether the store is there or not; and of what no chunk needs.

        Raises StoreUnavailable.
        """
        with self._lock:
            holding = dict(self._held)
        for extraction_id, held in holding.items():
            too_old = time.monotonic() - held.since > held.longest
            if too_old:  # failed first: who finds a snapshot gone takes another
                self._fail(
                    extraction_id,
                    f"The snapshot at the source stood for {held.longest:g} s, the longest allowed, and was let go. "
                    "Allow more with --snapshot-max-seconds, or use --consistency chunk.",
                )
            if too_old or not held.snapshot.alive:
                self._let_go(extraction_id, held)
        for extraction_id, message in list(self._untold.items()):
            self._control.fail(extraction_id, message)
            self._untold.pop(extraction_id, None)
        try:
            for extraction_id in holding.keys() | self._lanes.extractions():
                if not self._needed(extraction_id):
                    self._let_go(extraction_id, holding.get(extraction_id))
        except errors.StoreUnavailable:
            self._lanes.forget()  # those at rest: no chunk is begun without the store, and some share a snapshot
            raise

    def _fail(self, extraction_id: int, message: str) -> None:
        try:
            self._control.fail(extraction_id, message)
        except errors.StoreUnavailable:
            self._untold[extraction_id] = message

    def _let_go(self, extraction_id: int, held: _Held | None) -> None:
        if held is not None:
            held.snapshot.close()
            with self._lock:
                if self._held.get(extraction_id) is held:  # not renewed meanwhile
                    del self._held[extraction_id]
        self._lanes.forget(extraction_id)

    def _needed(self, extraction_id: int) -> bool:
        return self._control.run(lambda store: store.needs_source(extraction_id))

    def close(self) -> None:
        """Let go of everything."""
        self._lanes.forget()
        for held in self._held.values():
            held.snapshot.close()
