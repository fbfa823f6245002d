"""Pull weights: fetch a file from one of its sources, prove that it is whole, convert it once, and keep it."""
