"""Training: what both roads share; ``pretraining/`` and ``finetuning/`` are the roads."""
