"""Curves and confusion matrices as PNG (matplotlib, without a display)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from toolkit.explain.figures import figure_bytes

__all__ = ["confusion_matrix", "confusion_png", "curves_png", "learning_rates_png"]

_TITLES = {"acc": "accuracy", "mae": "mean absolute error", "mse": "mean squared error", "r2": "R²"}
TRAIN_COLOR, VALIDATION_COLOR = "#3b6fb6", "#d9822b"


def curves_png(history: Sequence[Mapping[str, float]], *, dpi: int = 110) -> bytes:
    """Loss and every metric over the epochs, training and validation, one panel each -> PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    hidden = ("epoch", "lr", "seconds")
    names = [name for name in history[0] if name not in hidden and not name.startswith("val_")]
    epochs = [int(entry["epoch"]) + 1 for entry in history]
    figure = Figure(figsize=(4.6 * len(names), 3.3), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        for key, color, label in ((name, TRAIN_COLOR, "training"), (f"val_{name}", VALIDATION_COLOR, "validation")):
            if key in history[0]:
                axes.plot(
                    epochs, [entry[key] for entry in history], color=color, label=label, marker=".", linewidth=1.8
                )
        axes.set_xlabel("epoch")
        axes.set_title(_TITLES.get(name, name), loc="left", fontweight="bold")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return figure_bytes(figure, title=f"Training curves: {', '.join(names)} over {len(epochs)} epochs", dpi=dpi)


def learning_rates_png(rates: Sequence[float], losses: Sequence[float], suggestion: float, *, dpi: int = 110) -> bytes:
    """The loss over the learning rate, on a logarithmic axis, with the suggested rate marked -> PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(rates, losses, color=TRAIN_COLOR, linewidth=1.8)
    axes.axvline(suggestion, color=VALIDATION_COLOR, linestyle="--", label=f"steepest fall at {suggestion:.2g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_title("loss", loc="left", fontweight="bold")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure_bytes(figure, title=f"Loss over the learning rate; the steepest fall is at {suggestion:.2g}", dpi=dpi)


def confusion_matrix(
    targets: Sequence[int] | np.ndarray, predicted: Sequence[int] | np.ndarray, classes: int
) -> np.ndarray:
    """int64 (K, K): rows are the true classes, columns the predicted ones."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (np.asarray(targets), np.asarray(predicted)), 1)
    return matrix


def confusion_png(matrix: np.ndarray, labels: Sequence[str], *, dpi: int = 110) -> bytes:
    """A confusion matrix (K, K) -> PNG; colours are shares of the true class, numbers are counts."""
    from matplotlib.figure import Figure

    count = len(labels)
    side = min(14.0, max(3.6, 0.42 * count + 1.4))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(1, matrix.sum(1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    names = [label if len(label) <= 24 else label[:23] + "…" for label in labels]
    # a class may be named "$x$", which is no formula
    axes.set_xticks(range(count), names, rotation=90 if max(map(len, names)) > 3 else 0, parse_math=False)
    axes.set_yticks(range(count), names, parse_math=False)
    axes.spines[:].set_visible(False)
    if count <= 30:
        for row in range(count):
            for column in range(count):
                if matrix[row, column]:
                    ink = "white" if shares[row, column] > 0.5 else "#333333"
                    axes.text(column, row, str(matrix[row, column]), ha="center", va="center", fontsize=8, color=ink)
    return figure_bytes(figure, title=f"Confusion matrix of {count} classes", dpi=dpi)
