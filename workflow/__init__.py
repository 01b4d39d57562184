"""The acceptance of a change as one command: planning, design, testing, compliance, operations."""
