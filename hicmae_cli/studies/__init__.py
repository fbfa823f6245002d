"""Studies: questions that many trainings answer together, each one a TOML file and an analysis."""
