"""Samples files: what is not as it must be is refused with its line."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary import Rollout, write
from extraction_agent import errors
from extraction_agent.judge.samples import HostSample, SourceSample, quantile, read
from extraction_agent.observe import metrics

GOOD = Rollout(slots=3).samples()


def _changed(number: int, **changes: Any) -> list[dict[str, Any]]:
    """The good ones, that of one line changed; None takes a key away."""
    changed = {key: value for key, value in (GOOD[number - 1] | changes).items() if value is not None}
    return [*GOOD[: number - 1], changed, *GOOD[number:]]


def test_hosts_and_sources_are_read(tmp_path: Path) -> None:
    read_ = read([write(tmp_path / "a.jsonl", GOOD[:8]), write(tmp_path / "b.jsonl", GOOD[8:])])
    assert len(read_) == 15
    assert sum(isinstance(one, SourceSample) for one in read_) == 3
    first = read_[0]
    assert isinstance(first, HostSample)
    assert first.requests[math.inf] == 400


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"records": -1}, "line 4: records: input should be greater than or equal to 0."),
        ({"records": "7"}, "line 4: records: input should be a valid integer."),
        ({"records": True}, "line 4: records: input should be a valid integer."),
        ({"trial": 1}, "line 4: trial: input should be a valid boolean."),
        ({"busy_seconds": math.nan}, "line 4: busy_seconds: input should be a finite number."),
        ({"started_at": "2026-01-01T00:00:00"}, "line 4: started_at: input should have timezone info."),
        ({"hots": "h4"}, "line 4: unknown key hots: did you mean host?"),
        ({"generation": None}, "line 4: generation: field required."),
        ({"failures": 51}, "line 4: Failures 51 are more than attempts 50."),
        ({"requests": {"0.1": 5, "+Inf": 4}}, "line 4: Requests: the counts are not cumulative."),
        ({"requests": {"0.1": 5}}, "line 4: requests: edges are more than 0, and the last is +Inf."),
        ({"queries": {"soon": 5, "+Inf": 5}}, "line 4: queries: edges are seconds, or +Inf."),
        ({"rollout": 2}, "line 4 is of rollout 2, FILE line 1 of rollout 1: judge one at a time."),
        ({"seconds": 10.0}, "line 4 is of a slot of 10 s, FILE line 1 of one of 1 s: they do not mix."),
        ({"host": "h1"}, "line 4 has host h1 in slot 0 again, after FILE line 1."),
        ({"started_at": "2026-01-01T00:00:09Z"}, "line 4 has slot 0 9 s apart from FILE line 1: "),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    file = write(tmp_path / "samples.jsonl", _changed(4, **changes))
    with pytest.raises(errors.UsageError) as refused:
        read([file])
    assert f"{file} {told.replace('FILE', str(file))}" in str(refused.value)


def test_slots_in_which_a_silent_host_was_waited_for_mix_with_the_others(tmp_path: Path) -> None:
    assert len(read([write(tmp_path / "samples.jsonl", _changed(4, seconds=3.1))])) == len(GOOD)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty."),
        ("\n", "is empty."),
        (json.dumps(GOOD[0]) + "\n" + json.dumps(GOOD[1])[:90], "line 2 is cut short"),
        (json.dumps(GOOD[0])[:90] + "\n" + json.dumps(GOOD[1]) + "\n", "line 1 is not JSON"),
        (json.dumps(GOOD[0]) + "\n\n" + json.dumps(GOOD[1]) + "\n", "line 2 is not JSON"),
        ("7\n", "line 1 is not a JSON object"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(errors.UsageError) as refused:
        read([file])
    assert told in str(refused.value)
    assert str(file) in str(refused.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="No such file"):
        read([tmp_path / "nowhere.jsonl"])
    (tmp_path / "latin.jsonl").write_bytes(b"\xff\xfe\n")
    with pytest.raises(errors.UsageError, match="not UTF-8"):
        read([tmp_path / "latin.jsonl"])
    with pytest.raises(errors.UsageError, match="no samples"):
        read([])


def test_a_quantile_is_exact_at_an_edge() -> None:
    buckets = {0.1: 90, 0.2: 95, 0.5: 99, math.inf: 100}
    assert quantile(buckets, 0.95) == 0.2
    assert quantile(buckets, 0.99) == 0.5
    assert 0.1 < quantile(buckets, 0.925) < 0.2
    assert quantile(buckets, 0.999) == 0.5  # beyond the last edge nobody knows
    assert math.isnan(quantile({}, 0.95))
    assert math.isnan(quantile({0.1: 0, math.inf: 0}, 0.95))
    assert math.isnan(quantile({math.inf: 3}, 0.95))


@pytest.mark.parametrize("factor", [0.7, 0.9, 1.1, 1.2, 1.5])
def test_a_change_is_read_as_large_as_it_is(factor: float) -> None:
    """Of latencies of the usual shape, in the edges that the agent has."""
    edges = (*metrics.SHORT, math.inf)
    seconds = np.random.default_rng(1).lognormal(0, 0.5, 200_000)
    for median in (0.004, 0.016, 0.05, 0.07, 0.12):
        before, after = (
            quantile({edge: int((seconds * median * by <= edge).sum()) for edge in edges}, 0.95) for by in (1, factor)
        )
        assert after / before == pytest.approx(factor, rel=0.08)


@given(st.lists(st.integers(0, 50), min_size=5, max_size=5), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_larger_share_never_comes_sooner(counts: list[int], one: float, other: float) -> None:
    edges = (0.05, 0.1, 0.2, 0.5, math.inf)
    buckets = dict(zip(edges, _cumulative(counts), strict=True))
    low, high = (quantile(buckets, share) for share in sorted((one, other)))
    assert math.isnan(low) or math.isnan(high) or low <= high


def _cumulative(counts: list[int]) -> list[int]:
    return [sum(counts[: at + 1]) for at in range(len(counts))]
