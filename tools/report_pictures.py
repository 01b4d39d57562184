"""Pictures for the docs of a run folder's report. Needs chromium.

.venv/bin/python tools/report_pictures.py RUN_FOLDER
"""

import base64
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from chromium import Chromium  # noqa: E402 - from the tests, which pytest alone finds by itself

# name, what is seen first, width and height, light or dark
SHOTS = (
    ("report-light", "header", 1000, 1180, "light"),
    ("report-charts-dark", "#charts", 1000, 1150, "dark"),
)


def main() -> None:
    """Write docs/images/report-*.png."""
    page = Path(sys.argv[1]).resolve() / "report.html"
    with tempfile.TemporaryDirectory() as folder, Chromium(Path(folder)) as browser:
        for name, first, width, height, scheme in SHOTS:
            browser.size(width, height, scheme)
            browser.open(page.as_uri())
            top = browser.value(f"document.querySelector('{first}').getBoundingClientRect().top + scrollY")
            clip = {"x": 0, "y": max(top - 24, 0), "width": width, "height": height, "scale": 1}
            taken = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
            (ROOT / "docs" / "images" / f"{name}.png").write_bytes(base64.b64decode(taken["data"]))


if __name__ == "__main__":
    main()
