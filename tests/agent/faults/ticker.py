"""A program that only ticks, on every processor, until its input ends; then it tells how late the latest tick was."""

import os
import sys
import threading
import time

TICK = 0.005  # s
TICKING = "ticking"  # said once it does


def _tick(processor: int, ended: threading.Event, late: list[float]) -> None:
    os.sched_setaffinity(0, {processor})  # this thread: what holds up one processor is not seen on another
    while not ended.is_set():
        due = time.monotonic() + TICK
        time.sleep(TICK)
        late.append(time.monotonic() - due)


def main() -> None:
    ended, late = threading.Event(), [0.0]
    threads = [threading.Thread(target=_tick, args=(number, ended, late)) for number in os.sched_getaffinity(0)]
    for thread in threads:
        thread.start()
    print(TICKING, flush=True)
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join()
    print(max(late))


if __name__ == "__main__":
    main()
