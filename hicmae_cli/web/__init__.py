"""The browser page: a folder of static files with which a browser predicts videos and cameras on its own."""
