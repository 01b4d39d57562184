"""plan → relay → commit, and what proves it: manifest, verify; watermark; benchmark."""
