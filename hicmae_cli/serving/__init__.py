"""Predictions over HTTP: one process with one model, behind a queue with a bound."""
