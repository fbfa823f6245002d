"""The known datasets, one file each."""
