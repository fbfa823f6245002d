"""Evaluation: which clips test a weight, its scores on them, and what the scores mean."""
