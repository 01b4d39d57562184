"""What each optimization brought, one at a time: `python -m benchmarks.one_by_one --help`."""
