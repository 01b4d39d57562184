"""k6's files, read in each form; those in data/ were written by k6 1.1.0 in one run of extraction-optimized.js."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from benchmarks.compare_load import compare

from extraction_agent import errors
from extraction_agent.model import Verdict
from extraction_agent.report import k6 as results
from load.conftest import K6

_DATA = Path(__file__).parent / "data"
_KEPT, _EXPORT, _FULL = _DATA / "kept.json", _DATA / "export.json", _DATA / "full.json.gz"


def _same(one: Path, other: Path) -> None:
    """What both forms tell is the same."""
    first, second = results.read(one), results.read(other)
    for name in ("profile", "shape", "scale", "users", "aborted", "requests", "failed", "refused"):
        assert getattr(first, name) == getattr(second, name), name
    assert first.seconds == pytest.approx(second.seconds, abs=1.5)  # a full output tells it by its requests
    for name, seconds in first.latency_seconds:
        assert seconds == pytest.approx(getattr(second.latency_seconds, name), abs=1e-5), name
    assert results.pool_timeouts(first) == results.pool_timeouts(second) == 0
    assert results.extractions_failed(first) == results.extractions_failed(second) == 0


@pytest.mark.parametrize("other", [_EXPORT, _FULL], ids=lambda path: path.name)
def test_all_forms_tell_the_same(other: Path) -> None:
    _same(_KEPT, other)


def test_a_full_output_need_not_be_packed(tmp_path: Path) -> None:
    file = tmp_path / "full.json"
    file.write_bytes(gzip.decompress(_FULL.read_bytes()))
    _same(_KEPT, file)


@pytest.mark.ci
def test_what_k6_writes_now_is_read(k6: K6, tmp_path: Path) -> None:
    kept, export, full = (tmp_path / f"{name}.json" for name in ("kept", "export", "full"))
    options = ("--vus", "5", "--duration", "2s", "--summary-export", str(export), "--out", f"json={full}")
    done = k6.run("optimized", *options, OUTPUT=str(kept))
    assert results.read(kept).requests > 5, done.stdout + done.stderr
    _same(kept, export)
    _same(kept, full)


def test_a_small_run_gives_no_verdict() -> None:
    found = compare(results.read(_EXPORT), results.read(_FULL))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "too few for a p99" in found.because


def _without(text: str, metric: str, *keys: str) -> str:
    """A summary without a value of a metric, or without the metric."""
    summary: dict[str, Any] = json.loads(text)
    [name] = [one for one in summary["metrics"] if one.startswith(metric)]
    for key in keys:
        del summary["metrics"][name][key]
    if not keys:
        del summary["metrics"][name]
    return json.dumps(summary)


def _unserved(text: str) -> str:
    """A summary whose requests were all refused: k6 calls the durations of none 0."""
    summary: dict[str, Any] = json.loads(text)
    for name, values in summary["metrics"].items():
        if name.startswith("http_req_duration{profile"):
            values.update(dict.fromkeys((key for key in values if key != "thresholds"), 0))
    return json.dumps(summary)


_EXPORTED = _EXPORT.read_text(encoding="utf-8")
_LINES = gzip.decompress(_FULL.read_bytes()).decode()
_BROKEN = {
    "empty": ("", "is empty: k6 was ended before it wrote anything"),
    "cut summary": (_EXPORTED[:3000], "is cut short: "),
    "cut full output": (_LINES[:-100], "is cut short: k6 was ended while it wrote"),
    "text": ("Not found\n", "is not JSON: "),
    "other JSON": ('{"status": "ok"}', "is JSON, but no result of k6"),
    "list": ("[1, 2]", "is JSON, but no result of k6"),
    "other script": ('{"metrics": {"http_reqs": {"count": 3, "rate": 1}}}', "it is not of load-tests/extraction-"),
    "no p99": (_without(_EXPORTED, "http_req_duration{profile", "p(99)"), r"lacks p\(99\) of http_req_duration"),
    "nobody served": (_unserved(_EXPORTED), "of which none was served"),
    "no errors": (_without(_EXPORTED, "errors{profile"), "lacks passes of errors"),
    "no plan": (_without(_EXPORTED, "planned_seconds"), "does not say how long the load was to be"),
    "no users": ("\n".join(one for one in _LINES.split("\n") if '"scenario"' not in one), "holds no served request"),
    "other full output": (_LINES.replace('"profile"', '"of"'), "it is not of load-tests/extraction-"),
    "broken line": (_LINES.replace('"value":', '"valve":'), r"line \d+ is cut short or no point of k6"),
    "kept of nothing": ('{"kind": "load", "version": 1, "requests": 0}', "holds no request: k6 failed before"),
    "kept with a typo": (_KEPT.read_text(encoding="utf-8").replace('"shape"', '"shap"', 1), "unknown key shap"),
}


@pytest.mark.parametrize("name", _BROKEN)
def test_a_broken_file_says_what_is_missing(tmp_path: Path, name: str) -> None:
    text, words = _BROKEN[name]
    file = tmp_path / "result.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(errors.UsageError, match=words) as told:
        results.read(file)
    assert str(told.value).startswith(str(file))


def test_a_packed_file_may_be_cut_short_too(tmp_path: Path) -> None:
    file = tmp_path / "full.json.gz"
    file.write_bytes(_FULL.read_bytes()[:-200])
    with pytest.raises(errors.UsageError, match="is cut short: its gzip data has no end"):
        results.read(file)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="cannot be read: No such file"):
        results.read(tmp_path / "nothing.json")
    with pytest.raises(errors.UsageError, match="cannot be read: Is a directory"):
        results.read(tmp_path)


def test_an_aborted_run_is_told(tmp_path: Path) -> None:
    summary = json.loads(_EXPORTED)
    summary["metrics"]["planned_seconds"] = {"value": 1800, "min": 1800, "max": 1800}
    file = tmp_path / "export.json"
    file.write_text(json.dumps(summary), encoding="utf-8")
    assert results.read(file).aborted


def test_quantiles_are_those_of_k6() -> None:
    values = [float(number) for number in range(1, 12)]
    assert results.quantile(values, 0.5) == 6
    assert results.quantile(values, 0.95) == pytest.approx(10.5)
    assert results.quantile(values, 1) == 11
    assert math.isclose(results.quantile([3.0], 0.99), 3)
