"""The judge: samples of canary, other hosts and sources in, a verdict with its evidence out.

Needs the extra `controller` (numpy, scipy). docs/explanation/judge.md says why it judges as it does.
"""
