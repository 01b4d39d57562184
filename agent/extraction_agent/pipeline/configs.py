"""What a person decides about a config that is kept: to give it another content, or to delete it."""

import psycopg

from extraction_agent import errors
from extraction_agent.model import Definition, Format
from extraction_agent.store import typed
from extraction_agent.store.retention import forget_config
from extraction_agent.store.store import Config, Store


def replace(
    store: Store, config_id: int, source_type: str, source_url: str, secret: str | None, definition: Definition
) -> Config:
    """Raises NotFound; Conflict while an extraction is not finished, whose rest would be read from elsewhere."""
    with store.transaction():
        store.lock_config(config_id)
        before = store.config_of(config_id)
        store.refuse_second(before)
        return store.save_config(before.name, source_type, source_url, secret, definition)


def delete(store: Store, config_id: int) -> None:
    """With its watermark and its typed table. Raises NotFound; Conflict while it has extractions."""
    try:
        with store.transaction():
            store.lock_config(config_id)
            config = store.config_of(config_id)
            table = None
            if config.definition.format is Format.TYPED:
                table = typed.table_of(config.name).as_string(store.connection)
            forget_config(store, config_id, table)
    except errors.StoreError as error:
        if isinstance(error.__cause__, psycopg.errors.ForeignKeyViolation):
            raise errors.Conflict(
                f"Config {config_id} has extractions. Finish or cancel them and remove them with "
                "`extractctl prune --older-than 0 --config NAME`; then delete it."
            ) from error
        raise
