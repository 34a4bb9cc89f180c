"""Sensitivity of layers to 8-bit quantisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from exporters.precision.blocks import Block, cut_into_blocks
from exporters.precision.half import named_nodes
from exporters.precision.quantise import write_static
from exporters.precision.rows import Feeds, evenly, row_count, run_rows, take_rows
from runtime.card import ModelCard
from runtime.session import Session

__all__ = ["rank_blocks"]

_ROWS = 32
# Each group of blocks costs one quantisation and one run.
_MOST_GROUPS = 48
# Probabilities below are alike: their logarithms would count for more than those that decide.
_SMALLEST = 1e-4


def rank_blocks(
    path: Path,
    ranges: Path,
    feeds: Feeds,
    card: ModelCard,
    outputs: Sequence[str],
    say: Callable[[str], None] = lambda _text: None,
) -> list[tuple[float, tuple[Block, ...]]]:
    """Rank blocks by sensitivity, quantising one at a time: (error, blocks), greatest error first.

    The error is the root mean square of what changes in the outputs, over that of the outputs; of probabilities it is that
    of their logarithms, which do not saturate. Blocks of a deep network are taken by neighbours, to at most 48 groups.
    """
    model = onnx.load(path)
    named_nodes(model)
    blocks = cut_into_blocks(model.graph)
    groups = [tuple(group) for group in np.array_split(np.array(blocks, object), min(_MOST_GROUPS, len(blocks)))]
    rows = take_rows(feeds, evenly(row_count(feeds), _ROWS))
    reference = _outputs(path, rows, card, outputs)
    length = float(np.linalg.norm(reference)) or 1.0
    trial = path.with_name("one_block.onnx")
    everything = {name for block in blocks for name in block.nodes}
    ranked = []
    for number, group in enumerate(groups, start=1):
        say(f"precision: which layers suffer from 8 bits, {number} of {len(groups)}")
        own = {name for block in group for name in block.nodes}
        write_static(path, trial, ranges, keep_float=everything - own)
        error = float(np.linalg.norm(_outputs(trial, rows, card, outputs) - reference)) / length
        ranked.append((error if np.isfinite(error) else np.inf, group))
    trial.unlink(missing_ok=True)
    return sorted(ranked, key=lambda entry: -entry[0])


def _outputs(path: Path, rows: Feeds, card: ModelCard, outputs: Sequence[str]) -> np.ndarray[Any, Any]:
    """Concatenate all outputs into one vector."""
    probabilities = card.output("probabilities")
    parts = []
    for name, values in run_rows(Session(path, "cpu"), rows, outputs).items():
        numbers = values.astype(np.float64).reshape(-1)
        parts.append(np.log(np.maximum(numbers, _SMALLEST)) if name == probabilities else numbers)
    return np.concatenate(parts)
