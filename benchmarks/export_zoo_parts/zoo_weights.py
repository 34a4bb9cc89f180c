"""Fresh weights under which a comparison says something: no layer that is switched off, no output that vanishes or explodes.

As they come, many networks begin with layer scales of 1e-6, last normalisations of 0 and statistics that were never
gathered: a wrong block would change nothing, and outputs are anything from 1e-15 to infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["fresh_weights", "pictures"]

_NORMS = (torch.nn.modules.batchnorm._NormBase, torch.nn.LayerNorm, torch.nn.GroupNorm)
# A deviation below this, or below this share of the mean, is left small: blowing it up would blow up rounding errors as well.
_LEAST_DEVIATION = 0.5
_PRODUCTS = (torch.nn.modules.conv._ConvNd, torch.nn.Linear)


def pictures(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """(rows, C, ..., H, W) -> smooth fields of several scales, of another brightness and contrast in each row."""
    generator = torch.Generator().manual_seed(seed)
    flat = (shape[0], math.prod(shape[1:-2]), *shape[-2:])
    result = torch.zeros(flat)
    for cells in (2, 5, 13):
        field = torch.randn(*flat[:2], cells, cells, generator=generator)
        result += torch.nn.functional.interpolate(field, flat[2:], mode="bilinear", align_corners=False)
    result += 0.3 * torch.randn(flat, generator=generator)
    contrast, brightness = torch.rand(2, flat[0], 1, 1, 1, generator=generator)
    return ((0.5 + contrast) * result + brightness - 0.5).reshape(shape)


def fresh_weights(module: torch.nn.Module, run: Callable[[torch.nn.Module], Any], seed: int = 0) -> torch.nn.Module:
    """Give `module` weights that let every layer count; it is left in evaluation mode.

    Parameters that are constant, or all but, become random. Then, in one run from the first layer to the last, the weights of each
    convolution and linear layer are scaled so that its output varies by about 1 (layer-sequential unit variance,
    https://arxiv.org/abs/1511.06422), and each batch normalisation takes over the mean and variance that it sees.

    Args:
        module: any network.
        run: calls it on a batch of inputs.
        seed: of the random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    seen: set[int] = set()
    handles = []
    with torch.no_grad():
        for parent in module.eval().modules():
            for name, parameter in parent.named_parameters(recurse=False):
                _spread(parent, name, parameter, generator)
            if isinstance(parent, _PRODUCTS):
                handles.append(parent.register_forward_hook(_unit_variance(seen)))
            elif isinstance(parent, torch.nn.modules.batchnorm._BatchNorm) and parent.running_var is not None:
                handles.append(parent.register_forward_pre_hook(_take_statistics(seen)))
        try:
            run(module)
        finally:
            for handle in handles:
                handle.remove()
    return module


def _spread(parent: torch.nn.Module, name: str, parameter: torch.Tensor, generator: torch.Generator) -> None:
    """Random numbers for a parameter that has next to none of its own."""
    if not parameter.is_floating_point() or parameter.numel() == 0:
        return
    if isinstance(parent, _NORMS):
        # A shift of the size of the scale: where the ReLU behind it halves its input, rounding errors grow by about a fifth with
        # each normalised layer (https://arxiv.org/abs/1902.08129), and a hundred layers end 1e-3 off in any arithmetic.
        parameter.copy_(0.5 + torch.rand(parameter.shape, generator=generator))
    elif name.endswith("bias") and parameter.ndim == 1:
        parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    elif parameter.std(correction=0) < 1e-4:
        if parameter.abs().max() > 1e-12:
            parameter.copy_(0.5 + torch.rand(parameter.shape, generator=generator))
        else:
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))


def _unit_variance(seen: set[int]) -> Callable[..., torch.Tensor | None]:
    """A hook that scales the weight of a layer when it first runs, and runs it again."""

    def hook(module: torch.nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor | None:
        weight = module.weight
        if id(weight) in seen or not isinstance(weight, torch.nn.Parameter):
            return None
        seen.add(id(weight))
        axis = 1 if isinstance(module, torch.nn.modules.conv._ConvNd) else -1
        within = float(_moments(output, axis)[1].mean().sqrt())
        deviation = max(within, _LEAST_DEVIATION * float(output.std(correction=0)))
        if not (math.isfinite(deviation) and deviation > 1e-12):
            return None
        weight.div_(deviation)
        again: torch.Tensor = module.forward(*inputs)
        return again

    return hook


def _take_statistics(seen: set[int]) -> Callable[..., None]:
    """A hook that gives a batch normalisation the mean and variance of what it first runs on, the variance not too small."""

    def hook(module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        if id(module) in seen:
            return
        seen.add(id(module))
        mean, variance = _moments(inputs[0], 1)
        module.running_mean.copy_(mean)
        module.running_var.copy_(torch.maximum(variance, (_LEAST_DEVIATION * (1 + mean.abs())) ** 2))

    return hook


def _moments(values: torch.Tensor, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of each channel, (C,)."""
    channels = values.movedim(axis, 0).flatten(1)
    return channels.mean(1), channels.var(1, correction=0)
