"""Raw recordings -> prepared clips: resumable, in worker processes, checked."""
