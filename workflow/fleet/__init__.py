"""The fleet that a run changes, by the collection's playbooks: a given one, or one made on this machine."""
