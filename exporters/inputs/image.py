"""Pictures in an export."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from exporters.inputs.kind import FolderItems, InputKind, Script
from runtime.card import ImageInput
from runtime.errors import InputError
from runtime.preprocess import normalize
from runtime.preprocess.sources import images_in
from runtime.results.script import quoted
from toolkit.data.readers.idx import find_idx, read_idx
from toolkit.data.readers.images import class_folders

__all__ = ["KIND", "ImageKind", "pixels_of"]

Array = np.ndarray[Any, Any]

# (height, width) of pictures made up for files that prepare them by themselves.
_RAW_SIZES = ((64, 96), (97, 53), (224, 224))


class ImageKind(InputKind[ImageInput]):
    """Pictures."""

    plural: ClassVar[str] = "pictures"
    expected: ClassVar[str] = "a folder of pictures, or an .npz file with `data`,"
    predicted: ClassVar[str | None] = "IMAGES"
    file_name: ClassVar[str | None] = "picture.png"
    packages: ClassVar[tuple[str, ...]] = ("pillow>=9.1",)

    def script(self, card: ImageInput) -> Script:
        """As `InputKind.script`, with Pillow."""
        return Script([], _function(card), "PICTURE")

    def raw_file(self, row: Array, card: ImageInput) -> tuple[str, bytes]:
        """As `InputKind.raw_file`: a PNG file."""
        from PIL import Image

        pixels = row if row.dtype == np.uint8 else pixels_of(row, card)
        buffer = io.BytesIO()
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
        return "picture.png", buffer.getvalue()

    def random_rows(self, module: torch.nn.Module, card: ImageInput, rows: int, random: np.random.Generator) -> Array:
        """As `InputKind.random_rows`: patches of colour with some noise, as pictures have them."""
        height, width = card.size
        coarse = random.integers(0, 256, (rows, card.channels, 5, 5)).astype(np.float32)
        smooth = torch.nn.functional.interpolate(torch.from_numpy(coarse), (height, width), mode="bilinear").numpy()
        noisy = smooth + random.normal(0.0, 12.0, smooth.shape)
        pixels = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
        return normalize(pixels if card.layout == "NCHW" else np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)), card)

    def raw_items(self, card: ImageInput) -> Iterator[tuple[str, Any]]:
        """As `InputKind.raw_items`: random pictures of several sizes."""
        random = np.random.default_rng(0)
        for height, width in (card.size,) if card.resize is None and card.crop is None else _RAW_SIZES:
            channels = () if card.channels == 1 else (card.channels,)
            coarse = random.integers(0, 256, (-(-height // 8), -(-width // 8), *channels), np.uint8)
            yield f"a picture of {height} x {width}", coarse.repeat(8, 0).repeat(8, 1)[:height, :width]

    def file_items(self, place: Path) -> list[Path]:
        """The picture."""
        return [place]

    def folder_items(self, place: Path, part: Literal["train", "test"], labels: Sequence[str] | None) -> FolderItems:
        """As `InputKind.folder_items`: idx files, one sub-folder per class, or pictures without labels."""
        found = find_idx(place, part) or find_idx(place, "train") or find_idx(place, "test")
        if found:
            pictures, targets = read_idx(found[0]), read_idx(found[1])
            return FolderItems(list(pictures), [str(target) for target in targets.tolist()], place)
        classes = class_folders(place)
        if labels is not None and classes and {child.name for child in classes} <= set(labels):
            paths = [(path, child.name) for child in classes for path in images_in(child)]
            return FolderItems([path for path, _ in paths], [name for _, name in paths], place)
        files = images_in(place)
        if not files:
            raise InputError(
                f"The folder {place} holds no picture. Name one with pictures, or with one sub-folder a class."
            )
        return FolderItems(files, None, place)

    def array_items(self, values: Array, lengths: Array | None, card: ImageInput, place: Path) -> Sequence[Any] | Array:
        """As `InputKind.array_items`: uint8 is not prepared yet."""
        return list(values) if values.dtype == np.uint8 else super().array_items(values, lengths, card, place)

    def standard_metadata(self, card: ImageInput) -> dict[str, str]:
        """As `InputKind.standard_metadata`, as far as it can express the card."""
        found = {
            "Image.BitmapPixelFormat": "Rgb8" if card.color == "RGB" else "Gray8",
            "Image.ColorSpaceGamma": "SRGB",
        }
        means, deviations = set(card.mean or (0.0,)), set(card.std or (1.0,))
        if card.prepared_in_graph:
            found["Image.NominalPixelRange"] = "NominalRange_0_255"
        elif abs(card.scale - 1 / 255) < 1e-9 and means == {0.0} and deviations == {1.0}:
            found["Image.NominalPixelRange"] = "Normalized_0_1"
        elif abs(card.scale - 1 / 255) < 1e-9 and means == {0.5} and deviations == {0.5}:
            found["Image.NominalPixelRange"] = "Normalized_1_1"
        elif card.scale == 1 and means == {0.0} and deviations == {1.0}:
            found["Image.NominalPixelRange"] = "NominalRange_0_255"
        return found


KIND = ImageKind()


def pixels_of(row: Array, card: ImageInput) -> npt.NDArray[np.uint8]:
    """Invert the normalisation: a prepared picture (`card.shape`) -> approximate uint8 pixels (H, W, C)."""
    channels_last = row.transpose(1, 2, 0) if card.layout == "NCHW" else row
    values = (channels_last * np.array(card.std or 1.0) + np.array(card.mean or 0.0)) / card.scale
    return np.ascontiguousarray(np.clip(np.rint(np.nan_to_num(values)), 0, 255).astype(np.uint8))


def _function(card: ImageInput) -> str:
    color = "RGB" if card.color == "RGB" else "L"
    lines = [
        "def prepare(path):",
        '    """A picture of a usual format, 8 bits a channel."""',
        '    image = Image.open(path, formats=("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP"))',
    ]
    if card.orientation == "exif":
        lines.append("    image = ImageOps.exif_transpose(image)")
    lines += [
        '    if "A" in image.getbands() or "transparency" in image.info:  # what is transparent lies on white',
        '        image = image.convert("RGBA")',
        '        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)',
        f'    image = image.convert("{color}")',
    ]
    if card.prepared_in_graph:
        lines += [
            "    # resizing and scaling are in the model itself",
            "    pixels = np.asarray(image, np.uint8).reshape(image.height, image.width, -1)",
            f"    return {{{quoted(card.name)}: pixels[None]}}",
        ]
        return "\n".join(lines)
    resample = f"Image.Resampling.{card.filter.upper()}"
    if isinstance(card.resize, int):
        lines += [
            f"    size = tuple(int({card.resize} * length / min(image.size)) for length in image.size)",
            f"    image = image.resize(size, {resample})",
        ]
    elif card.resize is not None:
        lines.append(f"    image = image.resize(({card.resize[1]}, {card.resize[0]}), {resample})")
    if card.crop is not None:
        height, width = card.crop
        lines += [
            f"    spare = image.width - {width}, image.height - {height}",
            "    left, top = (round(pixels / 2) if pixels >= 0 else -(-pixels // 2) for pixels in spare)",
            f"    image = image.crop((left, top, left + {width}, top + {height}))",
        ]
    lines += [
        "    pixels = np.asarray(image, np.float32).reshape(image.height, image.width, -1)",
        f"    pixels = pixels * np.float32({card.scale!r})",
    ]
    if any(card.mean):
        lines.append(f"    pixels = pixels - np.array({_numbers(card.mean)}, np.float32)")
    if card.std and set(card.std) != {1.0}:
        lines.append(f"    pixels = pixels / np.array({_numbers(card.std)}, np.float32)")
    rows = "pixels.transpose(2, 0, 1)[None]" if card.layout == "NCHW" else "pixels[None]"
    lines.append(f"    return {{{quoted(card.name)}: np.ascontiguousarray({rows})}}")
    return "\n".join(lines)


def _numbers(values: tuple[float, ...]) -> str:
    return "[" + ", ".join(repr(float(value)) for value in values) + "]"
