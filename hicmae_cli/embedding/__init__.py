"""Embeddings: what a model's layers say about a clip or a window, as tables, and linear probes of them."""
