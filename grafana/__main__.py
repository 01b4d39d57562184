"""`python -m grafana`: writes the dashboards anew."""

from grafana import analytics, performance
from grafana.frame import FOLDER, text

DASHBOARDS = {"extraction-performance.json": performance.make, "extraction-analytics.json": analytics.make}

if __name__ == "__main__":
    for name, make in DASHBOARDS.items():
        (FOLDER / name).write_text(text(make()), encoding="utf-8")
