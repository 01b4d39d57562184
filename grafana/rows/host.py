"""The process, its host, and the samplers that look at both."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import panels
from grafana.frame import folded
from grafana.panels import Query, graph, states
from grafana.queries import rate


def host(made: Dashboard) -> None:
    folded(
        made,
        "Process and host",
        graph(
            "CPU of the agent",
            "Cores in use. At the number of cores: the host is the limit; fewer threads serve the API better.",
            panels.CORES,
            Query(rate("process_cpu_seconds_total")),
            width=6,
        ),
        graph(
            "Memory of the agent",
            "Resident. Growing without end: a leak; take `extractctl profile take`, then restart.",
            panels.BYTES,
            Query("process_resident_memory_bytes{}"),
            width=6,
        ),
        graph(
            "CPU of the host",
            "Share in use, by all that runs there. High while the agent's is low: somebody else's work.",
            panels.SHARE,
            Query("host_cpu_used_ratio{}"),
            width=6,
        ),
        graph(
            "Load by core",
            "Over a minute. Above 1 for long: more wants to run than can.",
            panels.COUNT,
            Query("host_load1{} / host_cpus{}"),
            width=6,
        ),
        graph(
            "Memory of the host in use",
            "Above 90 %: the kernel will end somebody, and it may be the agent.",
            panels.SHARE,
            Query("1 - host_memory_available_bytes{} / host_memory_bytes{}"),
            width=6,
        ),
        graph(
            "Network",
            "Of the host's interfaces. At the line's rate: that is the limit.",
            panels.BYTES_A_SECOND,
            Query(rate("host_network_receive_bytes_total"), "{{instance}} in"),
            Query(rate("host_network_transmit_bytes_total"), "{{instance}} out"),
            width=6,
        ),
        graph(
            "Disks",
            "Of the host. The agent itself writes next to nothing: what is seen here is others, or a store beside it.",
            panels.BYTES_A_SECOND,
            Query(rate("host_disk_read_bytes_total"), "{{instance}} read"),
            Query(rate("host_disk_written_bytes_total"), "{{instance}} written"),
            width=6,
        ),
        graph(
            "File descriptors in use",
            "Above 80 %: connections are not closed, or `LimitNOFILE` is too low.",
            panels.SHARE,
            Query("process_open_fds{} / process_max_fds{}"),
            width=6,
        ),
        graph(
            "Threads of the process",
            "All of them, ours and the libraries'. Growing without end: a leak; restart, and tell the developers.",
            panels.COUNT,
            Query("process_threads{}"),
            width=6,
        ),
        graph(
            "Pauses of the garbage collector",
            "Share of the time in which it stopped the agent. Above 1 %: too many objects live, and the API feels it.",
            panels.SHARE,
            Query(f"sum by (instance) ({rate('python_gc_pause_seconds_total')})"),
            width=6,
        ),
        states(
            "Samplers",
            "Late: what it samples is unknown, not zero. `store`: the store does not answer.",
            Query("min by (instance, sampler) (extraction_sampler_up{})", "{{instance}} {{sampler}}"),
            (("0", "late", "red"), ("1", "well", "green")),
            width=6,
        ),
        graph(
            "Age of a sample",
            "Above 15 s: the panels of the store and the host show what was.",
            panels.SECONDS,
            Query("extraction_sampler_age_seconds{}", "{{instance}} {{sampler}}"),
            width=6,
        ),
    )
