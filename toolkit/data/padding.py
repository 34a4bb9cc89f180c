"""Padding of a data set in the form that a network takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from toolkit.data.dataset import Dataset
from toolkit.data.stores import RowStore

__all__ = ["padded_for"]


def padded_for(data: Dataset, padding: Any) -> Dataset:
    """Data whose padded steps are NaN, for a network that knows no such mark: the same with steps of zeros.

    Args:
        data: any data set.
        padding: the network's (`NetworkSpec.padding`).
    """
    if data.card.padding_mark != "nan" or padding is not None:
        return data
    rows = data.inputs.take(torch.arange(len(data.inputs)))
    return replace(data, card=data.card.zero_padded(), inputs=RowStore(torch.nan_to_num(rows, nan=0.0).numpy()))
