"""What is made of an agent's own metrics while something is measured."""

from benchmarks.sampler import Sampler

_LANES = ("lanes-store", "source-postgresql")


def _metrics(active: dict[str, int]) -> str:
    lines = ["extraction_generation 0"]
    for pool, used in active.items():
        lines += [
            f'hikari_pool_active_connections{{pool="{pool}"}} {used}',
            f'hikari_pool_max_connections{{pool="{pool}"}} 4',
            f'hikari_pool_timeouts_total{{pool="{pool}"}} 0',
        ]
    return "\n".join(lines) + "\n"


def test_lanes_that_are_at_work_are_no_full_pool() -> None:
    with Sampler(lambda: _metrics({"store": 1, **dict.fromkeys(_LANES, 4)})) as sampler:
        pass
    assert sampler.missed == []
    assert {name: pool.use_p95 for name, pool in sampler.pools().items()} == {"store": 0.25}
