"""Records of training runs: what made a weight, on which data, by which versions, and whose clips it has learned from."""
