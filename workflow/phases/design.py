"""Design: what of the old profile changes in the new one, setting by setting, and why that should help."""

from collections.abc import Callable

from pydantic import BaseModel

from extraction_agent.profiles import Profile
from extraction_agent.tuning.budget import Need
from extraction_agent.tuning.indexes.wanted import OF_STORE
from workflow import markdown as md
from workflow.steps import Context, Result, Step, passed


def _both(context: Context) -> tuple[Profile, Profile]:
    return context.profile(context.scenario.before), context.profile(context.scenario.after)


def _settings(context: Context, *groups: str) -> str:
    """A table of these groups' settings, before and after."""
    before, after = _both(context)
    rows = []
    for group in groups:
        was, will = getattr(before.settings, group), getattr(after.settings, group)
        assert isinstance(will, BaseModel)
        for name, field in type(will).model_fields.items():
            old, new = getattr(was, name), getattr(will, name)
            rows.append((f"`{group}.{name}`", _told(old), _told(new), "" if old == new else "yes", field.description))
    return md.table(("setting", before.name, after.name, "changes", "meaning"), rows)


def _told(value: object) -> str:
    return "none" if value in (None, ()) else ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _indexes(context: Context) -> str:
    before, after = (profile.settings.indexes for profile in _both(context))
    rows = [
        (f"`{name}`", f"store, {OF_STORE[name].table}", ", ".join(OF_STORE[name].columns), _fate(name in before.store))
        for name in after.store
    ]
    rows += [
        (f"`{one.name}`", f"{one.database}, {one.table}", ", ".join(one.columns), _fate(one in before.sources))
        for one in after.sources
    ]
    return md.page(
        "Index design",
        md.table(("index", "where", "columns", "the rollout"), rows) if rows else "The profile asks for no index.",
        "An index reaches every host at once, so it has a gate of its own, before the canary. Each is built "
        "`CONCURRENTLY`, so nobody who writes waits for it, under a name that says whose rollout it is of; it gets its "
        "own name once it is valid. A rollout that is taken back drops what it has built, and nothing else.",
    )


def _fate(there: bool) -> str:
    return "finds it" if there else "builds it"


def _pool(context: Context) -> str:
    before, after = _both(context)
    needs = [(profile.name, Need.of(profile.settings)) for profile in (before, after)]
    kinds = list(type(needs[0][1]).__dataclass_fields__)
    return md.page(
        "Connection pool",
        _settings(context, "pool"),
        "## Connections that one agent opens to the store at most",
        md.table(
            ("profile", *kinds, "in all"), [(name, *(getattr(n, k) for k in kinds), n.total) for name, n in needs]
        ),
        "The rollout begins only if this, times the hosts, fits what the store has left, or is no more of any kind "
        "than what is committed; both profiles count while one follows the other.",
    )


def _batch(context: Context) -> str:
    return md.page(
        "Batches",
        _settings(context, "reading", "batch"),
        "1. The table is cut into chunks, ranges of its key, by quantiles of a sample; nothing is counted.\n"
        "2. Any free agent takes a chunk, opens one COPY at the source and one at the store, and hands blocks of 64 "
        "KiB from one to the other.\n"
        "3. Rows, manifest and the chunk's state are committed by one transaction, whose last statement fences: "
        "nothing is lost and nothing comes twice.\n"
        "4. A chunk that fails is taken back as a whole and tried again.",
        "The old way reads pages by OFFSET, which costs more with each page, and commits each row.",
    )


def _cache(context: Context) -> str:
    return md.page(
        "Cache",
        _settings(context, "cache"),
        "Configs by their id, under the name `extraction-configs`: read through, evicted when one is changed. With "
        "Redis all agents share it; without, each has its own, and an agent that has lost Redis asks the store.",
    )


def _threads(context: Context) -> str:
    return md.page(
        "Threads and the source",
        _settings(context, "threads", "source_guard"),
        "Threads named `extraction-N` take whatever waits for a database. When the queue is full, one call more is "
        "refused with 429 and Retry-After, instead of making all of them slow.",
    )


def _step(name: str, text: Callable[[Context], str]) -> Step:
    file = f"design/{name}.md"

    def run(context: Context) -> Result:
        context.folder.write(file, text(context))
        return passed(file)

    return Step(name, lambda context: f"write {file}, from {context.scenario.before} to {context.scenario.after}", run)


STEPS = (
    _step("indexes", _indexes),
    _step("pool", _pool),
    _step("batch", _batch),
    _step("cache", _cache),
    _step("threads", _threads),
)
