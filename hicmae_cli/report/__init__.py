"""Results for people and programs: the console, JSON, CSV."""
