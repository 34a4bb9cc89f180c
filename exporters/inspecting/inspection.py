"""Inspection of an ONNX file, as facts and as text: the part of `toolkit info` below the runtime's own description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

from exporters.inspecting.graph_facts import GraphFacts, graph_facts
from exporters.inspecting.graph_warnings import graph_warnings
from exporters.inspecting.model_inspection import ModelInspection
from exporters.inspecting.shapes import find_shapes, input_lengths
from exporters.onnx_files.reading import read_graph
from exporters.targets.runtimes import ONNXRUNTIME_RELEASES
from runtime.console import bytes_text, one_line
from runtime.session import Session
from runtime.session.card_check import card_contradictions

__all__ = ["add_inspection", "inspect_file", "least_onnxruntime"]


def add_inspection(
    path: Path, facts: dict[str, Any], text: str, picture: Path | None = None
) -> tuple[dict[str, Any], str]:
    """Append the inspection to the runtime's description (`runtime.session.describe.describe_file`): (facts, text); draw `picture`.

    Raises:
        InputError: the picture cannot be written.
        ModelFileError: the file cannot be read.
    """
    seen = inspect_file(path)
    total = path.stat().st_size + seen.facts.external_bytes
    lines = [
        text,
        *([f"in all   {bytes_text(total)} with its external data"] if seen.facts.external else []),
        seen.text(),
    ]
    if picture is not None:
        from exporters.inspecting.graph_picture import save_picture

        save_picture(path, seen, picture)
        lines += ["", one_line(f"drew {picture}")]
    return {
        **facts,
        "total_bytes": total,
        "graph": seen.to_dict(),
        "picture": None if picture is None else str(picture),
    }, "\n".join(lines)


def inspect_file(path: Path, *, digest: bool = True) -> ModelInspection:
    """Inspect a file without running it; shapes are inferred in a child process with limits.

    Args:
        path: the file.
        digest: read the external data whole, to compare its digest.

    Raises:
        ModelFileError: the file cannot be read.
    """
    model = read_graph(path)
    facts = graph_facts(model)
    session = Session(path, "cpu", optimize=False, trust_card=True)
    lengths = input_lengths(session.inputs, session.card)
    warnings = [
        *_session_warnings(session),
        *_vocabulary_warnings(model, session),
        *graph_warnings(model, facts, path, digest=digest),
    ]
    flow = find_shapes(path, lengths)
    return ModelInspection(session.inputs, session.outputs, facts, flow, tuple(_targets(model)), tuple(warnings))


def least_onnxruntime(facts: GraphFacts) -> str | None:
    """Oldest release of ONNX Runtime that opens a file of these versions, such as "1.17"; None where none is known."""
    for (major, minor), release in sorted(ONNXRUNTIME_RELEASES.items()):
        opset, ml_opset = facts.opsets.get("", 0), facts.opsets.get("ai.onnx.ml", 0)
        if opset <= release.opset and facts.ir_version <= release.ir_version and ml_opset <= release.ml_opset:
            return f"{major}.{minor}"
    return None


def _targets(model: onnx.ModelProto) -> list[str]:
    from exporters.targets import runs_on

    return list(runs_on(model))


def _vocabulary_warnings(model: onnx.ModelProto, session: Session) -> list[str]:
    """Warnings of tables of token vectors that are shorter than the card's vocabulary."""
    found = []
    rows = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if tensor.dims}
    for entry in session.card.inputs if session.card is not None else ():
        tokens, same = len(entry.tokens), {entry.name}
        for node in model.graph.node:
            if node.op_type in ("Cast", "Identity") and same.intersection(node.input):
                same.update(node.output)
            elif node.op_type == "Gather" and node.input[1] in same and rows.get(node.input[0], tokens) < tokens:
                found.append(
                    f"the card's vocabulary has {tokens:,} tokens, and the graph has vectors for {rows[node.input[0]]:,}: "
                    f"texts with the others fail"
                )
    return found


def _session_warnings(session: Session) -> list[str]:
    found = []
    if session.card is None:
        found.append("no card: how inputs are prepared and what outputs mean is not told; it runs on arrays")
    else:
        found += [
            f"card and graph contradict each other, so that it is not opened to predict: {sentence.rstrip('.')}"
            for sentence in card_contradictions(session.card, session.inputs, session.outputs)
        ]
    if session.batch.fixed is not None:
        found.append(f"its batch is fixed at {session.batch.fixed}; export with --dynamic batch for any other")
    wide = [tensor.name for tensor in session.inputs if tensor.dtype == "float64"]
    if wide:
        found.append(f"the input {wide[0]!r} is float64, which is slow; export with float32")
    return found
