"""From raw samples to a verdict."""

from pathlib import Path
from typing import Any

import pytest

from canary import RUN, Rollout, write
from extraction_agent import errors
from extraction_agent.judge.decide import decide
from extraction_agent.judge.evidence import Design, Evidence, Finding
from extraction_agent.judge.observed import observe
from extraction_agent.judge.samples import read
from extraction_agent.model import Verdict
from extraction_agent.profiles import Gates


def judged(
    folder: Path, samples: list[dict[str, Any]], limits: Gates | None = None, design: Design = Design.SWITCHED
) -> Evidence:
    return decide(observe(read([write(folder / "samples.jsonl", samples)])), limits or Gates(), design)


def of(evidence: Evidence, about: str, metric: str) -> Finding:
    """The comparison, or else the gate."""
    return next(one for one in evidence.findings if (one.about, one.metric) == (about, metric))


def test_settings_that_change_nothing_are_a_go(tmp_path: Path) -> None:
    evidence = judged(tmp_path, Rollout().samples())
    assert (evidence.verdict, evidence.final, evidence.more_slots) == (Verdict.GO, True, 0)
    assert evidence.canaries == ("h1",)
    assert evidence.untouched == ("h2", "h3", "h4")
    p95 = of(evidence, "canary", "p95")
    assert p95.old == pytest.approx(p95.new, rel=0.05)
    assert p95.low is not None
    assert p95.high is not None
    assert p95.low < 0 < p95.high < 0.05
    assert {one.outcome for one in evidence.findings} == {"same", "kept"}
    assert evidence.because == ("Nothing is worse than tolerated, for certain, and every figure is kept.",)


@pytest.mark.parametrize(
    ("change", "about", "metric", "effect"),
    [
        (Rollout(p95=1.2), "canary", "p95", 0.2),
        (Rollout(throughput=0.85), "canary", "throughput", -0.15),
        (Rollout(failing=0.05), "canary", "error_rate", 0.05),
        (Rollout(throughput=1.3, neighbours=0.6), "neighbours", "throughput", -0.4),
        (Rollout(throughput=1.3, source=1.6), "source db1", "round_trip", 0.6),
    ],
    ids=["slower", "less", "failing", "neighbours hurt", "source hurt"],
)
def test_harm_is_a_no_go_with_its_evidence(
    tmp_path: Path, change: Rollout, about: str, metric: str, effect: float
) -> None:
    evidence = judged(tmp_path, change.samples())
    assert evidence.verdict is Verdict.NO_GO
    finding = of(evidence, about, metric)
    assert finding.outcome == "worse"
    assert finding.effect == pytest.approx(effect, rel=0.2)
    assert any(one.startswith(f"{about}: {metric}") for one in evidence.because)


def test_what_helps_everywhere_is_a_go(tmp_path: Path) -> None:
    evidence = judged(tmp_path, Rollout(p95=0.7, throughput=1.5).samples())
    assert evidence.verdict is Verdict.GO
    assert of(evidence, "canary", "throughput").outcome == "better"
    assert of(evidence, "canary", "p95").outcome == "better"


def test_a_broken_gate_is_a_no_go_though_no_host_is_better(tmp_path: Path) -> None:
    evidence = judged(tmp_path, Rollout().samples(), Gates(throughput_records_per_minute=1_000_000))
    assert evidence.verdict is Verdict.NO_GO
    assert [one.outcome for one in evidence.findings].count("broken") == 1
    assert "(≥ 1,000,000): broken" in evidence.because[0]


def test_few_slots_ask_for_more_until_they_are_enough(tmp_path: Path) -> None:
    samples = Rollout(p95=1.2).samples()
    slots, asked = 7 * RUN, []
    while True:
        evidence = judged(tmp_path, [one for one in samples if one["slot"] < slots])
        if evidence.final:
            break
        assert evidence.verdict is Verdict.INCONCLUSIVE  # however large the effect
        assert 0 < evidence.more_slots <= slots
        assert evidence.because
        asked.append(evidence.more_slots)
        slots += evidence.more_slots
    assert evidence.verdict is Verdict.NO_GO
    assert asked


def test_at_the_maximum_what_is_unclear_is_inconclusive(tmp_path: Path) -> None:
    samples = [one for one in Rollout().samples() if one["slot"] < 60]
    evidence = judged(tmp_path, samples, Gates(slots_at_most=60, tolerated_rise_of_p95=0.002))
    assert (evidence.verdict, evidence.final, evidence.more_slots) == (Verdict.INCONCLUSIVE, True, 0)
    assert of(evidence, "canary", "p95").outcome == "unclear"
    assert any("canary: p95" in one and "unclear" in one for one in evidence.because)


def test_at_the_maximum_what_is_proven_is_a_no_go_though_the_rest_is_unclear(tmp_path: Path) -> None:
    samples = [one for one in Rollout(p95=2.0).samples() if one["slot"] < 100]
    evidence = judged(tmp_path, samples, Gates(slots_at_most=100, tolerated_fall_of_throughput=0.001))
    assert of(evidence, "canary", "throughput").outcome == "unclear"
    assert evidence.verdict is Verdict.NO_GO


