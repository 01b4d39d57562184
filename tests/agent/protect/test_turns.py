"""So many at once, also after the number has changed."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from extraction_agent import deadlines, errors
from extraction_agent.protect.turns import Turns


def test_who_gets_no_turn_waits_and_is_then_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 1

    async def hold(turns: Turns, held: asyncio.Event, until: asyncio.Event) -> None:
        async with turns.one():
            held.set()
            await until.wait()

    async def live() -> None:
        nonlocal most
        turns = Turns("things", lambda: most)
        first, second, end = asyncio.Event(), asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(hold(turns, held, end)) for held in (first, second)]
        await first.wait()
        assert not second.is_set()
        end.set()
        await asyncio.gather(*tasks)
        assert second.is_set(), "the second never had its turn"
        monkeypatch.setattr(deadlines, "TURN", 0.01)
        async with turns.one():
            with pytest.raises(errors.Busy, match="1 things are under way") as refused:
                await turns.one().__aenter__()
            assert refused.value.retry_after == deadlines.TURN
        most = 3
        async with AsyncExitStack() as many:
            for _ in range(3):
                await many.enter_async_context(turns.one())
            with pytest.raises(errors.Busy):
                await turns.one().__aenter__()
        with pytest.raises(ZeroDivisionError):
            async with turns.one():
                raise ZeroDivisionError
        async with AsyncExitStack() as many:  # none of them was lost
            for _ in range(3):
                await many.enter_async_context(turns.one())

    asyncio.run(live())
