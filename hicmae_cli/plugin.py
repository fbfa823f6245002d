"""What a package with datasets of its own needs: ``from hicmae_cli.plugin import Dataset, Item``.

The page "Add a dataset from your own package" of the docs shows a complete example.
"""

from hicmae_cli.corpora.dataset import Dataset, Item, RecordingPart, SplitFacts
from hicmae_cli.corpora.facts import check_dataset

__all__ = ["Dataset", "Item", "RecordingPart", "SplitFacts", "check_dataset"]
