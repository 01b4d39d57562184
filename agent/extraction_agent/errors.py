"""Every error a person can meet. The message is a sentence: what failed, where, what to do."""

import traceback
from pathlib import Path


class ExtractionError(Exception):
    """Root of all our errors. `exit_status` is what the command line returns for it."""

    exit_status = 1
    transient = False  # True: the same call may succeed later, so a chunk is retried


class UsageError(ExtractionError):
    """What was asked for cannot be done as asked; nothing was changed."""

    exit_status = 2


class NotFound(UsageError):
    """There is nothing of that name or number."""


class Forbidden(UsageError):
    """The configuration does not allow what was asked for."""


class Fault(ExtractionError):
    """A fault of this program. What brings it about may pass: so it is tried again."""

    transient = True

    def __init__(self, error: Exception) -> None:
        """The sentence has the place in our code, which is all that whoever mends it begins with."""
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if __package__ in frame.filename]
        place = f" ({Path(ours[-1].filename).name}, line {ours[-1].lineno})" if ours else ""
        super().__init__(f"a fault of this program, {type(error).__name__}: {error}{place}.")


class SourceError(ExtractionError):
    """The source refused or failed in a way that repeating will not mend."""


class SourceUnavailable(SourceError):
    """The source is away, overloaded or stalled."""

    transient = True

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """retry_after: it was not even asked, and will not be for so many seconds."""
        super().__init__(message)
        self.retry_after = retry_after


class NotHere(SourceError):
    """This agent cannot open the source, for want of its secret say; another one may."""

    transient = True


class SchemaChanged(SourceError):
    """The relation no longer has the columns the extraction was planned with."""


class SnapshotLost(SourceError):
    """The snapshot all chunks share is gone."""


class StoreError(ExtractionError):
    """The store refused or failed in a way that repeating will not mend."""


class StoreUnavailable(StoreError):
    """The store is away, overloaded or stalled."""

    transient = True

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """retry_after: it was not even asked, and will not be for so many seconds."""
        super().__init__(message)
        self.retry_after = retry_after


class AgentUnavailable(ExtractionError):
    """The agent is away, overloaded or stalled, or its store is."""

    transient = True


class HostError(ExtractionError):
    """This host's disk refused, or holds what is broken; nothing was changed."""


class Restart(ExtractionError):
    """The agent ends so that its service manager starts it again, as the unit says of this exit status."""

    exit_status = 75


class Unreadable(StoreError):
    """What the store holds was written by another version of the program."""


class Fenced(ExtractionError):
    """Another attempt owns or has finished this chunk; our transaction was rolled back."""


class Cancelled(ExtractionError):
    """The work was asked to stop."""


class Conflict(ExtractionError):
    """Another extraction of the config is not finished, or another session is at this one."""


class Busy(ExtractionError):
    """All threads have work and the queue behind them is full; nothing was begun."""

    transient = True

    def __init__(self, message: str, retry_after: float) -> None:
        """retry_after: seconds after which another try makes sense."""
        super().__init__(message)
        self.retry_after = retry_after


class VerificationFailed(ExtractionError):
    """The records in the store differ from the manifest."""
