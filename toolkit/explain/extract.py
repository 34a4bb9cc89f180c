"""Feature extraction: the output of one layer for each input."""

from __future__ import annotations

import numpy as np
import torch

from runtime.errors import SpecError
from toolkit.explain.evaluation import as_input, evaluation, run
from toolkit.explain.hooks import find_layers, record, record_calls

__all__ = ["extract_feature"]


def extract_feature(
    network: torch.nn.Module,
    inputs: torch.Tensor | np.ndarray,
    layer: str | None = None,
    *,
    keep_shape: bool = False,
    batch_size: int = 64,
) -> np.ndarray:
    """The output of one layer for each input, or the network's embedding.

    Args:
        network: any module, such as one of torchvision's.
        inputs: (N, ...) as the network takes them.
        layer: a path as in `named_modules()` (``*`` stands for anything, if only one layer matches); None takes the
            input of the last linear layer, the embedding of a classifier.
        keep_shape: leave the features in the layer's shape, such as (N, C, H, W).
        batch_size: inputs per forward pass.

    Returns:
        float32 (N, D), or (N, ...) with `keep_shape`. Whole numbers (positions of a pooling layer, say) stay int64.

    Raises:
        SpecError: no layer, or more than one, matches; the layer is not run; there is no linear layer.
        InputError: the network cannot take the inputs.
    """
    tensor = as_input(network, inputs)
    name = None if layer is None else _one_layer(network, layer)
    parts = []
    with evaluation(network), torch.no_grad():
        for batch in torch.split(tensor, max(1, batch_size)):
            feature = _embedding(network, batch) if name is None else _output(network, batch, name)
            if feature.shape[:1] != batch.shape[:1]:
                raise SpecError(
                    f"The layer {name!r} gives {tuple(feature.shape)} for {len(batch)} inputs: its first axis does not "
                    f"count inputs, so there is no feature for each. Name a layer before or behind it."
                )
            parts.append(feature.cpu())
    features = torch.cat(parts)
    features = features.float() if features.is_floating_point() else features.long()
    return (features if keep_shape else features.flatten(1) if features.ndim > 1 else features[:, None]).numpy()


def _one_layer(network: torch.nn.Module, layer: str) -> str:
    found = find_layers(network, layer)
    if len(found) > 1:
        raise SpecError(f"The name {layer!r} matches {len(found)} layers: {', '.join(found)}. Name one of them.")
    return found[0]


def _output(network: torch.nn.Module, batch: torch.Tensor, name: str) -> torch.Tensor:
    with record(network, name) as outputs:
        run(network, batch)
    if name not in outputs:
        raise SpecError(
            f"The layer {name!r} is not run by itself when the network runs, or gives no tensor. Name the layer that it is "
            f"a part of, or one beside it."
        )
    return outputs[name]


def _embedding(network: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
    with record_calls(network, torch.nn.Linear) as calls:
        run(network, batch)
    if not calls:
        raise SpecError(
            "The network runs no linear layer, before which its embedding would be. Name the layer whose output you want: "
            f"layer=..., one of {', '.join(name for name, _ in network.named_modules() if name)}."
        )
    return calls[-1].input
