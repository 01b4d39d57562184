"""A-B-B-A."""

from __future__ import annotations

from ansible_collections.jivs.extraction.plugins.module_utils.switching import first_look, take, tried


def test_old_new_new_old_and_again() -> None:
    assert "".join("AB"[tried(slot, 2)] for slot in range(16)) == "AABBBBAAAABBBBAA"
    assert first_look(2) == 8


def test_slots_that_fit() -> None:
    assert take(20, 1, 1000) == 20
    assert take(20, 1, 5) == 5
    assert take(20, 60, 5) == 1
