"""The cache of extraction configs: never stale on any agent once an update has been answered."""
