"""Check an installation: packages, system libraries, devices, models, folders, codecs, and a trial prediction."""
