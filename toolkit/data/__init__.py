"""Real data -> data sets in memory, split and served in batches."""

from toolkit.data.arrays import load_arrays
from toolkit.data.batches import Batches
from toolkit.data.dataset import Dataset
from toolkit.data.digits import load_digits
from toolkit.data.frames import load_frame
from toolkit.data.idx import load_idx
from toolkit.data.images import load_images
from toolkit.data.npz import load_npz
from toolkit.data.pairs import load_pairs, load_triplets
from toolkit.data.sequences import load_sequences
from toolkit.data.source import Source, open_source
from toolkit.data.splits import Split, same_inputs, split, three_way
from toolkit.data.tables import load_csv
from toolkit.data.text import load_text_folder, load_text_table, load_texts, token_dataset
from toolkit.data.torch_sources import load_torch_dataset
from toolkit.data.vocabulary import build_vocabulary

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
