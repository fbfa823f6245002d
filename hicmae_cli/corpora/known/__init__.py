"""The known datasets, one module each."""
