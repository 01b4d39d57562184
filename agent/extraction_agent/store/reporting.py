"""A pool's sizes as metrics that are read off it when somebody asks for them."""

from collections.abc import Callable
from contextlib import suppress

from extraction_agent.observe import metrics

Figure = Callable[[], float]


def report(pool: str, *, active: Figure, idle: Figure, pending: Figure, maximum: Figure, minimum: Figure) -> None:
    """pool: its name; one that reported under it before is forgotten."""
    metrics.POOL_ACTIVE.labels(pool).set_function(active)
    metrics.POOL_IDLE.labels(pool).set_function(idle)
    metrics.POOL_PENDING.labels(pool).set_function(pending)
    metrics.POOL_MAX.labels(pool).set_function(maximum)
    metrics.POOL_MIN.labels(pool).set_function(minimum)


def forget(pool: str) -> None:
    """The pool is closed: its sizes are no longer told. What it has counted stays."""
    for gauge in (
        metrics.POOL_ACTIVE,
        metrics.POOL_IDLE,
        metrics.POOL_PENDING,
        metrics.POOL_MAX,
        metrics.POOL_MIN,
    ):
        with suppress(KeyError):
            gauge.remove(pool)
