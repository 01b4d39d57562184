"""A/A on a real fleet: samples of hosts that nobody changed, judged as if each host in turn were the canary.

The hosts share their windows, so A/As of the same window are not independent.

.venv/bin/python -m benchmarks.a_a FILE              # samples as extraction_gate takes them; `make molecule` makes some
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.judge import Score, table
from extraction_agent import profiles
from extraction_agent.judge.evidence import Design
from extraction_agent.judge.observed import Observed, observe
from extraction_agent.judge.plan import RUN
from extraction_agent.judge.samples import HostSample, Sample, read
from extraction_agent.profiles import Gates


def pretended(samples: Sequence[Sample], canary: str, slots: int) -> Iterator[Observed]:
    """One A/A after another, of so many slots each: the canary is said to be switched A-B-B-A, and is not."""
    first, last = min(one.slot for one in samples), max(one.slot for one in samples)
    for begin in range(first, last - slots + 2, slots):
        yield observe([_told(one, canary, begin) for one in samples if begin <= one.slot < begin + slots])


def _told(sample: Sample, canary: str, begin: int) -> Sample:
    if not isinstance(sample, HostSample) or sample.host != canary:
        return sample
    return sample.model_copy(update={"trial": (sample.slot - begin) // RUN % 4 in (1, 2)})


def scores(samples: Sequence[Sample], slots: int, limits: Gates) -> dict[str, Score]:
    """By who is said to be the canary."""
    hosts = sorted({one.host for one in samples if isinstance(one, HostSample)})
    return {host: _score(pretended(samples, host, slots), limits) for host in hosts}


def _score(observed: Iterable[Observed], limits: Gates) -> Score:
    made = Score()
    for one in observed:
        made.add(one, limits, Design.SWITCHED)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="samples, JSON lines")
    parser.add_argument("--slots", type=int, default=600, help="of each A/A; as `extractctl judge --plan` asks")
    parser.add_argument("--profile", default="optimized", help="whose gates are the rules")
    options = parser.parse_args()
    limits = profiles.load(options.profile).gates.model_copy(update={"slots_at_most": options.slots})
    found = scores(read([options.file]), options.slots, limits)
    print(table({f"nothing; {host} is said to be the canary": one for host, one in found.items()}))


if __name__ == "__main__":
    main()
