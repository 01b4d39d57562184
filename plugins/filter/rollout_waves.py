"""Which hosts a rollout changes together."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_waves
short_description: Divides hosts into waves
description: A wave is a number of hosts, a share of the fleet, or a group; those left over are the last wave.
version_added: 0.1.0
author: The extraction agent's developers (!UNKNOWN)
positional: waves, groups
options:
  _input:
    description: All hosts, in order.
    type: list
    elements: str
    required: true
  waves:
    description: Each a number of hosts, a share as 25%, or the name of a group.
    type: list
    elements: raw
    required: true
  groups:
    description: The inventory's groups.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Divide them
  ansible.builtin.set_fact:
    waves: "{{ ansible_play_hosts_all | jivs.extraction.rollout_waves([1, '25%'], groups) }}"
"""

RETURN = r"""
_value:
  description: The hosts of each wave.
  type: list
  elements: list
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.jivs.extraction.plugins.module_utils.waves import plan


def rollout_waves(hosts: list[str], waves: list[int | str], groups: dict[str, list[str]]) -> list[list[str]]:
    """The hosts of each wave. Raises AnsibleFilterError."""
    try:
        return plan(list(hosts), list(waves), dict(groups))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Any]:
        return {"rollout_waves": rollout_waves}
