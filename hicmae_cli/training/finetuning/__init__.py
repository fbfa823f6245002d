"""Supervised fine-tuning and its protocols (paper 3.5, 4.2)."""
