"""The report as Markdown, for a pull request or a terminal: tables, without charts."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from extraction_agent.report.document import Report
from extraction_agent.report.html import SIGNS


def render(report: Report) -> str:
    """The text."""
    environment = Environment(  # noqa: S701 - of Markdown; a report's words are the project's own
        loader=PackageLoader("extraction_agent.report"), undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["cell"] = _cell
    return environment.get_template("report.md.j2").render(report=report, signs=SIGNS) + "\n"


def _cell(text: str) -> str:
    """In a table, on one line."""
    return " ".join(text.split()).replace("|", "\\|")
