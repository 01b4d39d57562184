"""The rows of "Extraction Performance", below its head."""
