"""Whether a rollout may begin. What becomes of it, the store decides."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from extraction_agent import errors
from extraction_agent.profiles import Hours, Profile, Settings, within
from extraction_agent.store.rollout_rows import Rollout
from extraction_agent.store.store import Store
from extraction_agent.tuning.budget import Budget, Need

WATCH = 48 * 3600.0  # s for which hosts watch what was committed, unless another length is asked for
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else is to be respected."""

    firing: tuple[str, ...] = ()  # alerts that fire now
    windows: tuple[Hours, ...] = ()  # of maintenance; none: at any time
    zone: ZoneInfo = _UTC  # whose wall clock the windows are of


def begin(
    store: Store,
    profile: Profile,
    holder: str,
    lease_seconds: float,
    hosts: int,
    circumstances: Circumstances,
    watch_seconds: float = WATCH,
    *,
    back: bool = False,
) -> Rollout:
    """Begin a rollout over so many hosts, or the way back. Raises Conflict, UsageError; then nothing was changed.

    One that runs is the first thing to be told of: whatever else forbids another may be due to it.
    """
    running = store.latest_rollout()
    if running is None or not running.running:
        budget(store, profile, hosts).check()
        refused = _refusals(store, circumstances)
        if refused:
            raise errors.Conflict(f"No rollout begins now: {'; '.join(refused)}.")
    settings = profile.model_dump(mode="json")
    return store.begin_rollout(profile.name, settings, holder, lease_seconds, watch_seconds, back=back)


def budget(store: Store, profile: Profile, hosts: int) -> Budget:
    """What the profile comes to, beside the one the fleet has."""
    return Budget(profile.name, hosts, Need.of(profile.settings), _committed(store), store.allowance())


def _committed(store: Store) -> Need | None:
    """None too if another version of the program wrote it, in settings that this one does not know."""
    committed = store.committed_rollout()
    if committed is None:
        return None
    try:
        return Need.of(Settings.model_validate(committed.settings.get("settings", {})))
    except ValidationError:
        return None


def _refusals(store: Store, circumstances: Circumstances) -> list[str]:
    refused = []
    if circumstances.firing:
        refused.append(f"alerts fire: {', '.join(sorted(circumstances.firing))}")
    now = store.now().astimezone(circumstances.zone)
    if circumstances.windows and not any(within(now.time(), hours) for hours in circumstances.windows):
        hours = ", ".join(circumstances.windows)
        refused.append(f"it is {now:%H:%M} and the maintenance window is {hours} ({circumstances.zone.key})")
    return refused
