#!/usr/bin/python
"""The rollout record in the store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: extraction_rollout
short_description: Begins, renews, judges, commits or aborts a rollout in the store
description:
  - Runs C(extractctl rollout) where it is installed. The store decides. This module only asks.
  - C(docs/explanation/rollout.md) says what each step needs.
version_added: 0.1.0
author: The extraction agent's developers (!UNKNOWN)
extends_documentation_fragment: jivs.extraction.record
options:
  state:
    description:
      - V(begun) begins a rollout. Refused while another runs, beyond the budget, outside a window, while alerts fire.
      - V(renewed) prolongs the lease. With O(wave), a wave begins.
      - V(judged) records the gate's verdict on O(wave).
      - V(committed) makes its generation the fleet's. Refused unless each wave is judged, or it is a way back.
      - V(aborted) ends it. Its hosts go back by themselves.
      - V(paused) and V(resumed) are a person's.
      - V(found) only looks, at the latest unless O(rollout) says which.
    type: str
    choices: [begun, renewed, judged, committed, aborted, paused, resumed, found]
    required: true
  rollout:
    description: The rollout's number.
    type: int
  rollout_token:
    description: The rollout's token, as V(begun) returned it. It is no secret.
    type: int
  profile:
    description: The name of a profile that comes with the program. V(begun) needs it or O(profile_text).
    type: str
  profile_text:
    description: A profile as YAML text.
    type: str
  hosts:
    description: How many hosts run an agent on the store. The budget counts with them.
    type: int
  lease_seconds:
    description: After how long the rollout is aborted unless it is renewed.
    type: float
    default: 60
  watch_seconds:
    description: For how long each host watches it once it is committed. A guard that trips then has all hosts go back.
    type: float
    default: 172800
  back:
    description:
      - V(begun) undoes the latest committed one. The profile is the one before it.
      - Nobody judges it, and it is not watched.
    type: bool
    default: false
  holder:
    description: Who holds it, for people.
    type: str
  firing:
    description: Alerts that fire now. Each forbids a beginning.
    type: list
    elements: str
    default: []
  windows:
    description: Hours in which it may begin, C(22:00-05:00). Without any, always.
    type: list
    elements: str
    default: []
  time_zone:
    description: Whose wall clock the windows are of.
    type: str
    default: UTC
  wave:
    description: 0 for the databases, 1 for the canary, then the others.
    type: int
  evidence:
    description: What the judge said. Needed for V(judged).
    type: dict
  reason:
    description: Why it is aborted.
    type: str
attributes:
  check_mode:
    support: full
    description: For V(begun) the budget is checked, and nothing is begun.
  diff_mode:
    support: full
    description: Shows the rollout's state before and after.
"""

EXAMPLES = r"""
- name: Begin a rollout
  jivs.extraction.extraction_rollout:
    state: begun
    profile: optimized
    hosts: 3
  become: true
  become_user: postgres
  register: begun

- name: Begin the canary
  jivs.extraction.extraction_rollout:
    state: renewed
    rollout: "{{ begun.rollout.rollout_id }}"
    rollout_token: "{{ begun.rollout.token }}"
    wave: 1
  become: true
  become_user: postgres
"""

RETURN = r"""
rollout:
  description:
    - The rollout as C(extractctl rollout status --json) has it, hosts, verdicts and indexes included. Its C(rollout_id)
      is null if there has been none.
    - After V(renewed) without those, otherwise with those that there were before.
  returned: success
  type: dict
budget:
  description: In check mode of V(begun), both sums of the budget.
  returned: check mode
  type: dict
"""

import json
from tempfile import NamedTemporaryFile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jivs.extraction.plugins.module_utils import command
from ansible_collections.jivs.extraction.plugins.module_utils.command import Refused, extractctl

OF_ONE = ["rollout", "rollout_token"]
NEEDS = [
    ("state", "begun", ["hosts"]),
    ("state", "begun", ["profile", "profile_text"], True),
    ("state", "renewed", OF_ONE),
    ("state", "judged", [*OF_ONE, "wave", "evidence"]),
    ("state", "committed", OF_ONE),
    ("state", "aborted", ["rollout", "reason"]),
    ("state", "paused", ["rollout"]),
    ("state", "resumed", ["rollout"]),
]


