"""From predictions to findings: one tidy table of measures per person and event."""
