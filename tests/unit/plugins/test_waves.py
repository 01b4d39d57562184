"""Which hosts are changed together."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jivs.extraction.plugins.module_utils.waves import plan

HOSTS = [f"h{n}" for n in range(1, 9)]
GROUPS = {"quiet": ["h7", "h2", "elsewhere"], "all": HOSTS}


@pytest.mark.parametrize(
    ("waves", "sizes"),
    [
        ([], [8]),
        ([1], [1, 7]),
        ([1, "25%"], [1, 2, 5]),
        (["1%", 100], [1, 7]),
        ([3, 3, 3, 3], [3, 3, 2]),
        (["100%"], [8]),
    ],
)
def test_every_host_is_in_one_wave(waves: list[Any], sizes: list[int]) -> None:
    planned = plan(HOSTS, waves, GROUPS)
    assert [len(wave) for wave in planned] == sizes
    assert sorted(host for wave in planned for host in wave) == HOSTS


def test_a_group_is_a_wave_of_those_that_are_left() -> None:
    assert plan(HOSTS, [1, "quiet"], GROUPS)[1] == ["h2", "h7"]
    assert plan(HOSTS, [2, "quiet"], GROUPS)[1] == ["h7"]
    assert len(plan(HOSTS, ["quiet", "quiet"], GROUPS)) == 2


@pytest.mark.parametrize("wave", [0, -1, "0%", "101%", "some", "", None])
def test_what_is_no_wave_is_refused_with_the_groups(wave: object) -> None:
    with pytest.raises(ValueError, match=r"is no wave.*groups are all, quiet"):
        plan(HOSTS, [wave], GROUPS)
