"""Weight files: what they say of themselves, where they lie, how they are found by name."""
