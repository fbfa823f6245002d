"""Datasets: manifests, splits, and the generated corpus ``puppets``."""
