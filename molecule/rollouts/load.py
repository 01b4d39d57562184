"""load FILE: asks all agents all the time, and has one extraction of the table orders after the other.

FILE is JSON: agents, ca, token, source_url.
"""

import json
import logging
import ssl
import sys
import threading
import time
import urllib.request
from pathlib import Path

EVERY = 0.05  # s between two questions to an agent
LOOK = 0.2  # s between two looks whether an extraction has ended

log = logging.getLogger("load")


class Agent:
    """One agent's API."""

    def __init__(self, url: str, ca: str, token: str) -> None:
        self.url, self._token = url, token
        context = ssl.create_default_context(cadata=ca)
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))

    def ask(self, method: str, path: str, body: object = None, key: str = "") -> dict:
        """key: with it, what is asked twice is done once."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", "Idempotency-Key": key}
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - the test's own
        with self._opener.open(request, timeout=30) as answer:
            return json.load(answer)


def ask_on(agent: Agent) -> None:
    """Questions without end; one that fails is asked again."""
    while True:
        try:
            agent.ask("GET", "/api/v1/extractions?limit=5")
        except OSError as error:
            log.warning("%s: %s", agent.url, error)
        time.sleep(EVERY)


def extract_on(agents: list, source_url: str) -> None:
    """Extractions without end, each begun at another agent when the one before has ended."""
    wanted = {
        "name": f"orders-{time.time():.0f}", "source_url": source_url, "secret": "password_shop",
        "definition": {"table": "orders", "chunk_rows": 400},
    }  # fmt: skip
    config = agents[0].ask("POST", "/api/v1/configs", wanted)["id"]
    running, number = None, 0
    while True:
        agent = agents[number % len(agents)]
        try:
            if running is None:
                key = f"load-{config}-{number}"
                running = agent.ask("POST", "/api/v1/extractions", {"config_id": config}, key)["extraction_id"]
                number += 1
            elif agent.ask("GET", f"/api/v1/extractions/{running}")["status"] not in ("pending", "running"):
                running = None
                continue
        except OSError as error:  # the next agent is asked with the same key, so nothing is begun twice
            log.warning("%s: %s", agent.url, error)
            agents = agents[1:] + agents[:1]
        time.sleep(LOOK)


def main() -> None:
    """Never ends by itself."""
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    agents = [Agent(url, given["ca"], given["token"]) for url in given["agents"]]
    for agent in agents:
        threading.Thread(target=ask_on, args=(agent,), daemon=True).start()
    extract_on(agents, given["source_url"])


main()
