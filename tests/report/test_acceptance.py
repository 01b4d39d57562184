"""Each line A1 to A9: it holds at its floor, fails beyond it, and without its file it is not measured."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from extraction_agent.model import Verdict
from extraction_agent.report import document, folder
from extraction_agent.report.document import Report
from report import folders

BREAKS: list[tuple[str, str, str, Any]] = [  # line, file, place, what breaks it
    ("A1", "testing/throughput.json", "profiles/optimized/runs/*/seconds", 31.0),
    ("A2", "testing/load/optimized-steady.json", "latency_seconds/p95", 0.2),
    ("A2", "testing/load/optimized-steady.json", "latency_seconds/p99", 0.5),
    ("A3", "testing/queries.json", "profiles/optimized/runs/*/p95_seconds", 0.05),
    ("A4", "testing/load/optimized-steady.json", "pools/source/use_p95", 0.8),
    ("A5", "testing/load/optimized-steady.json", "pools/source/timeouts", 1),
    ("A6", "testing/resources.json", "profiles/optimized/runs/*/rss_peak_bytes", 60_000_000),
    ("A7", "testing/resources.json", "profiles/optimized/runs/*/agent_cpu_seconds", 37.0),
    ("A8", "testing/load/optimized-steady.json", "users", 99),
    ("A8", "testing/load/optimized-steady.json", "seconds", 1799.0),
    ("A8", "testing/load/optimized-steady.json", "failed", 1800),
    ("A8", "testing/load/optimized-steady.json", "refused", 1800),
    ("A8", "testing/load/optimized-steady.json", "k6/metrics/extractions_failed/values/count", 1),
    ("A8", "testing/load/optimized-steady.json", "aborted", True),
    ("A9", "testing/tests.json", "failed", 1),
    ("A9", "testing/tests.json", "passed", 0),
]


def made(path: Path, files: dict[str, folders.Content], without: tuple[str, ...] = ()) -> Report:
    return document.make(folder.read(folders.write(path, files, without)))


def change(content: Any, place: str, value: Any) -> None:
    """Set what a path leads to; `*` is each element."""
    first, _, rest = place.partition("/")
    for key in list(content) if isinstance(content, dict) and first == "*" else [first]:
        if isinstance(content, list):
            for element in content:
                change(element, rest, value)
        elif rest:
            change(content[key], rest, value)
        else:
            content[key] = value


def outcomes(report: Report) -> dict[str, str]:
    return {line.id: line.outcome for line in report.lines}


def test_all_lines_hold(tmp_path: Path) -> None:
    report = made(tmp_path, folders.whole())
    assert outcomes(report) == dict.fromkeys([f"A{number}" for number in range(1, 10)], "holds")
    assert (report.verdict, len(report.because)) == (Verdict.GO, 1)
    assert report.sentence == (
        "GO: All of A1 to A9 hold, and nothing is worse than tolerated, for certain. "
        "Throughput is 60 times what it was."
    )
    assert report.times is not None
    assert report.times.value == pytest.approx(60)
    (throughput,) = report.lines[0].parts
    assert throughput.after is not None
    assert throughput.after.value == pytest.approx(60 * 10_000 / 1.03)  # the median of rounds 1 to 5
    assert throughput.floor == "≥ 20,000 records/min"


@pytest.mark.parametrize(("line", "file", "place", "value"), BREAKS, ids=lambda one: str(one).rpartition("/")[2])
def test_a_figure_beyond_its_floor_fails_its_line_alone(
    tmp_path: Path, line: str, file: str, place: str, value: Any
) -> None:
    files = folders.whole()
    change(files[file], place, value)
    if place.endswith("seconds") and "throughput" in file:
        for run in files[file]["profiles"]["optimized"]["runs"]:
            run["records_per_minute"] = 60 * run["records"] / run["seconds"]
    report = made(tmp_path, files)
    found = outcomes(report)
    assert found.pop(line) == "fails"
    assert set(found.values()) == {"holds"}
    assert report.verdict is Verdict.NO_GO
    assert any(one.startswith(f"{line} fails: ") for one in report.because)


@pytest.mark.parametrize(
    ("missing", "lines"),
    [
        ("testing/throughput.json", {"A1", "A9"}),
        ("testing/resources.json", {"A6", "A7", "A9"}),
        ("testing/queries.json", {"A3", "A9"}),
        ("testing/load/optimized-steady.json", {"A2", "A4", "A5", "A8", "A9"}),
        ("testing/tests.json", {"A9"}),
    ],
)
def test_a_missing_file_leaves_its_lines_not_measured_and_is_no_go(
    tmp_path: Path, missing: str, lines: set[str]
) -> None:
    report = made(tmp_path, folders.whole(), without=(missing,))
    assert {name for name, outcome in outcomes(report).items() if outcome == "not measured"} == lines
    assert report.verdict is Verdict.INCONCLUSIVE
    assert f"There is no {missing}" in " ".join(report.because)


def test_harm_that_is_proven_outweighs_what_was_not_measured(tmp_path: Path) -> None:
    files = folders.whole()
    change(files["testing/tests.json"], "failed", 3)
    report = made(tmp_path, files, without=("testing/queries.json",))
    assert report.verdict is Verdict.NO_GO
    assert report.sentence.startswith("NO-GO: A9 fails: tests failed: 3 is not ≤ 0. (")
    assert any(one.startswith("A3 was not measured: ") for one in report.because[1:])


def test_a_profile_that_was_not_run_is_not_measured(tmp_path: Path) -> None:
    files = folders.whole()
    files["scenario.yml"]["after"] = "adaptive"
    report = made(tmp_path, files)
    assert outcomes(report)["A1"] == "not measured"
    assert report.lines[0].parts[0].because == "testing/throughput.json has no runs of the profile adaptive."


def test_resources_are_not_compared_when_one_side_did_less(tmp_path: Path) -> None:
    files = folders.whole()
    for run in files["testing/resources.json"]["profiles"]["baseline"]["runs"]:
        run["records"], run["records_per_minute"] = 9_000, 9_000
    report = made(tmp_path, files)
    assert {outcomes(report)[one] for one in ("A6", "A7")} == {"not measured"}
    assert "baseline reached 9,000 records/min of the 20,000 offered" in report.lines[5].parts[0].because
    assert report.verdict is not Verdict.GO
    assert "offer less" in next(one.because for one in report.regressions if one.metric == "CPU of the agent")


def test_a_shorter_load_is_held_against_a_shorter_floor_and_is_told(tmp_path: Path) -> None:
    files = folders.whole()
    for side in ("baseline", "optimized"):
        files[f"testing/load/{side}-steady.json"] |= {"scale": 1 / 15, "seconds": 120.2}
    report = made(tmp_path, files)
    (lasted,) = [part for part in report.lines[7].parts if part.what.startswith("for how long")]
    assert (lasted.outcome, lasted.floor) == ("holds", "≥ 2 min")
    assert "the user's minutes times 0.0667" in lasted.what
    assert any("0.0667 of the user's time" in one.text for one in report.risks)


def test_a_sixtieth_of_half_an_hour_is_half_a_minute(tmp_path: Path) -> None:
    files = folders.whole()
    for side in ("baseline", "optimized"):
        files[f"testing/load/{side}-steady.json"] |= {"scale": 0.0166667, "seconds": 30}
    (lasted,) = [part for part in made(tmp_path, files).lines[7].parts if part.what.startswith("for how long")]
    assert (lasted.outcome, lasted.floor) == ("holds", "≥ 30 s")


def test_every_load_is_shown_and_one_that_was_aborted_is_no_go(tmp_path: Path) -> None:
    files = folders.whole()
    spike = folders.load("optimized", 0.4, "spike", users=500, refused=900)
    report = made(tmp_path / "whole", {**files, "testing/load/optimized-spike.json": spike})
    assert [(one.profile, one.shape) for one in report.loads] == [
        ("baseline", "steady"), ("optimized", "steady"), ("optimized", "spike"),
    ]  # fmt: skip
    assert report.verdict is Verdict.GO, "the user's figures are those of the steady load"
    assert any("900 of 170,000 requests were beyond capacity" in one.text for one in report.risks)
    spike |= {"aborted": True, "seconds": 12.0}
    report = made(tmp_path / "aborted", {**files, "testing/load/optimized-spike.json": spike})
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.because == (
        "The spike load of optimized was aborted after 12 s (testing/load/optimized-spike.json).",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"failed": 85_000}, "A8 fails: requests failed, spike: 50 % is not ≤ 1 %."),
        (
            {"k6": {"metrics": {"extractions_failed": {"values": {"count": 50}}}}},
            "A8 fails: extractions of users failed, spike: 50 is not ≤ 0.",
        ),
        (
            {"pools": {"source": {**folders.POOL, "timeouts": 7}}},
            "A5 fails: callers that got no connection: 7 is not ≤ 0.",
        ),
    ],
)
def test_a_load_of_any_shape_that_harms_its_users_is_no_go(
    tmp_path: Path, changes: dict[str, Any], because: str
) -> None:
    spike = folders.load("optimized", 0.4, "spike", users=500, refused=900, **changes)
    report = made(tmp_path, {**folders.whole(), "testing/load/optimized-spike.json": spike})
    assert (report.verdict, report.because) == (Verdict.NO_GO, (because,))


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"pools": {}}, {"A5"}),
        ({"k6": {}}, {"A8"}),
        ({"requests": 999, "failed": 0, "refused": 0}, {"A8"}),
    ],
)
def test_what_a_load_of_any_shape_does_not_tell_is_not_measured(
    tmp_path: Path, changes: dict[str, Any], lines: set[str]
) -> None:
    spike = folders.load("optimized", 0.4, "spike", users=500, **changes)
    report = made(tmp_path, {**folders.whole(), "testing/load/optimized-spike.json": spike})
    assert {name for name, outcome in outcomes(report).items() if outcome == "not measured"} == lines
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "spike" in " ".join(report.because)


def test_a_load_that_the_scenario_asks_for_is_missed(tmp_path: Path) -> None:
    files = folders.whole()
    files["scenario.yml"]["load"] = {"shapes": ["steady", "stress"]}
    report = made(tmp_path, files)
    assert {name for name, outcome in outcomes(report).items() if outcome == "not measured"} == {"A5", "A8"}
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "There is no testing/load/optimized-stress.json." in report.because[0]


def test_a_few_requests_can_break_a_floor_but_not_hold_it(tmp_path: Path) -> None:
    files = folders.whole()
    for side in ("baseline", "optimized"):
        files[f"testing/load/{side}-steady.json"] |= {"scale": 0.001, "seconds": 1.8, "requests": 3, "failed": 0}
    report = made(tmp_path / "few", files)
    assert {name for name, outcome in outcomes(report).items() if outcome == "not measured"} == {"A2", "A8"}
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "3 requests are too few to tell it (1,000)." in report.because[0]
    change(files["testing/load/optimized-steady.json"], "latency_seconds/p95", 3.0)
    report = made(tmp_path / "slow", files)
    assert outcomes(report)["A2"] == "fails"
    assert report.verdict is Verdict.NO_GO


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"passed": 1, "skipped": 5000}, "0.0198 % of all tests is too small a part to speak for the rest."),
        ({"passed": 500, "deselected": 500}, "49.9 % of all tests is too small a part to speak for the rest."),
        ({"deselected": None}, "testing/tests.json does not tell it (how many were deselected)."),
    ],
)
def test_tests_that_were_left_out_have_not_passed(tmp_path: Path, changes: dict[str, Any], because: str) -> None:
    files = folders.whole()
    files["testing/tests.json"] |= changes
    report = made(tmp_path, files)
    assert outcomes(report)["A9"] == "not measured"
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.because == (f"A9 was not measured: tests passed, of all there are: {because}",)


def test_tests_that_were_left_out_are_told(tmp_path: Path) -> None:
    report = made(tmp_path, folders.whole())
    (told,) = [one for one in report.risks if "tests were skipped" in one.text]
    assert told.text == "2 tests were skipped, 60 were not selected: of what they test nothing is known."
    assert told.of == ("testing/tests.json#/skipped", "testing/tests.json#/deselected")


def test_a_figure_that_one_run_leaves_out_is_not_taken_of_the_others(tmp_path: Path) -> None:
    files = folders.whole()
    del files["testing/resources.json"]["profiles"]["optimized"]["runs"][0]["agent_cpu_seconds"]
    report = made(tmp_path, files)
    assert outcomes(report)["A7"] == "not measured", "the CPU of four runs in the time of five"
    assert report.verdict is Verdict.INCONCLUSIVE


def test_floors_are_the_scenarios(tmp_path: Path) -> None:
    files = folders.whole()
    files["scenario.yml"]["floors"] = {"p95_seconds": 0.02}
    report = made(tmp_path, files)
    p95, p99 = report.lines[1].parts
    assert (p95.outcome, p95.limit_of, p95.because) == (
        "fails", "scenario.yml#/floors/p95_seconds", "30 ms is not < 20 ms.",
    )  # fmt: skip
    assert (p99.outcome, p99.limit_of, p99.limit) == ("holds", "", 0.5)


def test_a_phase_or_a_check_that_failed_is_no_go(tmp_path: Path) -> None:
    files = folders.whole()
    state = {"kind": "state", **folders.HEAD, "phases": [{"name": "testing", "outcome": "failed", "because": "Cut."}]}
    report = made(tmp_path / "phase", {**files, "state.json": state})
    assert report.because == ("The phase testing of the workflow failed: Cut.",)
    state["phases"] = [{"name": "compliance", "outcome": "not done", "because": "No index of faults is here."}]
    report = made(tmp_path / "phase-undone", {**files, "state.json": state})
    assert report.sentence == (
        "INCONCLUSIVE: The phase compliance of the workflow was not done: No index of faults is here."
    )
    check = {"kind": "check", **folders.HEAD, "name": "Secrets", "outcome": "failed", "because": "One was found."}
    report = made(tmp_path / "check", {**files, "compliance/secrets.json": check})
    assert report.sentence == "NO-GO: Secrets failed (compliance/secrets.json): One was found."
    undone = deepcopy(check) | {"outcome": "not done", "because": "The index is away."}
    report = made(tmp_path / "undone", {**files, "compliance/secrets.json": undone})
    assert report.verdict is Verdict.GO
    assert any(one.text.startswith("Secrets was not done") for one in report.risks)
