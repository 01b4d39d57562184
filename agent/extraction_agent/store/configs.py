"""Configs in the store, their watermarks and their typed tables."""

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from extraction_agent import errors, model
from extraction_agent.store import typed
from extraction_agent.store.audit import Audit
from extraction_agent.store.epochs import Epochs
from extraction_agent.store.rows import Config


class Configs(Audit, Epochs):
    """What is kept of a config from one extraction to the next."""

    def save_config(
        self,
        name: str,
        source_type: str,
        source_url: str,
        secret: str | None,
        definition: model.Definition,
        *,
        uncached: bool = False,
    ) -> Config:
        """Make it, or give the one of this name another content. Raises Conflict.

        uncached: no cache can be reached from here, so none is valid any more if the content was another.
        """
        with self.transaction():
            made = self._insert_config(name, source_type, source_url, secret, definition)
            if made is not None:
                return made
            row = self._one("lock_config_named", name=name)
            if row is None:
                raise errors.Conflict(f"Config {name} has just been deleted; try again.")
            config_id, *kept = row
            wanted = _described(source_type, source_url, secret, definition)
            before = dict(zip(wanted, kept, strict=True))
            if before != wanted:
                self._run("update_config", config_id=config_id, **{**wanted, "definition": Jsonb(wanted["definition"])})
                self.audit(None, "config.replaced", f"config {name}", before, wanted)
                if uncached:
                    self.suspend_cache()
        return Config(config_id, name, source_type, source_url, secret, definition)

    def _insert_config(
        self, name: str, source_type: str, source_url: str, secret: str | None, definition: model.Definition
    ) -> Config | None:
        """None: there is one of that name."""
        described = _described(source_type, source_url, secret, definition)
        row = self._one("insert_config", name=name, **{**described, "definition": Jsonb(described["definition"])})
        if row is None:
            return None
        self.audit(None, "config.created", f"config {name}", after=described)
        return Config(row[0], name, source_type, source_url, secret, definition)

    def config(self, name: str) -> Config | None:
        row = self._one("config_by_name", name=name)
        if row is None:
            return None
        definition = model.Definition.recorded(row[4], f"The definition of config {name}")
        return Config(row[0], name, row[1], row[2], row[3], definition)

    def config_of(self, config_id: int) -> Config:
        """By its number. Raises NotFound."""
        found = self.configs(config_id - 1, 1)
        if not found or found[0].id != config_id:
            raise errors.NotFound(f"There is no config {config_id}; the list of configs shows those there are.")
        return found[0]

    def configs(self, after: int, limit: int) -> list[Config]:
        """By number, from the first after `after`."""
        return [
            Config(
                row[0], row[1], row[2], row[3], row[4],
                model.Definition.recorded(row[5], f"The definition of config {row[1]}"),
            )
            for row in self._run("configs", after=after, limit=limit)
        ]  # fmt: skip

    def create_config(
        self, name: str, source_type: str, source_url: str, secret: str | None, definition: model.Definition
    ) -> Config:
        """Raises Conflict if there is one of that name."""
        with self.transaction():
            made = self._insert_config(name, source_type, source_url, secret, definition)
        if made is None:
            raise errors.Conflict(f"There is a config {name} already: replace it, or choose another name.")
        return made

    def hold_config(self, config: Config) -> None:
        """Keep the config as it is until the transaction ends. Raises Conflict if it is another, or gone."""
        row = self._one("hold_config", config_id=config.id)
        if row is None:
            raise errors.Conflict(f"Config {config.name} has just been deleted.")
        definition = model.Definition.recorded(row[4], f"The definition of config {config.name}")
        if Config(config.id, row[0], row[1], row[2], row[3], definition) != config:
            raise errors.Conflict(f"Config {config.name} has just been given another definition; try again.")

    def lock_config(self, config_id: int) -> None:
        """Let nobody else change, use or delete the config until the transaction ends."""
        self._run("lock_config", config_id=config_id)

    def config_names(self) -> list[str]:
        return [row[0] for row in self._run("config_names")]

    def refuse_second(self, config: Config) -> None:
        """Raise Conflict if the config has an unfinished extraction."""
        row = self._one("active_extraction", config_id=config.id)
        if row is not None:
            raise errors.Conflict(
                f"Extraction {row[0]} of config {config.name} is not finished. Finish it with `extractctl resume "
                f"{row[0]}` or give it up with `extractctl cancel {row[0]}`."
            )

    def create_typed_table(self, config: Config, columns: tuple[model.Column, ...]) -> str:
        """The config's typed table, made or widened.

        Raises UsageError if a column's type has changed, Conflict if one is new while somebody reads the table.
        """
        try:
            with self._errors():
                return typed.prepare(self.connection, config.name, columns)
        except errors.StoreUnavailable as failed:
            if not isinstance(failed.__cause__, psycopg.errors.LockNotAvailable):
                raise
            raise errors.Conflict(
                f"The typed table of config {config.name} is being read or indexed; a new column of the source waits "
                "until that has ended, or it would hold up every other reader. Try again then."
            ) from failed

    def watermark(self, config_id: int) -> dict[str, Any] | None:
        """Where the config's incremental runs have got to."""
        row = self._one("watermark", config_id=config_id)
        return None if row is None else dict(row[0])

    def refuse_stale(self, config: Config, state: dict[str, Any] | None) -> None:
        """Raise Conflict if the watermark has moved since `state` was read. A run that is recorded keeps it still."""
        if self.watermark(config.id) != state:
            raise errors.Conflict(f"Another extraction of config {config.name} has just ended; start again.")

    def reset_watermark(self, config: Config) -> bool:
        """Forget the watermark, so that the next run takes everything. False: there was none.

        Raises Conflict if the config has an unfinished extraction; one that failed cannot be resumed any more.
        """
        with self.transaction():
            self.lock_config(config.id)
            row = self._one("reset_watermark", config_id=config.id)
            self.refuse_second(config)  # its end would bring a watermark back; one just resumed is seen only now
            if row is not None:
                state, name = row
                self.audit(None, "watermark.reset", f"config {name}", before={"watermark": state})
        return row is not None

    def window_digests(self, config_id: int) -> bytes:
        """8 bytes of each row that the config's last overlapping run met in its window."""
        row = self._one("window_digests", config_id=config_id)
        return b"" if row is None or row[0] is None else bytes(row[0])


def _described(source_type: str, source_url: str, secret: str | None, definition: model.Definition) -> dict[str, Any]:
    """A config's content as its row has it."""
    content = definition.model_dump(mode="json")
    return {"source_type": source_type, "source_url": source_url, "secret": secret, "definition": content}
