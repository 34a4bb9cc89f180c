"""Description of a checkpoint, as facts for JSON and as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.atomic import atomic_write
from runtime.console import bytes_text, written_lines
from runtime.session.describe import card_lines
from toolkit.builder.summary import summarize
from toolkit.explain.diagram.drawing import draw_network
from toolkit.explain.figures import picture_kind
from toolkit.training.checkpoints.checkpoint import Checkpoint

__all__ = ["describe_checkpoint"]


def describe_checkpoint(path: Path, picture: Path | None = None) -> tuple[dict[str, Any], str]:
    """Describe a checkpoint: (facts for JSON, text); draws the network into `picture`, an .svg or .png file, if given.

    Raises:
        InputError: the picture cannot be written.
        CheckpointError: the file is not one of our checkpoints, or damaged.
        SpecError: it holds a module of the user's own that was not given.
    """
    checkpoint = Checkpoint.load(path)
    assert checkpoint.spec.input_shape is not None
    network = checkpoint.network()
    summary = summarize(network, checkpoint.spec.input_shape)
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
        "picture": None if picture is None else str(picture),
    }
    place = f", after {epoch} epochs" if epoch else ""
    if batch:  # written in the middle of an epoch
        place = f", after {epoch} epochs and {batch} batches"
    lines = [f"{path}: checkpoint, {bytes_text(size)}{place}"]
    texts = [written_lines([*lines, *card_lines(checkpoint.card), ""]), str(summary)]
    if picture is not None:
        kind, dtype = picture_kind(picture), checkpoint.spec.input_dtype or "float32"
        atomic_write(
            picture, draw_network(network, checkpoint.spec.input_shape, kind, input_dtype=dtype, title=path.name)
        )
        texts.append(written_lines(["", f"drew {picture}"]))
    return facts, "\n".join(texts)
