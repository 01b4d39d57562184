"""report.html in a browser: offline, complete, without a complaint, on any screen and on paper."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chromium import Chromium
from extraction_agent.interfaces.cli.main import app
from report import folders

_MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run with a history, whose names are as bad as they can be."""
    files = {**folders.whole(), "history.json": folders.history()}
    files["scenario.yml"]["description"] = _MARKUP
    files["history.json"]["configs"][_MARKUP] = files["history.json"]["configs"].pop("items/new")
    folder = folders.write(tmp_path_factory.mktemp("run"), files)
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert done.exit_code == 0, done.output
    return folder / "report.html"


def test_it_needs_nothing_else(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", text)
    assert not re.search(r"url\((?!#)|@import", text)
    assert _MARKUP not in text
    assert text.count("<svg") >= 6
    assert len(re.findall(r'id="([^"]+)"', text)) == len(set(re.findall(r'id="([^"]+)"', text)))
    assert page.stat().st_size < 400_000


def test_what_is_told_by_colour_is_told_by_a_word_too(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("✔ holds") == 16
    for side in ("baseline", "optimized"):
        assert re.search(rf"<li><svg.*?</svg> {side}</li>", text, re.DOTALL)
    shapes = re.findall(r"<li><svg.*?<g[^>]*>(.*?)</g>", text, re.DOTALL)
    dashes = re.findall(r'<li><svg.*?stroke-dasharray="([^"]*)"', text, re.DOTALL)
    assert len(set(shapes)) == len(set(dashes)) == 2


@pytest.mark.ci
def test_it_opens_offline_without_a_complaint_at_every_width(tmp_path: Path, page: Path) -> None:
    with Chromium(tmp_path / "chromium") as browser:
        browser.call(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
        )
        browser.open(page.as_uri())
        assert browser.value("document.querySelector('.verdict strong').textContent") == "✔ GO"
        for scheme in ("light", "dark"):
            for width in (360, 800, 1280):
                browser.size(width, 900, scheme)
                wide = browser.value("document.documentElement.scrollWidth")
                assert wide <= width, f"{wide} px at {width}"
                assert browser.value("getComputedStyle(document.body).color") != browser.value(
                    "getComputedStyle(document.body).backgroundColor"
                )
        assert browser.value("[...document.querySelectorAll('a[href]')].every(a => document.querySelector(a.hash))")
        assert browser.value("document.querySelectorAll('figure svg').length") == 6
        pages = browser.call("Page.printToPDF", preferCSSPageSize=True)["data"]
        assert len(pages) > 10_000
        assert set(browser.requests) == {page.as_uri()}
        assert browser.complaints == []
