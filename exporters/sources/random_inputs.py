"""Random inputs for networks that come without real ones, always the same: pictures look like pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from runtime.card import ArrayInput, ImageInput, InputCard, SequenceInput, TableInput, TextInput
from runtime.errors import InputError
from runtime.preprocess import normalize

__all__ = ["ROWS", "input_shape", "random_rows"]

ROWS = 3
"""Rows of an example: more than one, so that rows can be told apart, and not as many as any usual axis is long."""

_OPEN_LENGTH = 12  # of an axis that may have any length
_SEED = 0
_MOST_NUMBERS = 2**28  # 1 GiB of float32; the network needs many times its input


def random_rows(module: torch.nn.Module, cards: Sequence[InputCard], rows: int = ROWS) -> tuple[torch.Tensor, ...]:
    """One random tensor per input, (rows, *shape), in the range of the card's prepared inputs.

    Raises:
        InputError: they would fill the memory.
    """
    for card in cards:
        shape = (rows, *(_OPEN_LENGTH if length is None else length for length in card.shape))
        if math.prod(shape) > _MOST_NUMBERS:
            raise InputError(
                f"Random inputs of shape {shape} would be {math.prod(shape):.1e} numbers, and at most {_MOST_NUMBERS:.1e} are "
                f"made. Give a smaller --input-size, --card or --batch-size."
            )
    random = np.random.default_rng(_SEED)
    return tuple(torch.from_numpy(_rows(module, card, rows, random)) for card in cards)


def input_shape(
    module: torch.nn.Module, size: tuple[int, ...] | None, known: tuple[int, ...] | None
) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of one input row: from `size`, from the published weights, or from the first layer.

    Args:
        module: the network.
        size: the user's: all lengths, or a picture's height and width, or one number for both.
        known: the shape that is published for the network, or None.

    Raises:
        InputError: the shape cannot be determined; names the option that gives it.
    """
    first = _first_layer(module)
    spatial = len(known) - 1 if known is not None else 0
    if isinstance(first, torch.nn.modules.conv._ConvNd):
        spatial = len(first.kernel_size)
    if size is None and known is not None:
        return known, "float32"
    if spatial > 1 or isinstance(first, torch.nn.modules.conv._ConvNd):
        channels = known[0] if known is not None else int(getattr(first, "in_channels", 3))
        return _picture_shape(type(module).__name__, size, channels, spatial), "float32"
    if size is not None:
        return size, "int64" if isinstance(first, torch.nn.Embedding) else "float32"
    if isinstance(first, torch.nn.Linear):
        return (first.in_features,), "float32"
    raise InputError(
        f"{type(module).__name__} does not say what its inputs are. Give the shape of one, without the batch, as --input-size "
        f"(input_size in Python), such as 3,224,224; several inputs are described in a --card, or given in Python as example=."
    )


def _picture_shape(name: str, size: tuple[int, ...] | None, channels: int, spatial: int) -> tuple[int, ...]:
    """Picture shape (channels, ...) for a convolution over `spatial` axes."""
    likely = _text((channels, *[224 if spatial == 2 else 64] * spatial))
    if size is None:
        raise InputError(
            f"{name} does not say how large its inputs are. Give --input-size (input_size in Python), such as {likely}, channels first "
            f"and without the batch."
        )
    lengths = size * spatial if len(size) == 1 else size
    if len(lengths) == spatial:
        return (channels, *lengths)
    if len(lengths) == spatial + 1:
        return lengths
    raise InputError(
        f"The input size {_text(size)} was given; {name} begins with a convolution over {spatial} axes, so {spatial + 1} lengths "
        f"(channels first), {spatial} or one are expected, such as {likely}."
    )


def _first_layer(module: torch.nn.Module) -> torch.nn.Module | None:
    """First layer, in the order of registration, that determines the input shape."""
    kinds = (torch.nn.modules.conv._ConvNd, torch.nn.Linear, torch.nn.Embedding, torch.nn.RNNBase)
    return next((child for child in module.modules() if isinstance(child, kinds)), None)


def _text(lengths: Sequence[int]) -> str:
    return ",".join(map(str, lengths))


def _rows(module: torch.nn.Module, card: InputCard, rows: int, random: np.random.Generator) -> np.ndarray:
    if isinstance(card, ImageInput):
        return normalize(_pictures(card, rows, random), card)
    if isinstance(card, TextInput):
        return random.integers(0, len(card.vocabulary), (rows, card.length), np.int64)
    if isinstance(card, TableInput | SequenceInput):
        return random.standard_normal((rows, *card.shape), np.float32)
    shape = (rows, *(_OPEN_LENGTH if length is None else length for length in card.shape))
    return _array(module, card, shape, random)


def _array(
    module: torch.nn.Module, card: ArrayInput, shape: tuple[int, ...], random: np.random.Generator
) -> np.ndarray:
    try:
        kind = np.dtype(card.dtype)
    except TypeError as error:
        raise InputError(
            f"The input {card.name!r} has the dtype {card.dtype!r}; one such as float32 or int64 is expected."
        ) from error
    if kind.kind == "b":
        return np.ones(shape, kind)  # a mask that leaves all in
    if kind.kind in "iu":
        words = [child.num_embeddings for child in module.modules() if isinstance(child, torch.nn.Embedding)]
        return random.integers(0, min(words, default=2), shape).astype(kind)
    return random.standard_normal(shape).astype(kind)


def _pictures(card: ImageInput, rows: int, random: np.random.Generator) -> np.ndarray:
    """Random pictures, uint8 (rows, *card.shape): patches of colour with some noise."""
    height, width = card.size
    coarse = random.integers(0, 256, (rows, card.channels, 5, 5)).astype(np.float32)
    smooth = torch.nn.functional.interpolate(torch.from_numpy(coarse), (height, width), mode="bilinear").numpy()
    noisy = smooth + random.normal(0.0, 12.0, smooth.shape)
    pixels = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
    return pixels if card.layout == "NCHW" else np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
