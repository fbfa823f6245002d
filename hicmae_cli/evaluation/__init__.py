"""How good a model is: metrics and the protocols they belong to."""
