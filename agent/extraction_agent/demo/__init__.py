"""`extractctl demo`: the main job on real data, with servers of its own."""
