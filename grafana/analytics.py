"""The dashboard "Extraction Analytics": before and after, by generation and by time, and agents beside each other."""

import re

from grafana_foundation_sdk.builders.dashboard import CustomVariable, Dashboard
from grafana_foundation_sdk.models.dashboard import VariableOption

from grafana import generations, limits, panels
from grafana.frame import begin, row
from grafana.panels import Column, Query, bars, graph, rows, spread, states
from grafana.queries import API, AT_WORK, FLEET_AT_WORK, STATEMENTS, USE_OF_POOLS, quantile, rate, summed

_SAYS = (
    "What a change brought: every figure by the generation of the profile that was at work, now against an earlier "
    "time, and the agents of the fleet beside each other. Marks on the graphs are generations, trials and alerts."
)
_AGO = ("1h", "1d", "7d")


def make() -> Dashboard:
    made = begin("Extraction Analytics", "extraction-analytics", _SAYS, "now-24h")
    earlier = VariableOption(text="1d", value="1d")
    made.with_variable(CustomVariable("ago").label("Against").values(",".join(_AGO)).current(earlier))
    row(made, "Before and after, by generation", *generations.panels_of_all())
    _earlier(made)
    _fleet(made)
    _cost(made)
    _latencies(made)
    _rollouts(made)
    return made


def _earlier(made: Dashboard) -> None:
    """Each now, and as it was an hour, a day or a week ago."""
    api = quantile(0.95, "http_request_duration_seconds", API)
    query = quantile(0.95, "extraction_query_duration_seconds", STATEMENTS)
    errors = f"{summed(rate('extraction_errors_total'))} * 60"
    row(
        made,
        "Now, and before",
        graph(
            "Throughput at work",
            "Lower than at the same hour before, with as much to do: see whether the generation has changed since "
            "('Generations'), then the store and the sources.",
            panels.RECORDS,
            *_both(FLEET_AT_WORK),
            limits=limits.THROUGHPUT,
            width=6,
        ),
        graph(
            "API, p95",
            "Higher than before: more callers ('Requests' of Extraction Performance), or slower answers to as many.",
            panels.SECONDS,
            *_both(api),
            limits=limits.API_P95,
            width=6,
        ),
        graph(
            "Statements, p95",
            "Higher than before at the same work: tables have grown past an index, or statistics are old (`ANALYZE`).",
            panels.SECONDS,
            *_both(query),
            limits=limits.QUERY_P95,
            width=6,
        ),
        graph(
            "Errors",
            "More than before: 'Errors' of Extraction Performance says on which side.",
            panels.PER_MINUTE,
            *_both(errors),
            limits=limits.SOME,
            width=6,
        ),
    )


def _both(expr: str) -> tuple[Query, Query]:
    return Query(expr, "now"), Query(_offset(expr), "$ago ago")


def _offset(expr: str) -> str:
    """The same, earlier: every window is moved."""
    return re.sub(r"\[\$__rate_interval:?\]", r"\g<0> offset $ago", expr)


def _fleet(made: Dashboard) -> None:
    committed = "increase(extraction_records_extracted_total{}[$__range])"
    row(
        made,
        "The fleet",
        rows(
            "Agents",
            "One line an agent, now. An agent that differs in generation or version from the others was left out of a "
            "rollout: `extractctl rollout status` says why. Colours are the promised figures.",
            "instance",
            "Agent",
            (
                Column(
                    "Version",
                    panels.COUNT,
                    "max by (instance, version) (extraction_agent_build_info{})",
                    label="version",
                ),
                Column("Generation", panels.COUNT, "max by (instance) (extraction_generation{})"),
                Column("On trial", panels.COUNT, "max by (instance) (extraction_trial{})"),
                Column("Records/min at work", panels.RECORDS, f"sum by (instance) ({AT_WORK})", limits.THROUGHPUT),
                Column(
                    "API p95",
                    panels.SECONDS,
                    quantile(0.95, "http_request_duration_seconds", API, "instance"),
                    limits.API_P95,
                ),
                Column(
                    "Query p95",
                    panels.SECONDS,
                    quantile(0.95, "extraction_query_duration_seconds", STATEMENTS, "instance"),
                    limits.QUERY_P95,
                ),
                Column(
                    "Fullest pool",
                    panels.PERCENT,
                    f"max by (instance) ({USE_OF_POOLS})",
                    limits.POOL_PERCENT,
                ),
                Column(
                    "Errors/min",
                    panels.PER_MINUTE,
                    f"{summed(rate('extraction_errors_total'), 'instance')} * 60",
                    limits.SOME,
                ),
                Column("CPU", panels.CORES, summed(rate("process_cpu_seconds_total"), "instance")),
                Column("Memory", panels.BYTES, "sum by (instance) (process_resident_memory_bytes{})"),
            ),
        ),
        bars(
            "Share of the work",
            "Of the records committed in the time shown. One far below the others with the same profile: its host, or "
            "its way to the store.",
            panels.SHARE,
            Query(f"sum by (instance) ({committed}) / scalar(sum({committed})) >= 0"),
        ),
        graph(
            "Throughput against the middle of the fleet",
            "Each agent at work, divided by the fleet's median. Below 0.8 for long: this host is slow; judge it with "
            "`extractctl judge`, not by eye.",
            panels.COUNT,
            Query(f"{AT_WORK} / scalar(quantile(0.5, {AT_WORK}))"),
            limits=limits.EVEN,
        ),
        graph(
            "The slowest agent against the fastest",
            "API p95 of the slowest, divided by the fastest's. Above 3: one host is ill, and means hide it.",
            panels.COUNT,
            Query(_ratio(quantile(0.95, "http_request_duration_seconds", API, "instance")), "slowest / fastest"),
            limits=limits.SPREAD,
        ),
    )