def test_a_maximum_that_cannot_be_enough_is_told_before(tmp_path: Path) -> None:
    samples = [one for one in Rollout().samples() if one["slot"] < 100]
    evidence = judged(tmp_path, samples, Gates(slots_at_most=200, tolerated_rise_of_p95=0.001))
    assert not evidence.final
    assert any("more than the 200" in one for one in evidence.because)


def test_a_host_that_lacks_slots_is_named(tmp_path: Path) -> None:
    samples = [one for one in Rollout().samples() if one.get("host") != "h3" or one["slot"] % 3]
    evidence = judged(tmp_path, samples)
    assert evidence.verdict is Verdict.GO
    assert "Host h3 has no sample in 240 of 720 slots." in evidence.notes


def test_slots_without_the_canary_count_for_neither_side(tmp_path: Path) -> None:
    samples = [one for one in Rollout(p95=1.2).samples() if one.get("host") != "h1" or one["slot"] % 5]
    evidence = judged(tmp_path, samples)
    assert evidence.verdict is Verdict.NO_GO
    assert any("count for neither side" in one for one in evidence.notes)


def test_a_canary_that_did_no_work_is_no_go_of_any_kind(tmp_path: Path) -> None:
    idle = {"busy_seconds": 0.0, "records": 0, "attempts": 0, "failures": 0}
    samples = [one | idle if one.get("trial") else one for one in Rollout().samples()]
    evidence = judged(tmp_path, samples, Gates(slots_at_most=720))
    assert evidence.verdict is Verdict.INCONCLUSIVE
    assert "did no work" in evidence.because[0]


def test_what_nobody_does_is_not_judged(tmp_path: Path) -> None:
    samples = [one | {"requests": {}} if "host" in one else one for one in Rollout().samples()]
    evidence = judged(tmp_path, samples)
    assert evidence.verdict is Verdict.GO  # a fleet whose API nobody asks
    assert of(evidence, "canary", "p95").outcome == "no data"
    assert any("p95" in one for one in evidence.notes)
    assert " ".join(evidence.because) == (
        "Nothing that was measured is worse than tolerated, for certain, and every figure that was measured is kept. "
        "Not measured: canary p95 (rise ≤ 5 %), canary p99 (rise ≤ 10 %), neighbours p95 (rise ≤ 20 %), "
        "canary p95 (< 0.2), canary p99 (< 0.5)."
    )


def _asked(host: str, slot: int, asked: tuple[str, ...], every: int) -> bool:
    return host in asked and slot % every == 0


@pytest.mark.parametrize(
    ("asked", "every", "compared"),
    [
        (("h2",), 1, {"neighbours"}),
        (("h1",), 1, {"canary"}),
        (("h1", "h3"), 1, {"canary", "neighbours"}),
        (("h1", "h2", "h3", "h4"), 5, set()),
    ],
    ids=["another host", "the canary alone", "some", "all, now and then"],
)
def test_a_host_whose_api_nobody_asks_holds_up_no_verdict(
    tmp_path: Path, asked: tuple[str, ...], every: int, compared: set[str]
) -> None:
    samples = [
        one if _asked(one.get("host", ""), one["slot"], asked, every) else one | {"requests": {}}
        if "host" in one else one for one in Rollout().samples()
    ]  # fmt: skip
    evidence = judged(tmp_path, samples, Gates(tolerated_rise_of_p95=0.1, tolerated_rise_of_p99=0.2))
    assert evidence.verdict is Verdict.GO
    assert {one.about for one in evidence.findings if one.metric == "p95" and one.effect is not None} == compared
    idle = [host for host in ("h1", "h2", "h3", "h4") if every > 1 or host not in asked]
    told = f"Too seldom asked for their p95 and p99 to be compared: the API of {', '.join(idle)}."
    assert told in evidence.notes
    assert any(one.startswith("Not measured: ") for one in evidence.because) == (compared != {"canary", "neighbours"})


def test_before_and_after_an_api_that_is_asked_on_the_canary_alone_is_unclear(tmp_path: Path) -> None:
    samples = [
        one if one.get("host", "h1") == "h1" else one | {"requests": {}} for one in Rollout(switched=False).samples()
    ]
    evidence = judged(tmp_path, samples, Gates(slots_at_most=720), Design.BEFORE_AFTER)
    assert evidence.verdict is Verdict.INCONCLUSIVE
    assert of(evidence, "canary", "p95").outcome == "unclear"  # or the time of day would be taken for an effect


def test_of_several_canaries_those_that_are_asked_are_compared(tmp_path: Path) -> None:
    side = {one["slot"]: one for one in Rollout().samples() if one.get("host") == "h1"}
    samples = [
        one | {"trial": side[one["slot"]]["trial"], "generation": side[one["slot"]]["generation"], "requests": {}}
        if one.get("host") == "h2" else one for one in Rollout(p95=1.2).samples()
    ]  # fmt: skip
    evidence = judged(tmp_path, samples)
    assert evidence.canaries == ("h1", "h2")
    assert of(evidence, "canary", "p95").effect == pytest.approx(0.2, abs=0.03)


