"""Extractions that begin by themselves: cron, one firing per fleet."""

from extraction_agent.schedules.cron import Cron
from extraction_agent.schedules.scheduler import Scheduler

__all__ = ["Cron", "Scheduler"]
