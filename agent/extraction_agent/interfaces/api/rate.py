"""Token buckets: so many requests a second on average, so many at once."""

import time
from collections.abc import Iterable


class Buckets:
    """One bucket a key; for one loop."""

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}  # what was left, and when

    def take(self, key: str, rate: float, burst: int) -> float:
        """Take one. Returns 0, or the seconds after which there will be one again."""
        now = time.monotonic()
        level, since = self._levels.get(key, (float(burst), now))
        level = min(level + (now - since) * rate, float(burst))
        if level < 1:
            self._levels[key] = (level, now)
            return (1 - level) / rate
        self._levels[key] = (level - 1, now)
        return 0.0

    def keep(self, keys: Iterable[str]) -> None:
        """Forget all others."""
        kept = set(keys)
        self._levels = {key: level for key, level in self._levels.items() if key in kept}
