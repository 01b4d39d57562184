"""Lets tests import the collection under its own name, as ansible-test does, without Ansible."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

_ROOT = Path(__file__).parents[3]

if importlib.util.find_spec("ansible_collections") is None:
    for name, folder in (
        ("ansible_collections", _ROOT / "none"),
        ("ansible_collections.jivs", _ROOT / "none"),
        ("ansible_collections.jivs.extraction", _ROOT),
    ):
        module = types.ModuleType(name)
        module.__path__ = [str(folder)]
        sys.modules[name] = module
