"""Picture pre-processing: pictures -> uint8 pixels -> a network's float32 arrays."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import ExifTags, Image, ImageOps

from runtime.card.image_input import ImageInput
from runtime.errors import InputError
from runtime.preprocess.conversion import convert, convert_resized
from runtime.preprocess.picture_file import FORMATS, open_picture, reads_heif
from runtime.preprocess.pixel_budget import PIXELS

if TYPE_CHECKING:
    import numpy.typing as npt

    Float32Array: TypeAlias = npt.NDArray[np.float32]
    Uint8Array: TypeAlias = npt.NDArray[np.uint8]

__all__ = [
    "Picture",
    "convert_image",
    "crop_start",
    "decode",
    "normalize",
    "open_image",
    "prepare_image",
    "raw_pixels",
    "resize_image",
    "resized_size",
]

Picture: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | npt.NDArray[np.uint8]"

_FILTERS = {
    name: Image.Resampling[name.upper()] for name in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
}

_HUGE = 1 << 24
"""Pixels from which on the memory of a picture is worth a thought."""

_BLOCK = 1 << 26


def prepare_image(picture: Picture, card: ImageInput) -> Float32Array:
    """Prepare one picture -> float32 of `card.shape`.

    Raises:
        InputError: the picture is missing, unreadable, or of a kind that cannot be converted.
    """
    return normalize(decode(picture, card), card)


def decode(picture: Picture, card: ImageInput) -> Uint8Array:
    """Decode, resize and crop one picture -> uint8 of `card.shape`: everything up to the normalisation.

    Raises:
        InputError: as `prepare_image`.
    """
    with _upright(picture, card.orientation) as image:
        height, width = resized_size(image.height, image.width, card)
        image = convert_resized(image, card.color, (width, height), _FILTERS[card.filter])
        if card.crop is not None:
            image = _center_crop(image, card.crop)
        if image.size != card.size[::-1]:
            raise _wrong_size(_name(picture), image, card)
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if card.layout == "NCHW":
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels)


def raw_pixels(picture: Picture, card: ImageInput) -> Uint8Array:
    """Raw pixels of one picture -> uint8 (H, W, C), upright, in the card's colour: input of `prepared_in_graph` files.

    Raises:
        InputError: as `prepare_image`.
    """
    image = convert_image(picture, card.color, card.orientation)
    if card.crop is None and resized_size(image.height, image.width, card) != card.size:
        raise _wrong_size(_name(picture), image, card)
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _wrong_size(name: str, image: Image.Image, card: ImageInput) -> InputError:
    how = "not to resize" if card.resize is None else f"to bring the shorter side to {card.resize} and no crop"
    return InputError(
        f"{name} is {image.height} x {image.width} pixels; the model takes {card.size[0]} x {card.size[1]} and its card "
        f"says {how}. Resize the picture, or export the model with a resize in its pre-processing."
    )


def convert_image(picture: Picture, color: str = "RGB", orientation: str = "exif") -> Image.Image:
    """Convert one picture to a Pillow image in `color`, turned upright: the first steps of `decode`.

    Raises:
        InputError: as `prepare_image`.
    """
    with _upright(picture, orientation) as image:
        return convert(image, color)


@contextlib.contextmanager
def _upright(picture: Picture, orientation: str) -> Iterator[Image.Image]:
    """Decode one picture and turn it upright; its pixels are taken from the budget within the block.

    Raises:
        InputError: as `prepare_image`, also for what fails within the block.
    """
    try:
        image = _opened(picture)
        if 0 in image.size:
            raise ValueError("it has no pixels")
        pixels = image.width * image.height
        if pixels > _HUGE:
            _allocate_apart()
        with PIXELS.taken(pixels):
            if image is not picture:
                image = _loaded(image)
            if orientation == "exif":
                image = _turned(image)
            yield image
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{_name(picture)} is too large to decode safely: {error}. Resize it first.") from error
    except Exception as error:  # Pillow raises whatever it stumbles on: OSError, SyntaxError, struct.error...
        raise _unreadable(_name(picture), error) from error


def normalize(pixels: Uint8Array, card: ImageInput) -> Float32Array:
    """Normalise uint8 (..., *card.shape) -> float32 of the same shape: (pixel * scale - mean) / std.

    Scale and shift are fused into one multiplication and one addition per channel, in float32.
    """
    channel_shape = (-1, 1, 1) if card.layout == "NCHW" else (-1,)
    std = np.array(card.std or (1.0,), np.float64)
    mean = np.array(card.mean or (0.0,), np.float64)
    factor = (card.scale / std).astype(np.float32).reshape(channel_shape)
    result: Float32Array = np.multiply(pixels, factor, dtype=np.float32)
    if card.mean and any(card.mean):
        result += (-mean / std).astype(np.float32).reshape(channel_shape)
    return result


def open_image(picture: Picture) -> Image.Image:
    """Open a path, encoded bytes, a Pillow image, or a uint8 array (H, W), (H, W, C) or (C, H, W) -> a Pillow image.

    Raises:
        InputError: the file is missing or is not a picture, or the array is not one.
    """
    with _upright(picture, "none") as image:
        return image


def _opened(picture: Picture) -> Image.Image:
    """Open a picture; the pixels of a file are not decoded yet."""
    if isinstance(picture, Image.Image):
        return picture
    if isinstance(picture, np.ndarray):
        return _image_from_array(picture)
    if not isinstance(picture, str | os.PathLike | bytes):
        raise InputError(
            f"The input is of the type {type(picture).__name__}; a path, the bytes of a file, a Pillow image or a uint8 array is "
            f"expected."
        )
    return open_picture(picture)


def _allocate_apart() -> None:
    """Let Pillow ask for 64 MiB at a time from now on, which the C library maps, and gives back to the system when it is freed.

    Of the usual 16 MiB every thread would keep as many as its largest picture needed.
    """
    allocator: Any = Image.core  # type: ignore[attr-defined]
    if allocator.get_block_size() < _BLOCK:
        allocator.set_block_size(_BLOCK)


def _loaded(image: Image.Image) -> Image.Image:
    """Decode the pixels of an opened file, which is closed then."""
    with image:
        image.load()
    # 16 bits from a PGM file are opened as 32
    return image.convert("I;16") if image.format == "PPM" and image.mode == "I" else image


def _unreadable(name: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    if "cannot identify" in reason:
        reason = f"its content is in no picture format that is read here ({', '.join(FORMATS)}"
        reason += ")" if reads_heif() else "; HEIC where pillow-heif is installed)"
    return InputError(
        f"{name} cannot be read as a picture: {reason}. "
        f"Open it in an image viewer; if it is damaged, save it again or remove it."
    )


def _image_from_array(array: npt.NDArray[Any]) -> Image.Image:
    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        raise InputError(
            f"An array of dtype {array.dtype} and shape {array.shape} is not a picture; uint8 of shape (H, W), (H, W, C) or "
            f"(C, H, W) is expected. Values between 0 and 1 become a picture with (array * 255).round().astype('uint8')."
        )
    if array.ndim == 3 and array.shape[-1] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[:, :, 0]
    if array.ndim == 3 and array.shape[-1] not in (3, 4):
        raise InputError(f"An array of shape {array.shape} is not a picture; 1, 3 or 4 channels are expected.")
    return Image.fromarray(np.ascontiguousarray(array))


def _turned(image: Image.Image) -> Image.Image:
    try:
        upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
        return image if upright else ImageOps.exif_transpose(image)
    except Exception:  # a tag that cannot be read turns nothing, in viewers too
        return image


def resize_image(image: Image.Image, card: ImageInput) -> Image.Image:
    """Resize a picture as the card says: the step before its crop."""
    height, width = resized_size(image.height, image.width, card)
    if (height, width) == (image.height, image.width):
        return image
    return image.resize((width, height), _FILTERS[card.filter])


def resized_size(height: int, width: int, card: ImageInput) -> tuple[int, int]:
    """Size (height, width) of a picture after the card's resizing, before its crop."""
    if card.resize is None:
        return height, width
    if isinstance(card.resize, int):
        shorter = min(height, width)
        # As torchvision's Resize(int): the shorter side exactly, the longer one rounded down.
        return int(card.resize * height / shorter), int(card.resize * width / shorter)
    return card.resize


def _center_crop(image: Image.Image, crop: tuple[int, int]) -> Image.Image:
    height, width = crop
    top, left = crop_start(image.height, height), crop_start(image.width, width)
    # Pillow fills what lies outside with black.
    return image.crop((left, top, left + width, top + height))


def crop_start(length: int, crop: int) -> int:
    """Start of a centre crop, as in torchvision's CenterCrop; negative where the picture is shorter."""
    return round((length - crop) / 2) if length >= crop else -((crop - length) // 2)


def _name(picture: Picture) -> str:
    return str(picture) if isinstance(picture, str | os.PathLike) else "The picture"
