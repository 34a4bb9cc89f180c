"""Inspection result of an ONNX file: graph, weights, shapes, multiply-adds, targets, warnings; as facts and as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exporters.inspecting.graph_facts import GraphFacts
from exporters.inspecting.shapes import FlowShapes
from runtime.console import bytes_text, table, written_lines
from runtime.session import Tensor

__all__ = ["ModelInspection", "multiply_adds_text"]

_SHOWN = 12  # operators and layers in the text; JSON has all


@dataclass(frozen=True)
class ModelInspection:
    """Inspection result of an ONNX file.

    Attributes:
        inputs, outputs: the file's inputs and outputs.
        facts: of the graph and its weights.
        flow: shapes and multiply-adds.
        targets: runtimes and boards that open it, in words.
        warnings: one sentence each, with a remedy.
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
        """Targets that are ONNX Runtime."""
        from exporters.targets import find_target

        return [name for name in self.targets if find_target(name).is_onnxruntime]

    def text(self) -> str:
        """Inspection as lines of text."""
        facts, flow = self.facts, self.flow
        opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in facts.opsets.items())
        lines = [f"opset    {opsets}; IR version {facts.ir_version}"]
        lines += [f"written  by {facts.producer}"] if facts.producer else []
        operators = _counted(facts.operators)
        lines.append(f"nodes    {facts.nodes}" + (f": {operators}" if operators else ""))
        weights = ", ".join(f"{dtype} {bytes_text(size)}" for dtype, size in facts.weights.items())
        apart = f"; {bytes_text(facts.external_bytes)} of them in {', '.join(facts.external)}" if facts.external else ""
        lines.append(f"weights  {facts.parameters:,} parameters" + (f": {weights}" if weights else "") + apart)
        lines.append(f"work     {multiply_adds_text(flow)}")
        lines += [f"runs on  {', '.join(self.runtimes)}"] if self.runtimes else []
        others = [name for name in self.targets if name not in self.runtimes]
        lines += (
            [f"fits     {', '.join(others)} by version; that their kernels take it was not tried"] if others else []
        )
        lines += [f"warning  {warning}" for warning in self.warnings]
        text = written_lines(lines)
        return f"{text}\n\n{self.layer_table()}" if len(facts.layers) > 1 else text

    def layer_table(self, most: int = _SHOWN) -> str:
        """Table of the largest layers."""
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


def multiply_adds_text(flow: FlowShapes) -> str:
    """Text line: multiply-adds of one run, the input shapes they hold for, and the operators left out."""
    if flow.multiply_adds is None:
        return f"multiply-adds unknown: {flow.reason}"
    at = "; ".join(f"{name} ({', '.join(map(str, shape))})" for name, shape in flow.inputs.items())
    text = f"{flow.multiply_adds:,} multiply-adds" + (f" at {at}" if at else "")
    if flow.uncounted:
        missing = ", ".join(f"{count} {name}" for name, count in flow.uncounted.items())
        text += f"; without {missing}, whose shapes are decided while running"
    return text


def _counted(operators: Mapping[str, int]) -> str:
    shown = [f"{count} {name}" for name, count in list(operators.items())[:_SHOWN]]
    rest = sum(list(operators.values())[_SHOWN:])
    return ", ".join(shown) + (f", and {rest} others" if rest else "")
