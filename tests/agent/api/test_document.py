"""The OpenAPI document, and what the interface does against it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.api.served import Served
from extraction_agent.interfaces.api import document
from extraction_agent.interfaces.api.application import OPERATIONS
from extraction_agent.model import Definition
from support import Database, extract

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"


def test_the_document_tells_of_every_operation(served: Served) -> None:
    told = served.ask("GET", "/openapi.json", token=None).json()
    assert told == document.make()
    listed = {(method.upper(), path) for path, item in told["paths"].items() for method in item}
    assert listed == {(one.method, one.path) for one in OPERATIONS.listed}
    names = [operation["operationId"] for item in told["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))
    assert all(operation["summary"].endswith(".") for item in told["paths"].values() for operation in item.values())
    text = json.dumps(told)
    references = {part.split('"')[0] for part in text.split('"#/components/')[1:]}
    for reference in references:
        group, name = reference.split("/")
        assert name in told["components"][group]


@pytest.mark.ci
def test_schemathesis_finds_nothing(store: Database, items: Database, tmp_path: Path) -> None:
    """All its checks; a source that its made-up configs name is no failure of ours (424)."""
    (tmp_path / "schemathesis.toml").write_text(
        "[checks]\n"
        'positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "424", "429"]\n'
        'negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "409", "415", "422", "424"]\n',
        encoding="utf-8",
    )
    fast = {"rate_per_second": 100_000, "burst": 100_000}
    assert extract(items.url, store, Definition(table="item")) == 1  # for the numbers it tries first
    with Served(store.url, api=fast) as served:
        done = subprocess.run(
            [
                SCHEMATHESIS, "run", f"http://127.0.0.1:{served.port}/openapi.json",
                "--header", f"Authorization: Bearer {served.token}",
                "--checks", "all", "--max-examples", "40", "--max-time", "75", "--workers", "1", "--seed", "1",
                "--request-timeout", "20", "--no-color",
            ],
            capture_output=True, text=True, cwd=tmp_path, check=False, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
        assert "Test cases" in done.stdout or "generated" in done.stdout
        assert served.ask("GET", "/api/v1/configs").status == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)
NAMES = ["name", "source_url", "secret", "definition", "config_id", "table", "query", "parameters", "columns", "key"]
BODIES = st.one_of(
    st.binary(max_size=300),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8).map(lambda value: json.dumps(value).encode()),
)


def test_fuzzed_bodies_break_nothing(served: Served, store: Database) -> None:
    """Bytes, JSON and things that look like a config: told what is wrong, every one."""
    targets = [(one.method, one.path) for one in OPERATIONS.listed if one.body_model is not None]
    assert len(targets) == 5

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(BODIES, st.sampled_from(targets))
    def one(body: bytes, target: tuple[str, str]) -> None:
        method, path = target
        answer = served.ask(method, path.format(config_id=1), raw=body, headers={"Idempotency-Key": "k"})
        assert answer.status in {400, 404, 422}, answer.text
        assert answer.detail

    one()
    assert store.value("SELECT count(*) FROM extraction_configs") == 0
