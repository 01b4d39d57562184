"""extractctl on this host: run, and its answer read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

PROGRAM = "/opt/extraction-agent/bin/extractctl"
STORE = "postgresql:///extraction?host=/var/run/postgresql&options=-c%20role%3Dextraction"

OPTIONS = {
    "program": {"type": "path", "default": PROGRAM},
    "store": {"type": "str", "default": STORE, "no_log": False},
    "store_password": {"type": "str", "no_log": True},
}


class Refused(Exception):
    """The command's own sentence; its exit status as `status`."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def extractctl(
    module: AnsibleModule, words: list[str], text: str | None = None, secrets: dict[str, str] | None = None
) -> dict[str, Any]:
    """What it says with --json. Raises Refused. Passwords go by the environment, which other users cannot read."""
    environment = {"EXTRACTION_STORE": module.params["store"], "LC_ALL": "C.UTF-8"}
    if module.params.get("store_password"):
        environment["PGPASSWORD"] = module.params["store_password"]
    environment.update(secrets or {})
    status, out, err = module.run_command(
        [module.params["program"], *words, "--json"], data=text, environ_update=environment
    )
    return answer(status, out, err, words)


def answer(status: int, out: str, err: str, words: list[str], fine: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """The object that a command printed. fine: exit statuses with which it prints one. Raises Refused."""
    if status not in fine:
        raise Refused(sentence(err) or f"extractctl {words[0]} ended with status {status}.", status)
    try:
        said = json.loads(out)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise Refused(sentence(err) or f"extractctl {words[0]} did not answer with an object.", status or 1)
    return said


def sentence(err: str) -> str:
    """What a command said went wrong, on one line."""
    return " ".join(err.split())
