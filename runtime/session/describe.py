"""Description of an ONNX file from its card and signature, as facts and as text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime.card import CARD_KEY, ModelCard
from runtime.console import bytes_text, written_lines
from runtime.session import Session
from runtime.session.external_data import EXTERNAL_DATA_KEY, told_external_data

__all__ = ["card_lines", "describe_file"]


def describe_file(path: Path) -> tuple[dict[str, Any], str]:
    """Describe a file: (facts for JSON, text). Raises ModelFileError when the file cannot be opened.

    Its constants are not computed, for they may be made to fill the memory.
    """
    session = Session(path, "cpu", optimize=False, trust_card=True)
    size = path.stat().st_size
    second = told_external_data(session.metadata)
    facts = {
        "path": str(path),
        "bytes": size,
        "kind": "onnx",
        "inputs": [vars(tensor) for tensor in session.inputs],
        "optional_inputs": [vars(tensor) for tensor in session.optional_inputs],
        "outputs": [vars(tensor) for tensor in session.outputs],
        "card": session.card.to_dict() if session.card else None,
        "external_data": None if second is None else vars(second),
        "metadata": {key: value for key, value in session.metadata.items() if key not in (CARD_KEY, EXTERNAL_DATA_KEY)},
    }
    kind = "ORT format" if path.suffix == ".ort" else "ONNX model"
    lines = [f"{path}: {kind}, {bytes_text(size)}"]
    if second is not None:
        lines.append(f"weights  in {second.name} beside it, {bytes_text(second.bytes)}, SHA-256 {second.sha256[:16]}…")
    lines += [f"input    {tensor}" for tensor in session.inputs]
    lines += [f"input    {tensor}, may be left out" for tensor in session.optional_inputs]
    lines += [f"output   {tensor}" for tensor in session.outputs]
    if session.card is None:
        lines.append(
            "no card: made elsewhere. It runs on arrays (runtime.load(...).run), and `toolkit bench` measures it."
        )
    else:
        lines += card_lines(session.card)
    return facts, written_lines(lines)


def card_lines(card: ModelCard) -> list[str]:
    """A card as lines of text."""
    lines = [f"task     {card.task}"]
    lines += [f"prepare  {entry.name}: {entry.describe()}" for entry in card.inputs]
    if card.labels:
        shown = ", ".join(card.labels[:12]) + (f", ... ({len(card.labels)} in all)" if len(card.labels) > 12 else "")
        lines.append(f"labels   {shown}")
    facts = card.training
    if set(facts) - {"loss", "target_scaling"}:  # these alone tell how outputs are read, and nothing of a training
        lines.append(f"trained  on {facts.get('examples', '?')} examples of {facts.get('data', '?')}")
        measured = {name: value for name, value in _mapping(facts, "measured").items() if name != "epoch"}
        if measured:
            lines.append("measured " + "  ".join(f"{name} {_figure(value, '.4f')}" for name, value in measured.items()))
    if card.parity:
        worst = max(
            (value for value in _mapping(card.parity, "worst").values() if isinstance(value, float)), default=0.0
        )
        sizes = card.parity.get("batch_sizes")
        shapes = card.parity.get("shapes")
        among = (
            f" among {len(shapes)} shapes"
            if isinstance(sizes, list | tuple) and isinstance(shapes, list | tuple) and len(shapes) > len(sizes)
            else ""
        )
        lines.append(
            f"verified against torch on {card.parity.get('samples')} samples at batch sizes "
            f"{', '.join(map(str, sizes)) if isinstance(sizes, list | tuple) else sizes}{among}: worst difference {worst:.1e}"
        )
    if card.producer:
        lines.append("made by  " + ", ".join(f"{name} {version}" for name, version in card.producer.items()))
    return lines


def _mapping(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Mapping from a card's free facts, which are untrusted; empty where the entry is not a mapping."""
    value = facts.get(name)
    return value if isinstance(value, Mapping) else {}


def _figure(value: Any, form: str) -> str:
    """Format a number; an entry that a card holds as text, such as 'nan', stays as it is."""
    return format(value, form) if isinstance(value, float) else str(value)
