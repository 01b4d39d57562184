"""The report: a run folder's measurements in, a verdict line by line out, as HTML, Markdown and JSON.

Needs the extra `controller` (numpy, scipy). docs/explanation/acceptance.md says how a line is decided.
"""
