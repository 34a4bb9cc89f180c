"""State shared by the parts of `nn`: network, data, results, device and seed."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from runtime.card import InputCard
from runtime.errors import SpecError, suggest
from toolkit.builder.layers.vision import TORCHVISION_NAMES
from toolkit.builder.network import Network
from toolkit.builder.spec import NetworkSpec, build, read_shape
from toolkit.data.batching.batches import Batches
from toolkit.data.dataset import Task
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.settings import Named

__all__ = ["TASKS", "State"]

TASKS: dict[str, Task] = {
    "cls": "classification",
    "classification": "classification",
    "multilabel": "multilabel",
    "reg": "regression",
    "regression": "regression",
    "dense": "dense",
    "embedding": "embedding",
}


class State:
    """The network under construction, its data, and its results.

    Attributes:
        task: the task of the network and its data.
        save_fold: folder for checkpoints and pictures.
        optimizer: chosen with add(optimizer=...).
        device: where the network trains and runs.
        val_label: the labels of the batches that `inference` ran last.
        res: what `inference` returned last.
    """

    def __init__(
        self,
        task: str = "cls",
        save_fold: str | os.PathLike[str] | None = None,
        *,
        input_shape: Sequence[int] | None = None,
        init: str | Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(task, str) or task.lower() not in TASKS:
            raise SpecError(f"The task {task!r} is not known.{suggest(str(task), TASKS)}")
        self.task: Task = TASKS[task.lower()]
        self.save_fold: str | os.PathLike[str] = save_fold if save_fold is not None else "checkpoints"
        self.optimizer: Named = "adam"
        self.device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        self.val_label: np.ndarray | None = None
        self.res: np.ndarray | None = None
        self.frozen: list[str] = []
        self._spec = NetworkSpec(None if input_shape is None else read_shape(input_shape), init=init)
        self._network: Network | None = None
        self._seed: int | None = None
        self._train: Batches | None = None
        self._validation: Batches | None = None
        self._test: Batches | None = None
        self._checkpoint: Checkpoint | None = None

    def set_seed(self, seed: int) -> None:
        """Seed every generator: initial weights, order of batches, split, augmentation, dropout."""
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
            raise SpecError(f"seed={seed!r} was given; a whole number from 0 to 4294967295 is expected.")
        self._seed = seed
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)

    @property
    def model(self) -> Network:
        """The torch network, built on first access with initial weights, or the published ones a layer names."""
        if self._network is None:
            if not self._spec.layers:
                raise SpecError("The network has no layers yet. Add one, such as add('linear', size=(4, 3)).")
            if self._seed is not None:
                torch.manual_seed(self._seed)
            network = build(self._spec)
            _load_published(network, self._spec)
            self._network = network
        return self._network

    def _input_card(self) -> InputCard:
        if self._checkpoint is not None:
            return self._checkpoint.card.inputs[0]
        if self._train is not None:
            return self._train.data.card
        raise SpecError(
            "The network has neither data nor a checkpoint, so its pre-processing is unknown. Load one of them first."
        )

    def _labels(self) -> tuple[str, ...]:
        if self._checkpoint is not None:
            return self._checkpoint.card.labels
        return self._train.data.labels if self._train is not None else ()


def _load_published(network: Network, spec: NetworkSpec) -> None:
    """Load published weights into the layer that names them, such as add('resnet18', weights='DEFAULT')."""
    naming = [entry for entry in spec.layers if entry.arguments.get("weights") is not None]
    if len(naming) > 1:
        raise SpecError(f"{len(naming)} layers name published weights; one is expected. Leave the others out.")
    for entry in naming:
        from toolkit.training.pretrained.torchvision_weights import start_from_pretrained

        start_from_pretrained(network, TORCHVISION_NAMES[str(entry.layer)], str(entry.arguments["weights"]))
