"""Where an extraction's time goes, and what holds it up: source, network, agent, store or lock."""
