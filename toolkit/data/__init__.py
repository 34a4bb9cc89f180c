"""Real data -> data sets in memory, split and served in batches."""

from toolkit.data.batching.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import load_arrays
from toolkit.data.readers.digits import load_digits
from toolkit.data.readers.frames import load_frame
from toolkit.data.readers.idx import load_idx
from toolkit.data.readers.images import load_images
from toolkit.data.readers.npz import load_npz
from toolkit.data.readers.pairs import load_pairs, load_triplets
from toolkit.data.readers.sequences import load_sequences
from toolkit.data.readers.tables import load_csv
from toolkit.data.readers.text import load_text_folder, load_text_table, load_texts, token_dataset
from toolkit.data.readers.torch_sources import load_torch_dataset
from toolkit.data.readers.vocabulary import build_vocabulary
from toolkit.data.source import Source, open_source
from toolkit.data.splits import Split, same_inputs, split, three_way

__all__ = [
    "Batches",
    "Dataset",
    "Source",
    "Split",
    "build_vocabulary",
    "load_arrays",
    "load_csv",
    "load_digits",
    "load_frame",
    "load_idx",
    "load_images",
    "load_npz",
    "load_pairs",
    "load_sequences",
    "load_text_folder",
    "load_text_table",
    "load_texts",
    "load_torch_dataset",
    "load_triplets",
    "open_source",
    "same_inputs",
    "split",
    "three_way",
    "token_dataset",
]
