"""The report: a run folder's measurements in, a verdict line by line out, as HTML, Markdown and JSON.

Needs the extra `report` (numpy, scipy, jinja2, vl-convert). docs/explanation/acceptance.md says how a line is decided.
"""
