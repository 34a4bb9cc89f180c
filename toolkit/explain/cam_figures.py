"""Figure of a class activation map over its picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from runtime.errors import InputError
from toolkit.explain.figures import INK, MUTED, figure_bytes

if TYPE_CHECKING:
    from toolkit.explain.cam import ClassActivation

__all__ = ["overlay", "picture_values"]

_COLORS = "inferno"  # even in lightness, and unlike most pictures


def overlay(
    image: torch.Tensor | np.ndarray, found: ClassActivation, *, card: Any = None, labels: Sequence[str] = ()
) -> bytes:
    """The picture, and beside it the picture under its map, with class, probability and colour bar -> PNG.

    Args:
        image: (H, W), (H, W, 3), (C, H, W) or (1, C, H, W); bytes, or numbers as the network receives them.
        found: the map, of the size of the picture.
        card: the input's card (`mean`, `std`, `scale`), to undo the preparation; without one, numbers outside of 0..1
            are stretched to it.
        labels: names of the classes; without them the class is shown by its index.

    Raises:
        InputError: the picture is of another shape, or of another size than the map.
    """
    from matplotlib.figure import Figure

    picture = picture_values(image, card)
    height, width = found.map.shape
    if picture.shape[:2] != (height, width):
        raise InputError(f"The picture is of {picture.shape[:2]} pixels (height, width), its map of {(height, width)}.")
    name = str(labels[found.target]) if found.target < len(labels) else f"class {found.target}"
    chance = "" if found.probability is None else f", {_percent(found.probability)}"
    panel_width = 3.4 * min(2.0, max(0.5, width / height))
    panel_height = panel_width * height / width
    figure = Figure(figsize=(2 * panel_width + 1.5, max(2.2, panel_height) + 0.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    grey = picture @ (0.299, 0.587, 0.114) if picture.ndim == 3 else picture  # so that all colour is evidence
    for axes, base in ((left, picture), (right, grey)):
        axes.imshow(base, cmap="gray", vmin=0, vmax=1)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    # evidence hides no more of the picture than it must: where there is none, the picture shows as it is
    heat = right.imshow(found.map, cmap=_COLORS, vmin=0, vmax=1, alpha=0.2 + 0.5 * found.map, interpolation="bilinear")
    left.set_title("input", loc="left", fontsize=10, color=MUTED)
    right.set_title(f"{found.method}, layer {found.layer}", loc="left", fontsize=10, color=MUTED, parse_math=False)
    bar = figure.colorbar(_opaque(heat), ax=right, shrink=0.9, pad=0.03)
    bar.set_ticks([0, 0.5, 1], labels=["none", "", "most"])
    bar.set_label("evidence for the class", color=MUTED, fontsize=10)
    bar.ax.tick_params(labelsize=9, colors=MUTED)
    bar.outline.set_visible(False)
    heading = f"{name if len(name) <= 40 else name[:39] + '…'}{chance}"
    figure.suptitle(heading, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK, parse_math=False)
    title = f"Where the evidence for {name}{chance} lies in the picture, by {found.method} at layer {found.layer}"
    return figure_bytes(figure, title=title)


def picture_values(image: torch.Tensor | np.ndarray, card: Any = None) -> np.ndarray:
    """float (H, W) or (H, W, 3) in 0..1 from a picture in any of the shapes that `overlay` takes.

    Raises:
        InputError: it is no picture of one or three channels.
    """
    values = np.asarray(image.detach().cpu() if isinstance(image, torch.Tensor) else image)
    whole = values.dtype.kind in "ui"
    values = values.astype(np.float64)
    if values.ndim == 4 and len(values) == 1:
        values = values[0]
    last = values.ndim == 3 and values.shape[2] in (1, 3) and values.shape[0] not in (1, 3)
    if values.ndim == 3 and not last:
        values = values.transpose(1, 2, 0)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] != 3):
        raise InputError(
            f"A picture of shape {tuple(np.shape(image))} was given; one or three channels are expected: (H, W), (H, W, 3), "
            f"(C, H, W) or (1, C, H, W)."
        )
    if whole:
        return (values / 255).clip(0, 1)
    if card is not None and hasattr(card, "scale"):
        mean, std = np.asarray(card.mean or 0.0), np.asarray(card.std or 1.0)
        pixels: np.ndarray = (values * std + mean) / (card.scale or 1.0) / 255
        return pixels.clip(0, 1)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low < 0 or high > 1:
        values = (values - low) / ((high - low) or 1.0)
    return np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0)


def _opaque(heat: Any) -> Any:
    """Colour map without transparency, for the colour bar."""
    from matplotlib.cm import ScalarMappable

    return ScalarMappable(norm=heat.norm, cmap=heat.cmap)


def _percent(share: float) -> str:
    """0.9996 -> '99.96 %', never rounded up to 100 %."""
    return ">99.99 %" if 0.9999 < share < 1 else f"{share:.2%}".replace("%", " %")
