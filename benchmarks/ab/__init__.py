"""Profiles against each other, the old way among them, by the same daemon: `python -m benchmarks.ab --help`."""
