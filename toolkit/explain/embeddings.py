"""Embedding plot: projection on the first two principal components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from runtime.errors import InputError
from toolkit.explain.figures import INK, MUTED, categories, figure_bytes

__all__ = ["embedding_png", "principal_components"]

_MOST_NAMED = 24  # classes in the legend


def principal_components(embeddings: torch.Tensor | np.ndarray, count: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Project embeddings on their principal components (Pearson, 1901; computed as in Halko et al., 2011).

    The same embeddings give the same result, and torch's random state stays as it is.

    Args:
        embeddings: (N, D).
        count: components.

    Returns:
        float32 (N, count) coordinates, and float32 (count,) shares of the variance. Where N or D is smaller than `count`,
        the rest is zeros. The largest weight of each component is positive.

    Raises:
        InputError: `embeddings` is not a matrix of finite numbers with at least two rows.
    """
    values = torch.as_tensor(np.asarray(embeddings, np.float32))
    if values.ndim != 2 or len(values) < 2 or values.shape[1] < 1 or not bool(values.isfinite().all()):
        raise InputError(
            f"Embeddings of shape {tuple(values.shape)} were given; (N, D) finite numbers with N of at least 2 are expected."
        )
    centred = values - values.mean(0)
    rank = min(count + 8, *values.shape)  # a few directions more than are asked for make the first ones exact
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, lengths, directions = torch.pca_lowrank(centred, q=rank, center=False, niter=8)
    signs = directions.gather(0, directions.abs().argmax(0, keepdim=True)).sign()
    points = centred @ (directions * signs)[:, :count]
    shares = lengths[:count] ** 2 / centred.square().sum().clamp_min(1e-30)
    missing = count - points.shape[1]
    return np.pad(points.numpy(), ((0, 0), (0, max(0, missing)))), np.pad(shares.numpy(), (0, max(0, missing)))


def embedding_png(
    embeddings: torch.Tensor | np.ndarray,
    classes: Sequence[int] | np.ndarray | None = None,
    labels: Sequence[str] = (),
    *,
    title: str = "Embeddings",
    dpi: int = 110,
) -> bytes:
    """Embeddings on their first two principal components, each class in its own colour and shape -> PNG.

    Args:
        embeddings: (N, D).
        classes: whole numbers (N,), the class of each; None draws all alike.
        labels: names of the classes; without them they are shown by their indices.
        title: above the picture.
        dpi: pixels per inch.

    Raises:
        InputError: `embeddings` is no matrix of finite numbers, or `classes` has another length.
    """
    from matplotlib.figure import Figure

    points, shares = principal_components(embeddings)
    kinds = np.zeros(len(points), np.int64) if classes is None else np.asarray(classes)
    if kinds.shape != (len(points),):
        raise InputError(
            f"{len(points)} embeddings were given with classes of shape {kinds.shape}; one each is expected."
        )
    figure = Figure(figsize=(7.4, 5.6), layout="constrained")
    axes: Any = figure.subplots()
    present = np.unique(kinds)
    size = float(np.clip(9000 / len(points), 9, 40))
    for position, (kind, (color, marker)) in enumerate(zip(present, categories(len(present)), strict=True)):
        name = str(labels[kind]) if 0 <= kind < len(labels) else str(kind)
        name = name if len(name) <= 24 else name[:23] + "…"
        chosen = points[kinds == kind]
        axes.scatter(
            chosen[:, 0], chosen[:, 1], s=size, c=color, marker=marker, alpha=0.75, linewidths=0.3, edgecolors="white",
            label=name if position < _MOST_NAMED else "_",
        )  # fmt: skip
    axes.set_xlabel(f"first component ({shares[0]:.0%} of the variance)".replace("%", " %"), color=MUTED)
    axes.set_ylabel(f"second component ({shares[1]:.0%})".replace("%", " %"), color=MUTED)
    axes.tick_params(labelsize=9, colors=MUTED)
    axes.grid(alpha=0.2)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", color=INK, parse_math=False)
    if classes is not None:
        rest = len(present) - _MOST_NAMED
        legend = axes.legend(
            loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9, markerscale=float(np.sqrt(40 / size)),
            title=f"and {rest} more" if rest > 0 else None,
        )  # fmt: skip
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure_bytes(figure, title=f"{title}: {len(points)} points of {len(present)} classes", dpi=dpi)
