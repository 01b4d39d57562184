"""Every metric of the daemon, in one registry. Whoever knows a figure imports its metric and feeds it.

No label takes an unbounded value: no id of an extraction, no text of a query; names a person chose pass through `few`.
"""

import platform
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

from extraction_agent import __version__, waits
from extraction_agent.errors import SourceError, StoreError
from extraction_agent.observe import pauses

# A second series beside every counter, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library gives it no annotation

REGISTRY = CollectorRegistry()

# Limits that people set are edges (0.02, 0.05, 0.15, 0.2, 0.5 s): between two edges a quantile is a guess.
SHORT = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.5, 1, 2.5, 5, 10, 30)
LONG = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)

# Classes of the store's statements; store/connection.py says which statement is of which.
QUERIES = ("claim", "commit", "config", "ddl", "extraction", "fence", "list", "queue", "records", "other")
KINDS = ("source", "store", "other")  # of errors: which side failed
RESULTS = ("done", "failed", "given_back", "fenced")  # of a chunk's attempt
TRIAL_RESULTS = ("confirmed", "back")

LABELS: dict[str, tuple[str, ...]] = {}  # of each metric, for the reference


def _counter(name: str, says: str, *labels: str) -> Counter:
    LABELS[name] = labels
    return Counter(name, says, labels, registry=REGISTRY)


def _gauge(name: str, says: str, *labels: str) -> Gauge:
    LABELS[name] = labels
    return Gauge(name, says, labels, registry=REGISTRY)


def _histogram(name: str, says: str, *labels: str, edges: tuple[float, ...] = SHORT) -> Histogram:
    LABELS[name] = labels
    return Histogram(name, says, labels, buckets=edges, registry=REGISTRY)


class _Totals(Collector):
    """A counter whose totals somebody else keeps, by the values of its label: read when a scrape asks."""

    def __init__(self, name: str, says: str, label: str, totals: Callable[[], Mapping[Any, float]]) -> None:
        LABELS[name] = (label,)
        self._name, self._says, self._label, self._totals = name, says, label, totals
        REGISTRY.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._says, labels=[self._label])
        for value, total in self._totals().items():
            family.add_metric([value], total)
        yield family


# Extraction
RECORDS = _counter("extraction_records_extracted_total", "Records this agent has committed to the store")
BYTES = _counter("extraction_bytes_extracted_total", "Bytes of the records this agent has committed")
THROUGHPUT = _gauge(
    "extraction_throughput_records_per_minute",
    "Records moved in the last 60 s per minute with a chunk in flight, less those of failed attempts; 0 without work",
)
BUSY = _counter("extraction_busy_seconds_total", "Seconds in which this agent had a chunk in flight")
CHUNKS = _counter("extraction_chunks_total", "Attempts at chunks by this agent, by result", "result")
CHUNK_SECONDS = _histogram(
    "extraction_chunk_duration_seconds", "From a chunk's claim to its commit, those that were committed", edges=LONG
)
RELAY = _Totals(
    "extraction_relay_seconds_total",
    "Seconds of the threads that copy, by what they waited for; nothing: they worked",
    "waiting_for",
    waits.totals,
)
RELAY_CPU = _Totals(
    "extraction_relay_cpu_seconds_total",
    "Seconds of the same threads on a CPU (running), and without one though they could have used it (ready)",
    "state",
    waits.scheduled,
)
CHUNKS_IN_FLIGHT = _gauge("extraction_chunks_in_flight", "Chunks this agent copies at this moment")
ERRORS = _counter("extraction_errors_total", "Errors met by extractions, by the side that failed", "kind")
QUERY_SECONDS = _histogram(
    "extraction_query_duration_seconds", "Statements at the store, by class; COPY of a chunk is not one", "query"
)

