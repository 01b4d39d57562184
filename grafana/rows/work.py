"""Extractions, and what waits to be done."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import limits, panels
from grafana.frame import row
from grafana.panels import Query, graph
from grafana.queries import AT_WORK, FLEET_AT_WORK, quantile, rate, summed


def extractions(made: Dashboard) -> None:
    row(
        made,
        "Extractions",
        graph(
            "Throughput at work",
            "Records per busy minute; the line `all`, of those at work at the same time, is what the floor of 20,000 "
            "and the alert at 15,000 are for. One agent below the others: its host ('Process and host'); all of them: "
            "the store or the sources.",
            panels.RECORDS,
            Query(FLEET_AT_WORK, "all"),
            Query(AT_WORK),
            limits=limits.THROUGHPUT,
        ),
        graph(
            "Time at work",
            "Share of the time with a chunk in flight; to index what was copied is none. Low with a full queue: agents "
            "take up no work; see 'Samplers' and the log, and whether extractions are indexed (`extractctl list`).",
            panels.SHARE,
            Query(rate("extraction_busy_seconds_total")),
        ),
        graph(
            "Bytes committed",
            "What the records weigh. High with few records: rows are wide, and the network or the disk is the limit.",
            panels.BYTES_A_SECOND,
            Query(rate("extraction_bytes_extracted_total")),
            stacked=True,
        ),
        graph(
            "Attempts at chunks",
            "By result. `failed` is tried again; `fenced` lost to another agent and cost only time; many `given_back`: "
            "agents are stopped while they work.",
            panels.PER_MINUTE,
            Query(f"{summed(rate('extraction_chunks_total'), 'result')} * 60", "{{result}}"),
        ),
        graph(
            "Time of a chunk",
            "From claim to commit. p95 far above the half: some chunks wait for a lock, or a source is uneven.",
            panels.SECONDS,
            Query(quantile(0.95, "extraction_chunk_duration_seconds"), "p95"),
            Query(quantile(0.5, "extraction_chunk_duration_seconds"), "half"),
        ),
        graph(
            "Chunks in flight",
            "Less than the profile's `chunks_in_flight` with work in the queue: the source guard holds back, see "
            "'Chunks a source may have in flight'; or threads build indexes.",
            panels.COUNT,
            Query("extraction_chunks_in_flight{}"),
            stacked=True,
        ),
        graph(
            "What copying threads wait for",
            "Seconds a second, by what they wait for; `nothing`: they work. Most of it is where the time goes: a side "
            "that is waited for is the one to look at; `extractctl profile take` says more.",
            panels.COUNT,
            Query(summed(rate("extraction_relay_seconds_total"), "waiting_for"), "{{waiting_for}}"),
            width=12,
            stacked=True,
        ),
        graph(
            "CPU of copying threads",
            "Cores: `running` is work, `ready` waits for a CPU. Much of `ready`: too few CPUs, or too many threads.",
            panels.CORES,
            Query(summed(rate("extraction_relay_cpu_seconds_total"), "state"), "{{state}}"),
            width=12,
            stacked=True,
        ),
    )


def queue(made: Dashboard) -> None:
    row(
        made,
        "Queue, watermarks and audit",
        graph(
            "Jobs that wait",
            "In the store's queue. Growing for long: more work comes than the fleet does; add an agent or a thread.",
            panels.COUNT,
            Query("max(extraction_queue_depth{})", "jobs"),
            width=6,
        ),
        graph(
            "The oldest job's wait",
            "Growing while agents are idle: no agent takes jobs; see 'Agents away'.",
            panels.SECONDS,
            Query("max(extraction_queue_age_seconds{})", "oldest job"),
            width=6,
        ),
        graph(
            "Extractions and chunks",
            "Not finished yet, in the store. `running` that never falls: `extractctl list` names them.",
            panels.COUNT,
            Query("max by (status) (extraction_active_extractions{})", "extractions {{status}}"),
            Query("max by (state) (extraction_active_chunks{})", "chunks {{state}}"),
            width=6,
        ),
        graph(
            "Watermark lag",
            "Age of the oldest horizon of an incremental config. Growing: its runs fail, or a long transaction at its "
            "source holds the horizon (`pg_stat_activity`, `pg_prepared_xacts`).",
            panels.SECONDS,
            Query("max(extraction_watermark_lag_seconds{})", "oldest horizon"),
            width=6,
        ),
        graph(
            "Transactions a watermark keeps",
            "Most transactions kept by number. Thousands: a long transaction at a source is open; end it.",
            panels.COUNT,
            Query("max(extraction_watermark_seen_transactions{})", "transactions"),
            width=12,
        ),
        graph(
            "Faults in the audit log",
            "Links of its chain that do not hold. Any: somebody has changed the log, or a backup was put back; "
            "`extractctl audit verify` names the entries.",
            panels.COUNT,
            Query("max(extraction_audit_faults{})", "faults"),
            limits=limits.ANY,
            width=12,
        ),
    )
