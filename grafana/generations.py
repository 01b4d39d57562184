"""Every figure by the generation under which it came about: what a rollout changed, and whether for the better."""

from grafana import limits, panels
from grafana.panels import Column, Panel, Query, graph, rows
from grafana.queries import API, STATEMENTS, USE_OF_POOLS, rate

_RUNNING = 'count_values by (job, instance) ("generation", extraction_generation{})'
_KEY = "by (job, instance)"
_LEGEND = "generation {{generation}}"


def _summed(expr: str, also: str = "") -> str:
    """The sum over agents, for each generation; also: another label that is kept. The number becomes a label."""
    inner = f"sum by (job, instance{also and ', ' + also}) ({expr})"
    return (
        f"sum by (generation{also and ', ' + also}) ({inner} * on (job, instance) group_left (generation) {_RUNNING})"
    )


def _over(expr: str) -> str:
    """The mean over the time shown, of each series while it was there."""
    return f"avg_over_time(({expr})[$__range:$__interval])"


def _total(expr: str) -> str:
    """The sum over the time shown, so that a quotient of two weighs each moment by what happened in it."""
    return f"sum_over_time(({expr})[$__range:$__interval])"


def _quantile(share: float, metric: str, labels: str) -> tuple[str, str]:
    """At each moment, and over all the time shown; without NaN."""
    edges = _summed(rate(f"{metric}_bucket", labels), "le")
    return f"histogram_quantile({share}, {edges}) >= 0", f"histogram_quantile({share}, {_total(edges)}) >= 0"


_RECORDS = _summed(rate("extraction_records_extracted_total"))
_BUSY = _summed(rate("extraction_busy_seconds_total"))
_ERRORS = _summed(rate("extraction_errors_total"))
_CPU = _summed(rate("process_cpu_seconds_total"))
_AGENTS = f"count by (generation) ({_RUNNING})"
_MEMORY = f"{_summed('process_resident_memory_bytes{}')} / {_AGENTS}"
_POOL = f"max by (generation) (max {_KEY} ({USE_OF_POOLS}) * on (job, instance) group_left (generation) {_RUNNING})"
_API, _API_OVER = _quantile(0.95, "http_request_duration_seconds", API)
_QUERY, _QUERY_OVER = _quantile(0.95, "extraction_query_duration_seconds", STATEMENTS)


def panels_of_all() -> tuple[Panel, ...]:
    """A table over the time shown, and each of its figures over time."""
    return (
        rows(
            "Before and after",
            "One line a generation, over the time shown; 0 is the profile of the configuration file. Worse than the "
            "one before: `extractctl rollout history` names the rollout, the playbook `rollback.yml` takes it back. "
            "The first minutes of a generation still count what was before it.",
            "generation",
            "Generation",
            (
                Column(
                    "Records per busy minute",
                    panels.RECORDS,
                    f"{_total(_RECORDS)} / {_total(_BUSY)} * 60 >= 0",
                    limits.THROUGHPUT,
                ),
                Column("API p95", panels.SECONDS, _API_OVER, limits.API_P95),
                Column("Query p95", panels.SECONDS, _QUERY_OVER, limits.QUERY_P95),
                Column("Fullest pool, mean", panels.PERCENT, _over(_POOL), limits.POOL_PERCENT),
                Column("Errors/min", panels.PER_MINUTE, _over(f"{_ERRORS} * 60"), limits.SOME),
                Column("CPU s per million records", panels.SECONDS, f"{_total(_CPU)} / {_total(_RECORDS)} * 1e6 >= 0"),
                Column("Memory of an agent", panels.BYTES, _over(_MEMORY)),
                Column("Agents, at most", panels.COUNT, f"max_over_time(({_AGENTS})[$__range:$__interval])"),
            ),
        ),
        graph(
            "Records per busy minute",
            "Below the generation before for longer than some minutes, with as much to do: take the rollout back. A "
            "mean of agents, not their sum.",
            panels.RECORDS,
            Query(f"{_RECORDS} / ({_BUSY} > 0) * 60", _LEGEND),
            limits=limits.THROUGHPUT,
        ),
        graph(
            "API, p95",
            "Higher under the new generation: its threads or its pool leave too little for callers.",
            panels.SECONDS,
            Query(_API, _LEGEND),
            limits=limits.API_P95,
        ),
        graph(
            "Statements, p95",
            "Higher under the new generation: more at once than the store likes, or an index was dropped with it.",
            panels.SECONDS,
            Query(_QUERY, _LEGEND),
            limits=limits.QUERY_P95,
        ),
        graph(
            "Use of the fullest pool",
            "Higher under the new generation: the pool is smaller, or work in flight has grown and the pool has not.",
            panels.PERCENT,
            Query(_POOL, _LEGEND),
            limits=limits.POOL_PERCENT,
        ),
        graph(
            "CPU for a million records",
            "Higher under the new generation at the same throughput: it pays more for nothing.",
            panels.SECONDS,
            Query(f"{_CPU} / ({_RECORDS} > 0) * 1e6", _LEGEND),
        ),
        graph(
            "Memory of an agent",
            "Mean. More than 10 % above the generation before is more than promised: fewer threads, smaller batches.",
            panels.BYTES,
            Query(_MEMORY, _LEGEND),
        ),
    )
