"""Augmentation: random transforms of training pictures, reproducible per example whichever process makes the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image

from runtime.card import ImageInput
from runtime.errors import InputError
from runtime.preprocess.pictures import resize_image
from toolkit.data.augmentation.arguments import build_transform
from toolkit.data.augmentation.crops import Crops
from toolkit.data.augmentation.kernels import KERNELS
from toolkit.data.augmentation.names import kind_of
from toolkit.data.augmentation.seeds import derived
from toolkit.data.augmentation.steps import Step, read_steps
from toolkit.data.dataset import Dataset
from toolkit.data.originals import ArrayOriginals, Originals
from toolkit.data.stores import PictureStore
from toolkit.tasks.registry import find_task

__all__ = ["Augmentation", "has_random"]

# One tensor (n, C, H, W), or n of (C, H, W) whose sizes differ.
Pictures: TypeAlias = torch.Tensor | list[torch.Tensor]

_SIZED = ("RandomCrop", "RandomResizedCrop", "CenterCrop")
# Documented for pictures from 0 to 1, which is what its value is meant for.
_ON_UNIT_SCALE = ("RandomErasing",)


@dataclass(frozen=True)
class Augmentation:
    """Random steps on pictures before their normalisation; they never become part of the card.

    Attributes:
        steps: in the order in which they are applied. With a Resize among them they begin with the pictures as they are stored, as
            torchvision's do; else with the pictures that the card has resized.
        crops: several crops for evaluation instead of the centre crop; None for the centre crop.
        unresized: begin with the pictures as they are stored without a Resize too: the first step sets the size. It follows from
            how the data are loaded, and is no part of the setting.
    """

    steps: tuple[Step, ...]
    crops: Crops | None = None
    unresized: bool = field(default=False, compare=False)
    _built: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def from_setting(cls, setting: Any) -> Augmentation:
        """Inverse of `to_setting`. Raises InputError as `read_steps`, and for steps that are not augmentation."""
        steps = read_steps(setting)
        crops = [step for step in steps if kind_of(step.name) == "crops"]
        if len(crops) > 1:
            raise InputError(f"{crops[0].name} and {crops[1].name} were both given; one of them is expected.")
        for step in steps:
            alone = step.name == "Resize" and not any(has_random(other) for other in steps)
            if alone or kind_of(step.name) in ("mix", "conversion") or step.name in ("Normalize", "Grayscale", "RGB"):
                raise InputError(f"{step.name} is not part of an augmentation.")
        return cls(tuple(step for step in steps if step not in crops), Crops.from_step(crops[0]) if crops else None)

    def to_setting(self) -> list[dict[str, Any]]:
        """Plain JSON, for the checkpoint and for TOML."""
        return [step.to_json() for step in self.steps] + ([self.crops.to_json()] if self.crops else [])

    @property
    def from_originals(self) -> bool:
        """True where the steps begin with the pictures as they are stored."""
        return self.unresized or any(step.name == "Resize" for step in self.steps)

    @property
    def crop(self) -> tuple[int, int] | None:
        """Size (height, width) of evaluation crops: that of `crops`, or of the last step that sets one; else None."""
        if self.crops is not None:
            return self.crops.size
        return next((tuple(step.arguments["size"]) for step in reversed(self.steps) if step.name in _SIZED), None)

    def prepare(self, data: Dataset) -> Dataset:
        """The data set prepared for training and evaluation with this augmentation.

        Where a random crop leaves less than the whole picture, evaluation takes a centre crop of that size (in the card),
        and the data set keeps the whole pictures for training. Otherwise it is returned unchanged.

        Raises:
            InputError: the data are not pictures, the targets lie on the pictures, or the crop is larger than they are.
        """
        if data.pictures is None:
            raise InputError(
                f"{data.source} holds no pictures ({data.describe()}); transforms can only be applied to pictures in uint8 or in files."
            )
        store, card = data.pictures
        refusal = find_task(data.task).augmentation_refusal
        if refusal is not None and self.steps:
            raise InputError(refusal)
        if self.crop is None or self.crop == card.size:
            return data
        sized = self.crops.name if self.crops else next(s.name for s in reversed(self.steps) if s.name in _SIZED)
        if sized not in ("RandomCrop", "CenterCrop") and any(a > b for a, b in zip(self.crop, card.size, strict=True)):
            raise InputError(
                f"{sized} gives {self.crop[0]} x {self.crop[1]} pixels; the pictures have {card.size[0]} x {card.size[1]}. "
                f"Put a Resize to at least {self.crop[0]} x {self.crop[1]} before it."
            )
        cropped = replace(card, crop=self.crop, size=self.crop)
        return replace(data, card=cropped, inputs=store.with_card(cropped))

    def pictures(self, store: PictureStore, card: ImageInput, positions: torch.Tensor) -> Pictures:
        """The pictures (n, [views], C, H, W) at these positions that the steps begin with; a list of them where sizes may differ."""
        if self.from_originals:
            originals: Originals = getattr(store, "originals", None) or ArrayOriginals(
                store.take_pixels(positions).numpy()
            )
            return originals.take(positions)
        pixels = store.take_pixels(positions)
        pixels = pixels.movedim(-1, -3) if card.layout == "NHWC" else pixels
        if self.crop is None and pixels.shape[-2:] != card.size:  # the card's own crop comes before the steps
            pixels = _at_centre(pixels, card.size)
        return pixels

    def __call__(self, pictures: Pictures, seeds: np.ndarray, size: tuple[int, int] | None = None) -> torch.Tensor:
        """Change each picture by its own seed; the global random state stays as it is.

        Args:
            pictures: (n, C, H, W), uint8 0..255; or float32 0..1, which are rounded to these 256 values, so that the arguments
                mean the same. A list of n pictures (C, H, W) in uint8 where their sizes differ.
            seeds: uint64 (n,), as `seeds.example_seeds` gives them.
            size: (height, width) that every picture is brought to where the steps leave another one.

        Returns:
            The dtype of `pictures`, (n, C, height, width).

        Raises:
            InputError: a step cannot be applied to these pictures.
        """
        if isinstance(pictures, torch.Tensor) and pictures.is_floating_point():
            return self(pictures.clamp(0, 1).mul(255).round().to(torch.uint8), seeds, size).to(pictures.dtype) / 255
        now = _stacked(pictures)
        for number, (name, apply) in enumerate(self._functions()):
            try:
                now = _applied(apply, now, derived(seeds, number))
            except (IndexError, RuntimeError, TypeError, ValueError) as error:
                shape = " x ".join(map(str, pictures[0].shape))
                raise InputError(
                    f"{name} cannot be applied to pictures of {shape}: {str(error).rstrip('.')}."
                ) from error
        if self.crops is not None and isinstance(now, torch.Tensor) and not any(s.name in _SIZED for s in self.steps):
            now = _at_centre(now, self.crops.size)  # at the scale of the crops that an evaluation looks at
        channels, *own = pictures.shape[1:] if isinstance(pictures, torch.Tensor) else pictures[0].shape
        return _brought_to(now, size or tuple(own), channels)

    def _functions(self) -> list[tuple[str, Callable[..., Any]]]:
        """(name, function) per batch kernel, and per run of other steps between two kernels."""
        if not self._built:
            between: list[Step] = []
            for step in (*self.steps, None):
                if step is not None and step.name not in KERNELS:
                    between.append(step)
                    continue
                if between:
                    self._built.append(
                        (" and ".join(s.name for s in between), _one_by_one(list(map(_module, between))))
                    )
                    between = []
                if step is not None:
                    self._built.append((step.name, _kernel(step.name, step.arguments)))
        return self._built

    def __getstate__(self) -> dict[str, Any]:
        # a worker process builds its own
        return {**vars(self), "_built": []}


def _kernel(name: str, arguments: Mapping[str, Any]) -> Callable[..., torch.Tensor]:
    return lambda pictures, seeds: KERNELS[name](pictures, seeds, arguments)


def _one_by_one(transforms: Sequence[Any]) -> Callable[..., Pictures]:
    """Apply transforms picture by picture; torch's global generator is seeded per picture and restored afterwards."""

    def apply(pictures: torch.Tensor, seeds: np.ndarray) -> Pictures:
        generator = torch.default_generator
        state = generator.get_state()
        try:
            changed = []
            for picture, seed in zip(pictures, (seeds >> np.uint64(1)).tolist(), strict=True):
                generator.manual_seed(seed)
                for transform in transforms:
                    picture = transform(picture)
                changed.append(picture)
        finally:
            generator.set_state(state)
        return _stacked(changed)

    return apply


