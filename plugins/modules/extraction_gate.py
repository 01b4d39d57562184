#!/usr/bin/python
"""The gate: samples of canaries and other hosts, and what the judge says of them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: extraction_gate
short_description: Takes samples of a fleet in a rollout and asks the judge for a verdict
description:
  - Reads C(/metrics) of every host once a time slot, has the canaries run the old and the new settings in turn
    (A-B-B-A), adds the raw samples to a file, and calls C(extractctl judge) on all of it.
  - One call takes at most O(step_seconds), so that the rollout's lease can be renewed between two. Call it again with
    the same file until RV(final).
  - Runs where the agents can be reached and C(extraction-agent[controller]) is installed, on the controller most often.
version_added: 0.1.0
author: The extraction agent's developers (!UNKNOWN)
requirements: [extractctl with numpy and scipy]
options:
  design:
    description:
      - V(switched) has the canaries go to and fro.
      - V(before) takes samples before all databases are changed, V(after) takes those afterwards and judges.
    type: str
    choices: [switched, before, after]
    default: switched
  hosts:
    description: All agents that are looked at.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The host's name in the samples.
        type: str
        required: true
      url:
        description: The agent's address.
        type: str
        required: true
      ca:
        description: Authorities that vouch for its certificate, as PEM text.
        type: str
  canaries:
    description: Names of the hosts that are switched.
    type: list
    elements: str
    default: []
  held:
    description: Names of hosts of earlier waves. They are not judged again, and their trial is prolonged.
    type: list
    elements: str
    default: []
  token:
    description: A token of the scopes C(read) and C(tune).
    type: str
  token_file:
    description: A file that holds the token.
    type: path
  rollout:
    description: The rollout's number.
    type: int
    required: true
  rollout_token:
    description: The rollout's own token. It is no secret.
    type: int
    required: true
  profile:
    description: The whole profile on trial, as the rollout has it.
    type: dict
    required: true
  trial_seconds:
    description: The length of a trial that is begun or prolonged.
    type: float
    default: 900
  slot_seconds:
    description: The length of a slot. It should see some hundred answers of the API.
    type: float
    default: 1
  run_slots:
    description: How many slots each A and B lasts.
    type: int
    default: 6
  slots:
    description: With V(before), how many slots are taken in all.
    type: int
    default: 120
  step_seconds:
    description: For how long samples are taken in one call, a switch included. One slot is taken at least.
    type: float
    default: 20
  samples:
    description: The file of the samples.
    type: path
    required: true
  judge:
    description: The path of extractctl.
    type: str
    default: extractctl
  rules:
    description: The profile whose gates are the rules, by name or file.
    type: str
    required: true
attributes:
  check_mode:
    support: none
    description: A verdict on what is not changed is none. The module is skipped.
  diff_mode:
    support: none
    description: It changes no host for good.
"""

EXAMPLES = r"""
- name: Judge a canary
  jivs.extraction.extraction_gate:
    hosts:
      - {name: agent1, url: "https://agent1.example:8470"}
      - {name: agent2, url: "https://agent2.example:8470"}
    canaries: [agent1]
    token_file: rollout.token
    rollout: 7
    rollout_token: 1764155000123
    profile: "{{ rollout.settings }}"
    rules: optimized
    samples: "{{ playbook_dir }}/rollout-7.jsonl"
  register: gate
  until: gate.final
  retries: 100
  delay: 0
"""

RETURN = r"""
final:
  description: Whether the verdict stands. Otherwise more slots are needed.
  returned: success
  type: bool
verdict:
  description: GO, NO-GO or INCONCLUSIVE.
  returned: success
  type: str
more_slots:
  description: How many slots more are needed, as far as is known.
  returned: success
  type: int
slots:
  description: How many there are.
  returned: success
  type: int
evidence:
  description: What the judge said.
  returned: when it has judged
  type: dict
table:
  description: The evidence as lines of a table.
  returned: when it has judged
  type: list
  elements: str
"""

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jivs.extraction.plugins.module_utils import agent_api, command, exposition, switching
from ansible_collections.jivs.extraction.plugins.module_utils.agent_api import Agent, AgentError
from ansible_collections.jivs.extraction.plugins.module_utils.evidence import table

