"""Scaling of a regression's targets: the network's last step follows the data, the loss and the weights that are loaded."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import torch

from runtime.errors import SpecError, ToolkitError
from toolkit.api.state import State, head_of
from toolkit.builder.target_scaling import NAME, TargetScaling
from toolkit.tasks.registry import find_task
from toolkit.training.checkpoints.checkpoint import Checkpoint
from toolkit.training.losses import find_loss
from toolkit.training.optimization.target_scaling import change_scaling, find_scaling, move_outputs
from toolkit.training.pretrained.load_weights import WeightsReport, load_weights, read_weights
from toolkit.training.pretrained.weights_layout import stored_weights

__all__ = ["Scaling"]


class Scaling(State):
    """What `Learning` does about the network's `target_scaling`."""

    def _scale_outputs(self, setting: Any, loss: Any) -> None:
        """Let the network's outputs be scaled back as a training with this loss on the present data asks for."""
        assert self._train is not None
        network = self.model
        if next(network.parameters(), None) is None:
            return
        chosen = loss if callable(loss) else setting
        wanted = find_scaling(network, self._train, chosen) if self._scale_targets else None
        change_scaling(network, wanted, self._train, learnt=self._learnt)
        self._set_scaling(network.target_scaling)

    def _set_scaling(self, scaling: TargetScaling | None) -> None:
        """Network and description with this scaling of the outputs, or none."""
        if self.model.target_scaling is not scaling:
            self.model.set_target_scaling(scaling)
        self._spec = dataclasses.replace(self._spec, target_scaling=None if scaling is None else scaling.kind)

    def _as_in(self, checkpoint: Checkpoint) -> None:
        """The scaling step as the network of a checkpoint has it, whose weights are loaded next."""
        kind, state = checkpoint.spec.target_scaling, checkpoint.state_dict
        if kind is None:
            self._set_scaling(None)
            return
        mean, std = (state[f"{NAME}.{name}"].tolist() for name in ("mean", "std"))
        self._set_scaling(TargetScaling(mean, std, kind).to(next(self.model.parameters()).device))

    def _start_near(self, setting: Any) -> None:
        """Let the training begin with outputs of about the targets' size, which may be too far to learn.

        A new network without a scaling gets the task's initial output as its last bias; one that learnt is moved by
        `move_outputs`.
        """
        assert self._train is not None
        if self._learnt:
            move_outputs(self.model, self._train)
            return
        last = list(self.model)[-1]
        if not isinstance(last, torch.nn.Linear) or last.bias is None:
            return
        try:
            name, options = find_loss(setting, self._train.data.task)
        except SpecError:  # a function of the user's own
            name, options = "", {}
        start = find_task(self.task).initial_output(self._train.targets, name, options)
        if start is not None and start.shape == last.bias.shape:
            with torch.no_grad():
                last.bias.copy_(start)

    def _load_weights(self, source: str | os.PathLike[str] | Mapping[str, torch.Tensor], strict: bool) -> WeightsReport:
        """Load weights together with the unit of their outputs, so that the network says what the one they come from said."""
        network, known = self.model, self.model.target_scaling
        named = not isinstance(source, str | os.PathLike)
        theirs: Any = read_weights(source) if isinstance(source, str | os.PathLike) else source
        scaling = _scaling_in(theirs, network) if known is None else known
        self._set_scaling(scaling)
        try:
            report = load_weights(network, theirs, strict=strict, name=None if named else str(source))
        except ToolkitError:
            self._set_scaling(known)
            raise
        last = list(network.named_parameters())[-1:]
        if not last or last[0][0] not in report.matched:
            self._set_scaling(known)
        elif f"{NAME}.mean" not in report.matched:
            self._set_scaling(None)  # their head gives values as they are
        self._weights_given = True
        return report


def _scaling_in(weights: Any, network: torch.nn.Module) -> TargetScaling | None:
    """Scaling step among weights by name, for a network of as many outputs; None where there is none."""
    tensors = {name: value for stored in reversed(stored_weights(weights)) for name, value in stored.tensors.items()}
    mean = next((value for name, value in tensors.items() if name.endswith(f"{NAME}.mean")), None)
    std = next((value for name, value in tensors.items() if name.endswith(f"{NAME}.std")), None)
    head = head_of(network)
    if mean is None or std is None or head is None or mean.ndim != 1 or mean.shape != std.shape:
        return None
    kinds = {len(mean): "values", 2 * len(mean): "means and variances"}
    kind: Any = kinds.get(len(head))
    if kind is None:
        return None
    return TargetScaling(mean.tolist(), std.tolist(), kind).to(next(network.parameters()).device)
