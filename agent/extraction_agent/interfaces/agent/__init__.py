"""`extraction-agent`: the daemon as a person or systemd starts it, and the composition of its parts."""

from extraction_agent.interfaces.agent.main import main

__all__ = ["main"]
