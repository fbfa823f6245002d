"""One predictor over two engines: windows -> tracks -> timeline. Imports no torch."""
