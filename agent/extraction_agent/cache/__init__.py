"""The cache of extraction configs: never stale on any agent once an update has been answered."""

from extraction_agent.cache.configs import Configs
from extraction_agent.cache.local import Local
from extraction_agent.cache.redis import Redis

__all__ = ["Configs", "Local", "Redis"]
