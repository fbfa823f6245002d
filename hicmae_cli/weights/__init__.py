"""Weight files: metadata, reading and writing, export, and finding them by name."""
