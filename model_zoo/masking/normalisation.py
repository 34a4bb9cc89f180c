"""Normalisation by the statistics of the real steps."""

from __future__ import annotations

from typing import Any

import torch

from model_zoo.masking.padding import Padding
from model_zoo.masking.registry import masked

__all__ = ["batch", "groups", "instances", "last_axes", "neighbours"]

_Result = tuple[torch.Tensor, Padding | None]


def _moments(x: torch.Tensor, real: torch.Tensor, axes: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    """(mean, variance, count) over `axes` of what is real; axes are kept, the variance is divided by the count."""
    count = real.expand_as(x).sum(axes, keepdim=True)
    shares = count.clamp(min=1).to(x.dtype)
    mean = torch.where(real, x, 0.0).sum(axes, keepdim=True) / shares
    variance = torch.where(real, x - mean, 0.0).square().sum(axes, keepdim=True) / shares
    return mean, variance, count


def _of_channels(values: torch.Tensor | None, x: torch.Tensor) -> Any:
    """(C,) broadcastable to (N, C, ...)."""
    return None if values is None else values.reshape(1, -1, *(1,) * (x.ndim - 2))


def _scaled(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """x by the weight and bias of each channel, where there are some."""
    weight, bias = _of_channels(layer.weight, x), _of_channels(layer.bias, x)
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _follow(layer: Any, mean: torch.Tensor, variance: torch.Tensor, known: torch.Tensor) -> None:
    """Move the running statistics (C,) towards those of a batch, where `known`."""
    if not layer.track_running_stats or not layer.training:
        return
    with torch.no_grad():
        layer.num_batches_tracked.add_(1)
        rate = 1.0 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
        for running, found in ((layer.running_mean, mean), (layer.running_var, variance)):
            running.copy_(torch.where(known, running.lerp(found.to(running.dtype), rate), running))


@masked(torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)
def batch(run: Any, layer: torch.nn.BatchNorm1d, x: torch.Tensor, padding: Padding) -> _Result:
    """(N, C, ...) -> the same shape: each channel by the real steps of the batch, in training."""
    if not layer.training and layer.running_mean is not None:
        return run(x), padding
    axes = (0, *range(2, x.ndim))
    mean, variance, count = _moments(x, padding.over(x), axes)
    if layer.training and not torch.compiler.is_compiling() and int(count.max()) == 1:
        raise ValueError(
            "Expected more than 1 value per channel when training, got one real step in the batch. Give larger batches."
        )
    whole = count.flatten()
    unbiased = variance.flatten() * whole / (whole - 1).clamp(min=1)
    _follow(layer, mean.flatten(), unbiased, whole > 0)
    return _scaled(layer, (x - mean) / (variance + layer.eps).sqrt()), padding


@masked(torch.nn.InstanceNorm1d, torch.nn.InstanceNorm2d, torch.nn.InstanceNorm3d)
def instances(run: Any, layer: torch.nn.InstanceNorm1d, x: torch.Tensor, padding: Padding) -> _Result:
    """(N, C, ...) -> the same shape: each channel of each input by its real steps."""
    if padding.axis < 2 or (layer.track_running_stats and not layer.training):
        return run(x), padding
    mean, variance, count = _moments(x, padding.over(x), tuple(range(2, x.ndim)))
    unbiased = variance * count / (count - 1).clamp(min=1)
    _follow(layer, mean.mean(0).flatten(), unbiased.mean(0).flatten(), (count > 0).all(0).flatten())
    return _scaled(layer, (x - mean) / (variance + layer.eps).sqrt()), padding


@masked(torch.nn.GroupNorm)
def groups(run: Any, layer: torch.nn.GroupNorm, x: torch.Tensor, padding: Padding) -> _Result:
    """(N, C, ...) -> the same shape: each group of channels of each input by its real steps."""
    shape = (x.shape[0], layer.num_groups, x.shape[1] // layer.num_groups, *x.shape[2:])
    apart, real = x.reshape(shape), padding.over(x).expand_as(x).reshape(shape)
    mean, variance, _ = _moments(apart, real, tuple(range(2, apart.ndim)))
    return _scaled(layer, ((apart - mean) / (variance + layer.eps).sqrt()).flatten(1, 2)), padding


@masked(torch.nn.LayerNorm)
def last_axes(run: Any, layer: torch.nn.LayerNorm, x: torch.Tensor, padding: Padding) -> _Result:
    """The same shape: each input over its last axes; where the steps are among them, by the real ones."""
    axes = tuple(range(x.ndim - len(layer.normalized_shape), x.ndim))
    if padding.axis not in axes:
        return run(x), padding
    mean, variance, _ = _moments(x, padding.over(x), axes)
    x = (x - mean) / (variance + layer.eps).sqrt()
    x = x if layer.weight is None else x * layer.weight
    return x if layer.bias is None else x + layer.bias, padding


@masked(torch.nn.LocalResponseNorm)
def neighbours(run: Any, layer: torch.nn.LocalResponseNorm, x: torch.Tensor, padding: Padding) -> _Result:
    """(N, C, ...) -> the same shape: by neighbouring channels; where the steps are the channels, padded ones count as zeros."""
    return run(padding.filled(x) if padding.axis == 1 else x), padding
