"""Requests beyond what the loop can carry are told to come again; a few are served however late it is."""

import asyncio
import time
from contextlib import ExitStack, suppress

import pytest

from extraction_agent.interfaces.api.crowd import BEARABLE, FEW, LEAST, RISE, SEVERAL, Crowd
from extraction_agent.interfaces.api.problems import Refused

_PATIENCE = 30.0  # s


async def _late(crowd: Crowd) -> None:
    """Let the loop stand still between its turns until that is felt."""
    for _ in range(5):
        time.sleep(5 * BEARABLE)  # noqa: ASYNC251 - that it blocks the loop is the point
        await asyncio.sleep(0.001)
    assert crowd.late > BEARABLE


def _refused(crowd: Crowd, of: int) -> int:
    refusals = []
    for _ in range(of):
        try:
            with crowd.joined():
                pass
        except Refused as refusal:
            refusals.append(refusal)
    assert all(one.status == 429 and one.headers["Retry-After"] == "1" for one in refusals)
    return len(refusals)


def test_a_crowd_on_a_late_loop_is_thinned_out() -> None:
    async def run() -> None:
        crowd = Crowd()
        with ExitStack() as others:
            for _ in range(FEW):
                others.enter_context(crowd.joined())
            assert _refused(crowd, 200) == 0, "the loop is in time"
            assert crowd.share() == 1
            await _late(crowd)
            assert 0 < _refused(crowd, 200) < 200, "some are refused, some served"
        assert crowd.size == 0

    asyncio.run(run())


def test_a_few_are_served_however_late_the_loop_is() -> None:
    async def run() -> None:
        crowd = Crowd()
        with ExitStack() as others:
            for _ in range(FEW - 1):
                others.enter_context(crowd.joined())
            await _late(crowd)
            assert _refused(crowd, 200) == 0

    asyncio.run(run())


def test_relays_make_way_for_a_crowd_and_work_more_again_once_the_loop_is_in_time() -> None:
    async def run() -> None:
        crowd = Crowd()
        with ExitStack() as others:
            for _ in range(SEVERAL):
                others.enter_context(crowd.joined())
            await _late(crowd)
            cut = crowd.share()
            assert LEAST <= cut < 0.5
            for _ in range(5):
                await _late(crowd)
            assert LEAST <= crowd.share() < cut
            enough = crowd.share() + 0.3 * RISE
            deadline = time.monotonic() + _PATIENCE
            while crowd.share() < enough:  # a late turn on the way there is felt too
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
            assert crowd.share() < 0.5

    asyncio.run(run())


def test_relays_do_not_make_way_for_a_few() -> None:
    async def run() -> None:
        crowd = Crowd()
        with ExitStack() as others:
            for _ in range(SEVERAL - 1):
                others.enter_context(crowd.joined())
            await _late(crowd)
            assert crowd.share() == 1

    asyncio.run(run())


def test_who_fails_has_left_too() -> None:
    async def run() -> None:
        crowd = Crowd()
        with suppress(ZeroDivisionError), crowd.joined():
            raise ZeroDivisionError
        assert crowd.size == 0

    asyncio.run(run())


@pytest.mark.parametrize("size", [1, FEW])
def test_nothing_ticks_without_requests(size: int) -> None:
    async def run() -> None:
        crowd = Crowd()
        with ExitStack() as others:
            for _ in range(size):
                others.enter_context(crowd.joined())
        await asyncio.sleep(0.1)
        assert len(asyncio.all_tasks()) == 1
        assert crowd.late == 0.0

    asyncio.run(run())
