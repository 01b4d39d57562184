"""Variables of ours that no role knows: argument_specs checks only names that it has."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_variables
short_description: Names extraction_* variables that no role of the collection knows
description:
  - Reads the argument specs of all roles in a folder and compares them with the variables of the host.
  - An unknown variable is most often a misspelt one, which would leave the default in force without a word.
version_added: 0.1.0
author: The extraction agent's developers (!UNKNOWN)
options:
  _terms:
    description: The folder of the roles.
    required: true
    type: list
    elements: path
"""

EXAMPLES = r"""
- name: No variable is misspelt
  ansible.builtin.assert:
    that: not query('jivs.extraction.unknown_variables', role_path ~ '/..')
"""

RETURN = r"""
_raw:
  description: One sentence for each unknown variable, with the nearest known one.
  type: list
  elements: str
"""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "extraction_"


def known(roles: Path) -> set[str]:
    """The variables of all roles in a folder, by their argument specs."""
    names: set[str] = set()
    for file in roles.glob("*/meta/argument_specs.yml"):
        specs = yaml.safe_load(file.read_text(encoding="utf-8"))["argument_specs"]
        for entry_point in specs.values():
            names.update(entry_point.get("options", {}))
    return names


def explain(names: Iterable[str], right: set[str]) -> list[str]:
    """A sentence for each name of ours that is not among the right ones."""
    sentences = []
    for name in sorted(names):
        if name.startswith(PREFIX) and name not in right:
            nearest = difflib.get_close_matches(name, sorted(right), n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else "no role has one of that name."
            sentences.append(f"The variable {name} is unknown: {hint}")
    return sentences


class LookupModule(LookupBase):
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Answer for the host whose variables these are."""
        self.set_options(var_options=variables, direct=kwargs)
        right = set().union(*(known(Path(folder)) for folder in terms))
        if not right:
            raise AnsibleLookupError(f"There is no role with an argument spec in {', '.join(map(str, terms))}.")
        return explain(variables or {}, right)
