"""The clock of leases: it goes on while the host sleeps, when time.monotonic() stands still."""

import time


def now() -> float:
    """Seconds since the host was booted."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