def _ratio(expr: str) -> str:
    return f"max({expr}) / min({expr})"


def _cost(made: Dashboard) -> None:
    records = summed(rate("extraction_records_extracted_total"))
    attempts = summed(rate("extraction_chunks_total", 'result=~"done|failed"'))  # as the judge counts them
    failed = summed(rate("extraction_chunks_total", 'result="failed"'))
    row(
        made,
        "What a record costs",
        graph(
            "CPU for a million records",
            "Seconds of the agents' CPU. Rising with the same tables: compare generations above; a profile with "
            "smaller chunks or the old way of writing costs more.",
            panels.SECONDS,
            Query(f"{summed(rate('process_cpu_seconds_total'))} / ({records} > 0) * 1e6", "CPU seconds"),
            width=6,
        ),
        graph(
            "The store's time for a million records",
            "Seconds of its statements, without COPY. Rising: an index is missing, or chunks are too small.",
            panels.SECONDS,
            Query(
                f"{summed(rate('extraction_query_duration_seconds_sum'))} / ({records} > 0) * 1e6", "statement seconds"
            ),
            width=6,
        ),
        graph(
            "Bytes of a record",
            "Of the tables that are extracted. A jump: another table, or wider rows; throughput in records falls.",
            panels.BYTES,
            Query(f"{summed(rate('extraction_bytes_extracted_total'))} / ({records} > 0)", "bytes"),
            width=6,
        ),
        graph(
            "Attempts at chunks that failed",
            "Share of those that were done or failed. A point more than before takes a trial back; without one, the "
            "log names chunk and reason.",
            panels.SHARE,
            Query(f"{failed} / ({attempts} > 0)", "failed"),
            limits=limits.ERROR_SHARE,
            width=6,
        ),
    )


def _latencies(made: Dashboard) -> None:
    row(
        made,
        "How latencies are spread",
        spread(
            "Answers of the API",
            "Two bands instead of one: some callers wait for something others do not; see 'Slowest routes, p95' of "
            "Extraction Performance.",
            f"sum by (le) (increase(http_request_duration_seconds_bucket{{, {API}}}[$__rate_interval]))",
        ),
        spread(
            "Chunks, from claim to commit",
            "A band that moves up while the other stays: one source, or one table, has become slow.",
            "sum by (le) (increase(extraction_chunk_duration_seconds_bucket{}[$__rate_interval]))",
        ),
    )


def _rollouts(made: Dashboard) -> None:
    row(
        made,
        "Rollouts",
        states(
            "Generations",
            "The number of the profile at work on each host; 0 is the configuration's. Differing for longer than a "
            "rollout takes: `extractctl rollout status`.",
            Query("max by (instance) (extraction_generation{})"),
        ),
        states(
            "Trials",
            "On trial for longer than the rollout's waves take: its controller is gone; the host goes back when the "
            "lease or the trial ends.",
            Query("max by (instance) (extraction_trial{})"),
            (("0", "settled", "green"), ("1", "on trial", "purple")),
        ),
        graph(
            "Trials ended",
            "In the time of a point. `back`: a profile did not help; `extractctl rollout history` has the reason.",
            panels.COUNT,
            Query("sum by (result) (increase(extraction_trials_total{}[$__rate_interval]))", "{{result}}"),
            width=6,
        ),
        graph(
            "Taken back by a guard",
            "By guard: `throughput`, `error_rate` or `pool`. The profile asked too much of the host, the source or the "
            "pool; it is back as it was.",
            panels.COUNT,
            Query("sum by (guard) (increase(extraction_trial_trips_total{}[$__rate_interval]))", "trial: {{guard}}"),
            Query("sum by (guard) (increase(extraction_watch_trips_total{}[$__rate_interval]))", "watch: {{guard}}"),
            width=6,
        ),
        graph(
            "Watch that is left",
            "How long the guards still look at a committed profile on each host. It falls to 0 by itself; at once: a "
            "guard has tripped, or the next rollout has begun; `extractctl rollout watch` says which.",
            panels.SECONDS,
            Query("extraction_watch_seconds_left{}"),
            width=6,
        ),
        graph(
            "Indexes left",
            "Of aborted rollouts, by where. Above 0 for minutes: `extractctl indexes undo` drops them; the alert "
            "ExtractionIndexesLeft says so too.",
            panels.COUNT,
            Query("max by (where) (extraction_indexes_left{})", "{{where}}"),
            limits=limits.ANY,
            width=6,
        ),
    )
