"""Augmentation of training clips (paper 4.2): views, RandAugment, mixing."""
