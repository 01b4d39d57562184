"""Work for a fleet while it is changed: extractions without end, and questions to every agent's API."""

import itertools
import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.service import Service

from extraction_agent import errors

ROWS = 20_000  # of the table
CHUNK_ROWS = 200
_ASKED = 0.05  # s between two questions to an agent: some make a slot's p95
_LOOK = 0.2  # s between two looks whether an extraction has ended
_END = 10.0  # s

log = logging.getLogger(__name__)


@contextmanager
def at_work(agents: list[Service], source_url: str, table: str) -> Iterator[None]:
    """Until the end of the block."""
    definition = {"table": table, "chunk_rows": CHUNK_ROWS}
    wanted = {"name": f"work-{secrets.token_hex(4)}", "source_url": source_url, "definition": definition}
    config = agents[0].ask("POST", "/api/v1/configs", wanted)["id"]
    over = threading.Event()
    threads = [threading.Thread(target=_ask, args=(agent, over)) for agent in agents]
    threads.append(threading.Thread(target=_extract, args=(agents, config, over)))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(_END)


def _ask(agent: Service, over: threading.Event) -> None:
    while not over.wait(_ASKED):
        _one(agent, "GET", "/api/v1/extractions?limit=5")


def _extract(agents: list[Service], config: int, over: threading.Event) -> None:
    """One extraction after the other, each begun at another agent: a config has one at a time."""
    running: int | None = None
    for agent in itertools.cycle(agents):
        if over.wait(_LOOK):
            return
        if running is not None:
            shown = _one(agent, "GET", f"/api/v1/extractions/{running}")
            if shown is None or shown["status"] in {"pending", "running"}:
                continue
        begun = _one(agent, "POST", "/api/v1/extractions", {"config_id": config})
        running = None if begun is None else begun["extraction_id"]


def _one(agent: Service, method: str, path: str, body: dict[str, int] | None = None) -> Any:
    """None if it refuses: the fleet's own figures tell of that, and it is asked again."""
    try:
        return agent.ask(method, path, body)
    except errors.ExtractionError as error:
        log.debug("%s", error)
        return None
