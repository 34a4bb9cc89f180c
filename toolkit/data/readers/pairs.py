"""Pairs and triplets -> a data set for learning an embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from runtime.card import InputCard
from runtime.errors import InputError
from runtime.preprocess.inputs import prepare
from toolkit.data.dataset import Dataset
from toolkit.data.readers.arrays import array_inputs
from toolkit.data.stores import RowStore

__all__ = ["load_pairs", "load_triplets"]


def load_pairs(x1: Any, x2: Any, same: Any, *, card: InputCard | None = None, source: str = "pairs") -> Dataset:
    """Pairs, two inputs per example, and whether they are alike -> a data set with two views.

    Args:
        x1, x2: (N, ...) each, as `load_arrays` takes them; with a `card` whatever it prepares, such as texts.
        same: (N,); True, 1: alike; False, 0, -1: not alike.
        card: pre-processing of the inputs; None takes arrays.
        source: named in the card.

    Raises:
        InputError: lengths or shapes differ, or `same` holds something else.
    """
    input_card, rows = _views((x1, x2), ("x1", "x2"), card)
    alike = np.asarray(same)
    if alike.shape != (len(rows),):
        raise InputError(f"same has the shape {alike.shape}; ({len(rows)},), one for each pair, is expected.")
    if alike.dtype.kind not in "fiub" or not np.isin(alike, (-1, 0, 1)).all():
        raise InputError("same holds something else than True and False, 1 and 0, or 1 and -1.")
    targets = np.where(alike.astype(np.float32) > 0, 1, -1).astype(np.float32)
    return Dataset("embedding", input_card, RowStore(rows), targets, (), source, views=2)


def load_triplets(
    anchor: Any, positive: Any, negative: Any, *, card: InputCard | None = None, source: str = "triplets"
) -> Dataset:
    """Triplets -> a data set with three views per example: the positive is like the anchor, the negative is not.

    Args:
        anchor, positive, negative: (N, ...) each, as for `load_pairs`.
        card, source: as for `load_pairs`.

    Raises:
        InputError: lengths or shapes differ.
    """
    input_card, rows = _views((anchor, positive, negative), ("anchor", "positive", "negative"), card)
    return Dataset("embedding", input_card, RowStore(rows), np.zeros(len(rows), np.float32), (), source, views=3)


def _views(given: tuple[Any, ...], names: tuple[str, ...], card: InputCard | None) -> tuple[InputCard, np.ndarray]:
    """Prepare the views of pairs or triplets -> (their common card, prepared inputs (N, views, ...))."""
    found: list[tuple[InputCard, np.ndarray]] = []
    for values in given:
        if card is not None:
            found.append((card, prepare(values, card)[0]))
        else:
            own, store = array_inputs(values)
            found.append((own, store.take(torch.arange(len(store))).numpy()))
    first, rows = found[0]
    for name, (own, other) in zip(names[1:], found[1:], strict=True):
        if own != first or other.shape != rows.shape:
            raise InputError(
                f"{names[0]} has the shape {rows.shape} and {name} {other.shape}; as many inputs of one kind and shape are expected."
            )
    return first, np.stack([part for _, part in found], axis=1)
