"""Figures of layers' outputs: grids of channels, heat maps, bars and strips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.explain.figures import CATEGORIES, INK, MISSING, MUTED, SEQUENTIAL
from toolkit.explain.layer_output import LayerOutput

__all__ = ["layer_figure", "total_figure"]

_BARS, _STRIP = 64, 64  # a vector up to this long is drawn as bars; a longer one as strips of this length
_TOTAL_CHANNELS = 16  # of each layer in the picture of all layers
_LABEL = 0.22  # inches above each channel, for its number


def layer_figure(layer: LayerOutput, most_channels: int = 64) -> Any:
    """One layer's output as a Matplotlib figure."""
    from matplotlib.figure import Figure

    values, shown = _drawable(layer.values, most_channels)
    width, height = _size(values)
    figure = Figure(figsize=(width, height + 0.95), layout="constrained")
    axes = figure.subplots()
    drawn = _draw(axes, values, labels=True)
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=axes, shrink=0.8, aspect=24, pad=0.02)
        bar.ax.tick_params(labelsize=9, colors=MUTED)
        bar.outline.set_visible(False)
    heading = f"{layer.number}  {layer.name}" + ("" if layer.kind == layer.name else f"  ({layer.kind})")
    figure.suptitle(
        _shortened(heading, int(width * 8)),
        x=0.01,
        ha="left",
        fontsize=13,
        fontweight="bold",
        color=INK,
        parse_math=False,
    )
    axes.set_title(_wrapped(_facts(layer.values, shown), int(width * 11)), loc="left", fontsize=10, color=MUTED)
    return figure


def total_figure(layers: Sequence[LayerOutput]) -> Any:
    """All layers' outputs, left to right and top to bottom, as one Matplotlib figure."""
    from matplotlib.figure import Figure

    columns = min(len(layers), max(3, math.ceil(math.sqrt(1.6 * len(layers)))), 8)
    rows = math.ceil(len(layers) / columns)
    figure = Figure(figsize=(2.6 * columns, 3.1 * rows + 0.5))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
    figure.suptitle(
        "Outputs of each layer for one input: dark is the layer's least value, bright its greatest",
        x=0.01, ha="left", fontsize=11, color=MUTED,
    )  # fmt: skip
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes, layer in zip(panels, layers, strict=False):
        values, shown = _drawable(layer.values, _TOTAL_CHANNELS)
        _draw(axes, values, labels=False)
        heading = _shortened(f"{layer.number}  {layer.name}", 26)
        axes.set_title(heading, loc="left", fontsize=10.5, fontweight="bold", color=INK, parse_math=False, pad=20)
        axes.text(0, 1.02, _facts(layer.values, shown, short=True), transform=axes.transAxes, fontsize=8.5, color=MUTED,
                  va="bottom", parse_math=False)  # fmt: skip
    for axes in panels[len(layers) :]:
        axes.set_axis_off()
    return figure


