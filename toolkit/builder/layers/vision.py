"""torchvision's classification networks as layers, by their names there. torchvision is imported when one is built."""

from __future__ import annotations

import torch

from model_zoo import VISION_NETWORKS, vision_network
from model_zoo.networks.vision import check_weights
from model_zoo.networks.vision import mobilenet_backbone as zoo_backbone
from toolkit.builder.layers.registry import LayerFunction, layer

__all__ = ["TORCHVISION_NAMES", "mobilenet", "mobilenet_backbone"]

TORCHVISION_NAMES: dict[str, str] = {
    "mobilenet": "mobilenet_v2",
    "mobilenet_backbone": "mobilenet_v2",
    **{name: name for name in VISION_NETWORKS},
}
"""Layer -> the network in torchvision whose ready weights its argument `weights` may name.

The layers themselves are always made with fresh weights: nothing is downloaded while a network is described or checked.
"""


@layer(axes=3)
def mobilenet(*, num_classes: int, in_shape: tuple[int, int, int], weights: str | None = None) -> torch.nn.Module:
    """(N, C, H, W) -> (N, num_classes) logits: MobileNetV2, for pictures of any height and width."""
    return _network("mobilenet", in_shape, num_classes, weights)


@layer(axes=3)
def mobilenet_backbone(*, in_shape: tuple[int, int, int], weights: str | None = None) -> torch.nn.Module:
    """(N, C, H, W) -> (N, 1280): MobileNetV2 without its classifier, for pictures of any height and width."""
    if weights is not None:
        check_weights(TORCHVISION_NAMES["mobilenet_backbone"], weights)
    return zoo_backbone(in_shape[0])


def _network(name: str, in_shape: tuple[int, int, int], num_classes: int, weights: str | None) -> torch.nn.Module:
    if weights is not None:
        check_weights(TORCHVISION_NAMES[name], weights)
    return vision_network(TORCHVISION_NAMES[name], in_shape, num_classes)


def _register(name: str) -> LayerFunction:
    def network(
        *,
        num_classes: int,
        in_shape: tuple[int, int, int],
        in_channels: int | None = None,
        weights: str | None = None,
    ) -> torch.nn.Module:
        if in_channels not in (None, in_shape[0]):
            raise ValueError(f"in_channels={in_channels} was given, but the pictures have {in_shape[0]} channels.")
        return _network(name, in_shape, num_classes, weights)

    network.__name__ = network.__qualname__ = name
    network.__doc__ = f"(N, C, H, W) -> (N, num_classes) logits: torchvision's {name}."
    return layer(axes=3)(network)


for _name in VISION_NETWORKS:
    _register(_name)
