"""Datasets as lists of clips: catalogue, manifests, splits, label values and cards."""
