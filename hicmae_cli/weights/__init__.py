"""Weight files: their metadata, reading and writing them, and finding them by name."""
