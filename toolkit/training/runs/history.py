"""The history of a training as files: history.json, history.csv and curves.png."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.atomic import atomic_write
from runtime.json_text import json_text

__all__ = ["epoch_line", "measured", "write_history"]


def write_history(folder: Path, settings: Mapping[str, Any], history: Sequence[Mapping[str, float]]) -> None:
    """Write history.json (settings and one entry per epoch) and history.csv (one row per epoch, for spreadsheets).

    A value that is not finite cannot be written in JSON: it becomes null, and ``not_finite`` says what it was; the table leaves it empty.
    """
    entries = [{name: value if math.isfinite(value) else None for name, value in entry.items()} for entry in history]
    atomic_write(folder / "history.json", json_text({"settings": settings, "epochs": history}, indent=2) + "\n")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for entry in entries for name in entry)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(entries)
    atomic_write(folder / "history.csv", text.getvalue())


def measured(entry: Mapping[str, float]) -> dict[str, float]:
    """Measured values of an epoch, for the model card: the finite ones, without rate and duration."""
    return {name: value for name, value in entry.items() if name not in ("lr", "seconds") and math.isfinite(value)}


def epoch_line(entry: Mapping[str, float], epochs: int) -> str:
    """One line for an epoch's entry in the history."""
    values = "  ".join(f"{name} {value:.4f}" for name, value in entry.items() if name not in ("epoch", "lr", "seconds"))
    return f"epoch {int(entry['epoch']) + 1}/{epochs}  {values}  {entry['seconds']:.1f} s"
