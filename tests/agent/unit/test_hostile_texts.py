"""Texts that somebody has made to keep us busy, or to be believed."""

import pytest
from pydantic import ValidationError

from extraction_agent.config import Config
from extraction_agent.observe.logs import redact
from extraction_agent.profiles import explain

_LARGE = 200_000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("postgresql://reader:pa:s/s@db/shop is away", "postgresql://reader:***@db/shop is away"),
        ("from mysql://a:b@c to sqlite:///d@e", "from mysql://a:***@c to sqlite:///d@e"),
        ("http://there/?next=mysql://a:secret@b", "http://there/?next=mysql://a:***@b"),
        ("a://u:one@x,b://u:two@y", "a://u:***@y"),
        ("http://db1:8470/readiness and me@home", "http://db1:8470/readiness and me@home"),
    ],
)
def test_a_password_in_a_url_is_hidden(text: str, told: str) -> None:
    assert redact(text) == told


@pytest.mark.timeout(20)  # where each of these began another search, it took minutes
@pytest.mark.parametrize("text", ["a://:" * _LARGE, "a://b:" * _LARGE + "@", "password=" * _LARGE, "'" * _LARGE])
def test_a_long_text_is_soon_looked_through(text: str) -> None:
    redact(text)


@pytest.mark.timeout(20)
def test_a_thousand_mistakes_are_soon_told() -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"store": {"url": "x"}, "z" * _LARGE: 0, **{f"key{n}": 0 for n in range(50_000)}})
    told = explain(caught.value, Config)
    assert told.endswith("And 49982 more.")
    assert len(told) < 20_000