PATIENCE = 2.0  # s at least that a look waits for a host: one that is cut off must not stretch everybody's slots
JUDGED = (0, 1)  # exit statuses with which the judge has said something


def now() -> datetime:
    """With its zone."""
    return datetime.now().astimezone()


class Fleet:
    """The agents that are looked at, all at once."""

    def __init__(self, params: dict) -> None:
        """Raises AgentError."""
        self._params = params
        token = agent_api.token_of(params)
        self._agents = {one["name"]: Agent(one["url"], token, one["ca"]) for one in params["hosts"]}
        self.looked_at = [name for name in self._agents if name not in params["held"]]
        self._pool = ThreadPoolExecutor(max_workers=len(self._agents))

    def look(self) -> dict:
        """The figures of each host that answers."""
        looks = {name: self._pool.submit(self._figures, name) for name in self.looked_at}
        found = {name: look.result() for name, look in looks.items()}
        return {name: one for name, one in found.items() if one is not None}

    def switch(self, names: list, tried: bool) -> None:
        """Have them run the new settings, or the old. Raises AgentError."""
        list(self._pool.map(self._switch, names, [tried] * len(names)))

    def _figures(self, name: str) -> exposition.Figures | None:
        patience = max(PATIENCE, self._params["slot_seconds"])
        try:
            return exposition.figures(self._agents[name].metrics(patience))
        except AgentError:  # it is missing in this slot
            return None
        except ValueError as error:
            raise AgentError(f"{self._agents[name].url}: {error}.") from error

    def _switch(self, name: str, tried: bool) -> None:
        params, agent = self._params, self._agents[name]
        if tried:
            agent.try_(params["rollout"], params["rollout_token"], params["profile"], params["trial_seconds"])
        else:
            agent.back(params["rollout"], params["rollout_token"])
            agent.settled(agent_api.ANSWER)


class Samples:
    """The file of raw samples, which later calls add to."""

    def __init__(self, params: dict) -> None:
        self._params = params
        self._path = Path(params["samples"])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.slots, self._trials = 0, 0
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                self._count(json.loads(line))

    @property
    def tried(self) -> bool:
        """Whether any is of a trial: otherwise there is nothing to judge."""
        return self._trials > 0

    def add(self, begun: datetime, seconds: float, before: dict, after: dict, marked: bool | None) -> None:
        """One slot. marked: what counts as the trial, if it is no host's own."""
        params, made = self._params, []
        common = {
            "rollout": params["rollout"], "slot": self.slots, "started_at": begun.isoformat(),
            "seconds": round(seconds, 3),
        }  # fmt: skip
        for name in sorted(before.keys() & after.keys()):
            one = exposition.sample(before[name], after[name])
            if one is not None:
                one["trial"] = one["trial"] if marked is None else marked
                made.append({**common, "host": name, **one})
        outside = [after[name] for name in sorted(after) if name not in params["canaries"]]
        trips = {source: value for one in reversed(outside) for source, value in one.round_trips.items()}
        made += [{**common, "source": source, "round_trip_seconds": value} for source, value in sorted(trips.items())]
        if not made:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(one) + "\n" for one in made))
        for one in made:
            self._count(one)

    def _count(self, one: dict) -> None:
        self.slots = max(self.slots, one["slot"] + 1)
        self._trials += bool(one.get("trial"))


