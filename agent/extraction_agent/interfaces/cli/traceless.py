"""Extractions that are run for what is seen of them: nothing of them stays in the store."""

import secrets as randomness
from collections.abc import Iterator
from contextlib import contextmanager

from extraction_agent import errors, secrets
from extraction_agent.model import Definition, Format, Status
from extraction_agent.pipeline.prune import prune_these
from extraction_agent.pipeline.start import Started, start
from extraction_agent.profiles import Settings
from extraction_agent.sources.protocol import Source
from extraction_agent.store.retention import forget_config
from extraction_agent.store.store import Store


class Traceless:
    """A config of a random name, and its extractions."""

    def __init__(self, store_url: str, what: str) -> None:
        """what: they are run for, e.g. benchmark."""
        self.name = f"{what}-{randomness.token_hex(4)}"
        self._store_url, self._what = store_url, what
        self._typed_table: str | None = None

    def start(
        self, store: Store, source: Source, source_url: str, definition: Definition, settings: Settings
    ) -> Started:
        """source_url: a password in it is not kept."""
        kept_url, _password = secrets.split(source_url)
        started = start(store, source, self.name, kept_url, None, definition, settings)
        if definition.format is Format.TYPED:
            self._typed_table = store.extraction(started.extraction_id).target
        return started

    @contextmanager
    def cleaned(self) -> Iterator[None]:
        """Whatever happens inside, nothing stays in the store."""
        try:
            yield
        except (errors.Cancelled, KeyboardInterrupt):
            self._clean()
            raise errors.Cancelled(f"Interrupted. What the {self._what} had written is deleted.") from None
        except BaseException:
            self._clean()
            raise
        else:
            self._clean()

    def _clean(self) -> None:
        with Store(self._store_url) as store:
            config = store.config(self.name)
            if config is None:
                return
            mine = store.summaries(limit=1000, config_id=config.id)
            for one in mine:
                store.end(one.extraction_id, Status.CANCELLED, None)  # if it has not ended
            prune_these(store, [one.extraction_id for one in mine])
            forget_config(store, config.id, self._typed_table)
