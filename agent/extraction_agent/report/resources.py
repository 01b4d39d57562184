"""What the speed costs: CPU and memory beside the throughput, absolute and for each record."""

from collections.abc import Iterator

from extraction_agent.model import Strict
from extraction_agent.report import evidence, folder
from extraction_agent.report.figures import Figure, Figures, Unit, pointer


class Resource(Strict):
    """One figure of both sides."""

    what: str
    where: str
    before: Figure | None
    after: Figure | None
    change: Figure | None


REACHED = 0.95  # of the offered load, at least

_WHERE = {folder.THROUGHPUT: "full load", folder.RESOURCES: "same load"}
_SERVERS = (("agent", "the agent"), ("source", "the source's server"), ("store", "the store's server"))


def unequal(run: folder.Folder) -> str:
    """Why the two did not do the same work, so that what they took cannot be compared; empty if they did."""
    told = run.get(folder.RESOURCES, evidence.Resources)
    for side in (run.scenario.before, run.scenario.after):
        for one in told.profiles[side].runs if told and side in told.profiles else ():
            if told and one.records_per_minute < REACHED * told.offered_records_per_minute:
                return (
                    f"{side} reached {one.records_per_minute:,.0f} records/min of the "
                    f"{told.offered_records_per_minute:,.0f} offered in round {one.round}, so the two did not do the "
                    "same work: offer less."
                )
    return ""


def resources(run: folder.Folder) -> tuple[Resource, ...]:
    """At full load, then at the same load; what neither side told is left out."""
    figures = Figures(run.raw)
    found = [one for name in _WHERE if name in run.found for one in _of(figures, name, run)]
    return tuple(one for one in found if one.before or one.after)


def _of(figures: Figures, name: str, run: folder.Folder) -> Iterator[Resource]:
    sides = (run.scenario.before, run.scenario.after)
    unlike = name == folder.RESOURCES and unequal(run) != ""  # no change is told of what did not do the same work

    def median(what: str, field: str, unit: Unit) -> Resource:
        of = [pointer(name, "profiles", side, "runs", "*", field) for side in sides]
        before, after = (figures.take("median", one, unit=unit) for one in of)
        change = None if unlike else figures.take("medians' increase", *of, unit="increase")
        return Resource(what=what, where=_WHERE[name], before=before, after=after, change=change)

    def quotient(what: str, field: str, by: str, unit: Unit) -> Resource:
        of = [tuple(pointer(name, "profiles", side, "runs", "*", one) for one in (field, by)) for side in sides]
        before, after = (figures.take("sum by sum", *one, unit=unit) for one in of)
        change = None if unlike else figures.take("sums' increase", *of[0], *of[1], unit="increase")
        return Resource(what=what, where=_WHERE[name], before=before, after=after, change=change)

    each = name == folder.THROUGHPUT  # at the same load, each record and all of them say the same
    yield median("throughput", "records_per_minute", "records/min")
    for whose, told in _SERVERS:
        yield quotient(f"CPU of {told}", f"{whose}_cpu_seconds", "seconds", "cores")
        if each:
            yield quotient(f"CPU of {told}, each record", f"{whose}_cpu_seconds", "records", "s/record")
    yield median("peak memory of the agent", "rss_peak_bytes", "bytes")
    if each:
        yield quotient("peak memory for each record a minute", "rss_peak_bytes", "records_per_minute", "bytes")
    yield median("connections of the agent at most", "connections_most", "")
