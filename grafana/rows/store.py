"""The store, the pools of connections to it, and the cache before it."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import limits, panels
from grafana.frame import folded, row
from grafana.panels import Query, graph
from grafana.queries import STATEMENTS, quantile, rate, summed


def store(made: Dashboard) -> None:
    row(
        made,
        "Store",
        graph(
            "Statements, p95",
            "95 % end sooner; the floor is 0.05 s. All agents slow: the store's host; one: its network.",
            panels.SECONDS,
            Query(quantile(0.95, "extraction_query_duration_seconds", STATEMENTS, "instance")),
            limits=limits.QUERY_P95,
            width=6,
        ),
        graph(
            "Slowest classes of statements, p95",
            "`list`, `records` or `config`: an index of the profile is missing; `commit` or `fence`: the store's disk; "
            "`queue` or `claim`: many agents at few jobs.",
            panels.SECONDS,
            Query(quantile(0.95, "extraction_query_duration_seconds", "", "query"), "{{query}}"),
            limits=limits.QUERY_P95,
            width=6,
        ),
        graph(
            "Statements",
            "By class. Many more than before at the same throughput: is the cache at work ('Cache')?",
            panels.A_SECOND,
            Query(summed(rate("extraction_query_duration_seconds_count"), "query"), "{{query}}"),
            width=6,
            stacked=True,
        ),
        graph(
            "Costliest statements",
            "Seconds of the store's time a second, by `queryid`; `pg_stat_statements` has its text. Needs that "
            "extension; empty without it.",
            panels.SHARE,
            Query(f"max by (queryid) ({rate('extraction_statement_seconds')})", "{{queryid}}"),
            width=6,
            stacked=True,
        ),
    )


def pools(made: Dashboard) -> None:
    row(
        made,
        "Connection pools",
        graph(
            "Connections",
            "In use and idle, by pool. In use at the most for long, with callers that wait: the pool is exhausted.",
            panels.COUNT,
            Query("sum by (pool) (hikari_pool_active_connections{})", "{{pool}} in use"),
            Query("sum by (pool) (hikari_pool_idle_connections{})", "{{pool}} idle"),
            Query("sum by (pool) (hikari_pool_max_connections{})", "{{pool}} at most"),
            Query("sum by (pool) (hikari_pool_min_connections{})", "{{pool}} kept open"),
        ),
        graph(
            "Callers that wait",
            "Above 0 for 5 s with every connection in use takes a trial back. See 'Time a connection is held, p95' "
            "first: long holds empty any pool.",
            panels.COUNT,
            Query("hikari_pool_pending_connections{}", "{{instance}} {{pool}}"),
        ),
        graph(
            "Timeouts and leaks",
            "Callers that got no connection in time, and connections held longer than `leak_seconds`. The log says "
            "who holds them.",
            panels.PER_MINUTE,
            Query(f"{summed(rate('hikari_pool_timeouts_total'), 'pool')} * 60", "{{pool}} timeouts"),
            Query(f"{summed(rate('hikari_pool_leaks_total'), 'pool')} * 60", "{{pool}} leaks"),
            limits=limits.SOME,
        ),
        graph(
            "Wait for a connection, p95",
            "Rises before anything times out. Rising with use below 80 %: connections are slow to open, see 'Time to "
            "open a connection, p95'.",
            panels.SECONDS,
            Query(quantile(0.95, "hikari_pool_acquire_seconds", "", "pool"), "{{pool}}"),
        ),
        graph(
            "Time a connection is held, p95",
            "Long: slow statements, see 'Slowest classes of statements, p95'.",
            panels.SECONDS,
            Query(quantile(0.95, "hikari_pool_usage_seconds", "", "pool"), "{{pool}}"),
        ),
        graph(
            "Time to open a connection, p95",
            "Long: the database's log-in, name service or TLS. A higher `minimum_idle` hides it.",
            panels.SECONDS,
            Query(quantile(0.95, "hikari_pool_creation_seconds", "", "pool"), "{{pool}}"),
        ),
    )


def cache(made: Dashboard) -> None:
    hits, misses = (summed(rate(f"extraction_cache_{which}_total"), "cache") for which in ("hits", "misses"))
    folded(
        made,
        "Cache",
        graph(
            "Hits",
            "Share of reads that the store was spared. Low: Redis is away, configs change all the time, or the cache "
            "is off.",
            panels.SHARE,
            Query(f"{hits} / ({hits} + {misses}) >= 0", "{{cache}}"),
        ),
        graph(
            "Reads",
            "Misses as many as hits: see 'Hits'.",
            panels.A_SECOND,
            Query(hits, "{{cache}} hits"),
            Query(misses, "{{cache}} misses"),
            stacked=True,
        ),
        graph(
            "Evictions and errors",
            "Errors: Redis does not answer; nothing stale is served, but every read asks the store.",
            panels.PER_MINUTE,
            Query(f"{summed(rate('extraction_cache_evictions_total'), 'cache')} * 60", "{{cache}} evictions"),
            Query(f"{summed(rate('extraction_cache_errors_total'), 'cache')} * 60", "{{cache}} errors"),
        ),
    )
