"""Class weights of a loss, so that rare classes count as much as frequent ones."""

from __future__ import annotations

import torch

from runtime.errors import SpecError
from toolkit.data.batching.batches import Batches
from toolkit.data.dataset import IGNORED

__all__ = ["class_weights"]


def class_weights(setting: str | tuple[float, ...] | None, train: Batches) -> torch.Tensor | None:
    """Class weights float32 (K,), or None where the setting is None.

    "balanced" gives a class of n of the training part's N examples the weight N / (K n), so that all classes together
    weigh what N examples do; a label of several (multilabel) the weight (N - n) / n of its presence against its absence.
    A class without examples counts as one with a single example.

    Raises:
        SpecError: the data has no classes, or another number of them than there are weights.
    """
    if setting is None:
        return None
    data = train.data
    if data.task not in ("classification", "multilabel", "dense"):
        raise SpecError(f"class_weights was given for {data.task}, whose targets are no classes. Leave it out.")
    count = len(data.labels)
    if not isinstance(setting, str):
        if len(setting) != count:
            raise SpecError(
                f"class_weights has {len(setting)} numbers; the data has {count} classes. Give one for each, in the order "
                f"{', '.join(data.labels[:8])}{', ...' if count > 8 else ''}."
            )
        return torch.tensor(setting, dtype=torch.float32)
    targets = train.targets()
    if data.task == "multilabel":
        present = targets.sum(0).clamp(min=1)
        return ((len(targets) - present) / present).float()
    classes = targets[targets != IGNORED]
    counts = torch.bincount(classes, minlength=count)[:count].clamp(min=1)
    return (len(classes) / (count * counts)).float()
