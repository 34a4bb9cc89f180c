"""Real data -> data sets in memory, split and served in batches."""

from toolkit.data.arrays import load_arrays, load_npz
from toolkit.data.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.data.digits import load_digits
from toolkit.data.idx import load_idx
from toolkit.data.images import load_images
from toolkit.data.source import Source, open_source
from toolkit.data.splits import Split, split
from toolkit.data.tables import load_csv

__all__ = [
    "Batches",
    "Dataset",
    "Source",
    "Split",
    "load_arrays",
    "load_csv",
    "load_digits",
    "load_idx",
    "load_images",
    "load_npz",
    "open_source",
    "split",
]
