"""What a daemon has counted, as its /metrics say, beside what a sample holds."""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Buckets = dict[float, int]  # counts by upper edge, cumulative
_QUERIES = "extraction_query_duration_seconds_bucket"


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the daemon started."""

    records: int
    cache_hits: int
    cache_misses: int
    queries: dict[str, Buckets]  # statements at the store, by class

    def queries_since(self, before: "Counts") -> dict[str, Buckets]:
        """Those of the time between, of classes that had any."""
        since = {
            kind: {edge: count - before.queries.get(kind, {}).get(edge, 0) for edge, count in buckets.items()}
            for kind, buckets in self.queries.items()
        }
        return {kind: buckets for kind, buckets in since.items() if max(buckets.values(), default=0)}


def counts(text: str) -> Counts:
    """From what a scrape brought."""
    totals: dict[str, float] = {}
    queries: dict[str, Buckets] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            totals[one.name] = totals.get(one.name, 0.0) + one.value
            if one.name == _QUERIES:
                queries.setdefault(one.labels["query"], {})[float(one.labels["le"])] = int(one.value)
    return Counts(
        records=int(totals.get("extraction_records_extracted_total", 0)),
        cache_hits=int(totals.get("extraction_cache_hits_total", 0)),
        cache_misses=int(totals.get("extraction_cache_misses_total", 0)),
        queries=queries,
    )


def together(several: Iterable[Buckets]) -> Buckets:
    """The sum of histograms that have the same edges."""
    total: Buckets = {}
    for buckets in several:
        for edge, count in buckets.items():
            total[edge] = total.get(edge, 0) + count
    return dict(sorted(total.items()))
