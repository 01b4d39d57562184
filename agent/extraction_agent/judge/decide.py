"""The decision: everything seen so far in, GO, NO-GO or INCONCLUSIVE out, and how much more must be seen."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from extraction_agent.judge.compare import Comparison, compare
from extraction_agent.judge.evidence import AGAINST, OPEN, Design, Evidence, Finding
from extraction_agent.judge.measures import P95, THROUGHPUT
from extraction_agent.judge.observed import BETWEEN, NEW, OLD, Observed, observe
from extraction_agent.judge.rules import FAMILY, each, gates
from extraction_agent.judge.samples import read
from extraction_agent.judge.statistics import Interval
from extraction_agent.model import Verdict
from extraction_agent.profiles import Gates


def judge(files: Iterable[Path], limits: Gates, design: Design) -> Evidence:
    """What `decide` says of all samples in the files. Raises UsageError if they cannot be judged."""
    return decide(observe(read(files)), limits, design)


def decide(observed: Observed, limits: Gates, design: Design) -> Evidence:
    """Call it with all samples so far, after every few slots, until it is `final`.

    It ends when every interval is narrow enough, or at `slots_at_most`; never because of what the intervals hold.
    """
    compared, uncompared = compare(observed, limits, design)
    confidence = each(len(compared))
    found = [(one, one.interval(confidence)) for one in compared]
    needed = [one.slots_needed(interval, confidence, observed.slots) for one, interval in found]
    findings = [
        *(one.finding(interval, slots, observed) for (one, interval), slots in zip(found, needed, strict=True)),
        *uncompared,
        *([] if design is Design.EVERYWHERE else gates(observed.trials, limits)),  # the profile is on no host yet
    ]
    left = max(limits.slots_at_most - observed.slots, 0)
    if design is Design.EVERYWHERE:  # what is past is past: more of the new alone tells nothing
        left = min(left, max(int((observed.phase == OLD).sum() - (observed.phase == NEW).sum()), 0))
    more = max(max(needed, default=0) - observed.slots, 1)
    final = left == 0 or (bool(found) and all(one.enough(interval) for one, interval in found))
    if final:
        verdict, because = _verdict(findings, list(_missing(observed, compared, design)), design)
    else:
        verdict, because = Verdict.INCONCLUSIVE, list(_waits_for(found, needed, limits))
    return Evidence(
        verdict=verdict,
        final=final,
        # At most as many again: how much the figures vary is an estimate, too.
        more_slots=0 if final else min(more, observed.slots, left),
        because=tuple(because),
        design=design,
        canaries=observed.canaries,
        untouched=observed.untouched,
        slots=observed.slots,
        blocks=min((len(one.values) for one in compared), default=0),
        decorrelation_slots=max((one.lag for one in compared), default=1),
        confidence=FAMILY,
        findings=tuple(findings),
        notes=tuple(_notes(observed, findings)),
    )


def _verdict(findings: list[Finding], missing: list[str], design: Design) -> tuple[Verdict, list[str]]:
    """Harm that is proven outweighs what is unknown."""
    against = [_told(one) for one in findings if one.outcome in AGAINST]
    if against:
        return Verdict.NO_GO, against
    judged = {(one.about, one.metric) for one in findings if one.slots_needed is not None}
    open_ = [_told(one) for one in findings if one.outcome in OPEN and (one.about, one.metric) in judged]
    if missing or open_:
        return Verdict.INCONCLUSIVE, [*missing, *open_]
    return Verdict.GO, list(_go([one for one in findings if one.outcome == "no data"], design))


def _go(unmeasured: list[Finding], design: Design) -> Iterator[str]:
    """What is certain, and what nobody has measured."""
    of_all = " that was measured" if unmeasured else ""
    figures = "" if design is Design.EVERYWHERE else f", and every figure{of_all} is kept"
    yield f"Nothing{of_all} is worse than tolerated, for certain{figures}."
    if unmeasured:
        yield f"Not measured: {', '.join(f'{one.about} {one.metric} ({one.rule})' for one in unmeasured)}."
    if design is Design.EVERYWHERE:
        yield "The profile's figures wait for the canary."


def _missing(observed: Observed, compared: list[Comparison], design: Design) -> Iterator[str]:
    """Why there can be no GO, whatever the findings."""
    if not any(one.busy_seconds for one in observed.trials):
        yield "The canary did no work under the new settings: give the fleet something to extract."
    if not any(one.rule.measure is THROUGHPUT for one in compared):
        yield "Nobody's throughput is known."
    if not observed.untouched and design is Design.BEFORE_AFTER:
        yield (
            "No host was left untouched, and one host before and after cannot tell a change from the time of day: "
            "switch back and forth, or keep a host."
        )


def _waits_for(found: list[tuple[Comparison, Interval | None]], needed: list[int], limits: Gates) -> Iterator[str]:
    """What is not narrow enough yet, the widest first."""
    if not found:
        yield "Nothing is known yet."
        return
    slots, (widest, interval) = max(zip(needed, found, strict=True), key=lambda one: one[0])
    name = f"{widest.rule.measure.name} of {widest.about}"
    if interval is None:
        yield f"Too few blocks to tell how much {name} varies."
        return
    yield f"{name}: {slots:,} slots in all are needed to know it within half of what is tolerated."
    if slots > limits.slots_at_most:
        yield f"That is more than the {limits.slots_at_most:,} that the profile's gates allow: take longer slots."


def _told(one: Finding) -> str:
    figure = f"{one.shown_effect}, {one.shown_interval}" if one.effect is not None else one.shown_new
    return f"{one.about}: {one.metric} {figure} ({one.rule}): {one.outcome}."


def _notes(observed: Observed, findings: list[Finding]) -> Iterator[str]:
    """What a reader of the verdict should know of the samples."""
    out = int((observed.phase == BETWEEN).sum())
    if out:
        yield f"{out} of {observed.slots} slots count for neither side: a switch, or a canary that was not there."
    for host, count in observed.missing.items():
        yield f"Host {host} has no sample in {count} of {observed.slots} slots."
    if not observed.untouched:
        yield "No host was left untouched: the canary is compared with itself alone, under both settings in turn."
    silent = dict.fromkeys(one.metric for one in findings if one.outcome == "no data" and one.new is None)
    if silent:
        yield f"Never seen under the new settings: {', '.join(silent)}."
    seldom = [host for host, asked in _asked(observed) if not asked]
    if seldom:
        yield f"Too seldom asked for their p95 and p99 to be compared: the API of {', '.join(seldom)}."


def _asked(observed: Observed) -> Iterator[tuple[str, bool]]:
    """Each host, and whether its API is."""
    for hosts, tracks in ((observed.canaries, observed.of_canaries), (observed.untouched, observed.of_untouched)):
        yield from zip(hosts, observed.asked(tracks[P95]).tolist(), strict=True)
