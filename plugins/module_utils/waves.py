"""Which hosts are changed together, and in what order."""

from __future__ import annotations

import math
import re

_SHARE = re.compile(r"^(\d+)\s*%$")


def plan(hosts: list[str], waves: list[int | str], groups: dict[str, list[str]]) -> list[list[str]]:
    """The hosts of each wave. Raises ValueError.

    A wave is a number of hosts, a share of the fleet ("25%", one host at least) or the name of a group. What the waves
    leave over is the last one. A wave that finds no host left is dropped.
    """
    left, planned = list(hosts), []
    for wave in waves:
        taken = _taken(wave, left, hosts, groups)
        left = [host for host in left if host not in taken]
        planned.append(taken)
    return [wave for wave in [*planned, left] if wave]


def _taken(wave: int | str, left: list[str], hosts: list[str], groups: dict[str, list[str]]) -> list[str]:
    share = _SHARE.match(str(wave))
    if share is not None and 1 <= int(share.group(1)) <= 100:
        return left[: max(1, math.floor(len(hosts) * int(share.group(1)) / 100))]
    if str(wave).isdigit() and int(wave) >= 1:
        return left[: int(wave)]
    if wave in groups:
        return [host for host in left if host in groups[wave]]
    known = ", ".join(sorted(groups)) or "none"
    raise ValueError(
        f"{wave!r} is no wave: it is a number of hosts, a share as 25%, or a group, and groups are {known}."
    )
