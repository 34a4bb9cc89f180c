"""timm's networks by name, with the evaluation transform of their published weights.

The transform is timm's own (`timm.data.create_transform(..., is_training=False)`): the shorter side is resized to
floor(size / crop_pct), the centre is cropped, mean and std are those of `pretrained_cfg`.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch

from exporters.sources.published import Published
from runtime.card import ImageInput
from runtime.errors import InputError, SpecError, suggest

__all__ = ["build"]

_FILTERS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")


def build(name: str, arguments: Mapping[str, Any]) -> tuple[torch.nn.Module, Published]:
    """Build a timm network with fresh weights, and the facts of its published ones. Nothing is downloaded.

    Args:
        name: as in timm.list_models(), also with the tag of its published weights: "resnet18.a1_in1k".
        arguments: of timm.create_model.

    Raises:
        SpecError: there is no such network, or it does not take the arguments.
        InputError: timm is not installed.
    """
    try:
        timm: Any = importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise InputError(
            f"timm:{name} needs the package 'timm', which is not installed. Install it with: pip install timm"
        ) from error
    plain, _, tag = name.partition(".")
    if not timm.is_model(plain):
        raise SpecError(f"timm has no network {plain!r}.{suggest(plain, timm.list_models())}")
    if arguments.get("pretrained") or arguments.get("checkpoint_path"):
        raise SpecError(
            f"The arguments {dict(arguments)} make timm fetch weights, which the toolkit does not do here. Download them first, and "
            f"name the file: toolkit export weights.safetensors --arch timm:{name}."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module: torch.nn.Module = timm.create_model(name, **{**arguments, "pretrained": False})
    except RuntimeError as error:
        if tag and "tag" in str(error):
            tags = [entry.rpartition(".")[2] for entry in timm.list_pretrained(f"{plain}.*")]
            raise SpecError(f"timm's {plain} has no weights with the tag {tag!r}.{suggest(tag, tags)}") from error
        raise _unfit(name, arguments, error) from error
    except Exception as error:  # networks check their arguments each in a way of its own
        raise _unfit(name, arguments, error) from error
    return module, _published(module)


def _unfit(name: str, arguments: Mapping[str, Any], error: Exception) -> SpecError:
    return SpecError(
        f"timm:{name} cannot be made with the arguments {dict(arguments)}: {' '.join(str(error).split())[:300]}. Correct "
        f"--arch-args (arch_args in Python)."
    )


def _published(module: Any) -> Published:
    config = importlib.import_module("timm.data").resolve_model_data_config(module)
    channels, height, width = config["input_size"]
    own_channels = _first_channels(module)
    fixed = getattr(getattr(module, "patch_embed", None), "img_size", None)
    if isinstance(fixed, int):
        fixed = (fixed, fixed)
    size = tuple(fixed) if isinstance(fixed, tuple | list) and len(fixed) == 2 else (height, width)
    classes = getattr(module, "num_classes", 0)
    published = module.pretrained_cfg.get("num_classes", 0)
    same_channels = own_channels in (None, channels)
    card = _card(config, size) if same_channels and channels == 3 else None
    shape = (own_channels or channels, *size)
    tag = module.pretrained_cfg.get("tag") or "own"
    which = f"timm's {module.pretrained_cfg.get('architecture', '')} ({tag})"
    labels = _labels(module) if classes == published else ()
    task = "classification" if classes else "embedding"
    return Published(task, shape, card, labels, classes in (0, published), which)


def _first_channels(module: torch.nn.Module) -> int | None:
    """Input channels of the first convolution; None without one."""
    first = next((child for child in module.modules() if isinstance(child, torch.nn.modules.conv._ConvNd)), None)
    return None if first is None else int(first.in_channels)


def _card(config: Mapping[str, Any], size: tuple[int, ...]) -> ImageInput | None:
    """timm's evaluation transform as a card; None where a card cannot express it."""
    height, width = size
    filter_name: Any = "bilinear" if config["interpolation"] == "random" else config["interpolation"]
    if filter_name not in _FILTERS:
        return None
    share = config["crop_pct"] or 0.875
    larger = (math.floor(height / share), math.floor(width / share))
    resize: Any
    if config["crop_mode"] == "squash":
        resize = larger
    elif config["crop_mode"] == "center" and height == width:
        resize = larger[0]
    else:
        return None  # it keeps the proportions and fills up with grey, or pictures are not square
    mean, std = tuple(map(float, config["mean"])), tuple(map(float, config["std"]))
    return ImageInput("input", "RGB", (height, width), resize, filter_name, (height, width), mean=mean, std=std)


def _labels(module: Any) -> tuple[str, ...]:
    """ImageNet's class names, where the published weights have these classes."""
    data: Any = importlib.import_module("timm.data")
    subset = data.infer_imagenet_subset(module)
    if subset is None:
        return ()
    info: Any = data.ImageNetInfo(subset)
    names = tuple(info.index_to_description(index) for index in range(info.num_classes()))
    return (
        names
        if len(set(names)) == len(names)
        else tuple(
            f"{name} ({info.index_to_label_name(index)})" if names.count(name) > 1 else name
            for index, name in enumerate(names)
        )
    )
