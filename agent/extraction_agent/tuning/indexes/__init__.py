"""Indexes that a profile asks for: built beside writers, renamed once valid, and dropped with their rollout."""
