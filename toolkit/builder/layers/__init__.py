"""The layers that `add()` knows by name, one module per family. Importing this package fills `LAYERS`."""

from toolkit.builder.activations import ACTIVATIONS, find_activation
from toolkit.builder.layers import (
    attention,
    blocks,
    convolution,
    dropout,
    linear,
    normalisation,
    padding,
    pooling,
    recurrent,
    shaping,
    tokens,
    vision,
    whole,
)
from toolkit.builder.layers.registry import LAYERS, Layer, find_layer, layer

__all__ = ["ACTIVATIONS", "LAYERS", "Layer", "find_activation", "find_layer", "layer"]

_FAMILIES = (
    attention,
    blocks,
    convolution,
    dropout,
    linear,
    normalisation,
    padding,
    pooling,
    recurrent,
    shaping,
    tokens,
    vision,
    whole,
)
