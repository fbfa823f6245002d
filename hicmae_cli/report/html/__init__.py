"""A prediction as one HTML page that loads nothing: no address, no file, no font."""
