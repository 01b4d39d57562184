"""Statements about indexes."""
