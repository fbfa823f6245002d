"""Recipes: every training setup as a TOML file, and the settings that it may hold."""
