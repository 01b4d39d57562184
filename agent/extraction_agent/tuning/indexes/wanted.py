"""The indexes that a profile wants of a database."""

from dataclasses import dataclass

from extraction_agent.profiles import Indexes, StoreIndex
from extraction_agent.tuning.indexes.place import Place


@dataclass(frozen=True, slots=True)
class Wanted:
    """One index, of the database's own table and columns."""

    name: str
    table: str
    columns: tuple[str, ...]


OF_STORE = {
    StoreIndex.SOURCE_TYPE: Wanted(StoreIndex.SOURCE_TYPE.value, "extraction_configs", ("source_type",)),
    StoreIndex.STATUS_CREATED: Wanted(StoreIndex.STATUS_CREATED.value, "extractions", ("status", "created_at")),
    StoreIndex.EXTRACTED_AT: Wanted(
        StoreIndex.EXTRACTED_AT.value, "extraction_data", ("extraction_id", "extracted_at")
    ),
}


def wanted(indexes: Indexes, place: Place) -> list[Wanted]:
    """In the profile's order."""
    if place.is_store:
        return [OF_STORE[name] for name in indexes.store]
    return [Wanted(one.name, one.table, one.columns) for one in indexes.sources if one.database == place.database]
