"""What the user's own jobs took, from the store: before a change, and after it."""

from collections.abc import Iterator
from datetime import UTC, datetime

from extraction_agent import errors, model
from extraction_agent.report import evidence
from extraction_agent.store.store import Store

_PAGE = 1000
_MOST = 50_000  # jobs, the newest


def export(store: Store, scenario: str, changed_at: datetime | None) -> evidence.History:
    """changed_at: None: when the latest committed rollout was. Raises UsageError if there is none, or no job."""
    if changed_at is None:
        rollout = store.committed_rollout()
        if rollout is None or rollout.ended_at is None:
            raise errors.UsageError(
                "No rollout was ever committed at this store, so nothing says what was before and what after: "
                "say it with --changed-at."
            )
        changed_at = rollout.ended_at
    found: dict[tuple[str, bool, bool], list[evidence.Job]] = {}
    for one in _finished(store):
        key = (one.config, one.created_at >= changed_at, one.status is model.Status.SUCCEEDED)
        job = evidence.Job(
            extraction_id=one.extraction_id, created_at=one.created_at, seconds=one.seconds, rows=one.rows
        )
        found.setdefault(key, []).append(job)
    if not found:
        raise errors.UsageError("No extraction has ended at this store, so there is no history of jobs.")

    def jobs(config: str, *, late: bool) -> evidence.Jobs:
        succeeded, failed = (tuple(found.get((config, late, good), ())) for good in (True, False))
        return evidence.Jobs(succeeded=succeeded, failed=failed)

    return evidence.History(
        kind="history",
        version=1,
        scenario=scenario,
        measured_at=datetime.now(UTC),
        changed_at=changed_at,
        configs={
            name: evidence.BeforeAfter(before=jobs(name, late=False), after=jobs(name, late=True))
            for name in sorted({config for config, _, _ in found})
        },
    )


def _finished(store: Store) -> Iterator[model.Summary]:
    """Those that succeeded or failed, the newest first."""
    before: int | None = None
    for _ in range(_MOST // _PAGE):
        page = store.summaries(limit=_PAGE, before=before)
        yield from (one for one in page if one.status in (model.Status.SUCCEEDED, model.Status.FAILED))
        if len(page) < _PAGE:
            return
        before = page[-1].extraction_id
