"""What an agent's /metrics say, and what a slot's sample is made of."""

from __future__ import annotations

import pytest
from ansible_collections.jivs.extraction.plugins.module_utils.exposition import figures, sample

METRICS = """\
# HELP extraction_generation Number
extraction_generation 4.0
extraction_trial {trial}
extraction_busy_seconds_total {busy}
extraction_records_extracted_total {records}
extraction_chunks_total{{result="done"}} 5.0
extraction_chunks_total{{result="failed"}} 1.0
extraction_chunks_total{{result="given_back"}} 7.0
http_request_duration_seconds_bucket{{le="0.05",method="GET",route="/api/v1/configs/{{id}}",status="200"}} 3.0
http_request_duration_seconds_bucket{{le="+Inf",method="GET",route="/api/v1/configs/{{id}}",status="200"}} 4.0
http_request_duration_seconds_bucket{{le="0.05",method="PUT",route="/api/v1/x",status="409"}} 0.0
http_request_duration_seconds_bucket{{le="+Inf",method="PUT",route="/api/v1/x",status="409"}} 2.0
http_request_duration_seconds_bucket{{le="0.05",method="GET",route="/metrics",status="200"}} 100.0
http_request_duration_seconds_bucket{{le="+Inf",method="GET",route="/metrics",status="200"}} 100.0
http_request_duration_seconds_bucket{{le="+Inf",method="GET",route="/readiness",status="503"}} 100.0
http_request_duration_seconds_bucket{{le="+Inf",method="GET",route="unmatched",status="404"}} 100.0
extraction_query_duration_seconds_bucket{{le="+Inf",query="list"}} 1e+01
hikari_pool_active_connections{{pool="store"}} 2.0
hikari_pool_active_connections{{pool="lanes-store"}} 4.0
hikari_pool_max_connections{{pool="store"}} 8.0
hikari_pool_max_connections{{pool="lanes-store"}} 4.0
extraction_guard_round_trip_seconds{{source="shop.example:5432/shop"}} 0.002
extraction_guard_round_trip_seconds{{source="away"}} NaN
"""


def metrics(trial: float = 0, busy: float = 2.5, records: float = 1e6) -> str:
    return METRICS.format(trial=trial, busy=busy, records=records)


def test_figures_are_summed_over_labels() -> None:
    seen = figures(metrics())
    assert (seen.generation, seen.trial, seen.busy, seen.records) == (4, False, 2.5, 1_000_000)
    assert (seen.attempts, seen.failures) == (6, 1)
    assert seen.requests == {"0.05": 3, "+Inf": 6}
    assert seen.queries == {"+Inf": 10}
    assert seen.pool_use == 0.25
    assert seen.round_trips == {"shop.example:5432/shop": 0.002}


def test_a_host_whose_api_nobody_asks_has_no_latency_of_its_scrapes() -> None:
    text = "\n".join(line for line in metrics().splitlines() if "/api/" not in line)
    seen = figures(text)
    assert seen.requests == {}
    made = sample(seen, figures(text))
    assert made is not None
    assert made["requests"] == {}


def test_another_program_is_refused() -> None:
    with pytest.raises(ValueError, match="no agent of this version"):
        figures("up 1\n")


def test_a_sample_is_the_difference() -> None:
    made = sample(figures(metrics()), figures(metrics(busy=3.0, records=1_000_500)))
    assert made is not None
    assert (made["records"], made["busy_seconds"], made["attempts"]) == (500, 0.5, 0)
    assert made["requests"] == {"0.05": 0, "+Inf": 0}
    assert made["trial"] is False


@pytest.mark.parametrize("after", [metrics(trial=1), metrics(records=5), metrics(busy=0)])
def test_a_slot_in_which_the_agent_changed_or_started_anew_has_no_sample(after: str) -> None:
    assert sample(figures(metrics()), figures(after)) is None
