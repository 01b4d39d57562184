"""A process that only computes: `python burner.py SHARE STRETCH SECONDS`, for a share of the time, in stretches (s)."""

import random
import sys
import time


def burn(share: float, stretch: float, seconds: float) -> None:
    """The gaps between two stretches vary by half, so that it does not march in step."""
    gap = stretch * (1 - share) / share
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        end = time.process_time() + stretch
        while time.process_time() < end:
            pass
        time.sleep(gap * random.uniform(0.5, 1.5))


if __name__ == "__main__":
    burn(*map(float, sys.argv[1:]))
