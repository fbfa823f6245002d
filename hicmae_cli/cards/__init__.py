"""Model cards: what a weight has learned from, how it was tested, what it scored, and what it must not be used for."""