def _stacked(pictures: Pictures) -> Pictures:
    """Pictures of one size as one tensor."""
    several = isinstance(pictures, list) and len({picture.shape for picture in pictures}) == 1
    return torch.stack(list(pictures)) if several else pictures


def _applied(apply: Callable[..., Any], pictures: Pictures, seeds: np.ndarray) -> Pictures:
    """Apply a function to a batch; pictures of several sizes, a list, one by one."""
    if len(pictures) == 0:
        return pictures
    if isinstance(pictures, torch.Tensor):
        changed: Pictures = apply(pictures, seeds)
        return changed
    return _stacked([apply(picture[None], seeds[row : row + 1])[0] for row, picture in enumerate(pictures)])


def _at_centre(pictures: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    from torchvision.transforms.v2.functional import center_crop

    cropped: torch.Tensor = center_crop(pictures, list(size))
    return cropped


def _brought_to(pictures: Pictures, size: tuple[int, ...], channels: int) -> torch.Tensor:
    from torchvision.transforms.v2.functional import resize

    if isinstance(pictures, list):
        return torch.cat([_brought_to(picture[None], size, channels) for picture in pictures])
    if pictures.shape[1] != channels:
        raise InputError(
            f"The transforms leave {pictures.shape[1]} channels, but the pictures have {channels}. For one channel choose "
            f"color='grayscale' instead of a transform."
        )
    if tuple(pictures.shape[-2:]) == tuple(size):
        return pictures
    if len(pictures) == 0:
        return pictures.new_empty((0, channels, *size))
    resized: torch.Tensor = resize(pictures, list(size), antialias=True)
    return resized


def _module(step: Step) -> Any:
    if step.name == "Resize":
        return _resized(step)
    built = build_transform(step.name, step.arguments, [_module(inner) for inner in step.inside])
    return _on_unit_scale(built) if step.name in _ON_UNIT_SCALE else built


def _resized(step: Step) -> Callable[[torch.Tensor], torch.Tensor]:
    """A Resize as the card's, by Pillow: (C, H, W) -> (C, height, width)."""
    size, mode = step.arguments["size"], step.arguments.get("interpolation", "bilinear")
    resize = size if isinstance(size, int) else tuple(size)
    filter_: Any = "nearest" if mode == "nearest-exact" else mode
    card = ImageInput("input", "RGB", (1, 1), resize=resize, filter=filter_)

    def apply(picture: torch.Tensor) -> torch.Tensor:
        pixels = picture.movedim(0, -1).numpy()
        image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if len(picture) == 1 else pixels))
        found = np.array(resize_image(image, card))
        return torch.from_numpy(found[None] if found.ndim == 2 else np.ascontiguousarray(found.transpose(2, 0, 1)))

    return apply


def has_random(step: Step) -> bool:
    """True unless a step only resizes, or crops at the centre or the corners."""
    return kind_of(step.name) in ("random", "fixed", "container")


def _on_unit_scale(transform: Callable[..., Any]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Wrap a transform for float pictures: uint8 in, scaled to 0..1 for it, uint8 out."""
    from torchvision.transforms.v2.functional import to_dtype

    def apply(picture: torch.Tensor) -> torch.Tensor:
        changed: torch.Tensor = transform(to_dtype(picture, torch.float32, scale=True))
        result: torch.Tensor = to_dtype(changed.clamp(0, 1), picture.dtype, scale=True)
        return result

    return apply
