"""Sheets of samples as PNG, and the facts of a set of pictures."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from runtime.card import ImageInput
from runtime.errors import InputError
from toolkit.data.augmentation import Augmentation, Mix
from toolkit.data.augmentation.seeds import example_seeds
from toolkit.data.dataset import Dataset
from toolkit.data.stores import FileStore, PictureStore
from toolkit.tasks.registry import find_task

__all__ = ["augmentation_sheet", "data_facts", "data_sheet"]

# Number of pictures for means and deviations, and of files for sizes, evenly spaced over the set.
MEASURED = 2000
_BAR_COLOR = "#3b6fb6"
_CELL, _CAPTION = 1.15, 0.24  # inches


def augmentation_sheet(
    data: Dataset,
    augment: Augmentation,
    *,
    mix: Mix | None = None,
    rows: int = 6,
    columns: int = 8,
    seed: int = 0,
    dpi: int = 110,
) -> bytes:
    """Augmentation sheet, one picture per row: the original, then as training sees it, epoch by epoch -> PNG.

    Where only the crops of an evaluation are given, these are shown instead.

    Args:
        data: pictures, as they were loaded.
        augment: the random changes.
        mix: mixes the pictures of a column with each other, after they were changed.
        rows: pictures, from as many classes as there are.
        columns: the original and `columns` - 1 samples.
        seed: of the choice and of the changes.
        dpi: dots per inch.

    Raises:
        InputError: the data are no pictures, or cannot be augmented so.
    """
    _check_counts(rows=rows, columns=columns)
    data = augment.prepare(data)
    store, card = _pictures(data)
    chosen = _one_of_each(data, rows, seed)
    plain = _looks(store.take_pixels(torch.from_numpy(chosen)), card)
    looks, captions, titles = [plain], [[find_task(data.task).caption(data, index) for index in chosen]], ["original"]
    if augment.crops is not None and not augment.steps and mix is None:
        looks += list(augment.crops(plain).unbind(1))
        titles += [f"crop {number}" for number in range(1, len(looks))]
    else:
        for epoch in range(columns - 1):
            begun = augment.pictures(store, card, torch.from_numpy(chosen))
            changed, names = augment(begun, example_seeds(seed, epoch, chosen), card.size), captions[0]
            if mix is not None:
                mix.check(data)
                changed, names = _mixed(mix, changed, data, chosen, seed, epoch)
            looks.append(changed)
            captions.append(names)
            titles.append(f"epoch {epoch + 1}")
    columns = len(looks)
    captions += [captions[0]] * (columns - len(captions))
    grid = [list(row) for row in zip(*(pictures.permute(0, 2, 3, 1).numpy() for pictures in looks), strict=True)]
    from matplotlib.figure import Figure

    ratio = _ratio(grid[0][0])
    figure = Figure(figsize=(columns * _CELL, len(grid) * (ratio * _CELL + _CAPTION) + _CAPTION))
    axes = figure.add_axes((0, 0, 1, 1))
    _draw_grid(axes, grid, [list(row) for row in zip(*captions, strict=True)], ratio)
    for column, title in enumerate(titles):
        axes.text(column + 0.5, -0.06, title, ha="center", fontsize=8, fontweight="bold")
    return _png(figure, dpi)


def data_sheet(data: Dataset, *, columns: int = 8, classes: int = 20, seed: int = 0, dpi: int = 110) -> bytes:
    """Data sheet: samples of each class, one class per row, and the number of examples per class -> PNG.

    Args:
        data: pictures.
        columns: samples per class.
        classes: maximum number of rows; the bars show all classes.
        seed: of the choice.
        dpi: dots per inch.

    Raises:
        InputError: the data are no pictures.
    """
    from matplotlib.figure import Figure

    _check_counts(columns=columns, classes=classes)
    store, card = _pictures(data)
    groups = find_task(data.task).sheet_groups(data)
    random = np.random.default_rng(seed)
    shown = [(name, random.permutation(where)[:columns]) for name, where in groups.items() if len(where)][:classes]
    grid = [
        list(_looks(store.take_pixels(torch.from_numpy(where)), card).permute(0, 2, 3, 1).numpy()) for _, where in shown
    ]
    ratio = _ratio(grid[0][0])
    width, height = columns * _CELL, len(shown) * (ratio * _CELL + _CAPTION) + _CAPTION
    bars = max(2.0, 0.2 * len(groups) + 0.6)
    figure = Figure(figsize=(width + 5.0, max(height, bars)))
    whole = figure.get_figwidth(), figure.get_figheight()
    axes = figure.add_axes((0, 1 - height / whole[1], width / whole[0], height / whole[1]))
    _draw_grid(axes, grid, [[name] * len(where) for name, where in shown], ratio)
    axes.text(0.02, -0.06, "samples", fontsize=9, fontweight="bold")
    bottom = 1 - (bars - 0.1) / whole[1]
    _draw_counts(figure.add_axes(((width + 1.8) / whole[0], bottom, 2.8 / whole[0], (bars - 0.5) / whole[1])), groups)
    return _png(figure, dpi)


def data_facts(data: Dataset) -> dict[str, Any]:
    """Statistics of a picture data set, as plain values for JSON.

    Returns:
        ``task``, ``examples``, ``classes`` (name -> count), ``shape`` (C, H, W as prepared), ``sizes`` ("height x width" of the
        files -> count; of the prepared pictures where there are no files), ``mean`` and ``deviation`` (per channel, of pixels
        from 0 to 1, before normalisation) and ``measured`` (number of pictures they are computed on).

    Raises:
        InputError: the data are no pictures.
    """
    store, card = _pictures(data)
    sample = _spaced(np.arange(len(data)), MEASURED)
    totals, squares, pixels = np.zeros(card.channels), np.zeros(card.channels), 0
    for part in np.array_split(sample, max(1, len(sample) // 64)):
        values = _looks(store.take_pixels(torch.from_numpy(part)), card).numpy().astype(np.float64) / 255
        totals += values.sum((0, 2, 3))
        squares += (values**2).sum((0, 2, 3))
        pixels += values.size // card.channels
    mean = totals / max(1, pixels)
    deviation = np.sqrt(np.maximum(0, squares / max(1, pixels) - mean**2))
    return {
        "task": data.task,
        "examples": len(data),
        "classes": {name: len(where) for name, where in find_task(data.task).sheet_groups(data).items()},
        "shape": list(data.shape),
        "sizes": _sizes(data, store),
        "mean": [round(float(value), 4) for value in mean],
        "deviation": [round(float(value), 4) for value in deviation],
        "measured": len(sample),
    }


def _pictures(data: Dataset) -> tuple[PictureStore, ImageInput]:
    if data.pictures is None or data.views != 1:
        raise InputError(f"{data.source} holds no pictures ({data.describe()}). Give a folder of pictures.")
    return data.pictures


def _looks(pixels: torch.Tensor, card: ImageInput) -> torch.Tensor:
    """Pictures in the card's layout -> (n, C, H, W)."""
    return pixels if card.layout == "NCHW" else pixels.permute(0, 3, 1, 2)


