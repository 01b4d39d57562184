"""The shipped profiles are valid, and their checked-in schema is what the code says."""

import json
from pathlib import Path

import pytest
import yaml

from extraction_agent import profiles

_DIRECTORY = Path(__file__).parents[2] / "tuning_profiles"


def test_schema_is_current() -> None:
    written = json.loads((_DIRECTORY / "schema.json").read_text(encoding="utf-8"))
    assert written == profiles.schema(), "run `extractctl profile schema > tuning_profiles/schema.json`"


@pytest.mark.parametrize("path", sorted(_DIRECTORY.glob("*.yml")), ids=lambda path: path.stem)
def test_shipped_profile_loads_under_its_file_name(path: Path) -> None:
    loaded = profiles.load(path.stem)
    assert loaded.name == path.stem
    written = yaml.safe_load(path.read_text(encoding="utf-8"))["settings"]
    effective = loaded.settings.model_dump(mode="json")
    for group, settings in written.items():
        assert effective[group] | settings == effective[group]
