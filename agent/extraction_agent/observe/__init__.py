"""What the daemon tells about itself: its metrics, and the samplers that feed those no call passes by."""
