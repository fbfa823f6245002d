"""One track over time: overlapping windows become episodes of one label, and gaps with their reasons. No I/O."""

from hicmae_cli.timeline.make import make_timeline, make_timelines
from hicmae_cli.timeline.names import clean_name, name_tracks, track_name
from hicmae_cli.timeline.spans import join_spans
from hicmae_cli.timeline.timeline import Episode, Gap, Timeline, Turn

__all__ = [
    "Episode",
    "Gap",
    "Timeline",
    "Turn",
    "clean_name",
    "join_spans",
    "make_timeline",
    "make_timelines",
    "name_tracks",
    "track_name",
]
