"""State shared by the parts of `nn`: network, data, results, device and seed."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.card import InputCard
from runtime.errors import SpecError, suggest
from toolkit.builder.layers.vision import TORCHVISION_NAMES
from toolkit.builder.network import Network
from toolkit.builder.spec import NetworkSpec, build, read_shape
from toolkit.data.batching.batches import Batches
from toolkit.tasks.registry import DEFAULT_ALIAS, known_task, typed_names
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.settings import Named

__all__ = ["State", "head_of"]


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
        task: str = DEFAULT_ALIAS,
        save_fold: str | os.PathLike[str] | None = None,
        *,
        input_shape: Sequence[int] | None = None,
        init: str | Mapping[str, Any] | None = None,
    ) -> None:
        found = known_task(task)
        if found is None:
            raise SpecError(f"The task {task!r} is not known.{suggest(str(task), typed_names())}")
        self.task = found.name
        self.save_fold: str | os.PathLike[str] = save_fold if save_fold is not None else "checkpoints"
        self.optimizer: Named = "adam"
        self.device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        self.val_label: Any = None
        self.res: Any = None
        self.frozen: list[str] = []
        self._spec = NetworkSpec(None if input_shape is None else read_shape(input_shape), init=init)
        self._network: Network | None = None
        self._initial: torch.Tensor | None = None  # what `head_of` gave of the network as it was built
        self._scale_targets = True
        self._seed: int | None = None
        self._train: Batches | None = None
        self._validation: Batches | None = None
        self._test: Batches | None = None
        self._checkpoint: Checkpoint | None = None
        self._weights_given = False  # True once weights were loaded into the network
        self._former: dict[str, torch.Tensor] | None = None  # learnt weights for the network that is built next
        # the checkpoint of a training that had a better epoch than its last, that epoch in words, and the file of its weights
        self._better: tuple[Checkpoint, str, Path] | None = None

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
            self._initial = head_of(network)
            if self._former is not None:
                _keep_learnt(network, self._former)
                self._former = None
            self._network = network
        return self._network

    def _rebuild(self) -> None:
        """Let the network be built anew, for another description; what it has learnt is kept where it fits."""
        if self._network is not None and (self._checkpoint is not None or self._weights_given or self._learnt):
            self._former = {name: tensor.detach().cpu() for name, tensor in self._network.state_dict().items()}
        self._network = None

    @property
    def _learnt(self) -> bool:
        """True if the network's last weights are others than it began with: trained, loaded, or set by hand."""
        head = head_of(self.model)
        return head is None or self._initial is None or not torch.equal(self._initial, head)

    def _input_card(self) -> InputCard:
        if self._checkpoint is not None:
            return self._checkpoint.card.inputs[0]
        if self._train is not None:
            return self._train.data.card
        raise SpecError(
            "The network has neither data nor a checkpoint, so its pre-processing is unknown. Load one of them first."
        )

    def _input_cards(self) -> tuple[InputCard, ...]:
        """Cards of all inputs of the network. Raises SpecError as `_input_card`."""
        first = self._input_card()
        if self._checkpoint is not None:
            return self._checkpoint.card.inputs
        return (first,) if self._train is None else self._train.data.cards

    def _labels(self) -> tuple[str, ...]:
        if self._checkpoint is not None:
            return self._checkpoint.card.labels
        return self._train.data.labels if self._train is not None else ()


def head_of(network: torch.nn.Module) -> torch.Tensor | None:
    """A copy of the last parameter, the bias of a linear layer at the end; None of a network without any."""
    found = list(network.parameters())[-1:]
    return found[0].detach().cpu().clone() if found else None


def _keep_learnt(network: Network, learnt: Mapping[str, torch.Tensor]) -> None:
    """Load the weights that fit by name and shape, and print which layers keep theirs and which begin anew."""
    own = network.state_dict()
    fitting = {layer: [name for name in own if name.startswith(f"{layer}.")] for layer, _ in network.named_children()}
    layers = {layer: names for layer, names in fitting.items() if names}
    kept = [
        layer
        for layer, names in layers.items()
        if all(name in learnt and learnt[name].shape == own[name].shape for name in names)
    ]
    network.load_state_dict({name: learnt[name] for layer in kept for name in layers[layer]}, strict=False)
    new = [layer for layer in layers if layer not in kept]
    if new:
        print(f"new layers begin untrained: {', '.join(new)}; learnt weights are kept in: {', '.join(kept) or 'none'}")


def _load_published(network: Network, spec: NetworkSpec) -> None:
    """Load published weights into the layer that names them, such as add('resnet18', weights='DEFAULT')."""
    naming = [entry for entry in spec.layers if entry.arguments.get("weights") is not None]
    if len(naming) > 1:
        raise SpecError(f"{len(naming)} layers name published weights; one is expected. Leave the others out.")
    for entry in naming:
        from toolkit.training.pretrained.torchvision_weights import start_from_pretrained

        start_from_pretrained(network, TORCHVISION_NAMES[str(entry.layer)], str(entry.arguments["weights"]))
