"""For how long this agent may believe what it knows of the epoch: a lease, renewed from the store.

An agent serves cached configs only under a lease. So whoever has begun another epoch needs to wait for one lease's
length, and then no agent serves anything of the one before, reachable or not.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from extraction_agent import deadlines
from extraction_agent.cache import clock
from extraction_agent.cache.protocol import Away, Place
from extraction_agent.store.epochs import Epoch
from extraction_agent.store.store import Store

OpenStore = Callable[[], AbstractContextManager[Store]]
_MARGIN = 1.1  # a lease is waited for a little longer than it is held: no two clocks go alike


@dataclass(frozen=True, slots=True)
class Lease:
    """Good until then; usable: the epoch's cache is the one this agent has."""

    epoch: Epoch
    usable: bool
    until: float

    @property
    def good(self) -> bool:
        return clock.now() < self.until


class Leases:
    """This agent's one lease. Safe for many threads."""

    def __init__(self, open_store: OpenStore, place: Place) -> None:
        self._open_store, self._place = open_store, place
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._since: tuple[str, float] = ("", 0.0)  # an epoch's id, and when this agent first knew of it

    def current(self) -> Lease:
        """A good lease. One caller renews it from half its length on, while the others go on with it."""
        lease = self._lease
        if lease is not None and clock.now() < lease.until - deadlines.CACHE_LEASE / 2:
            return lease
        if not self._lock.acquire(blocking=lease is None or not lease.good):
            assert lease is not None
            return lease
        try:
            now = self._lease
            if now is None or now is lease or not now.good:
                self._lease = now = self._renewed()
            return now
        finally:
            self._lock.release()

    def drop(self) -> None:
        """The next caller asks the store anew: its epoch is not that of the server that answers."""
        self._lease = None

    def _renewed(self) -> Lease:
        begun = clock.now()  # before the store is asked: the answer was true at some moment after this
        with self._open_store() as store:
            epoch = store.cache_epoch()
            if self._since[0] != epoch.id:
                self._since = (epoch.id, clock.now())
            known_for = clock.now() - self._since[1]
            usable = self._usable(epoch)
            if usable and not epoch.settled and known_for > deadlines.CACHE_LEASE * _MARGIN:
                store.settle_cache_epoch(epoch)
            if not usable and known_for >= deadlines.CACHE_ADOPT:
                self._adopt(store, epoch)
        return Lease(epoch, usable, begun + deadlines.CACHE_LEASE)

    def _usable(self, epoch: Epoch) -> bool:
        try:
            return epoch.server == self._place.server()
        except Away:
            return False

    def _adopt(self, store: Store, epoch: Epoch) -> None:
        """Begin an epoch of the server this agent reaches; the next renewal finds it, or another's that was first."""
        try:
            server = self._place.server()
        except Away:
            return
        store.change_cache_epoch(epoch, server)


def outlast(open_store: OpenStore, epoch: Epoch) -> None:
    """Return once no agent holds a lease on an epoch before this one."""
    if not epoch.settled:
        time.sleep(deadlines.CACHE_LEASE * _MARGIN)  # without a connection: many may wait here at once
        with open_store() as store:
            store.settle_cache_epoch(epoch)


def outlast_suspension(store: Store) -> None:
    """The same for a change that suspended the cache in its own transaction."""
    epoch = store.cache_epoch()
    if epoch.server is None:
        outlast(lambda: nullcontext(store), epoch)
