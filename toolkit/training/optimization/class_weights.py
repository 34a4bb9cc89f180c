"""Class weights of a loss, so that rare classes count as much as frequent ones."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from runtime.errors import SpecError
from toolkit.data.batching.batches import Batches
from toolkit.tasks.class_indices import weights_by_class
from toolkit.tasks.registry import find_task

__all__ = ["class_weights"]


def class_weights(setting: str | Mapping[str, float] | tuple[float, ...] | None, train: Batches) -> torch.Tensor | None:
    """Class weights float32 (K,), or None where the setting is None.

    "balanced" gives a class of n of the training part's N examples the weight N / (K n), so that all classes together
    weigh what N examples do; a label of several (multilabel) the weight (N - n) / n of its presence against its absence.
    A class without examples counts as one with a single example. A mapping has a weight for every class, by its name; or by its
    position, where none of the classes is named so.

    Raises:
        SpecError: the data has no classes, or others than there are weights for.
    """
    if setting is None:
        return None
    data = train.data
    task = find_task(data.task)
    if task.classes is None:
        raise SpecError(f"class_weights was given for {data.task}, whose targets are no classes. Leave it out.")
    count = len(data.labels)
    if isinstance(setting, Mapping):
        return torch.tensor(weights_by_class(setting, data.labels, "class_weights"), dtype=torch.float32)
    if not isinstance(setting, str):
        if len(setting) != count:
            raise SpecError(
                f"class_weights has {len(setting)} numbers; the data has {count} classes. Give one for each, in the order "
                f"{', '.join(data.labels[:8])}{', ...' if count > 8 else ''}."
            )
        return torch.tensor(setting, dtype=torch.float32)
    return task.balanced_weights(train.targets(), count)
