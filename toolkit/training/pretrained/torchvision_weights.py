"""torchvision's pretrained weights by name: download, check and load, with their pre-processing and class names."""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from runtime.card import ImageInput
from runtime.errors import InputError, SpecError, suggest
from toolkit.training.checkpoints.checkpoint import read_plain
from toolkit.training.pretrained.download import check_digits, digits_in_name, download
from toolkit.training.pretrained.head import find_heads
from toolkit.training.pretrained.load_weights import WeightsReport, load_weights

__all__ = [
    "pretrained_input",
    "pretrained_labels",
    "pretrained_state_dict",
    "start_from_pretrained",
]

# torchvision switches these to another normalisation inside the network when it loads their weights.
_OWN_NORMALISATION = ("googlenet", "inception_v3")


def pretrained_state_dict(
    name: str,
    weights: str = "DEFAULT",
    *,
    progress: bool = True,
    cache: str | os.PathLike[str] | None = None,
    url: str | None = None,
) -> dict[str, torch.Tensor]:
    """The state_dict of a torchvision network, downloaded once and kept.

    Args:
        name: such as "resnet18".
        weights: "DEFAULT" (the best) or a name of torchvision, such as "IMAGENET1K_V1". IMAGENET1K_FEATURES holds no head.
        progress: show a bar while downloading.
        cache: the folder that keeps the file; None takes torch.hub's own, so torchvision finds it too.
        url: fetch from here in place of torchvision's server, such as a mirror.

    Raises:
        SpecError: the network or the weights are unknown.
        InputError: the download fails, or the file is not the one that its name says; see `download`.
        CheckpointError: the file holds something else than weights.
    """
    address = url or _find(name, weights).url
    folder = Path(cache) if cache is not None else Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / address.rpartition("/")[2]
    if path.is_file():
        # also one that was put there by hand
        check_digits(path, digits_in_name(path.name), str(path), "Delete it, and it is downloaded again.")
    else:
        download(address, path, progress=progress)
    content = read_plain(path)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path} holds no weights. Delete it, and it is downloaded again.")
    found = _with_present_names(name, content)
    if weights.endswith("_FEATURES"):  # its classifier is filled with what is not a number
        found = OrderedDict((key, value) for key, value in found.items() if key.startswith("features."))
    return found


def start_from_pretrained(
    network: torch.nn.Module, name: str, weights: str = "DEFAULT", **options: Any
) -> WeightsReport:
    """Load a torchvision network's pretrained weights into one of the same kind, all but a head of another width.

    Args:
        network: the module of one layer, such as that of ``add("resnet18", num_classes=10)``, a backbone without its head, or
            a network of torchvision itself. A network of ours that holds it among its layers does too.
        name, weights, options: as `pretrained_state_dict`.

    Returns:
        The report; the head is under `mismatched` where its width differs.

    Raises:
        SpecError: as `pretrained_state_dict`, or the network is of another kind, or made for other pictures.
        InputError, CheckpointError: as `pretrained_state_dict`.
    """
    found = pretrained_state_dict(name, weights, **options)
    prefix, inner = _place(network, found)
    if inner is None:
        raise SpecError(
            f"{type(network).__name__} has no part with the weights of {name}: {next(iter(found))!r} and others are expected. "
            f"Give the network's layer that was made by add({name!r}, ...)."
        )
    heads = tuple(f"{path}." for path in _heads(inner))
    ours = {key: value.shape for key, value in inner.state_dict().items()}
    for key, shape in ours.items():
        if key in found and found[key].shape != shape and not key.startswith(heads):
            raise SpecError(
                f"The weights {weights} of {name} do not fit: {key} is {tuple(found[key].shape)} there and {tuple(shape)} in the "
                f"network. They are made for {_made_for(name, weights)}; build the network for these."
            )
    missing = [
        key
        for key in ours
        if key not in found and not key.startswith(heads) and not key.endswith("num_batches_tracked")
    ]
    if missing:
        raise SpecError(
            f"The weights {weights} of {name} lack {len(missing)} of the network's, such as {missing[0]!r}: it is of another "
            f"kind. Build it with add({name!r}, ...)."
        )
    report = load_weights(inner, found, name=f"{name} {weights}")
    return report if not prefix else _renamed(report, prefix, network)


