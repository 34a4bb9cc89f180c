"""Transform names by kind: for the card, the augmentation, a batch, an evaluation, or refused."""

from __future__ import annotations

import functools
import inspect
from typing import Literal, TypeAlias

from runtime.errors import InputError, suggest

__all__ = ["CONTAINERS", "OWN", "Kind", "depends_on_size", "kind_of", "known_names", "transform_class"]

Kind: TypeAlias = Literal["preparation", "conversion", "fixed", "random", "container", "mix", "crops"]

CONTAINERS = ("Compose", "RandomApply", "RandomChoice", "RandomOrder")
OWN = ("SaltAndPepperNoise",)

_KINDS: dict[Kind, tuple[str, ...]] = {
    # part of the card, applied by runtime.preprocess
    "preparation": ("Resize", "CenterCrop", "Normalize", "Grayscale", "RGB"),
    # between kinds of objects: pictures are pixels here, scaled to 0..1 in any case
    "conversion": (
        "ConvertImageDtype",
        "Identity",
        "PILToTensor",
        "ToDtype",
        "ToImage",
        "ToPILImage",
        "ToPureTensor",
        "ToTensor",
    ),
    # the same for every picture, but nothing the card could say
    "fixed": ("Pad",),
    "container": CONTAINERS,
    "mix": ("MixUp", "CutMix"),
    "crops": ("FiveCrop", "TenCrop"),
}
# They change each pixel by itself, or move whole rows and columns: the same before and after a resize.
_ANY_SIZE = (
    "ColorJitter",
    "RandomAutocontrast",
    "RandomChannelPermutation",
    "RandomEqualize",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomPhotometricDistort",
    "RandomPosterize",
    "RandomSolarize",
    "RandomVerticalFlip",
)
_BOXES = "it works on bounding boxes or key points, and the data here are pictures with labels"
_REFUSED = {
    "ClampBoundingBoxes": _BOXES,
    "ClampKeyPoints": _BOXES,
    "ConvertBoundingBoxFormat": _BOXES,
    "RandomIoUCrop": _BOXES,
    "SanitizeBoundingBoxes": _BOXES,
    "SanitizeKeyPoints": _BOXES,
    "SetClampingMode": _BOXES,
    "UniformTemporalSubsample": "it works on videos",
    "Lambda": (
        "a function of your own cannot be kept in the checkpoint. Name the transform instead; "
        "the pictures of FiveCrop and TenCrop are stacked without one"
    ),
    "LinearTransformation": "a matrix over all pixels cannot be part of the card. Use Normalize",
}


def kind_of(name: str) -> Kind:
    """Kind of a transform, by its name.

    Raises:
        InputError: there is none of this name, or it cannot be used on pictures here.
    """
    if name in _REFUSED:
        raise InputError(f"The transform {name!r} cannot be used: {_REFUSED[name]}.")
    if name not in known_names():
        raise InputError(f"There is no transform {name!r}.{suggest(name, known_names())}")
    return next((kind for kind, names in _KINDS.items() if name in names), "random")


def depends_on_size(name: str) -> bool:
    """True for a random transform that does something else to a picture that was resized before; False for containers."""
    return kind_of(name) in ("random", "fixed") and name not in _ANY_SIZE


@functools.cache
def known_names() -> tuple[str, ...]:
    """Accepted names: torchvision's transforms (version 2) of pictures, and ours."""
    from torchvision.transforms import v2

    found = [name for name, value in vars(v2).items() if inspect.isclass(value) and issubclass(value, v2.Transform)]
    return tuple(sorted({*found, *OWN} - {"Transform", *_REFUSED}))


def transform_class(name: str) -> type:
    """The class behind an accepted name."""
    if name in OWN:
        from toolkit.data.augmentation import noise

        found: type = getattr(noise, name)
    else:
        from torchvision.transforms import v2

        found = getattr(v2, name)
    return found