def _one_of_each(data: Dataset, count: int, seed: int) -> np.ndarray:
    """int64 (count,) positions: one of each class in turn, drawn."""
    random = np.random.default_rng(seed)
    queues = [random.permutation(where).tolist() for where in find_task(data.task).sheet_groups(data).values()]
    turns = (queue[turn] for turn in range(max(map(len, queues))) for queue in queues if turn < len(queue))
    taken: dict[int, None] = {}  # an example with several labels is shown once
    for position in turns:
        taken.setdefault(position)
        if len(taken) == count:
            break
    return np.array(list(taken), np.int64)


def _mixed(
    mix: Mix, pictures: torch.Tensor, data: Dataset, chosen: np.ndarray, seed: int, epoch: int
) -> tuple[torch.Tensor, list[str]]:
    """Pictures uint8 (n, C, H, W), mixed with each other, and the greatest share of each as its caption."""
    targets = torch.from_numpy(data.targets[chosen])
    mixed, shares = mix(pictures.float() / 255, targets, len(data.labels), seed, epoch, 0)
    most, best = shares.max(1)
    captions = [
        f"{_short(data.labels[index], 11)} {share:.0%}"
        for share, index in zip(most.tolist(), best.tolist(), strict=True)
    ]
    return mixed.mul(255).round().to(torch.uint8), captions


