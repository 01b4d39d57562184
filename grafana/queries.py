"""PromQL that several panels use."""

# The four that the user asked for, as they were written: of every agent that Prometheus knows.
RECORDS_A_MINUTE = "rate(extraction_records_extracted_total[5m]) * 60"
API_P95 = "histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[5m]))"
POOL_USE = "hikari_pool_active_connections / hikari_pool_max_connections * 100"
ERRORS_A_MINUTE = "rate(extraction_errors_total[5m]) * 60"

API = 'route=~"/api/.*"'  # what people wait for: no probe, no scrape, no page
STATEMENTS = 'query!="ddl"'  # what a pool of 50 ms can be asked for: no index is built in it
POOLS = 'pool!~"lanes-.*|source-.*"'  # those that can be too small: lanes of chunks are full whenever there is work
USE_OF_POOLS = f"hikari_pool_active_connections{{, {POOLS}}} / hikari_pool_max_connections{{, {POOLS}}} * 100"


def rate(metric: str, labels: str = "", window: str = "$__rate_interval") -> str:
    """A second, by series. labels: a condition of its own, 'kind="source"'."""
    return f"rate({metric}{{{labels and ', ' + labels}}}[{window}])"


def summed(expr: str, by: str = "") -> str:
    return f"sum by ({by}) ({expr})" if by else f"sum({expr})"


def quantile(share: float, metric: str, labels: str = "", by: str = "") -> str:
    """Of a histogram, in seconds; nothing while nothing happens, for ">= 0" drops NaN."""
    edges = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({edges}) ({rate(metric + '_bucket', labels)})) >= 0"


def _mean(expr: str) -> str:
    """Of the moments in which there is something, so that a graph's step skips no short work."""
    return f"avg_over_time(({expr})[$__rate_interval:])"


# Records per busy minute of those that have a chunk in flight: without one they are not slow, but idle. What all of
# them move is added up moment by moment, as the alert's rule does it.
_AT_WORK = "extraction_throughput_records_per_minute{} and extraction_chunks_in_flight{} > 0"
AT_WORK = _mean(_AT_WORK)
FLEET_AT_WORK = _mean(f"sum({_AT_WORK})")
