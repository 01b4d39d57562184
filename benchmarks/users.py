"""Users of a daemon's API: each asks, waits for the answer, thinks, and asks again.

The user's load is that of load-tests/, by k6. These are few, go on beside other measurements, and need no k6.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp

from benchmarks.service import Service

LONGEST = 300.0  # s that a user waits for an answer
ROWS = 50  # of a page


@dataclass(slots=True)
class Answers:
    """How long each answer took, by kind of request. Seconds from the request's first byte to the answer's last."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    refused: int = 0  # 429: beyond capacity, and told so
    failed: Counter[str] = field(default_factory=Counter)
    lasted: float = 0.0

    def all(self) -> list[float]:
        return sorted(one for several in self.seconds.values() for one in several)

    def of(self, kind: str) -> list[float]:
        return sorted(self.seconds.get(kind, []))


def share(ordered: list[float], part: float) -> float:
    """The value that this part of them does not pass; NaN of none."""
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else float("nan")


@dataclass(frozen=True, slots=True)
class Asked:
    """What there is to be asked for: numbers from 1 on."""

    configs: int
    extractions: int
    failed_every: int  # of these; a failed one has no records to read

    def one(self, choice: random.Random, kinds: tuple[str, ...]) -> tuple[str, str]:
        """Kind and path of a request."""
        kind = choice.choice(kinds)
        extraction = choice.randrange(1, self.extractions + 1)
        if kind == "records" and extraction % self.failed_every == 0:
            extraction -= 1
        paths = {
            "config": f"/api/v1/configs/{choice.randrange(1, self.configs + 1)}",
            "list": "/api/v1/extractions?limit=20",
            "show": f"/api/v1/extractions/{extraction}",
            "records": f"/api/v1/extractions/{extraction}/records?limit={ROWS}",
        }
        return kind, paths[kind]


KINDS = ("config", "config", "list", "show", "records")  # a config is looked at twice as often


async def use(
    service: Service, asked: Asked, users: int, pause: float, seconds: float, kinds: tuple[str, ...] = KINDS
) -> Answers:
    """Have so many users ask for so long, with so many seconds of thought between two requests of each."""
    answers = Answers()
    begun = time.monotonic()
    connector = aiohttp.TCPConnector(limit=users)
    timeout = aiohttp.ClientTimeout(total=LONGEST)
    async with aiohttp.ClientSession(
        service.url, connector=connector, timeout=timeout, headers=service.authorization
    ) as session:

        async def user(number: int) -> None:
            choice = random.Random(number)  # the same requests whatever the profile
            await asyncio.sleep(choice.random() * pause)
            while time.monotonic() - begun < seconds:
                again_after = await _ask(session, *asked.one(choice, kinds), answers)
                await asyncio.sleep(max(again_after, pause))

        await asyncio.gather(*(user(number) for number in range(users)))
    answers.lasted = time.monotonic() - begun
    return answers


async def _ask(session: aiohttp.ClientSession, kind: str, path: str, answers: Answers) -> float:
    """Returns the seconds after which to come again, if it was refused."""
    begun = time.perf_counter()
    try:
        async with session.get(path) as answer:
            await answer.read()
            status, again = answer.status, answer.headers.get("Retry-After", "1")
    except (aiohttp.ClientError, TimeoutError) as error:
        answers.failed[type(error).__name__] += 1
        return 0.0
    if status == HTTPStatus.OK:
        answers.seconds.setdefault(kind, []).append(time.perf_counter() - begun)
    elif status == HTTPStatus.TOO_MANY_REQUESTS:
        answers.refused += 1
        return float(again)
    else:
        answers.failed[str(status)] += 1
    return 0.0
