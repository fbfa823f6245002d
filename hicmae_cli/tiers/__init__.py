"""Annotation files of other programs: labelled intervals in the tiers of ELAN, Praat and BORIS."""
