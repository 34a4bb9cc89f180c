"""Loss and metrics of a network on some batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from toolkit.data.batching.batches import Batches
from toolkit.data.tensors import detached, map_tensors, rows
from toolkit.tasks.protocols import Meter
from toolkit.training.loop.distributed import Processes
from toolkit.training.losses import Loss, make_loss
from toolkit.training.losses.outputs import plain_output
from toolkit.training.metrics import make_meter
from toolkit.training.settings import Named

__all__ = ["collect", "evaluate", "measure_batches", "predict", "summarize_epoch"]


def evaluate(
    network: torch.nn.Module,
    batches: Batches,
    loss: str | Mapping[str, Any] | Callable[..., torch.Tensor],
    metrics: Sequence[Named],
    *,
    class_weights: torch.Tensor | None = None,
) -> dict[str, float]:
    """Loss and metrics in evaluation mode and 32 bits; the mode is restored afterwards.

    Where a batch holds several crops of each example, (B, crops, ...), the outputs are averaged over the crops.

    Raises:
        SpecError: an unknown name, or a loss or metric that does not fit the data.
    """
    found = make_loss(loss, batches.data, network, class_weights=class_weights)
    return measure_batches(network, batches, found, metrics)


def measure_batches(
    network: torch.nn.Module,
    batches: Batches,
    loss: Loss,
    metrics: Sequence[Named],
    processes: Processes | None = None,
) -> dict[str, float]:
    """As `evaluate`, with a loss made for a network of these layers; each process runs its share, and all get the
    result of the whole.
    """
    outputs, processes = make_meter(tuple(metrics), loss.task), processes or Processes()
    device = next(network.parameters()).device
    total, weight = torch.zeros((), device=device), 0.0
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        for inputs, targets in batches.epoch(0, rank=processes.rank, world=processes.world):
            if rows(inputs):
                inputs, targets = on(device, inputs), on(device, targets)
                output = over_crops(lambda part: loss.forward(part, network), inputs, batches)
                examples = loss.weight(targets)
                if examples:
                    total += loss.reported(loss(output, targets), output, targets) * examples
                    weight += examples
                if metrics:
                    collect(outputs, loss, output, targets)
    network.train(was_training)
    return summarize_epoch(float(total), weight, outputs, metrics, processes)


def collect(outputs: Meter, loss: Loss, output: Any, targets: Any) -> None:
    """Add a batch to the metrics' outputs; a no-op for a network with its own loss."""
    found = loss.predictions(detached(output))
    if found is not None:
        outputs.add(found, targets)


def summarize_epoch(
    total: float, weight: float, outputs: Meter, metrics: Sequence[Named], processes: Processes
) -> dict[str, float]:
    """The mean loss and the metrics over the shares of all processes.

    Args:
        total: sum of this process's losses.
        weight: number of its examples.
        outputs: its outputs collected for the metrics.
        metrics: as `check_metrics` returned them.
        processes: the processes that have a share.
    """
    total, weight = processes.sum(total, weight)
    values = outputs.measure(processes.gather(outputs.state())) if metrics else {}
    return {"loss": total / weight if weight else 0.0, **values}


def predict(network: torch.nn.Module, batches: Batches) -> torch.Tensor:
    """The network's outputs for all of the batches, in evaluation mode, on the CPU; averaged over crops where there are several."""
    device = next(network.parameters()).device
    network.eval()
    with torch.inference_mode():
        return torch.cat(
            [
                over_crops(lambda part: plain_output(network, part), on(device, inputs), batches).cpu()
                for inputs, _ in batches
            ]
        )


def on(device: torch.device, value: Any) -> Any:
    """Inputs or targets of a batch on a device."""
    return map_tensors(lambda tensor: tensor.to(device, non_blocking=True), value)


def over_crops(forward: Callable[[Any], Any], inputs: Any, batches: Batches) -> Any:
    """`forward` of (B, ...), or the mean over the crops of (B, crops, ...)."""
    data = batches.data
    if data.views > 1 or isinstance(inputs, tuple) or inputs.ndim != len(data.shape) + 2:
        return forward(inputs)
    outputs = forward(inputs.flatten(0, 1))  # (B * crops, ...)
    return outputs.reshape(*inputs.shape[:2], *outputs.shape[1:]).mean(1)
