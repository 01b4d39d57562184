"""A fleet on this machine, without root: source, store, three agents, and the inventory that leads to them."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import yaml
from psycopg import sql as q

from benchmarks import service
from extraction_agent import embedded
from extraction_agent.profiles import Profile
from extraction_agent.store.store import Store
from workflow import commands
from workflow.fleet import load
from workflow.fleet.fleet import Fleet
from workflow.folder import dumped

if TYPE_CHECKING:
    from workflow.steps import Context

HOSTS = ("north", "south", "west")
TABLE = "orders"
_WALK = commands.ROOT / "molecule" / "rollouts" / "walk.py"
_AGENT = Path(__file__).with_name("agent.py")
_CONNECTIONS = {"max_connections": "400"}  # three hosts with the user's pool of 50 want 199
_FILL = """
CREATE TABLE orders AS SELECT n AS id, md5(n::text) AS customer, n % 97 AS amount FROM generate_series(1, {rows}) AS n
"""


@contextmanager
def fleet(context: "Context") -> Iterator[Fleet]:
    """Running what of the old profile belongs to a host. Gone at the end; its logs stay in the run's folder."""
    place = context.folder.file("testing/fleet/hosts.yml").parent
    with ExitStack() as stack:
        folder = stack.enter_context(embedded.folder())
        source = stack.enter_context(embedded.Server(folder / "source"))
        store = stack.enter_context(embedded.Server(folder / "store", _CONNECTIONS))
        _fill(source.url())
        with Store(store.url(), check=False) as prepared:
            prepared.migrate()
        before = context.folder.write("testing/fleet/before.yml", dumped(_of_a_host(context)))
        agents = [
            stack.enter_context(
                service.running(
                    place / name, store.url(), before, program=[sys.executable, _AGENT, name],
                    state=_state(folder / name),
                )
            )
            for name in HOSTS
        ]  # fmt: skip
        inventory = place / "hosts.yml"
        inventory.write_text(yaml.safe_dump(_inventory([agent.url for agent in agents])), encoding="utf-8")
        extractctl = str(commands.BIN / "extractctl")
        variables = {"extraction_rollout_store_url": store.url(), "extraction_rollout_program": extractctl}
        slow = stack.enter_context(_at_a_walk(source.port, place))
        work = partial(load.at_work, agents, source.url().replace(f":{source.port}/", f":{slow}/"), TABLE)
        yield Fleet(inventory, variables, context.folder.file("testing/rollout.log"), here=True, at_work=work)


def _of_a_host(context: "Context") -> Profile:
    """The old profile, but for how a table is read and written, and the threads, which are the new one's.

    Reading and writing belong to an extraction, whichever host copies its chunks, so no canary can tell them from what
    its neighbours do; the comparison does that. And an agent with one thread answers nobody while it copies.
    """
    old, new = context.profile(context.scenario.before), context.profile(context.scenario.after)
    settings = old.settings.model_dump(mode="json")
    settings["reading"]["method"] = new.settings.reading.method
    settings |= {group: getattr(new.settings, group).model_dump(mode="json") for group in ("batch", "threads")}
    return Profile.model_validate({**old.model_dump(mode="json"), "settings": settings})


@contextmanager
def _at_a_walk(port: int, place: Path) -> Iterator[int]:
    """A port that leads to the source slowly: an extraction then takes time and no processor's, of which a fleet on one
    machine has too little."""
    free = embedded.free_port()
    words: list[str | Path] = [sys.executable, _WALK, f"127.0.0.1:{free}", f"127.0.0.1:{port}"]
    with (
        (place / "walk.log").open("wb") as log,
        subprocess.Popen(words, stdout=log, stderr=log) as process,  # noqa: S603 - the project's own script
    ):
        try:
            yield free
        finally:
            process.terminate()


def _fill(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(q.SQL(_FILL).format(rows=q.Literal(load.ROWS)))
        connection.execute("ALTER TABLE orders ADD PRIMARY KEY (id)")
        connection.execute("VACUUM (ANALYZE) orders")


def _state(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


def _inventory(urls: list[str]) -> dict[str, Any]:
    here = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    ports = {name: {"extraction_agent_port": urlsplit(url).port} for name, url in zip(HOSTS, urls, strict=True)}
    return {
        "all": {"vars": here},
        "extraction_store": {"hosts": {"store": {}}},
        "extraction_agents": {"hosts": ports},
    }
