"""A password leaves a URL before the URL is kept, or the URL is refused."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from extraction_agent import errors, secrets


@pytest.mark.parametrize("password", ["plain", "p%40%23%3F%2F%5B", ""])
def test_a_password_is_taken_out_and_put_back(password: str) -> None:
    url = f"postgresql://reader:{password}@host/shop?sslmode=require"
    kept, found = secrets.split(url)
    assert kept == "postgresql://reader@host/shop?sslmode=require"
    assert conninfo_to_dict(secrets.join(kept, found)) == conninfo_to_dict(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader:pa#ss@host/shop",
        "postgresql://reader:pa?ss@host/shop",
        "postgresql://reader:pa[ss@host/shop",
        "postgresql://reader@host/shop?pass%77ord=pa",
        "postgresql://reader@host/shop?sslpassword=pa",
    ],
)
def test_a_password_that_would_stay_in_the_url_is_refused(url: str) -> None:
    assert "pa" in str([value for name, value in conninfo_to_dict(url).items() if "password" in name])  # libpq finds it
    with pytest.raises(errors.UsageError):
        secrets.split(url)


def test_two_spellings_of_one_secret() -> None:
    assert secrets.variable("password-store") == secrets.variable("PASSWORD_STORE")


def test_what_is_a_credential(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secrets.credential(tmp_path / "tls_key") == "tls_key"
    assert secrets.credential(Path("/etc/tls_key")) is None
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert secrets.credential(tmp_path / "tls_key") is None


def test_a_file_may_be_called_anything() -> None:
    assert secrets.split("sqlite:///data/a@b.db") == ("sqlite:///data/a@b.db", None)
