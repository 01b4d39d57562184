"""One agent: a worker on the store's queue, and what keeps it and its neighbours honest."""

from extraction_agent.jobs.agent import Agent

__all__ = ["Agent"]
