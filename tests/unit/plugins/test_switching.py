"""A-B-B-A."""

from __future__ import annotations

from ansible_collections.jivs.extraction.plugins.module_utils.switching import first_look, tried


def test_old_new_new_old_and_again() -> None:
    assert "".join("AB"[tried(slot, 2)] for slot in range(16)) == "AABBBBAAAABBBBAA"
    assert first_look(2) == 8
