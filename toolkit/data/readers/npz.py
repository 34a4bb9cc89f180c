"""NPZ files -> a data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.errors import InputError
from runtime.preprocess import read_arrays, split_steps
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import load_arrays
from toolkit.data.readers.sequences import load_sequences
from toolkit.data.readers.text import load_texts, token_dataset
from toolkit.tasks.registry import DEFAULT_TASK

__all__ = ["load_npz"]


def load_npz(
    path: str | os.PathLike[str], *, task: str = DEFAULT_TASK, labels: Sequence[str] | None = None, **texts: Any
) -> Dataset:
    """An NPZ file -> a data set. Nothing in it is executed.

    It holds ``data`` and ``label``, as `load_arrays` takes them; or sequences of different lengths, ``data`` (all steps one
    after another, F), ``lengths`` (N,) and ``label``; or tokens, ``data`` (N, L) and ``label`` with the vocabulary
    ``word2idx``: the tokens as an array in the order of their indices, or a dictionary as JSON text; or texts, ``data`` (N,),
    which are looked up as `load_texts` does with the options `texts`.

    Raises:
        InputError: the file is missing or damaged, lacks an array, or holds pickled objects.
    """
    source = str(Path(path))
    arrays = read_arrays(path)
    for name in ("data", "label"):
        if name not in arrays:
            raise InputError(f"{source} lacks the array {name!r}; it has {', '.join(arrays) or 'none'}.")
    data, y = arrays["data"], arrays["label"]
    if "word2idx" in arrays:
        return token_dataset(data, y, arrays["word2idx"], task=task, labels=labels, source=source)
    if data.dtype.kind == "U":
        return load_texts(data.tolist(), y, task=task, labels=labels, source=source, **texts)
    if "lengths" in arrays:
        return load_sequences(split_steps(data, arrays["lengths"], source), y, task=task, labels=labels, source=source)
    return load_arrays(data, y, task=task, labels=labels, source=source)
