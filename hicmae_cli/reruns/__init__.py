"""Repeat a recorded training, and compare the result to the last bit."""
