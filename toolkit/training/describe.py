"""What a checkpoint says of itself, as facts and as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.console import bytes_text
from runtime.describe import card_lines
from toolkit.builder.summary import summarize
from toolkit.training.checkpoint import Checkpoint

__all__ = ["describe_checkpoint"]


def describe_checkpoint(path: Path) -> tuple[dict[str, Any], str]:
    """(facts for JSON, text).

    Raises:
        CheckpointError: the file is none of ours, or damaged.
        SpecError: it holds a module of the user's own that was not given.
    """
    checkpoint = Checkpoint.load(path)
    assert checkpoint.spec.input_shape is not None
    summary = summarize(checkpoint.network(), checkpoint.spec.input_shape)
    size = path.stat().st_size
    epoch, batch = checkpoint.training.get("epoch"), checkpoint.training.get("batch") or 0
    facts = {
        "path": str(path),
        "bytes": size,
        "kind": "checkpoint",
        "epoch": epoch,
        "batch": batch,
        "network": summary.to_dict(),
        "card": checkpoint.card.to_dict(),
    }
    place = f", after {epoch} epochs" if epoch else ""
    if batch:  # written in the middle of an epoch
        place = f", after {epoch} epochs and {batch} batches"
    lines = [f"{path}: checkpoint, {bytes_text(size)}{place}"]
    return facts, "\n".join([*lines, *card_lines(checkpoint.card), "", str(summary)])