# What the store holds, sampled
QUEUE_DEPTH = _gauge("extraction_queue_depth", "Jobs in the store's queue that wait for an agent")
QUEUE_AGE = _gauge("extraction_queue_age_seconds", "How long the oldest job that could begin has waited")
ACTIVE = _gauge("extraction_active_extractions", "Unfinished extractions in the store, by status", "status")
CHUNK_STATES = _gauge("extraction_active_chunks", "Chunks of running extractions in the store, by state", "state")
WATERMARK_LAG = _gauge("extraction_watermark_lag_seconds", "Age of the oldest horizon of an incremental config")
WATERMARK_SEEN = _gauge("extraction_watermark_seen_transactions", "Most transactions that a watermark keeps by number")
AUDIT_FAULTS = _gauge(
    "extraction_audit_faults", "Faults found in the audit log's chain, in the latest look through all of it or since"
)
STATEMENT_CALLS = _gauge(
    "extraction_statement_calls", "Calls so far of the store's costliest statements in pg_stat_statements", "queryid"
)
STATEMENT_SECONDS = _gauge(
    "extraction_statement_seconds",
    "Seconds so far of the store's costliest statements in pg_stat_statements",
    "queryid",
)

# Pools of connections
POOL_ACTIVE = _gauge("hikari_pool_active_connections", "Connections in use", "pool")
POOL_IDLE = _gauge("hikari_pool_idle_connections", "Connections open and not in use", "pool")
POOL_PENDING = _gauge("hikari_pool_pending_connections", "Callers that wait for a connection", "pool")
POOL_MAX = _gauge("hikari_pool_max_connections", "Connections at most", "pool")
POOL_MIN = _gauge("hikari_pool_min_connections", "Connections kept open", "pool")
POOL_TIMEOUTS = _counter("hikari_pool_timeouts_total", "Callers that got no connection in time", "pool")
POOL_LEAKS = _counter("hikari_pool_leaks_total", "Connections held for longer than leak_seconds", "pool")
POOL_ACQUIRE_SECONDS = _histogram("hikari_pool_acquire_seconds", "Wait for a connection", "pool")
POOL_USAGE_SECONDS = _histogram("hikari_pool_usage_seconds", "How long a connection was held", "pool")
POOL_CREATION_SECONDS = _histogram("hikari_pool_creation_seconds", "How long a connection took to open", "pool")

# Threads
THREADS_ACTIVE = _gauge("extraction_threads_active", "Threads at work")
THREADS_CORE = _gauge("extraction_threads_core", "Threads that are started before anything is queued")
THREADS_MAX = _gauge("extraction_threads_max", "Threads once the queue is full")
THREADS_QUEUED = _gauge("extraction_threads_queued", "Calls that wait for a thread")
THREADS_COMPLETED = _counter("extraction_threads_completed_total", "Calls that have ended, well or not")
THREADS_REJECTED = _counter("extraction_threads_rejected_total", "Calls refused because the queue was full")
THREADS_WAIT_SECONDS = _histogram("extraction_threads_wait_seconds", "From a call's submission to its thread")

# Cache
CACHE_HITS = _counter("extraction_cache_hits_total", "Reads answered by the cache", "cache")
CACHE_MISSES = _counter("extraction_cache_misses_total", "Reads that asked the store", "cache")
CACHE_EVICTIONS = _counter("extraction_cache_evictions_total", "Entries evicted by an update", "cache")
CACHE_ERRORS = _counter("extraction_cache_errors_total", "Calls of the cache that failed", "cache")

# Guard and breaker
GUARD_LIMIT = _gauge("extraction_guard_limit", "Chunks that may be in flight at a source now", "source")
GUARD_ROUND_TRIP = _gauge("extraction_guard_round_trip_seconds", "A source's latest measured round trip", "source")
BREAKER_STATE = _gauge("extraction_breaker_state", "0 closed, 1 half-open, 2 open", "database")
BREAKER_OPENED = _counter("extraction_breaker_opened_total", "Times the breaker opened", "database")

# HTTP
HTTP_SECONDS = _histogram(
    "http_request_duration_seconds", "Requests answered; route is the template", "method", "route", "status"
)
HTTP_CONNECTIONS = _gauge("http_connections_open", "Connections of clients")
HTTP_CONNECTIONS_MAX = _gauge("http_connections_max", "Connections of clients at most")
HTTP_CONNECTIONS_CLOSED = _counter(
    "http_connections_closed_total", "Connections closed to make room, or refused because all were at work", "reason"
)

