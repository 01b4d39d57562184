#!/usr/bin/python
"""What an agent runs with."""

from __future__ import annotations

DOCUMENTATION = r"""
module: extraction_info
short_description: Asks an agent which profile and generation it runs
description:
  - Reads C(GET /api/v1/tuning) of one agent. Changes nothing.
  - Can refuse a host that is not ready to take part in a rollout.
version_added: 0.1.0
author: The extraction agent's developers (!UNKNOWN)
extends_documentation_fragment: jivs.extraction.agent
options:
  rollout:
    description:
      - The rollout whose generation the host must run, 0 for none. Otherwise the module fails.
      - A host in a trial fails as well. Without this option nothing is refused.
    type: int
  wait_seconds:
    description: How long to wait for that.
    type: float
    default: 10
attributes:
  check_mode:
    support: full
    description: Changes nothing anyway.
  diff_mode:
    support: none
    description: Changes nothing.
"""

EXAMPLES = r"""
- name: Ask an agent what it runs
  jivs.extraction.extraction_info:
    url: https://agent1.example:8470
    token_file: /etc/rollout.token
  register: agent

- name: Make sure that it runs what rollout 7 has brought
  jivs.extraction.extraction_info:
    url: https://agent1.example:8470
    token_file: /etc/rollout.token
    rollout: 7
"""

RETURN = r"""
tuning:
  description: The profile in force, its generation, its trial, its guards, as C(GET /api/v1/tuning) has it.
  returned: success
  type: dict
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jivs.extraction.plugins.module_utils import agent_api
from ansible_collections.jivs.extraction.plugins.module_utils.agent_api import Agent, AgentError


def drifted(url: str, tuning: dict, rollout: int) -> str | None:
    """Why the host does not run what it should."""
    if tuning["state"] == "trial":
        return f"{url} is in a trial for rollout {tuning['rollout']}: wait until that rollout has ended."
    if (tuning["rollout"] or 0) != rollout:
        has = f"the profile {tuning['profile']} of rollout {tuning['rollout']}"
        if not tuning["rollout"]:
            has = f"the profile {tuning['profile']} of its configuration"
        fleet = rollout or "none"
        return f"{url} runs {has}, and the fleet is at rollout {fleet}: look at its log for why it does not join."
    return None


def main() -> None:
    """Run the module."""
    options = {"rollout": {"type": "int"}, "wait_seconds": {"type": "float", "default": 10}}
    module = AnsibleModule(
        {**agent_api.OPTIONS, **options}, mutually_exclusive=agent_api.ONE_TOKEN, required_one_of=agent_api.ONE_TOKEN,
        supports_check_mode=True,
    )  # fmt: skip
    wanted, until = module.params["rollout"], time.monotonic() + module.params["wait_seconds"]
    try:
        agent = Agent(module.params["url"], agent_api.token_of(module.params), module.params["ca"])
        while True:
            tuning = agent.tuning()
            reason = None if wanted is None else drifted(agent.url, tuning, wanted)
            if reason is None:
                module.exit_json(changed=False, tuning=tuning)
            if time.monotonic() >= until:
                module.fail_json(msg=reason, tuning=tuning)
            time.sleep(0.5)
    except AgentError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
