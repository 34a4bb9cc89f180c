"""Networks put together by the builder, small enough to look into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from toolkit.builder.network import Network
from toolkit.builder.spec import LayerSpec, NetworkSpec, build
from toolkit.data.readers.digits import digit_pictures

Build = Callable[..., Network]


@pytest.fixture
def network() -> Build:
    """A function (input shape, layers as (name, arguments, activation), spec's own fields) -> network with seeded weights."""

    def make(shape: tuple[int, ...], *layers: tuple[Any, ...], **fields: Any) -> Network:
        entries = tuple(
            LayerSpec.parse(name, rest[0] if rest else {}, rest[1] if rest[1:] else None, position)
            for position, (name, *rest) in enumerate(layers, start=1)
        )
        torch.manual_seed(0)
        return build(NetworkSpec(shape, entries, **fields))

    return make


@pytest.fixture
def lenet(network: Build) -> Network:
    """LeNet for 28 x 28 digits, ending in softmax, in training mode as it is built."""
    return network((1, 28, 28), ("lenet", {"num_classes": 10}, "softmax"))


@pytest.fixture
def digit() -> torch.Tensor:
    """float32 (1, 1, 28, 28) in 0..1: a handwritten 3."""
    pictures, labels = digit_pictures()
    picture = Image.fromarray(pictures[labels == 3][0]).resize((28, 28))
    return torch.from_numpy(np.asarray(picture, np.float32) / 255)[None, None]


@pytest.fixture
def pooled() -> torch.nn.Sequential:
    """(N, 1, 4, 4): two channels (the picture and its negative), global average pooling, one linear layer of three classes."""
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 1, bias=False), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(2, 3)
    )
    with torch.no_grad():
        layers[0].weight.copy_(torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1))
        layers[3].weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 1.0], [-1.0, -2.0]]))
        layers[3].bias.zero_()
    return layers
