#!/usr/bin/python
"""Indexes of a rollout."""

from __future__ import annotations

DOCUMENTATION = r"""
module: extraction_index
short_description: Builds the indexes that a rollout's profile wants, or drops those it made
description:
  - Runs C(extractctl indexes) where it is installed. No index is built or dropped by another way.
  - Writers are not blocked. What was there before is neither built nor dropped.
version_added: 0.1.0
author: The extraction agent's developers (!UNKNOWN)
extends_documentation_fragment: jivs.extraction.record
options:
  state:
    description:
      - V(present) builds what the rollout's profile wants and is not there.
      - V(absent) drops what the rollout made. Without O(rollout), what any rollout has left and the fleet's profile
        does not want.
    type: str
    choices: [present, absent]
    default: present
  rollout:
    description: The rollout's number. Needed for V(present).
    type: int
  rollout_token:
    description: The rollout's token. Needed for V(present). It is no secret.
    type: int
  source:
    description: A source's URL without a password, whose user owns the tables. Without it, the store.
    type: str
  source_password:
    description: The password of that user.
    type: str
  free_bytes:
    description: What is free on the disk of the server, where this host cannot look.
    type: int
  lock_timeout:
    description: The longest wait for a lock or a transaction, in seconds.
    type: float
    default: 30
attributes:
  check_mode:
    support: full
    description: Says what would be built or dropped.
  diff_mode:
    support: full
    description: Shows the definitions of those built or dropped.
"""

EXAMPLES = r"""
- name: Build what rollout 7 wants in the store
  jivs.extraction.extraction_index:
    rollout: 7
    rollout_token: 1764155000123
  become: true
  become_user: postgres

- name: Drop what it made
  jivs.extraction.extraction_index:
    state: absent
    rollout: 7
  become: true
  become_user: postgres
"""

RETURN = r"""
indexes:
  description: Each index with name, definition, action (build, drop or keep) and reason.
  returned: success
  type: list
  elements: dict
notes:
  description: What else a person should know.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jivs.extraction.plugins.module_utils import command
from ansible_collections.jivs.extraction.plugins.module_utils.command import Refused, extractctl


def words(params: dict, check: bool) -> list:
    """Of the command that does it."""
    said = ["indexes", "apply" if params["state"] == "present" else "undo"]
    for option, name in (("--rollout", "rollout"), ("--source", "source"), ("--lock-timeout", "lock_timeout")):
        if params[name] is not None:
            said.append(f"{option}={params[name]}")
    if params["state"] == "present":
        said.append(f"--token={params['rollout_token']}")
        said += [] if params["free_bytes"] is None else [f"--free-bytes={params['free_bytes']}"]
    if params["source_password"]:
        said.append("--secret=source")
    return [*said, "--dry-run"] if check else said


def definitions(indexes: list, action: str) -> str:
    """Of those with this action, a line each."""
    return "".join(f"{one['definition']};\n" for one in indexes if one["action"] == action)


def main() -> None:
    """Run the module."""
    options = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "rollout": {"type": "int"},
        "rollout_token": {"type": "int", "no_log": False},
        "source": {"type": "str"},
        "source_password": {"type": "str", "no_log": True},
        "free_bytes": {"type": "int"},
        "lock_timeout": {"type": "float", "default": 30},
    }
    module = AnsibleModule(
        {**command.OPTIONS, **options}, required_if=[("state", "present", ["rollout", "rollout_token"])],
        required_by={"source_password": ["source"]}, supports_check_mode=True,
    )  # fmt: skip
    password = module.params["source_password"]
    try:
        said = extractctl(
            module, words(module.params, module.check_mode),
            secrets={"EXTRACTION_SECRET_SOURCE": password} if password else None,
        )  # fmt: skip
    except Refused as error:
        module.fail_json(msg=str(error), status=error.status)
    diff = {"before": definitions(said["indexes"], "drop"), "after": definitions(said["indexes"], "build")}
    module.exit_json(changed=said["changed"], indexes=said["indexes"], notes=said["notes"], diff=diff)


if __name__ == "__main__":
    main()