def take(fleet: Fleet, samples: Samples, params: dict) -> None:
    """The slots of one call. Raises AgentError."""
    switched = params["design"] == "switched"
    fleet.switch(params["held"], True)  # prolongs their trials
    wanted = params["slots"] if params["design"] == "before" else math.inf
    end = time.monotonic() + params["step_seconds"]
    before, begun, at, side = {}, now(), time.monotonic(), None
    while samples.slots < wanted and (side is None or time.monotonic() + params["slot_seconds"] <= end):
        turn = switching.tried(samples.slots, params["run_slots"])
        if switched and turn != side:
            fleet.switch(params["canaries"], turn)
            before = {}
        side = turn
        if not before:
            before, begun, at = fleet.look(), now(), time.monotonic()
        time.sleep(max(0.0, at + params["slot_seconds"] - time.monotonic()))
        after, ended, until = fleet.look(), now(), time.monotonic()
        stay(params["canaries"] if switched else [], after, turn)
        known = samples.slots
        samples.add(begun, until - at, before, after, None if switched else params["design"] == "after")
        if samples.slots == known:
            raise AgentError(f"No agent answers: {', '.join(one['url'] for one in params['hosts'])}.")
        before, begun, at = after, ended, until


def stay(canaries: list, after: dict, turn: bool) -> None:
    """A canary that has gone back by itself is no canary any more. Raises AgentError."""
    for name in canaries:
        if turn and name in after and not after[name].trial:
            raise AgentError(f"{name} has ended its trial by itself: `extractctl rollout status` says why.")


def judged(module: AnsibleModule, samples: Samples) -> dict:
    """What the module returns. Raises Refused."""
    params = module.params
    counted = {"changed": False, "slots": samples.slots, "verdict": "INCONCLUSIVE"}
    if params["design"] == "before":
        more = max(params["slots"] - samples.slots, 0)
        return {**counted, "final": more == 0, "more_slots": more}
    if not samples.tried or samples.slots < switching.first_look(params["run_slots"]):
        more = max(switching.first_look(params["run_slots"]) - samples.slots, 1)
        return {**counted, "final": False, "more_slots": more}
    words = ["judge", params["samples"], "--profile=" + params["rules"], "--json"]
    words += ["--everywhere"] if params["design"] == "after" else []
    status, out, err = module.run_command([params["judge"], *words])
    evidence = command.answer(status, out, err, words, JUDGED)
    return {
        **counted, "verdict": evidence["verdict"], "final": evidence["final"], "more_slots": evidence["more_slots"],
        "evidence": evidence, "table": table(evidence),
    }  # fmt: skip


def main() -> None:
    """Run the module."""
    host = {"name": {"type": "str", "required": True}, "url": {"type": "str", "required": True}, "ca": {"type": "str"}}
    options = {
        "design": {"type": "str", "choices": ["switched", "before", "after"], "default": "switched"},
        "hosts": {"type": "list", "elements": "dict", "required": True, "options": host},
        "canaries": {"type": "list", "elements": "str", "default": []},
        "held": {"type": "list", "elements": "str", "default": []},
        "token": {"type": "str", "no_log": True},
        "token_file": {"type": "path", "no_log": False},
        "rollout": {"type": "int", "required": True},
        "rollout_token": {"type": "int", "required": True, "no_log": False},
        "profile": {"type": "dict", "required": True},
        "trial_seconds": {"type": "float", "default": 900},
        "slot_seconds": {"type": "float", "default": 1},
        "run_slots": {"type": "int", "default": 6},
        "slots": {"type": "int", "default": 120},
        "step_seconds": {"type": "float", "default": 20},
        "samples": {"type": "path", "required": True},
        "judge": {"type": "str", "default": "extractctl"},
        "rules": {"type": "str", "required": True},
    }
    module = AnsibleModule(
        options, mutually_exclusive=agent_api.ONE_TOKEN, required_one_of=agent_api.ONE_TOKEN,
        required_if=[("design", "switched", ["canaries"])], supports_check_mode=False,
    )  # fmt: skip
    try:
        fleet = Fleet(module.params)
        samples = Samples(module.params)
        take(fleet, samples, module.params)
        done = judged(module, samples)
        if module.params["design"] == "switched" and done["final"] and done["verdict"] == "GO":
            fleet.switch(module.params["canaries"], True)
    except (AgentError, command.Refused) as error:
        module.fail_json(msg=str(error))
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"The samples in {module.params['samples']} cannot be used: {error}.")
    module.exit_json(**done)


if __name__ == "__main__":
    main()
