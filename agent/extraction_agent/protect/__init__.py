"""What keeps the agent, its store and its sources from being overrun."""