def _spaced(values: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the values, evenly spaced."""
    return values if len(values) <= count else values[np.linspace(0, len(values) - 1, count).astype(np.int64)]


def _sizes(data: Dataset, store: PictureStore) -> dict[str, int]:
    """Sizes of the files as they lie, the most frequent first."""
    from runtime.preprocess.picture_file import open_picture
    from runtime.preprocess.sources import images_in
    from toolkit.data.readers.images import class_folders

    paths: Sequence[Path] = store.paths if isinstance(store, FileStore) else ()
    if not paths:
        paths = [path for folder in class_folders(data.source) for path in images_in(folder)]
    if not paths:
        return {f"{data.shape[-2]} x {data.shape[-1]}": len(data)}
    sizes = Counter[str]()
    for index in _spaced(np.arange(len(paths)), MEASURED):
        with open_picture(paths[index]) as image:
            sizes[f"{image.height} x {image.width}"] += 1
    return dict(sizes.most_common())


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if not isinstance(count, int) or not 1 <= count <= 100:
            raise InputError(f"{name}={count!r} was given; a whole number from 1 to 100 is expected.")


def _ratio(picture: np.ndarray) -> float:
    """Height over width of the cell for a picture (H, W, C)."""
    height, width = picture.shape[:2]
    return min(3.0, max(1 / 3, int(height) / int(width)))


def _draw_grid(axes: Any, grid: Sequence[Sequence[np.ndarray]], names: Sequence[Sequence[str]], ratio: float) -> None:
    """Pictures uint8 (H, W, C) in cells of width 1, a name under each; one pair of axes for all, which is much faster than many."""
    step = ratio + _CAPTION / _CELL
    for row, pictures in enumerate(grid):
        for column, picture in enumerate(pictures):
            scale = 0.94 * min(1 / picture.shape[1], ratio / picture.shape[0])
            half = scale * picture.shape[1] / 2, scale * picture.shape[0] / 2
            x, y = column + 0.5, row * step + ratio / 2
            shown = picture[:, :, 0] if picture.shape[-1] == 1 else picture
            extent = (x - half[0], x + half[0], y + half[1], y - half[1])
            axes.imshow(shown, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="nearest")
            axes.text(
                x, row * step + ratio + 0.1, _short(names[row][column], 16), ha="center", fontsize=7, parse_math=False
            )
    axes.set_xlim(0, max(map(len, grid)))
    axes.set_ylim(len(grid) * step, -_CAPTION / _CELL)
    axes.set_aspect("auto")
    axes.set_axis_off()


def _draw_counts(axes: Any, groups: dict[str, np.ndarray]) -> None:
    """A bar for each class."""
    counts = [len(where) for where in groups.values()]
    axes.barh(range(len(groups)), counts, color=_BAR_COLOR)
    axes.set_yticks(range(len(groups)), [_short(name) for name in groups], fontsize=8, parse_math=False)
    axes.set_xticks([])
    axes.invert_yaxis()
    axes.set_title(f"examples: {sum(counts):,}", loc="left", fontsize=9, fontweight="bold")
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    for row, count in enumerate(counts):
        axes.text(count, row, f" {count:,}", va="center", fontsize=8)


def _short(name: str, length: int = 24) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"


def _png(figure: Any, dpi: int) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as a box where no font has the glyph
        figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
