"""One track over time: overlapping windows become episodes of one label, and gaps with their reasons. No I/O."""

from hicmae_cli.timeline.make import make_timeline
from hicmae_cli.timeline.names import clean_name, name_tracks, track_name
from hicmae_cli.timeline.timeline import Episode, Gap, Timeline

__all__ = ["Episode", "Gap", "Timeline", "clean_name", "make_timeline", "name_tracks", "track_name"]
