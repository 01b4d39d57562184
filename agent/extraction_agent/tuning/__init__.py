"""A change of the fleet's settings: when it may begin, and what it may not exceed."""