def test_what_only_the_canary_has_stopped_doing_is_no_go_of_any_kind(tmp_path: Path) -> None:
    samples = [one | {"requests": {}} if one.get("trial") else one for one in Rollout().samples()]
    evidence = judged(tmp_path, samples, Gates(slots_at_most=720))
    assert evidence.verdict is Verdict.INCONCLUSIVE


def test_before_and_after_beside_other_hosts(tmp_path: Path) -> None:
    for change, verdict in ((Rollout(switched=False), Verdict.GO), (Rollout(p95=1.2, switched=False), Verdict.NO_GO)):
        evidence = judged(tmp_path, change.samples(), design=Design.BEFORE_AFTER)
        assert (evidence.verdict, evidence.design) == (verdict, Design.BEFORE_AFTER)


def test_a_fleet_of_one_is_judged_when_it_is_switched(tmp_path: Path) -> None:
    for change, verdict in ((Rollout(), Verdict.GO), (Rollout(throughput=0.7), Verdict.NO_GO)):
        alone = [one for one in change.samples() if one.get("host", "h1") == "h1"]
        evidence = judged(tmp_path, alone)
        assert evidence.verdict is verdict
        assert any("compared with itself" in one for one in evidence.notes)
    alone = [one for one in Rollout(switched=False).samples() if one.get("host", "h1") == "h1"]
    evidence = judged(tmp_path, alone, Gates(slots_at_most=720), design=Design.BEFORE_AFTER)
    assert evidence.verdict is Verdict.INCONCLUSIVE
    assert "No host was left untouched" in evidence.because[0]


def test_without_a_trial_there_is_nobody_to_judge(tmp_path: Path) -> None:
    samples = [one for one in Rollout().samples() if one["slot"] < RUN]
    with pytest.raises(errors.UsageError, match="no canary"):
        judged(tmp_path, samples)


def test_a_host_that_somebody_else_changes_spoils_the_comparison(tmp_path: Path) -> None:
    samples = [one | {"generation": 9} if one.get("host") == "h3" and one["slot"] > 300 else one
               for one in Rollout().samples()]  # fmt: skip
    with pytest.raises(errors.UsageError, match=r"Host h3 .* ran generation 1 and, in slot 301, 9"):
        judged(tmp_path, samples)


def test_several_canaries_count_while_all_are_on_one_side(tmp_path: Path) -> None:
    samples: list[dict[str, Any]] = []
    for one in Rollout(p95=1.2).samples():
        other = next((x for x in samples[-1:] if x.get("host") == "h1" and x["slot"] == one["slot"]), None)
        samples.append(one | {"trial": other["trial"], "generation": other["generation"]}
                       if other and one.get("host") == "h2" else one)  # fmt: skip
    evidence = judged(tmp_path, samples)
    assert evidence.canaries == ("h1", "h2")
    assert of(evidence, "canary", "p95").effect == pytest.approx(0.1, abs=0.03)  # the mean of 20 % and none


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (Rollout(switched=False), Verdict.GO),
        (Rollout(throughput=0.5, neighbours=0.5, switched=False), Verdict.NO_GO),
    ],
    ids=["nothing", "half"],
)
def test_a_change_of_every_host_is_judged_by_the_time_before(tmp_path: Path, change: Rollout, verdict: Verdict) -> None:
    """Without anybody to compare with, and without the floors: the profile is on no host yet."""
    fleet = [{**one, "trial": one["slot"] >= change.slots // 2} for one in change.samples() if "host" in one]
    evidence = judged(tmp_path, fleet, Gates(p95_seconds=0.001), Design.EVERYWHERE)
    assert evidence.verdict is verdict
    assert {one.about for one in evidence.findings} == {"fleet"}
    assert (of(evidence, "fleet", "throughput").outcome == "worse") == (verdict is Verdict.NO_GO)
    if verdict is Verdict.GO:  # it says nothing of figures that it has not looked at
        assert evidence.because == (
            "Nothing is worse than tolerated, for certain.", "The profile's figures wait for the canary.",
        )  # fmt: skip


def test_after_a_change_of_every_host_no_more_is_asked_for_than_there_was_before(tmp_path: Path) -> None:
    change = Rollout(switched=False, slots=60)
    fleet = [{**one, "trial": one["slot"] >= 20} for one in change.samples() if "host" in one and one["slot"] < 45]
    evidence = judged(tmp_path, fleet, Gates(tolerated_harm_to_neighbours=0.01), Design.EVERYWHERE)
    assert (evidence.verdict, evidence.final) == (Verdict.INCONCLUSIVE, True)
    fewer = [one for one in fleet if one["slot"] < 30]
    evidence = judged(tmp_path, fewer, Gates(tolerated_harm_to_neighbours=0.01), Design.EVERYWHERE)
    assert (evidence.final, evidence.more_slots) == (False, 11)
