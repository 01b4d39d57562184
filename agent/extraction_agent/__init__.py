"""Moves rows in bulk out of operational databases into an extraction store, each exactly once."""

__version__ = "0.1.0"
