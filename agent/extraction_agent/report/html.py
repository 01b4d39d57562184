"""The report as one HTML file that needs nothing else: no script, no font, no request."""

from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from extraction_agent.report import charts, drawing, folder
from extraction_agent.report.document import Report
from extraction_agent.report.references import References

SIGNS = {
    "GO": "✔", "NO-GO": "✘", "INCONCLUSIVE": "?", "holds": "✔", "fails": "✘", "not measured": "?", "better": "✔",
    "same": "✔", "worse": "✘", "unclear": "?", "no data": "?", "kept": "✔", "broken": "✘", "passed": "✔", "failed": "✘",
    "not done": "?", "pending": "…", "running": "…", "skipped": "–",
}  # fmt: skip


def render(report: Report, run: folder.Folder) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("extraction_agent.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    style = resources.files("extraction_agent.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    references = References()
    drawn = charts.charts(run)
    return environment.get_template("report.html.j2").render(
        report=report,
        signs=SIGNS,
        style=Markup(style),  # noqa: S704 - our own file
        refer=references.number,
        references=references.listed,
        charts=[{"title": c.title, "caption": c.caption, "of": c.of, "svg": drawing.svg(c)} for c in drawn],
        legend=[{"name": name, "sign": drawing.sign(place)} for place, name in enumerate(charts.sides(run))],
    )
