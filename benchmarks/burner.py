"""A process that only computes, for a share of the time: `python burner.py SHARE STRETCH`, that in seconds."""

import random
import sys
import time


def burn(share: float, stretch: float) -> None:
    """Until it is ended. The gaps between two stretches vary by half, so that it does not march in step."""
    gap = stretch * (1 - share) / share
    while True:
        end = time.perf_counter() + stretch
        while time.perf_counter() < end:
            pass
        time.sleep(gap * random.uniform(0.5, 1.5))


if __name__ == "__main__":
    burn(float(sys.argv[1]), float(sys.argv[2]))
