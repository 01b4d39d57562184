"""What became worse is told, however well the floors are kept; what cannot be told is no GO."""

from pathlib import Path

from extraction_agent.model import Verdict
from extraction_agent.report.regression import Regression
from report import folders
from report.test_acceptance import made

STEADY = "testing/load/{}-steady.json"


def _one(found: tuple[Regression, ...], metric: str) -> Regression:
    (one,) = [one for one in found if one.metric == metric]
    return one


def test_a_change_is_the_mean_of_the_rounds_ratios(tmp_path: Path) -> None:
    report = made(tmp_path, folders.whole())
    memory = _one(report.regressions, "memory of the agent")
    assert memory.outcome == "same"
    assert memory.change is not None
    assert memory.low is not None
    assert memory.high is not None
    assert 0.039 < memory.low < memory.change < memory.high < 0.041
    assert memory.compared == 5
    assert _one(report.regressions, "throughput").outcome == "better"
    assert report.verdict is Verdict.GO


def test_worse_than_tolerated_is_no_go_though_every_floor_is_kept(tmp_path: Path) -> None:
    files = folders.whole()
    for run in files["testing/resources.json"]["profiles"]["optimized"]["runs"]:
        run["store_cpu_seconds"] *= 1.5
    report = made(tmp_path, files)
    assert all(line.outcome == "holds" for line in report.lines)
    assert _one(report.regressions, "CPU of the store").outcome == "worse"
    assert report.sentence == "NO-GO: CPU of the store is worse than tolerated (rise ≤ 20 %), for certain."


def test_what_varies_too_much_is_inconclusive_and_says_how_many_rounds_would_do(tmp_path: Path) -> None:
    files = folders.whole()
    for number, run in enumerate(files["testing/resources.json"]["profiles"]["optimized"]["runs"]):
        run["source_cpu_seconds"] *= (0.6, 1.7, 0.8, 1.3, 1.0)[number]
    report = made(tmp_path, files)
    source = _one(report.regressions, "CPU of the source")
    assert source.outcome == "unclear"
    assert source.needed is not None
    assert source.needed > 20
    assert f"about {source.needed} would be enough" in source.because
    assert report.verdict is Verdict.INCONCLUSIVE


def test_of_a_server_that_hardly_works_hundredths_of_a_second_are_nobodys_concern(tmp_path: Path) -> None:
    files = folders.whole()
    for profile, seconds in (
        ("baseline", (0.17, 0.19, 0.18, 0.24, 0.2)),
        ("optimized", (0.25, 0.24, 0.26, 0.23, 0.27)),
    ):
        for run, took in zip(files["testing/resources.json"]["profiles"][profile]["runs"], seconds, strict=True):
            run["source_cpu_seconds"] = took  # of a minute: 0.3 and 0.4 % of a core
    source = _one(made(tmp_path, files).regressions, "CPU of the source")
    assert source.change is not None
    assert source.change > 0.2
    assert (source.outcome, source.rule) == ("same", "rise ≤ 20 % of the least that counts, 0.05 cores")


def test_one_round_tells_nothing(tmp_path: Path) -> None:
    files = folders.whole()
    for profile in files["testing/throughput.json"]["profiles"].values():
        del profile["runs"][1:]
    report = made(tmp_path, files)
    throughput = _one(report.regressions, "throughput")
    assert (throughput.outcome, throughput.change) == ("no data", None)
    assert throughput.because == "One round cannot tell how much it varies: measure more."
    assert report.verdict is Verdict.INCONCLUSIVE


def test_loads_are_compared_in_blocks(tmp_path: Path) -> None:
    report = made(tmp_path, folders.whole())
    p95 = _one(report.regressions, "API's answers, p95")
    assert p95.outcome == "better"
    assert 5 < p95.compared < 240
    assert p95.rule == "rise ≤ 5 % of the floor 200 ms"


def test_an_answer_that_comes_a_little_later_far_below_the_limit_is_nobodys_concern(tmp_path: Path) -> None:
    files = folders.whole()
    files[STEADY.format("optimized")] = folders.load("optimized", 0.044)  # 10 % more, 4 of 200 ms
    report = made(tmp_path / "little", files)
    assert _one(report.regressions, "API's answers, p95").outcome == "same"
    files[STEADY.format("optimized")] = folders.load("optimized", 0.09)  # still below 200 ms
    report = made(tmp_path / "much", files)
    assert report.lines[1].outcome == "holds"
    assert _one(report.regressions, "API's answers, p95").outcome == "worse"
    assert report.verdict is Verdict.NO_GO


def test_loads_of_different_users_are_not_compared(tmp_path: Path) -> None:
    files = folders.whole()
    files[STEADY.format("baseline")]["users"] = 10
    report = made(tmp_path, files)
    assert "run both alike" in _one(report.regressions, "API's answers, p95").because
    assert report.verdict is Verdict.INCONCLUSIVE


def test_loads_without_samples_leave_it_open(tmp_path: Path) -> None:
    files = folders.whole()
    files[STEADY.format("baseline")]["samples"] = []
    report = made(tmp_path, files)
    p95 = _one(report.regressions, "API's answers, p95")
    assert (p95.outcome, p95.because) == ("no data", "The load tests have no samples of the agent.")
    assert report.verdict is Verdict.INCONCLUSIVE
