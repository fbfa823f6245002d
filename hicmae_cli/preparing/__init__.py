"""Prepare clips from raw recordings: resumable, in worker processes, checked."""
