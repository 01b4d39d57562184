"""The table of a verdict."""

from __future__ import annotations

import re

from ansible_collections.jivs.extraction.plugins.module_utils.evidence import table

FINDING = {
    "about": "canary", "metric": "p95", "unit": "s", "points": False, "old": 0.1, "new": 0.123456, "effect": 0.2346,
    "low": 0.1, "high": 0.36, "rule": "rise ≤ 5 %", "outcome": "worse",
}  # fmt: skip
GATE = {
    **FINDING, "metric": "throughput", "unit": "records/min", "old": None, "new": 123456.7, "effect": None, "low": None,
    "high": None, "rule": "≥ 20,000", "outcome": "kept",
}  # fmt: skip
ERRORS = {**FINDING, "metric": "error_rate", "unit": "", "points": True, "old": 0.0, "new": 0.01, "effect": 0.01}


def test_each_metric_has_its_line_and_the_verdict_its_reasons() -> None:
    lines = table({"verdict": "NO-GO", "because": ["p95 rose.", "So there."], "findings": [FINDING, GATE, ERRORS]})
    cells = [re.split("  +", line) for line in lines]
    assert cells[0] == ["about", "metric", "old", "new", "effect", "interval", "rule", "outcome"]
    assert cells[1] == [
        "canary", "p95", "0.1 s", "0.1235 s", "+23.5 %", "+10.0 % to +36.0 %", "rise ≤ 5 %", "worse",
    ]  # fmt: skip
    assert [cell for cell in cells[2] if cell] == ["canary", "throughput", "123,457 records/min", "≥ 20,000", "kept"]
    assert "+1.0 points" in lines[3]
    assert lines[4] == "NO-GO: p95 rose. So there."
    assert len({line.rindex(line.split()[-1]) for line in lines[:4]}) == 1, "the last column begins in one place"
