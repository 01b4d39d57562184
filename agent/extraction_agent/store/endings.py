"""How extractions end: finished, failed or given up; and how a failed one begins again."""

import psycopg
from psycopg import sql as q

from extraction_agent import deadlines, errors, model, sql
from extraction_agent.store import typed
from extraction_agent.store.extractions import Extractions

_TRIES = 3  # of a cancellation, some seconds each


class Endings(Extractions):
    """The ends of extractions: each is one transaction under the extraction's row lock."""

    def finish(self, extraction_id: int) -> bool:
        """Widen, index and attach the part, move the watermark, and call it succeeded, if every chunk is done.

        One transaction under the extraction's row lock, so nobody ever sees part of an extraction.
        """
        with self.connection.within(deadlines.INDEX), self.transaction():
            if not self._all_done(extraction_id):  # before the lock, so that the last to commit a chunk sees it
                return False
            row = self._one("lock_extraction", extraction_id=extraction_id)
            if row is None or row[0] != model.Status.RUNNING or not self._all_done(extraction_id):
                return False  # another has the lock and does it; or a lost snapshot made all begin again
            self._run("take_in_hand", extraction_id=extraction_id)
            extraction = self.extraction(extraction_id)
            if extraction.part is not None and not extraction.attached:
                part, target = sql.trusted(extraction.part), sql.trusted(extraction.target)
                self._compose("lock_target", target=target)
                with self._errors():
                    typed.widen(self.connection, part, target)
                self._run("index_memory")
                for unique, definition in self._run("part_indexes", target=extraction.target).fetchall():
                    self._compose(
                        "create_part_index",
                        unique=q.SQL("UNIQUE" if unique else ""),
                        part=part,
                        definition=sql.trusted(definition),
                    )
                self._compose("reset_autovacuum", part=part)
                self._compose("attach_part", part=part, target=target)
            self._run("save_watermark", extraction_id=extraction_id)
            self._run("finish_extraction", extraction_id=extraction_id)
            self._run("drop_jobs", extraction_id=extraction_id)  # second ones, of attempts that were lost
            self._audit_status("extraction.succeeded", extraction_id, "running", "succeeded")
        return True

    def _all_done(self, extraction_id: int) -> bool:
        return self._one("unfinished_chunks", extraction_id=extraction_id) == (0,)

    def end(self, extraction_id: int, status: model.Status, error: str | None) -> bool:
        """Fail or cancel; False: it has ended before.

        A failed extraction's part waits for `resume`; a cancelled one's is dropped, or it is not cancelled: Conflict.
        """
        if status is model.Status.CANCELLED:
            return self._cancel(extraction_id)
        with self.transaction():
            row = self._one("end_extraction", extraction_id=extraction_id, status=status.value, error=error)
            if row is not None:
                self._run("drop_jobs", extraction_id=extraction_id)
                self._audit_status(f"extraction.{status}", extraction_id, row[0], status.value, error)
        return row is not None

    def _cancel(self, extraction_id: int) -> bool:
        """Whoever is just finishing it, or renewing its snapshot, holds its row for long: that attempt is ended."""
        for _ in range(_TRIES):
            try:
                with self.transaction():
                    self._run("short_waits")
                    if not self._clear(extraction_id):
                        return False
                    row = self._one("end_extraction", extraction_id=extraction_id, status="cancelled", error=None)
                    assert row is not None
                    self._audit_status("extraction.cancelled", extraction_id, row[0], "cancelled")
                    return True
            except errors.StoreUnavailable as failed:
                if not isinstance(failed.__cause__, psycopg.errors.LockNotAvailable):
                    raise
            self._run("end_holder", extraction_id=extraction_id)
        raise errors.Conflict(
            f"Extraction {extraction_id} is being finished at this moment, or another session uses its part and does "
            "not let go; nothing was changed. Try again in a moment."
        )

    def reopen(self, extraction_id: int) -> bool:
        """Make an unfinished or failed extraction run again. False: it has ended for good. Raises Conflict."""
        try:
            with self.transaction():
                reopened = self._one("reopen_extraction", extraction_id=extraction_id)
                if reopened is None:
                    return False
                overtaken = self._one("overtaken", extraction_id=extraction_id)
                assert overtaken is not None
                later, redefined, reset = overtaken
                if later is not None:  # its rows would be taken twice, and the watermark moved back
                    raise errors.Conflict(
                        f"Extraction {later} has taken what {extraction_id} was to take: nothing is left to resume."
                    )
                if redefined:  # the rest would be read of another relation, or from another source
                    raise errors.Conflict(
                        f"The config of extraction {extraction_id} was given another definition since it began: its "
                        "rest cannot be read as its beginning was. Start a new one."
                    )
                if reset:  # its end would bring a watermark back
                    raise errors.Conflict(
                        f"The watermark that extraction {extraction_id} went on from was reset: the next run takes "
                        "what it was to take, and nothing is left to resume."
                    )
                self._run("forgive_chunks", extraction_id=extraction_id)
                self._audit_status("extraction.resumed", extraction_id, reopened[0], "running")
        except errors.StoreError as error:
            if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                raise errors.Conflict(
                    f"Another extraction of the config of {extraction_id} is not finished; see `extractctl list`."
                ) from error
            raise
        return True

    def _audit_status(self, action: str, extraction_id: int, before: str, after: str, error: str | None = None) -> None:
        told = {"status": after} if error is None else {"status": after, "error": error}
        self.audit(None, action, f"extraction {extraction_id}", {"status": before}, told)
