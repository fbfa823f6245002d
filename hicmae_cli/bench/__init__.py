"""Speed and memory as ratios within one run, each held to a bound."""
