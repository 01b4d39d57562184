"""What a person decides about an extraction that was begun: to give it up, or to take it up again."""

from extraction_agent import errors
from extraction_agent.model import Status, Summary
from extraction_agent.store.store import Store


def cancel(store: Store, extraction_id: int) -> Summary:
    """Give it up; what was copied of it is dropped. Raises NotFound; Conflict if it has ended."""
    store.summary(extraction_id)  # says so if there is none
    if not store.end(extraction_id, Status.CANCELLED, None):
        status = store.status(extraction_id)  # now: it may have ended a moment ago
        raise errors.Conflict(f"Extraction {extraction_id} is {status}; there is nothing to cancel.")
    return store.summary(extraction_id)


def reopen(store: Store, extraction_id: int) -> None:
    """Let it run again. Raises NotFound; Conflict if it has ended for good."""
    status = store.status(extraction_id)
    if status is None:
        store.summary(extraction_id)  # says so
    if not store.reopen(extraction_id):
        raise errors.Conflict(f"Extraction {extraction_id} is {status}; there is nothing to resume.")
