"""One optimization at a time: what the derived profiles are, the command at a tiny size, and the page it writes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.one_by_one import page
from benchmarks.one_by_one.derived import OPTIMIZATIONS, group
from benchmarks.one_by_one.turn import MEASURES

from extraction_agent import errors, profiles

_ROOT = Path(__file__).parents[2]
_BASELINE, _OPTIMIZED = profiles.load("baseline"), profiles.load("optimized")


def test_a_variant_differs_in_one_optimization_only() -> None:
    for base, other, word in ((_BASELINE, _OPTIMIZED, "with"), (_OPTIMIZED, _BASELINE, "without")):
        first, *variants = group(base, other, word)
        assert first.profile is base
        assert [one.differs for one in variants] == list(OPTIMIZATIONS)
        for one in variants:
            assert one.differs is not None
            for section in profiles.Settings.model_fields:
                expected = other if section in one.differs.sections else base
                assert getattr(one.profile.settings, section) == getattr(expected.settings, section), section


def test_all_five_are_there() -> None:
    told = " ".join(one.name for one in OPTIMIZATIONS)
    assert all(number in told for number in ("Q1", "Q2", "P1", "B1", "C1", "T1"))


@pytest.mark.ci
def test_it_measures_each_profile_and_shows_all_of_them(tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EXTRACTION_")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.one_by_one", "--rows", "2000", "--slow-rows", "100", "--stored-rows", "4000",
         "--runs", "1", "--users", "5", "--seconds", "0.3", "--only", "cache", "--output", str(output)],
        cwd=_ROOT, env=environment, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = page.read(output)
    assert [list(one.turns) for one in report.groups] == [
        ["baseline", "baseline_with_cache", "optimized"],
        ["optimized", "optimized_without_cache", "baseline"],
    ]
    for one in report.groups:
        for name, (measured,) in one.turns.items():
            assert measured.figures.keys() == {measure.name for measure in MEASURES}, name
            assert all(figure > 0 for figure in measured.figures.values()), name
    cached = {name for one in report.groups for name, (measured,) in one.turns.items() if measured.cache_hits}
    assert cached, "no cache was ever hit"
    assert cached <= {"baseline_with_cache", "optimized"}
    assert {one.what for one in report.alone} >= {"reading", "writing with the index", "rows changed since"}
    assert "Seq Scan" in report.queries["without"][0].plan

    copy = tmp_path / "page.md"
    copy.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n", encoding="utf-8")
    page.renew(copy, report)
    text = copy.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{page.BEGIN}\n")
    assert text.endswith(f"{page.END}\nafter\n")
    assert "\nold\n" not in text
    assert "| cache of configs (C1) |" in text


def test_a_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    for text, told in (
        ("", "is no result"),
        ('{"kind": "one-by-one", "vers', "is no result"),
        ('{"kind": "throughput", "version": 1}', "of another kind"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(errors.UsageError, match=told):
            page.read(file)
    with pytest.raises(errors.UsageError, match="cannot be read: No such file"):
        page.read(tmp_path / "none.json")
