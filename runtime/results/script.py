"""Lines of Python source for the stand-alone run.py of a bundle."""

from __future__ import annotations

import json

from runtime.card import ModelCard

__all__ = ["RANGES", "label_source", "quoted"]

# Where nothing is known of the outputs.
RANGES = (
    '    """Each output of one row: its shape and where its numbers lie."""',
    "    rows = {name: value[row] for name, value in outputs.items() if np.ndim(value) and len(value) > row}",
    '    ranges = {name: f"{part.min():.4g} to {part.max():.4g}" for name, part in rows.items() if part.size}',
    '    return ", ".join(f"{name} {rows[name].shape} {words}" for name, words in ranges.items())',
)


def quoted(text: str | None) -> str:
    """A string literal with double quotes, as the rest of the script has them."""
    return json.dumps(text, ensure_ascii=False)


def label_source(card: ModelCard) -> str:
    """Source of the label at `index`."""
    return "CARD['labels'][index]" if card.labels else "index"
