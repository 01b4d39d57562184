#!/usr/bin/python
"""A host's trial of a rollout's profile."""

from __future__ import annotations

DOCUMENTATION = r"""
module: extraction_tuning
short_description: Puts a rollout's profile on trial on one host, or takes it back
description:
  - Asks one agent by HTTP. The agent asks the store before it does anything, and refuses a rollout that does not run.
  - No host confirms by this module. The store's commit does that.
version_added: 0.1.0
author: The extraction agent's developers (!UNKNOWN)
extends_documentation_fragment: jivs.extraction.agent
options:
  state:
    description:
      - V(trial) puts the profile on trial, or prolongs its trial.
      - V(back) ends the rollout's trial. What was in force before is again.
    type: str
    choices: [trial, back]
    default: trial
  rollout:
    description: The rollout's number.
    type: int
    required: true
  rollout_token:
    description: The rollout's own token, which fences. It is no secret.
    type: int
    required: true
  profile:
    description: The whole profile, as the rollout was begun with. Needed for V(trial).
    type: dict
  trial_seconds:
    description: After how long the host goes back by itself unless it is asked again.
    type: float
    default: 900
attributes:
  check_mode:
    support: full
    description: Says what would change.
  diff_mode:
    support: full
    description: Shows profile and settings before and after.
"""

EXAMPLES = r"""
- name: Have a host try a rollout's profile
  jivs.extraction.extraction_tuning:
    url: https://agent1.example:8470
    token_file: /etc/rollout.token
    rollout: 7
    rollout_token: 1764155000123
    profile: "{{ rollout.settings }}"

- name: Take it back
  jivs.extraction.extraction_tuning:
    url: https://agent1.example:8470
    token_file: /etc/rollout.token
    rollout: 7
    rollout_token: 1764155000123
    state: back
"""

RETURN = r"""
tuning:
  description: What the host runs with now, as C(GET /api/v1/tuning) has it.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jivs.extraction.plugins.module_utils import agent_api
from ansible_collections.jivs.extraction.plugins.module_utils.agent_api import Agent, AgentError

SETTLE = 15.0  # s within which a host is back


def shown(tuning: dict) -> dict:
    """What a diff compares."""
    return {name: tuning[name] for name in ("profile", "state", "rollout", "settings")}


def asked(agent: Agent, params: dict, before: dict, check: bool) -> tuple[bool, dict]:
    """Whether something changes, and the tuning afterwards."""
    trying = before["state"] == "trial" and before["rollout"] == params["rollout"]
    if params["state"] == "back":
        if not trying or check:
            return trying, before
        agent.back(params["rollout"], params["rollout_token"])
        return True, agent.settled(SETTLE)
    if check:
        planned = {"profile": params["profile"]["name"], "state": "trial", "settings": params["profile"]["settings"]}
        return not trying, before if trying else {**before, **planned, "rollout": params["rollout"]}
    after = agent.try_(params["rollout"], params["rollout_token"], params["profile"], params["trial_seconds"])
    return not trying, after


def main() -> None:
    """Run the module."""
    options = {
        "state": {"type": "str", "choices": ["trial", "back"], "default": "trial"},
        "rollout": {"type": "int", "required": True},
        "rollout_token": {"type": "int", "required": True, "no_log": False},
        "profile": {"type": "dict"},
        "trial_seconds": {"type": "float", "default": 900},
    }
    module = AnsibleModule(
        {**agent_api.OPTIONS, **options}, mutually_exclusive=agent_api.ONE_TOKEN, required_one_of=agent_api.ONE_TOKEN,
        required_if=[("state", "trial", ["profile"])], supports_check_mode=True,
    )  # fmt: skip
    try:
        agent = Agent(module.params["url"], agent_api.token_of(module.params), module.params["ca"])
        before = agent.tuning()
        changed, after = asked(agent, module.params, before, module.check_mode)
    except AgentError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, tuning=after, diff={"before": shown(before), "after": shown(after)})


if __name__ == "__main__":
    main()
