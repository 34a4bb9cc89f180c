"""torchvision's networks for classification, by their names there, for any number of channels and classes.

Weights are newly initialised: nothing is downloaded here. torchvision is imported when a network is asked for.
"""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["VISION_NETWORKS", "check_weights", "mobilenet_backbone", "vision_network"]

# torchvision.models.list_models(module=torchvision.models), spelt out so that naming them imports nothing.
VISION_NETWORKS = (
    "alexnet",
    *(f"convnext_{size}" for size in ("tiny", "small", "base", "large")),
    *(f"densenet{depth}" for depth in (121, 161, 169, 201)),
    *(f"efficientnet_b{number}" for number in range(8)),
    *(f"efficientnet_v2_{size}" for size in "sml"),
    "googlenet",
    "inception_v3",
    "maxvit_t",
    *(f"mnasnet{width}" for width in ("0_5", "0_75", "1_0", "1_3")),
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    *(
        f"regnet_{kind}_{flops}"
        for kind in "xy"
        for flops in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")
    ),
    "regnet_y_128gf",
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    *(f"shufflenet_v2_x{width}" for width in ("0_5", "1_0", "1_5", "2_0")),
    "squeezenet1_0",
    "squeezenet1_1",
    *(f"swin_{version}{size}" for version in ("", "v2_") for size in "tsb"),
    *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    *(f"vit_{size}" for size in ("b_16", "b_32", "l_16", "l_32", "h_14")),
    "wide_resnet50_2",
    "wide_resnet101_2",
)


def vision_network(name: str, in_shape: tuple[int, int, int], num_classes: int) -> torch.nn.Module:
    """(N, C, H, W) -> (N, num_classes) logits.

    Args:
        name: one of `VISION_NETWORKS`.
        in_shape: (C, H, W). Where C is not 3, the first convolution is replaced. Networks whose weights depend on the
            size of the picture (vit_*, maxvit_t) are made for H x W.
        num_classes: number of classes.

    Raises:
        ValueError: the name is unknown, or the network cannot be made for this size.
    """
    if name not in VISION_NETWORKS:
        raise ValueError(f"There is no network {name!r} in torchvision. Known are {', '.join(VISION_NETWORKS)}.")
    from torchvision.models import get_model

    channels, height, width = in_shape
    options: dict[str, Any] = {"weights": None, "num_classes": num_classes}
    if name in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": True}
    elif name.startswith("vit_"):
        patch = int(name.rpartition("_")[2])
        if height != width or height % patch:
            raise ValueError(
                f"{name} takes square pictures whose side is a multiple of {patch}; {height} x {width} was given. Resize "
                f"them to 224 x 224."
            )
        options["image_size"] = height
    elif name == "maxvit_t":
        options["input_size"] = (height, width)
    if name.startswith("regnet_"):
        with _CountsInMemory():
            network = get_model(name, **options)
    elif name.startswith("mnasnet"):
        from model_zoo.networks.mnasnet import PlainMNASNet

        network = PlainMNASNet(float(name.removeprefix("mnasnet").replace("_", ".")), num_classes)
    else:
        network = get_model(name, **options)
    if channels != 3:
        _replace_first_convolution(network, channels)
    assert isinstance(network, torch.nn.Module)
    return network


def check_weights(name: str, weights: str) -> str:
    """The full name of a network's weights: "DEFAULT" -> "IMAGENET1K_V2". Downloads nothing.

    Raises:
        ValueError: torchvision has no such weights for the network.
    """
    from torchvision.models import get_model_weights

    known = get_model_weights(name)
    if weights not in known.__members__:
        raise ValueError(
            f"{name} has no weights {weights!r}; there are DEFAULT, {', '.join(entry.name for entry in known)}."
        )
    found: str = known[weights].name
    return found


def mobilenet_backbone(channels: int) -> torch.nn.Sequential:
    """(N, channels, H, W) -> (N, 1280): MobileNetV2 without its classifier, averaged over height and width.

    Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018 (arXiv:1801.04381). The weights' names
    begin with ``features.``, as in the whole network.
    """
    network = vision_network("mobilenet_v2", (channels, 224, 224), 1)
    backbone = torch.nn.Sequential()
    backbone.add_module("features", network.get_submodule("features"))
    backbone.add_module("pool", torch.nn.AdaptiveAvgPool2d(1))
    backbone.add_module("flatten", torch.nn.Flatten())
    return backbone


def _replace_first_convolution(network: torch.nn.Module, channels: int) -> None:
    """Replace the first convolution by one for another number of channels, with torch's default initial weights."""
    path, old = next((path, part) for path, part in network.named_modules() if isinstance(part, torch.nn.Conv2d))
    new = torch.nn.Conv2d(
        channels,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]
        old.stride,  # type: ignore[arg-type]
        old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    parent, _, attribute = path.rpartition(".")
    setattr(network.get_submodule(parent), attribute, new)
    if hasattr(network, "transform_input"):  # it works on red, green and blue
        setattr(network, "transform_input", False)  # noqa: B010 - a module's attributes have no type


class _CountsInMemory(torch.overrides.TorchFunctionMode):
    """Place torch.arange and torch.tensor on the CPU: RegNet derives widths and depths from tensors' values."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if function in (torch.arange, torch.tensor):
            kwargs["device"] = "cpu"
        return function(*args, **kwargs)
