"""All that can be told of an ONNX file, as facts and as text: what `toolkit info` prints below what the runtime knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from exporters.looking.graph_facts import GraphFacts, graph_facts
from exporters.looking.graph_warnings import graph_warnings
from exporters.looking.shapes import FlowShapes, find_shapes, input_lengths
from exporters.targets.runtimes import ONNXRUNTIME_RELEASES
from runtime.console import bytes_text, table
from runtime.errors import ModelFileError
from runtime.session import Session, Tensor

__all__ = ["Look", "add_look", "least_onnxruntime", "look", "read_graph"]

_SHOWN = 12  # operators and layers in the text; JSON has all


@dataclass(frozen=True)
class Look:
    """What was seen.

    Attributes:
        inputs, outputs: of the file.
        facts: of the graph and its weights.
        flow: shapes and multiply-adds.
        targets: runtimes and boards that open it, in words.
        warnings: what is odd about it, and what to do.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    facts: GraphFacts
    flow: FlowShapes
    targets: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        flow = self.flow
        return {
            **self.facts.to_dict(),
            "multiply_adds": flow.multiply_adds,
            "multiply_adds_at": {name: list(shape) for name, shape in flow.inputs.items()},
            "multiply_adds_uncounted": dict(flow.uncounted),
            "multiply_adds_reason": flow.reason,
            "targets": list(self.targets),
            "warnings": list(self.warnings),
        }

    @property
    def runtimes(self) -> list[str]:
        """Those of the targets that are ONNX Runtime."""
        from exporters.targets import find_target

        return [name for name in self.targets if find_target(name).is_onnxruntime]

    def lines(self) -> list[str]:
        """The same as lines of text."""
        facts, flow = self.facts, self.flow
        opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in facts.opsets.items())
        lines = [f"opset    {opsets}; IR version {facts.ir_version}"]
        lines += [f"written  by {facts.producer}"] if facts.producer else []
        operators = _counted(facts.operators)
        lines.append(f"nodes    {facts.nodes}" + (f": {operators}" if operators else ""))
        weights = ", ".join(f"{dtype} {bytes_text(size)}" for dtype, size in facts.weights.items())
        lines.append(f"weights  {facts.parameters:,} parameters" + (f": {weights}" if weights else ""))
        lines.append(f"work     {multiply_adds_text(flow)}")
        lines += [f"runs on  {', '.join(self.runtimes)}"] if self.runtimes else []
        others = [name for name in self.targets if name not in self.runtimes]
        lines += (
            [f"fits     {', '.join(others)} by version; that their kernels take it was not tried"] if others else []
        )
        lines += [f"warning  {warning}" for warning in self.warnings]
        if len(facts.layers) > 1:
            lines += ["", self.layer_table()]
        return lines

    def layer_table(self, most: int = _SHOWN) -> str:
        """The largest layers."""
        layers, total = self.facts.layers, sum(layer.bytes for layer in self.facts.layers)
        rows = [
            (
                layer.name,
                f"{layer.parameters:,}",
                bytes_text(layer.bytes),
                f"{layer.bytes / max(1, total):.1%}",
                ", ".join(layer.dtypes),
            )
            for layer in layers[:most]
        ]
        rest = layers[most:]
        if rest:
            size = sum(layer.bytes for layer in rest)
            parameters = sum(layer.parameters for layer in rest)
            rows.append((f"{len(rest)} more", f"{parameters:,}", bytes_text(size), f"{size / max(1, total):.1%}", ""))
        return table(("largest layers", "parameters", "bytes", "share", "dtype"), rows, right=(1, 2, 3))


def add_look(path: Path, facts: dict[str, Any], text: str, picture: Path | None = None) -> tuple[dict[str, Any], str]:
    """What the runtime tells of a file (`runtime.describe.describe_file`) together with all of this, and a picture if asked.

    Raises:
        InputError: the picture cannot be written.
        ModelFileError: the file cannot be read.
    """
    seen = look(path)
    lines = [text, *seen.lines()]
    if picture is not None:
        from exporters.looking.graph_picture import save_picture

        save_picture(path, seen, picture)
        lines += ["", f"drew {picture}"]
    return {**facts, "graph": seen.to_dict(), "picture": None if picture is None else str(picture)}, "\n".join(lines)


def look(path: Path, *, digest: bool = True) -> Look:
    """Look into a file. Nothing of it is run; its shapes are found in a child process with limits.

    Args:
        path: the file.
        digest: read weights in a second file whole, to compare their digest.

    Raises:
        ModelFileError: the file cannot be read.
    """
    model = read_graph(path)
    facts = graph_facts(model)
    session = Session(path, "cpu", optimize=False)
    lengths = input_lengths(session.inputs, session.card)
    warnings = [*_session_warnings(session), *graph_warnings(model, facts, path, digest=digest)]
    flow = find_shapes(path, lengths)
    return Look(session.inputs, session.outputs, facts, flow, tuple(_targets(model)), tuple(warnings))


def read_graph(path: Path) -> onnx.ModelProto:
    """The graph of a file, weights in further files left there. Raises ModelFileError when it is none."""
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's, of its own kind in every version
        raise ModelFileError(f"{path} cannot be read as an ONNX graph: {error}. Fetch or export it again.") from error


def least_onnxruntime(facts: GraphFacts) -> str | None:
    """The first release of ONNX Runtime that opens a file of these versions, such as "1.17"; None where none is known."""
    for (major, minor), release in sorted(ONNXRUNTIME_RELEASES.items()):
        opset, ml_opset = facts.opsets.get("", 0), facts.opsets.get("ai.onnx.ml", 0)
        if opset <= release.opset and facts.ir_version <= release.ir_version and ml_opset <= release.ml_opset:
            return f"{major}.{minor}"
    return None


def multiply_adds_text(flow: FlowShapes) -> str:
    """Multiply-adds of one run, at which shapes, and what is missing in them."""
    if flow.multiply_adds is None:
        return f"multiply-adds unknown: {flow.reason}"
    at = "; ".join(f"{name} ({', '.join(map(str, shape))})" for name, shape in flow.inputs.items())
    text = f"{flow.multiply_adds:,} multiply-adds" + (f" at {at}" if at else "")
    if flow.uncounted:
        missing = ", ".join(f"{count} {name}" for name, count in flow.uncounted.items())
        text += f"; without {missing}, whose shapes are decided while running"
    return text


def _targets(model: onnx.ModelProto) -> list[str]:
    from exporters.targets import runs_on

    return list(runs_on(model))


def _session_warnings(session: Session) -> list[str]:
    found = []
    if session.card is None:
        found.append("no card: how inputs are prepared and what outputs mean is not told; export it with this toolkit")
    if session.fixed_batch is not None:
        found.append(f"its batch is fixed at {session.fixed_batch}; export with --dynamic batch for any other")
    wide = [tensor.name for tensor in session.inputs if tensor.dtype == "float64"]
    if wide:
        found.append(f"the input {wide[0]!r} is float64, which is slow; export with float32")
    return found


def _counted(operators: Mapping[str, int]) -> str:
    shown = [f"{count} {name}" for name, count in list(operators.items())[:_SHOWN]]
    rest = sum(list(operators.values())[_SHOWN:])
    return ", ".join(shown) + (f", and {rest} others" if rest else "")
