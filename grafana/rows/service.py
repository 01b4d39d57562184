"""What callers and sources feel: the API, the threads behind it, source guard and breakers."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import limits, panels
from grafana.frame import folded, row
from grafana.panels import Query, graph, states
from grafana.queries import API, quantile, rate, summed

_BREAKER = (("0", "closed", "green"), ("1", "half-open", "yellow"), ("2", "open", "red"))


def api(made: Dashboard) -> None:
    latency = "http_request_duration_seconds"
    row(
        made,
        "API",
        graph(
            "Latency",
            "Of /api alone. p95 above 0.2 s or p99 above 0.5 s: see 'Slowest routes, p95'; all routes at once: the "
            "pool or the host's CPU.",
            panels.SECONDS,
            Query(quantile(0.99, latency, API), "p99"),
            Query(quantile(0.95, latency, API), "p95"),
            Query(quantile(0.5, latency, API), "half"),
            limits=limits.API,
        ),
        graph(
            "Slowest routes, p95",
            "`records`: the index on extraction_data; lists: the index on status and created_at.",
            panels.SECONDS,
            Query(f"topk(8, {quantile(0.95, latency, API, 'method, route')})", "{{method}} {{route}}"),
            limits=limits.API_P95,
        ),
        graph(
            "Requests",
            "By status. 5xx: the log has the request's id; 429: callers ask more than the rate they may, or than the "
            "agent can take at this moment; 401 and 403: a token has expired.",
            panels.A_SECOND,
            Query(summed(rate(f"{latency}_count"), "status"), "{{status}}"),
            stacked=True,
        ),
        graph(
            "Connections of clients",
            "Open, and at most. At the most: clients keep connections that they do not use, or are too many.",
            panels.COUNT,
            Query("http_connections_open{}", "{{instance}} open"),
            Query("http_connections_max{}", "{{instance}} at most"),
            width=12,
        ),
        graph(
            "Connections closed",
            "`idle`: closed to make room; `refused`: all were at work. Refused above 0: raise `api.connections`.",
            panels.PER_MINUTE,
            Query(f"{summed(rate('http_connections_closed_total'), 'reason')} * 60", "{{reason}}"),
            width=12,
        ),
    )


def protection(made: Dashboard) -> None:
    row(
        made,
        "Source guard and breakers",
        graph(
            "Chunks a source may have in flight",
            "Falls when a source feels us. Low for long: the source is busy; leave it, or extract at another hour.",
            panels.COUNT,
            Query("extraction_guard_limit{}", "{{instance}} {{source}}"),
            width=6,
        ),
        graph(
            "Round trip of a source",
            "Of a cheap probe. Rising while the limit falls: the guard does its work; rising at 1: others load it.",
            panels.SECONDS,
            Query("extraction_guard_round_trip_seconds{}", "{{instance}} {{source}}"),
            width=6,
        ),
        states(
            "Circuit breakers",
            "Open: the database was down and is asked again by and by. See to the database; nothing is to do here.",
            Query("max by (database) (extraction_breaker_state{})", "{{database}}"),
            _BREAKER,
            width=6,
        ),
        graph(
            "Breakers opened",
            "In the time of a point. Again and again: the database, or the way to it, comes and goes.",
            panels.COUNT,
            Query("sum by (database) (increase(extraction_breaker_opened_total{}[$__rate_interval]))", "{{database}}"),
            width=6,
        ),
    )


def threads(made: Dashboard) -> None:
    folded(
        made,
        "Threads",
        graph(
            "Threads",
            "At work, and how many there may be. All at work and calls waiting: more threads, if the CPU has room.",
            panels.COUNT,
            Query("sum(extraction_threads_active{})", "at work"),
            Query("sum(extraction_threads_core{})", "core"),
            Query("sum(extraction_threads_max{})", "at most"),
            width=6,
        ),
        graph(
            "Calls that wait for a thread",
            "The queue takes 200 of an agent. Growing: chunks or requests take too long.",
            panels.COUNT,
            Query("extraction_threads_queued{}"),
            width=6,
        ),
        graph(
            "Wait for a thread, p95",
            "Above some milliseconds the API feels it: raise `threads.core`.",
            panels.SECONDS,
            Query(quantile(0.95, "extraction_threads_wait_seconds"), "p95"),
            width=6,
        ),
        graph(
            "Calls ended and refused",
            "Refused: the queue was full, and callers were told 429. Above 0: more agents, or fewer callers.",
            panels.PER_MINUTE,
            Query(f"{summed(rate('extraction_threads_completed_total'))} * 60", "ended"),
            Query(f"{summed(rate('extraction_threads_rejected_total'))} * 60", "refused"),
            width=6,
        ),
    )
