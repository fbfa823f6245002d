"""Records of training runs: what made a weight, from which data, and whose clips it has learned from."""
