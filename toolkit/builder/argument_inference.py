"""Argument inference: fill in a layer's missing arguments from its input, and compare the given ones with it."""

from __future__ import annotations

import math
from typing import Any

import torch

from runtime.errors import SpecError
from toolkit.builder.layer_spec import OWN, LayerSpec, batch_shape
from toolkit.builder.layers.registry import Layer, find_layer
from toolkit.builder.trial_input import ShapeUnknown, TrialInput

__all__ = ["complete"]


def complete(
    entry: LayerSpec, position: int, arriving: TrialInput, num_classes: int | None, vocabulary: int | None
) -> LayerSpec:
    """Fill in the layer's missing arguments, and compare the given ones with its input.

    Raises:
        SpecError: the layer does not fit.
        ShapeUnknown: a missing argument depends on a shape or number that is not known yet.
    """
    if entry.layer is None or entry.layer == OWN:
        return entry
    found, arguments = find_layer(entry.layer), dict(entry.arguments)
    what = f"layer {position} {found.name!r}"
    _check_kind(found, what, arriving)
    parameters = found.parameters
    if "in_shape" in parameters:
        if arriving.known is None:
            raise ShapeUnknown(f"{what} depends on the shape of the input.")
        if arguments.setdefault("in_shape", arriving.known) != arriving.known:
            raise SpecError(
                f"{what}: in_shape={arguments['in_shape']} was given, but it receives {batch_shape(arriving.known)}. "
                f"Leave in_shape out; it is filled in."
            )
    for name, value in (("num_classes", num_classes), ("vocabulary", vocabulary)):
        if name in parameters and name not in arguments:
            if value is not None:
                arguments[name] = value
            elif parameters[name].default is parameters[name].empty:
                raise ShapeUnknown(f"{what} needs {name}: load data that tells it, or give {name}=...")
    if vocabulary is not None and arguments.get("vocabulary", vocabulary) < vocabulary:
        raise SpecError(_too_few(what, f"vocabulary={arguments['vocabulary']}", vocabulary))
    _fill_size(found, what, arguments, arriving, vocabulary)
    return entry.completed(arguments)


def _check_kind(found: Layer, what: str, arriving: TrialInput) -> None:
    """Raise SpecError where the input's number of axes or dtype (float32, or int64 tokens) does not fit the layer."""
    shape, tokens = arriving.shape, arriving.tensors[0].dtype == torch.int64
    if found.axes is not None and len(shape) not in found.axes:
        raise SpecError(f"{what}: {found.takes} is expected, but it receives {batch_shape(shape)}.")
    if found.dtype == "int64" and not tokens:
        raise SpecError(
            f"{what}: tokens are expected, whole numbers (N, length), but it receives decimal numbers {batch_shape(shape)}. "
            f"Load text, or leave the layer out."
        )
    if found.dtype == "float32" and tokens:
        raise SpecError(
            f"{what}: decimal numbers are expected, but it receives tokens {batch_shape(shape)}. Put an embedding before it: "
            f"add('embedding', size=16)."
        )


def _fill_size(
    found: Layer, what: str, arguments: dict[str, Any], arriving: TrialInput, vocabulary: int | None
) -> None:
    """Fill in `size`, or its first number, from the input's axis; or compare it. Raises SpecError, ShapeUnknown."""
    flattens = found.flattens and arguments.get("flatten") is not False
    if found.in_axis is None and not found.flattens:
        return
    size = arguments.get("size")
    shape = arriving.shape
    if found.in_axis == "vocabulary":
        if isinstance(size, tuple):
            if vocabulary is not None and size[0] < vocabulary:
                raise SpecError(_too_few(what, f"size={size}", vocabulary))
            return
        if vocabulary is None:
            raise ShapeUnknown(
                f"{what} needs the size of the vocabulary: load text, or give size=(vocabulary, {size})."
            )
        arguments["size"] = (vocabulary, size)
        return
    received = math.prod(arriving.known) if arriving.known is not None else None
    if not flattens:
        received = shape[-1 if found.flattens or found.in_axis is None else found.in_axis]
    if received is None:
        raise ShapeUnknown(f"{what} depends on the shape of the input.")
    if isinstance(size, int) and found.size_is_pair:
        arguments["size"] = (received, size)
    elif size is None:
        arguments["size"] = received
    elif (expected := size[0] if isinstance(size, tuple) else size) != received:
        channels = found.in_axis == 0 and len(shape) > 1
        where = f" (input shape {batch_shape(shape)})" if arriving.known is not None else ""
        raise SpecError(
            f"{what}: size={size} expects {expected} input {'channels' if channels else 'features'}, but it receives "
            f"{received}{where}."
        )


def _too_few(what: str, given: str, vocabulary: int) -> str:
    return f"{what}: {given} was given, but the data's vocabulary has {vocabulary} tokens. Give at least as many, or leave it out."
