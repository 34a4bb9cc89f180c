"""Scaling of a regression's targets: whether a training takes it, by which numbers, and how a network changes over to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from toolkit.builder.network import Network
from toolkit.builder.target_scaling import ScalingKind, TargetScaling
from toolkit.data.batching.batches import Batches
from toolkit.data.tensors import map_tensors
from toolkit.tasks.registry import find_task
from toolkit.training.losses.checks import evaluation_mode
from toolkit.training.losses.make import find_loss
from toolkit.training.losses.registry import LOSSES
from toolkit.training.optimization.parameter_groups import freezing_kept

__all__ = ["change_scaling", "find_scaling", "move_outputs"]

# What makes numbers of any sign and size, by the beginnings of torch's names for the steps of its graph.
_FREE = ("Addmm", "Addmv", "Mm", "Bmm", "Baddbmm", "Linear", "Convolution", "ConvTranspose", "Trilinear")
_FAR = 3.0
_SEEN = 1024  # examples that tell the size of the outputs
# What passes on the range of its first input.
_PASSING = (
    *("View", "UnsafeView", "Reshape", "Alias", "Clone", "Contiguous", "ToCopy", "Squeeze", "Unsqueeze", "Permute"),
    *("Transpose", "TBackward", "Expand", "Select", "Slice", "Narrow", "Split", "Unbind", "Index", "Gather"),
    *("Mean", "Sum", "AvgPool", "AdaptiveAvgPool", "NativeBatchNorm", "CudnnBatchNorm", "NativeDropout"),
)


def find_scaling(network: Network, train: Batches, loss: Any) -> TargetScaling | None:
    """Scaling that a training on these batches takes: mean and deviation of the targets of its examples, computed in float64.

    None where targets are to stay as they are: another task; a function, a network's own loss, or one that needs them so, such as
    of counts or probabilities; or a network whose last step bounds its outputs, such as a sigmoid or relu, which are meant in
    the data's units, or changes them in a way of its own.

    Args:
        network: the network; neither its weights and modes nor the random state are changed.
        train: the training part.
        loss: the loss as the settings name it, or a function.
    """
    data = train.data
    task = find_task(data.task)
    if not task.scales_targets or callable(loss) or network.has_own_loss or not train.examples:
        return None
    name, _ = find_loss(loss, data.task)
    if LOSSES[name].scaling is None or not _any_number(network, train):
        return None
    targets = np.asarray(data.targets[train.indices], np.float64)
    # a constant target stays at zero rather than dividing by zero
    spread = np.where(np.ptp(targets, axis=0) > 0, targets.std(0), 1.0)
    kind: ScalingKind = "values" if LOSSES[name].output == "values" else "means and variances"
    return TargetScaling(targets.mean(0).tolist(), spread.tolist(), kind)


def change_scaling(network: Network, scaling: TargetScaling | None, train: Batches, *, learnt: bool) -> None:
    """Give a network this scaling of its outputs, or none.

    A network that has learnt says the same before and after: its last linear layer takes up the difference. Where it has none
    to do so, it keeps the scaling that it learnt with.

    Args:
        network: changed in place.
        scaling: the scaling.
        train: examples to run.
        learnt: True if the network has learnt.
    """
    known = network.target_scaling
    if _same(known, scaling):
        return
    if learnt:
        last = _last_linear(network, train)
        if last is None or any(one is not None and one.kind != "values" for one in (known, scaling)):
            return
        _take_up(last, known, scaling)
    place = next(network.parameters()).device
    network.set_target_scaling(None if scaling is None else scaling.to(place))


def move_outputs(network: Network, train: Batches) -> None:
    """Bring outputs that are of quite another size than the targets to their mean and deviation, by the last linear layer.

    So begins a network that learnt other data, such as prices in another currency: what it tells apart is kept. Outputs
    that lie within `_FAR` deviations of the targets (root mean square) stay as they are.
    """
    scaling = network.target_scaling
    last = None if scaling is None or scaling.kind != "values" else _last_linear(network, train)
    if scaling is None or last is None:
        return
    rows = train.indices[:: -(-train.examples // _SEEN)]
    outputs = _run(network, train, rows).detach().double().cpu()
    targets = scaling.scale(torch.from_numpy(train.data.targets[rows]).to(scaling.mean.device)).double().cpu()
    far = (outputs - targets).square().mean(0).sqrt() > _FAR
    spread = outputs.std(0, correction=0)
    std = torch.where(far & (spread > 0), spread, 1.0)
    mean = torch.where(far, outputs.mean(0), 0.0)
    with torch.no_grad():
        last.weight.copy_(last.weight.double().cpu() / std.reshape(-1, 1))
        last.bias.copy_((last.bias.double().cpu() - mean) / std)


def _last_linear(network: Network, train: Batches) -> torch.nn.Linear | None:
    """The linear layer with a bias whose output is what a network gives before its scaling, wherever it lies; else None."""
    given: dict[torch.nn.Linear, torch.Tensor] = {}

    def keep(layer: Any, _inputs: Any, output: torch.Tensor) -> None:
        given[layer] = output

    layers = [module for module in network.modules() if type(module) is torch.nn.Linear and module.bias is not None]
    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        outputs = _run(network, train)
    finally:
        for handle in handles:
            handle.remove()
    same = [layer for layer, output in given.items() if output.data_ptr() == outputs.data_ptr()]
    return same[-1] if same else None


def _take_up(last: torch.nn.Linear, known: TargetScaling | None, scaling: TargetScaling | None) -> None:
    """Change the last layer so that, with the new scaling behind it, it gives what it gave with the one known."""
    old_mean, old_std = _numbers(known)
    new_mean, new_std = _numbers(scaling)
    with torch.no_grad():
        weight, bias = last.weight.double().cpu(), last.bias.double().cpu()
        last.weight.copy_(weight * (old_std / new_std).reshape(-1, 1))
        last.bias.copy_((bias * old_std + old_mean - new_mean) / new_std)


def _numbers(scaling: TargetScaling | None) -> tuple[torch.Tensor, torch.Tensor]:
    """(mean, deviation), float64 (T,); 0 and 1 of no scaling."""
    if scaling is None:
        return torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    return scaling.mean.double().cpu(), scaling.std.double().cpu()


def _same(one: TargetScaling | None, other: TargetScaling | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.kind == other.kind and all(
        torch.equal(a.cpu(), b.cpu()) for a, b in ((one.mean, other.mean), (one.std, other.std))
    )


def _any_number(network: Network, train: Batches) -> bool:
    """True if the outputs (N, ...) of a network, before a scaling, may be any numbers: the last step is a product with weights.

    torch's own record of a run on two examples says so, whatever the modules are.
    """
    try:
        outputs = _run(network, train)
    except Exception:  # whatever a module raises: the dry run of the loss reports it
        return False
    return isinstance(outputs, torch.Tensor) and outputs.ndim == 2 and _is_free(outputs.grad_fn)


def _run(network: Network, train: Batches, rows: np.ndarray | None = None) -> Any:
    """Outputs of examples, two of them by default, before a scaling, in evaluation mode, with torch's record of their making."""
    place = next(network.parameters()).device
    inputs = train.data.inputs.take(torch.from_numpy(train.indices[:2] if rows is None else rows))
    inputs = map_tensors(lambda tensor: tensor.to(place), inputs)
    with evaluation_mode(network, place), freezing_kept(network), torch.enable_grad():
        network.requires_grad_(True)
        return network.scaled(*(inputs if isinstance(inputs, tuple) else (inputs,)))


def _is_free(step: Any) -> bool:
    while step is not None:
        name = type(step).__name__
        inputs = [entry for entry, _ in step.next_functions]
        if name.startswith(_FREE):
            return True
        if name.startswith("AddBackward"):  # of two results; a number that a module adds is a scaling of its own
            return len(inputs) == 2 and all(entry is not None for entry in inputs) and any(map(_is_free, inputs))
        if name.startswith("CatBackward"):
            return all(map(_is_free, inputs))
        if not name.startswith(_PASSING) or not inputs:
            return False
        step = inputs[0]
    return False
