"""Predict: one predictor over several engines, from windows to tracks to a timeline. Imports no torch."""
