"""Self-supervised pre-training (paper 3.3, 3.4, 4.2)."""
