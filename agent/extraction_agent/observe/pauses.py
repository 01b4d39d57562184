"""How long Python's garbage collector has stopped this process: the library counts its runs only."""

import gc
import time
from typing import Literal

_seconds = [0.0 for _ in gc.get_stats()]
_begun = 0.0


def _note(phase: Literal["start", "stop"], info: dict[str, int]) -> None:
    """Called by the collector, which may run anywhere, also inside a lock: it takes none and calls nobody."""
    global _begun  # noqa: PLW0603 - one collector, never two runs at once
    if phase == "start":
        _begun = time.perf_counter()
    else:
        _seconds[info["generation"]] += time.perf_counter() - _begun


gc.callbacks.append(_note)


def totals() -> dict[str, float]:
    """Seconds so far by generation."""
    return {str(generation): seconds for generation, seconds in enumerate(_seconds)}
