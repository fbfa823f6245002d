"""Comparison of systems that decided the same clips: reading, pairing, tests, and the result in words."""
