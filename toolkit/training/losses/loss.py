"""Loss fitted to a network and a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from toolkit.builder.target_scaling import TargetScaling
from toolkit.data.tensors import first_tensor, map_tensors
from toolkit.training.losses.criteria import Criterion, Units
from toolkit.training.losses.outputs import Select
from toolkit.training.named import join_named
from toolkit.training.settings import Named

__all__ = ["Loss"]


@dataclass(frozen=True, eq=False)
class Loss:
    """Made by `make_loss`. `loss(loss.forward(inputs), targets)` is the scalar to minimise.

    Attributes:
        name: torch's name; "callable" for a function, "objective" for the task's, "own" where the network has its own.
        options: plain values.
        network: the network whose outputs are compared.
        task: task of the outputs for metrics: the data set's, or another where vectors are compared.
        reduction: "mean", "sum", or "batchmean".
        views: inputs of one example.
        scaling: of the targets, where the outputs are compared with scaled ones.
        units: the loss in deviations of the targets, a scalar, with outputs and targets of the same -> the loss in the data's
            units; None where it is that already.
    """

    name: str
    options: dict[str, Any]
    network: torch.nn.Module
    task: str
    select: Select = field(repr=False)
    criterion: Criterion = field(repr=False)
    module: torch.nn.Module | None = field(default=None, repr=False)
    total: Callable[[torch.Tensor], torch.Tensor] | None = field(default=None, repr=False)
    predict: Callable[[torch.Tensor], torch.Tensor | None] = field(default=lambda outputs: outputs, repr=False)
    reduction: str = "mean"
    views: int = 1
    weighted: bool = False
    scaling: TargetScaling | None = field(default=None, repr=False)
    units: Units | None = field(default=None, repr=False)

    def to_setting(self) -> Named:
        """Name, or mapping with options: plain values for the checkpoint, from which `make_loss` rebuilds the loss."""
        return join_named(self.name, self.options)

    def forward(self, inputs: Any, network: torch.nn.Module | None = None) -> Any:
        """Inputs (B, ...) -> the outputs that this loss compares.

        Args:
            inputs: (B, *shape); (B, views, *shape) for pairs and triplets, whose outputs are (B, views, D).
            network: another network of the same layers, such as a copy with averaged weights; None takes `network`.
        """
        network = self.network if network is None else network
        if self.views == 1:
            return self.select(network, inputs)
        outputs = self.select(network, inputs.flatten(0, 1))
        return outputs.reshape(len(inputs), self.views, *outputs.shape[1:])

    def __call__(self, outputs: Any, targets: Any) -> torch.Tensor:
        """Outputs of `forward` and targets as the data set has them -> a scalar, float32 also in mixed precision.

        The mean over the examples (over the positions that have a class, for dense targets), or the sum with
        ``reduction="sum"``.
        """
        if self.weighted and self.module is not None:
            # the weights of the classes follow the outputs
            self.module.to(outputs.device, torch.promote_types(outputs.dtype, torch.float32))
        tensor = first_tensor(outputs)
        assert tensor is not None
        if torch.is_autocast_enabled(tensor.device.type) or tensor.dtype in (torch.float16, torch.bfloat16):
            with torch.autocast(tensor.device.type, enabled=False):
                return self.criterion(map_tensors(_float32, outputs), targets)
        return self.criterion(outputs, targets)

    def reported(self, value: torch.Tensor, outputs: Any, targets: Any) -> torch.Tensor:
        """The loss of a batch, as this object gave it for these outputs and targets, in the data's units; without a gradient."""
        if self.units is None:
            return value.detach()
        assert self.scaling is not None
        with torch.no_grad():
            return self.units(value, outputs.float(), self.scaling.scale(targets))

    def weight(self, targets: Any) -> float:
        """Weight of a batch in a mean over batches: its examples, or the total weight of its positions with a class."""
        if self.reduction == "sum":
            return 1.0
        if self.total is None or not isinstance(targets, torch.Tensor) or targets.is_floating_point():
            return float(len(targets))
        return float(self.total(targets))

    def predictions(self, outputs: Any) -> Any:
        """Outputs of `forward` -> predictions for `toolkit.training.metrics.measure`; None where metrics do not apply.

        Probabilities of labels, means of distributions; class logits are unchanged.
        """
        return self.predict(outputs)


def _float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