# The daemon, its process and its host
BUILD = Info("extraction_agent_build", "The program and its Python", registry=REGISTRY)
GENERATION = _gauge("extraction_generation", "Number of the applied profile on this host; 0: the configuration's")
TRIAL = _gauge("extraction_trial", "1 while the applied profile is on trial")
TRIALS = _counter("extraction_trials_total", "Trials of a profile that have ended, by result", "result")
TRIAL_TRIPS = _counter("extraction_trial_trips_total", "Trials that a guard has taken back", "guard")
WATCH = _gauge(
    "extraction_watch_seconds_left", "For how long the committed profile is still watched on this host; 0: it is not"
)
WATCH_TRIPS = _counter("extraction_watch_trips_total", "Watches of a committed profile that a guard ended", "guard")
INDEXES_LEFT = _gauge(
    "extraction_indexes_left",
    "Indexes of aborted rollouts that are not dropped yet, by where: store or source",
    "where",
)
SAMPLER_UP = _gauge("extraction_sampler_up", "Whether the latest sample came within its deadline", "sampler")
SAMPLER_AGE = _gauge(
    "extraction_sampler_age_seconds", "Time since the latest sample that came, or the start", "sampler"
)
SAMPLER_SECONDS = _gauge("extraction_sampler_duration_seconds", "How long the latest sample took", "sampler")
SAMPLER_FAILURES = _counter("extraction_sampler_failures_total", "Samples that failed or came too late", "sampler")
PROCESS_CPU = _counter("process_cpu_seconds_total", "CPU time of this process, user and system")
PROCESS_RESIDENT = _gauge("process_resident_memory_bytes", "Resident memory of this process")
PROCESS_FDS = _gauge("process_open_fds", "Open file descriptors of this process")
PROCESS_MAX_FDS = _gauge("process_max_fds", "File descriptors this process may open")
PROCESS_THREADS = _gauge("process_threads", "Threads of this process")
PROCESS_START = _gauge("process_start_time_seconds", "When this process started, in seconds since 1970")
HOST_CPUS = _gauge("host_cpus", "Logical CPUs of the host")
HOST_CPU = _gauge("host_cpu_used_ratio", "Share of the host's CPU time in use since the sample before, 0 to 1")
HOST_LOAD = _gauge("host_load1", "The host's load average over a minute")
HOST_MEMORY = _gauge("host_memory_bytes", "Memory of the host")
HOST_MEMORY_AVAILABLE = _gauge("host_memory_available_bytes", "Memory of the host that can be had without swapping")
HOST_RECEIVED = _counter("host_network_receive_bytes_total", "Bytes received by the host's interfaces")
HOST_SENT = _counter("host_network_transmit_bytes_total", "Bytes sent by the host's interfaces")
HOST_READ = _counter("host_disk_read_bytes_total", "Bytes read from the host's disks")
HOST_WRITTEN = _counter("host_disk_written_bytes_total", "Bytes written to the host's disks")
GCCollector(REGISTRY)
GC_PAUSES = _Totals(
    "python_gc_pause_seconds_total", "Seconds in which the collector stopped this process", "generation", pauses.totals
)

BUILD.info({"version": __version__, "python": platform.python_version()})
for _query in QUERIES:  # a series that is there before its first event has a rate from the first event on
    QUERY_SECONDS.labels(_query)
for _kind in KINDS:
    ERRORS.labels(_kind)
for _result in RESULTS:
    CHUNKS.labels(_result)
for _result in TRIAL_RESULTS:
    TRIALS.labels(_result)
for _reason in ("idle", "refused"):
    HTTP_CONNECTIONS_CLOSED.labels(_reason)


def error(met: Exception) -> None:
    """Count an error of an extraction."""
    kind = "source" if isinstance(met, SourceError) else "store" if isinstance(met, StoreError) else "other"
    ERRORS.labels(kind).inc()


def figures(metric: Counter | Gauge) -> dict[str, float]:
    """What a metric says now, by the value of its one label; of a metric without labels, by ""."""
    return {"".join(one.labels.values()): one.value for family in metric.collect() for one in family.samples}


_MOST = 50
_named: dict[str, set[str]] = {}
_naming = threading.Lock()


def few(label: str, value: str) -> str:
    """The value for a label, "other" once the label has taken 50 of them."""
    with _naming:
        known = _named.setdefault(label, set())
        if value in known or len(known) < _MOST:
            known.add(value)
            return value
    return "other"
