"""The dashboard "Extraction Performance": how the agents do now, and where to look when they do badly."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import limits, panels, queries
from grafana.frame import begin, row
from grafana.panels import Query, figure, graph
from grafana.queries import API, FLEET_AT_WORK, STATEMENTS, USE_OF_POOLS, quantile, rate, summed
from grafana.rows import host, service, store, work

_SAYS = (
    "Throughput, latencies, pools, queue and protection of the extraction agents. Dashed lines are the promised "
    "figures. Each panel's description says what to do when it is bad."
)
_BREAKER = (("0", "closed", "green"), ("1", "half-open", "yellow"), ("2", "open", "red"))


def make() -> Dashboard:
    made = begin("Extraction Performance", "extraction-performance", _SAYS, "now-1h")
    _now(made)
    _asked_for(made)
    work.extractions(made)
    work.queue(made)
    store.store(made)
    store.pools(made)
    service.api(made)
    service.protection(made)
    service.threads(made)
    store.cache(made)
    host.host(made)
    return made


def _now(made: Dashboard) -> None:
    row(
        made,
        "Now",
        figure(
            "Agents away",
            "Agents that do not answer Prometheus, of the jobs that had one in the time shown. If not 0: `systemctl "
            "status extraction-agent` on the host; the alert ExtractionAgentDown names it.",
            panels.COUNT,
            "count(up{}) - sum(up{})",
            limits.ANY,
            absent="no agent seen",
        ),
        figure(
            "Throughput at work",
            "Records per busy minute, of all that work at the same time. Below 20,000: look at the queries, the pools "
            "and the source guard below, in this order. 'idle' is no fault: nobody has work.",
            panels.RECORDS,
            FLEET_AT_WORK,
            limits.THROUGHPUT,
            absent="idle",
        ),
        figure(
            "API p95",
            "95 % of the API's answers come sooner. Above 0.2 s: see 'Slowest routes, p95' and 'Wait for a connection, "
            "p95'.",
            panels.SECONDS,
            quantile(0.95, "http_request_duration_seconds", API),
            limits.API_P95,
            absent="no requests",
        ),
        figure(
            "Query p95",
            "95 % of the store's statements end sooner, COPY and index builds left out. Above 0.05 s: see 'Slowest "
            "classes of statements, p95'; are the profile's indexes there (`extractctl indexes list`)?",
            panels.SECONDS,
            quantile(0.95, "extraction_query_duration_seconds", STATEMENTS),
            limits.QUERY_P95,
            absent="no queries",
        ),
        figure(
            "Fullest pool",
            "Share of the connections in use, of the fullest pool; lanes of chunks, which are full whenever there is "
            "work, are left out. Above 80 %: look for callers that wait, and for connections held too long, before "
            "the pool is made larger.",
            panels.PERCENT,
            f"max({USE_OF_POOLS})",
            limits.POOL_PERCENT,
        ),
        figure(
            "Pool timeouts",
            "Callers that got no connection in time, in the time shown. Any is one too many: see 'Connection pools'.",
            panels.COUNT,
            "sum(increase(hikari_pool_timeouts_total{}[$__range]))",
            limits.ANY,
        ),
        figure(
            "Errors",
            "Errors met by extractions. Above 0: 'Errors' of every agent below says which side; `journalctl -u "
            "extraction-agent` has the sentence.",
            panels.PER_MINUTE,
            f"{summed(rate('extraction_errors_total'))} * 60",
            limits.SOME,
        ),
        figure(
            "Breakers open",
            "Databases that are not asked because they were down. If not 0: 'Circuit breakers' names them; the breaker "
            "closes by itself when the database answers.",
            panels.COUNT,
            "sum(extraction_breaker_state{} == bool 2)",
            limits.ANY,
        ),
    )


def _asked_for(made: Dashboard) -> None:
    of_all = " Of every agent, whichever are chosen above: the query stands as it was asked for."
    row(
        made,
        "Every agent",
        graph(
            "Records committed",
            "Committed to the store, a minute. Falls to 0 without work; if the queue is not empty, see 'Throughput at "
            "work'." + of_all,
            panels.RECORDS,
            Query(queries.RECORDS_A_MINUTE),
            limits=limits.THROUGHPUT,
            width=6,
        ),
        graph(
            "API latency, p95",
            "By method, route and status. Above 0.2 s: the line's route says which; see 'Slowest routes, p95'."
            + of_all,
            panels.SECONDS,
            Query(queries.API_P95, "{{instance}} {{method}} {{route}} {{status}}"),
            limits=limits.API_P95,
            width=6,
        ),
        graph(
            "Use of the pools",
            "Connections in use. Above 80 %: see 'Connection pools'; but `lanes-store` and `source-…` are of chunks, "
            "and full whenever there is work." + of_all,
            panels.PERCENT,
            Query(queries.POOL_USE, "{{instance}} {{pool}}"),
            limits=limits.POOL_PERCENT,
            width=6,
        ),
        graph(
            "Errors",
            "By the side that failed. `source`: the database that is read; `store`: ours; `other`: the agent itself, "
            "whose log says more." + of_all,
            panels.PER_MINUTE,
            Query(queries.ERRORS_A_MINUTE, "{{instance}} {{kind}}"),
            limits=limits.SOME,
            width=6,
        ),
    )