def pretrained_input(name: str, weights: str = "DEFAULT", *, input_name: str = "input") -> ImageInput:
    """Pre-processing of pictures for these weights, as the input of a model card.

    Raises:
        SpecError: the network or the weights are unknown, or are not for whole pictures (classification).
    """
    preset = _find(name, weights).transforms()
    if not hasattr(preset, "crop_size") or not hasattr(preset, "resize_size"):
        raise SpecError(
            f"{name} is not for classifying pictures, so its weights have no size of picture. Describe the input yourself."
        )
    crop, resize = preset.crop_size[0], preset.resize_size[0]
    mean, std = tuple(preset.mean), tuple(preset.std)
    if name in _OWN_NORMALISATION:
        # Inside they turn (x - mean) / std into (x - 0.5) / 0.5; ours are built without that step.
        mean = std = (0.5, 0.5, 0.5)
    return ImageInput(
        input_name, "RGB", (crop, crop), resize, preset.interpolation.value, (crop, crop), mean=mean, std=std
    )


def pretrained_labels(name: str, weights: str = "DEFAULT") -> tuple[str, ...]:
    """Class names of these weights, in order.

    Raises:
        SpecError: the network or the weights are unknown, or have no classes (vgg16's IMAGENET1K_FEATURES).
    """
    labels = _find(name, weights).meta["categories"]
    if not labels:
        raise SpecError(f"The weights {weights} of {name} are for its features only: they tell no classes apart.")
    return tuple(labels)


def _find(name: str, weights: str) -> Any:
    """torchvision's entry for these weights."""
    from torchvision import models

    if name not in models.list_models(module=models):
        raise SpecError(
            f"There are no ready weights for {name!r}.{suggest(str(name), models.list_models(module=models))}"
        )
    known = models.get_model_weights(name)
    if weights not in known.__members__:
        raise SpecError(f"{name} has no weights {weights!r}.{suggest(str(weights), known.__members__)}")
    return known[weights]


def _with_present_names(name: str, found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename DenseNet's old weight names, such as ``norm.1``, to those of its modules, ``norm1``."""
    if not name.startswith("densenet"):
        return found
    return OrderedDict((re.sub(r"\b(norm|conv)\.([12])\.", r"\1\2.", key), value) for key, value in found.items())


def _place(network: torch.nn.Module, found: dict[str, torch.Tensor]) -> tuple[str, torch.nn.Module | None]:
    """The outermost part of a network whose weights have these names: ('resnet18_1.', its module)."""
    first = next(iter(found))
    for path, module in network.named_modules():
        if first in module.state_dict():
            return (f"{path}." if path else ""), module
    return "", None


def _heads(network: torch.nn.Module) -> list[str]:
    try:
        return find_heads(network)
    except SpecError:
        return []  # a backbone


def _made_for(name: str, weights: str) -> str:
    try:
        size = pretrained_input(name, weights).size
    except SpecError:
        return "pictures of 3 channels (RGB)"
    return f"pictures of 3 channels (RGB) and {size[0]} x {size[1]} pixels"


def _renamed(report: WeightsReport, prefix: str, network: torch.nn.Module) -> WeightsReport:
    """The report on a part, with the whole network's names and size."""
    total = sum(parameter.numel() for parameter in network.parameters())
    others = [key for key in network.state_dict() if not key.startswith(prefix)]
    return WeightsReport(
        report.source,
        tuple(prefix + key for key in report.matched),
        (*(prefix + key for key in report.missing), *others),
        report.unexpected,
        {prefix + key: shapes for key, shapes in report.mismatched.items()},
        report.loaded,
        total,
    )
