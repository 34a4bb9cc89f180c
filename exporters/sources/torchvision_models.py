"""torchvision's networks by name, with the facts of their published weights."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from exporters.sources.published import Published, at_size
from runtime.errors import InputError, MissingPackageError, SpecError, suggest
from toolkit.training.pretrained.torchvision_weights import pretrained_input

__all__ = ["build"]

# Arguments by which torchvision would fetch weights from its server.
_FETCHING = ("weights", "weights_backbone", "pretrained", "pretrained_backbone")


def build(
    name: str, arguments: Mapping[str, Any], *, random: bool = False, weights_file: str = ""
) -> tuple[torch.nn.Module, Published]:
    """Build a torchvision network with fresh weights, and the facts of its published ones. Nothing is downloaded.

    Args:
        name: as in torchvision.models.list_models().
        arguments: of its builder.
        random: keep the fresh weights, so that a slow initialisation is worth its time.
        weights_file: the name of the weights' file, by which the published weights are identified.

    Raises:
        SpecError: there is no such network, or it does not take the arguments.
        MissingPackageError: torchvision is not installed.
    """
    try:
        from torchvision import models
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"torchvision:{name}", "torchvision", "train") from error
    if name not in models.list_models():
        raise SpecError(f"torchvision has no network {name!r}.{suggest(name, models.list_models())}")
    if name.startswith("quantized_"):
        raise SpecError(
            f"torchvision:{name} is quantised by torch, which no exporter reads. Export torchvision:{name.removeprefix('quantized_')} "
            f"with --precision int8."
        )
    for argument in _FETCHING:
        if arguments.get(argument) not in (None, False):
            raise SpecError(
                f"The argument {argument!r} makes torchvision download weights, which the toolkit does not do here. Download them "
                f"first, and name the file: toolkit export weights.pth --arch torchvision:{name}."
            )
    builder = models.get_model_builder(name)
    parameters = inspect.signature(builder).parameters
    options: dict[str, Any] = {key: None for key in ("weights", "weights_backbone") if key in parameters}
    options |= {key: value for key, value in arguments.items() if key not in _FETCHING}
    if name in ("googlenet", "inception_v3"):
        options.setdefault("init_weights", random)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module: torch.nn.Module = builder(**options)
    except TypeError as error:
        raise SpecError(
            f"torchvision:{name} cannot be made with the arguments {dict(arguments)}: {' '.join(str(error).split())}. "
            f"Correct --arch-args (arch_args in Python)."
        ) from error
    except Exception as error:  # builders check their arguments each in a way of its own
        raise InputError(
            f"torchvision:{name} cannot be made with the arguments {dict(arguments)}: {type(error).__name__}: {error}. Correct "
            f"--arch-args (arch_args in Python)."
        ) from error
    return module, _published(name, arguments, weights_file, getattr(module, "image_size", None))


def _published(name: str, arguments: Mapping[str, Any], weights_file: str, fixed: int | None = None) -> Published:
    """Facts of the published weights; `fixed` is the size of pictures that the network is built for, None for any."""
    from torchvision import models

    entries = models.get_model_weights(name)
    known = [entry for entry in entries if not entry.name.endswith("_FEATURES")]
    # the file's name holds a part of its digest: resnet50-0676ba61.pth
    fitting = [entry for entry in known if weights_file and entry.url.rpartition("/")[2] == weights_file]
    same_size = [entry for entry in known if fixed is not None and entry.meta.get("min_size") == (fixed, fixed)]
    default = entries.DEFAULT if known else None
    if default is not None and same_size and default not in same_size:
        default = same_size[0]
    entry = fitting[0] if fitting else default
    labels = tuple(map(str, entry.meta.get("categories") or ())) if entry is not None else ()
    classes = arguments.get("num_classes", len(labels))
    same = classes == len(labels)
    which = f"torchvision's {entry.name}" if entry is not None else ""
    if name in models.list_models(module=models):
        card = pretrained_input(name, entry.name) if entry is not None else None
        if card is not None and entry is not None and arguments.get("transform_input"):
            # the network itself brings pictures from the usual normalisation to its own
            preset = entry.transforms()
            card = replace(card, mean=tuple(preset.mean), std=tuple(preset.std))
        if card is not None and fixed is not None:
            card = at_size(card, (fixed, fixed))
        size = card.size if card is not None else (fixed or 224, fixed or 224)
        return Published("classification", (3, *size), card, labels, same, which)
    if name in models.list_models(module=models.video):
        size = entry.transforms().crop_size if entry is not None else (112, 112)
        return Published("classification", (3, 16, size[0], size[-1]), None, labels, same, which)
    # segmentation and detection: any size; the answer is not one row of probabilities
    return Published("raw", (3, 320, 320), None, (), same, which)