def words(params: dict, profile: str) -> list:
    """Of the command that does it. profile: by name or file."""
    state, number, token = params["state"], str(params["rollout"]), f"--token={params['rollout_token']}"
    if state == "begun":
        said = ["begin", profile, f"--hosts={params['hosts']}", f"--lease={params['lease_seconds']:g}"]
        said += ["--back"] if params["back"] else [f"--watch={params['watch_seconds']:.0f}"]
        said += ["--holder=" + params["holder"]] if params["holder"] else []
        said += ["--firing=" + alert for alert in params["firing"]]
        said += ["--window=" + hours for hours in params["windows"]]
        return [*said, "--time-zone=" + params["time_zone"]]
    if state == "renewed":
        return ["renew", number, token] + ([] if params["wave"] is None else [f"--wave={params['wave']}"])
    return {
        "judged": ["verdict", number, token, f"--wave={params['wave']}", "--evidence=-"],
        "committed": ["commit", number, token],
        "aborted": ["abort", number, f"--reason={params['reason']}"],
        "paused": ["pause", number],
        "resumed": ["resume", number],
    }[state]


def changes(params: dict, before: dict) -> bool:
    """Whether it will be otherwise than it is."""
    state = params["state"]
    if state in ("paused", "resumed"):
        return before["state"] == "running" and before["paused"] != (state == "paused")
    return before["state"] != state


def short(rollout: dict) -> dict:
    """What a diff compares."""
    return {name: rollout.get(name) for name in ("rollout_id", "profile", "state", "wave", "paused", "reason")}


def run(module: AnsibleModule, profile: str) -> dict:
    """What the module returns. Raises Refused."""
    params = module.params
    state = params["state"]
    number = [] if params["rollout"] is None else [str(params["rollout"])]
    if state == "begun" and module.check_mode:
        budget = extractctl(module, ["rollout", "budget", profile, f"--hosts={params['hosts']}"])
        return {"changed": True, "budget": budget, "rollout": {}}
    if state in ("begun", "renewed") and not module.check_mode:
        rollout = extractctl(module, ["rollout", *words(params, profile)])
        if state == "renewed":
            return {"changed": False, "rollout": rollout}
        rollout = extractctl(module, ["rollout", "status", str(rollout["rollout_id"])])
        return {"changed": True, "rollout": rollout, "diff": {"before": {}, "after": short(rollout)}}
    before = extractctl(module, ["rollout", "status", *number])
    if state in ("found", "renewed"):
        return {"changed": False, "rollout": before}
    changed = changes(params, before)
    after = before
    if not module.check_mode:
        text = json.dumps(params["evidence"]) if state == "judged" else None
        after = {**before, **extractctl(module, ["rollout", *words(params, profile)], text)}
    return {"changed": changed, "rollout": after, "diff": {"before": short(before), "after": short(after)}}


def main() -> None:
    """Run the module."""
    states = ["begun", "renewed", "judged", "committed", "aborted", "paused", "resumed", "found"]
    options = {
        "state": {"type": "str", "choices": states, "required": True},
        "rollout": {"type": "int"},
        "rollout_token": {"type": "int", "no_log": False},
        "profile": {"type": "str"},
        "profile_text": {"type": "str"},
        "hosts": {"type": "int"},
        "lease_seconds": {"type": "float", "default": 60},
        "watch_seconds": {"type": "float", "default": 172800},
        "back": {"type": "bool", "default": False},
        "holder": {"type": "str"},
        "firing": {"type": "list", "elements": "str", "default": []},
        "windows": {"type": "list", "elements": "str", "default": []},
        "time_zone": {"type": "str", "default": "UTC"},
        "wave": {"type": "int"},
        "evidence": {"type": "dict"},
        "reason": {"type": "str"},
    }
    module = AnsibleModule(
        {**command.OPTIONS, **options}, required_if=NEEDS, mutually_exclusive=[("profile", "profile_text")],
        supports_check_mode=True,
    )  # fmt: skip
    profile = module.params["profile"]
    if module.params["profile_text"]:
        with NamedTemporaryFile("w", suffix=".yml", dir=module.tmpdir, delete=False, encoding="utf-8") as file:
            file.write(module.params["profile_text"])
        profile = file.name
        module.add_cleanup_file(profile)
    try:
        done = run(module, profile)
    except Refused as error:
        module.fail_json(msg=str(error).replace(f"{module.tmpdir}/", ""), status=error.status)
    module.exit_json(**done)


if __name__ == "__main__":
    main()
