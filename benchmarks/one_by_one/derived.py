"""Profiles that differ from another in one optimization."""

from collections.abc import Sequence
from dataclasses import dataclass

from extraction_agent.profiles import Profile, Settings


@dataclass(frozen=True, slots=True)
class Optimization:
    """One of the five, or two that a profile cannot separate. sections: of a profile's settings."""

    key: str
    name: str
    sections: tuple[str, ...]


OPTIMIZATIONS = (
    Optimization("indexes", "indexes of the store (Q1)", ("indexes",)),
    Optimization("ranges_and_copy", "ranges read and written by COPY (Q2, B1)", ("reading", "batch")),
    Optimization("pool", "pool of 50, 20 kept open (P1)", ("pool",)),
    Optimization("cache", "cache of configs (C1)", ("cache",)),
    Optimization("threads", "threads, 20 to 50 (T1)", ("threads",)),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """A profile, and what of it differs from its base; None: it is the base itself."""

    profile: Profile
    differs: Optimization | None


def group(
    base: Profile, other: Profile, word: str, optimizations: Sequence[Optimization] = OPTIMIZATIONS
) -> list[Variant]:
    """The base, then one variant for each optimization, which has that one's settings from the other profile.

    word: what stands between the base's name and the optimization's, with or without.
    """
    return [Variant(base, None), *(Variant(_taken(base, other, one, word), one) for one in optimizations)]


def _taken(base: Profile, other: Profile, one: Optimization, word: str) -> Profile:
    changes = {section: getattr(other.settings, section) for section in one.sections}
    settings = Settings.model_validate(
        {**base.settings.model_dump(), **{k: v.model_dump() for k, v in changes.items()}}
    )
    return Profile(
        name=f"{base.name}_{word}_{one.key}",
        description=f"{base.name} {word} {one.name}, for a measurement.",
        settings=settings,
        guards=base.guards,
        gates=base.gates,
    )
