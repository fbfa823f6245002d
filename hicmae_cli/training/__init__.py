"""Training: settings, data, augmentation, the loop and its checkpoints."""