def _drawable(values: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """(Values of at most three axes and `most` channels on the first, number of channels shown, 0 for all)."""
    if values.ndim == 3 and values.shape[1:] == (1, 1):
        return values[:, 0, 0], 0
    if values.ndim > 3:  # the middle of each further axis, such as the depth of a volume
        middle = tuple(length // 2 for length in values.shape[1:-2])
        values = values[(slice(None), *middle)]
    if values.ndim == 3 and len(values) > most:
        return values[:most], most
    return values, 0


def _size(values: np.ndarray) -> tuple[float, float]:
    if values.ndim == 3:
        columns, rows = _grid(*values.shape)
        width, height = _tile(values)
        return max(5.0, 1.06 * width * columns + 0.9), max(1.2, (height + _LABEL) * rows)
    if values.ndim == 2:
        aspect = min(4.0, max(0.4, values.shape[1] / values.shape[0]))
        return (8.0, max(1.4, 7.0 / aspect)) if aspect >= 1 else (max(5.0, 6.5 * aspect + 1.5), 7.0)
    if values.size <= _BARS:
        return min(10.0, max(5.0, 0.32 * values.size + 1.2)), 3.0
    return 9.0, min(9.0, max(1.2, 0.24 * math.ceil(values.size / _STRIP) + 0.6))


def _tile(values: np.ndarray) -> tuple[float, float]:
    """Width and height of one channel's picture in inches."""
    columns, rows = _grid(*values.shape)
    height = 1 / max(0.2, min(5.0, values.shape[2] / values.shape[1]))
    width = min(4.0, max(0.8, 8.5 / max(columns, rows * height)))
    return width, width * height


def _grid(channels: int, height: int, width: int) -> tuple[int, int]:
    """Columns and rows for `channels` maps, so that the whole is about 4 to 3."""
    if channels <= 3 and height <= 2 * width:
        return channels, 1
    columns = min(channels, max(1, round(math.sqrt(channels * 4 / 3 * max(0.2, min(5.0, height / width))))))
    rows = math.ceil(channels / columns)
    return math.ceil(channels / rows), rows


def _draw(axes: Any, values: np.ndarray, *, labels: bool) -> Any:
    """Draw into `axes`; returns the object for a colour bar, or None for bars."""
    axes.tick_params(labelsize=9, colors=MUTED)
    axes.spines[:].set_visible(False)
    if values.ndim == 3:
        return _draw_channels(axes, values, labels=labels)
    if values.ndim == 2:
        image = axes.imshow(values, aspect="auto", **_scale(values))
        axes.set_xlabel("feature" if labels else "", fontsize=9, color=MUTED)
        axes.set_ylabel("position" if labels else "", fontsize=9, color=MUTED)
        _whole_ticks(axes)
        return image
    vector = np.atleast_1d(values)
    if vector.size <= _BARS:
        return _draw_bars(axes, vector, labels=labels)
    return _draw_strips(axes, vector, labels=labels)


def _draw_channels(axes: Any, values: np.ndarray, *, labels: bool) -> Any:
    channels, height, width = values.shape
    columns, rows = _grid(channels, height, width)
    space = height * (_LABEL / _tile(values)[1] if labels else 0.06)
    across, down = width * 1.06, height + space
    image = None
    for channel, picture in enumerate(values):
        left, top = (channel % columns) * across, (channel // columns) * down
        image = axes.imshow(picture, extent=(left, left + width, top + height, top), **_scale(values))
        if labels and channels > 1:
            axes.text(left, top - space * 0.08, str(channel), fontsize=8, color=MUTED, va="bottom")
    axes.set_xlim(0, columns * across - 0.06 * width)
    axes.set_ylim(rows * down - space, -space if labels and channels > 1 else 0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_anchor("NW")
    return image


def _draw_bars(axes: Any, vector: np.ndarray, *, labels: bool) -> None:
    finite = np.where(np.isfinite(vector), vector, 0.0)
    axes.bar(np.arange(vector.size), finite, color=CATEGORIES[0], width=0.8)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.margins(x=0.01, y=0.12)
    axes.yaxis.set_major_formatter(lambda value, _position: f"{value:.4g}")  # no factor floating above the axis
    _whole_ticks(axes)
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    if labels:
        axes.set_xlabel("feature", fontsize=9, color=MUTED)
        if vector.size <= 16:
            text = ".2f" if 0.1 <= np.abs(finite).max() < 1000 else ".1e"
            for position, value in enumerate(vector):
                low = value < 0
                axes.annotate(
                    str(value) if vector.dtype.kind == "i" else f"{value:{text}}", (position, finite[position]), (0, -3 if low else 3), textcoords="offset points",
                    ha="center", va="top" if low else "bottom", fontsize=8, color=INK,
                )  # fmt: skip


def _draw_strips(axes: Any, vector: np.ndarray, *, labels: bool) -> Any:
    rows = math.ceil(vector.size / _STRIP)
    padded = np.full(rows * _STRIP, np.nan)
    padded[: vector.size] = vector
    scale = _scale(vector)
    scale["cmap"] = scale["cmap"].with_extremes(bad="none")  # the end of the last strip holds nothing
    image = axes.imshow(padded.reshape(rows, _STRIP), aspect="auto", **scale)
    for row in range(1, rows):
        axes.axhline(row - 0.5, color="white", linewidth=1.0)
    step = max(1, math.ceil(rows / 12))
    axes.set_yticks(range(0, rows, step), [str(row * _STRIP) for row in range(0, rows, step)])
    axes.set_xlabel(f"feature (strips of {_STRIP})" if labels else "", fontsize=9, color=MUTED)
    axes.tick_params(length=0)
    if not labels:
        axes.set_xticks([])
    return image


def _scale(values: np.ndarray) -> dict[str, Any]:
    """Common colour scale of all of a layer's values; NaN is grey."""
    from matplotlib import colormaps

    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    colors = colormaps[SEQUENTIAL].with_extremes(bad=MISSING)
    return {"cmap": colors, "vmin": low, "vmax": high, "interpolation": "nearest"}


def _whole_ticks(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def _facts(values: np.ndarray, shown: int, *, short: bool = False) -> str:
    """Title text: shape, number of channels shown, and range of the values."""
    shape = f"({', '.join(['N', *map(str, values.shape)])})"
    count = f", {shown} of {len(values)} channels" if shown else ""
    finite = values[np.isfinite(values)]
    if short:
        return shape + (f", {shown} shown" if shown else "")
    odd = values.size - finite.size
    span = f", from {finite.min():.3g} to {finite.max():.3g}" if finite.size else ""
    return shape + count + span + (f", {odd} values are no number" if odd else "")


def _wrapped(text: str, width: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, max(24, width)))


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2 - 1]}…{text[-(most - most // 2) :]}"
