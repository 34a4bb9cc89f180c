"""Intermediate tensors of an ONNX file: every tensor of its graph with its ancestors."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx

from exporters.comparing.steps import Step, Steps
from runtime.errors import ModelFileError
from runtime.processors import usable_cores

__all__ = ["file_steps"]

_MESSAGE_LIMIT_BYTES = 1_900_000_000


def file_steps(path: Path, feeds: Mapping[str, np.ndarray]) -> Steps:
    """Run the file once with every tensor of its main graph as an output, and without the fusions that would hide some.

    Raises:
        ModelFileError: onnxruntime cannot run it so.
    """
    model = onnx.load(path)
    ancestors: dict[str, int] = {value.name: 1 for value in model.graph.input if value.name in feeds}
    outputs = [value.name for value in model.graph.output]
    made: list[tuple[str, str]] = []  # tensor, operator
    origins: list[int] = []
    for node in model.graph.node:
        bits = 0
        for name in _reads(node):
            bits |= ancestors.get(name, 0)
        for position, name in enumerate(node.output):
            if not name or not bits:
                continue
            ancestors[name] = bits
            if position == 0:
                ancestors[name] |= 2 << len(made)
                made.append((name, node.op_type))
                origins.append(bits >> 1)
    values = _run(model, [name for name, _ in made], feeds)
    steps = [Step(name, kind, values[name], bits) for (name, kind), bits in zip(made, origins, strict=True)]
    return Steps(tuple(steps), {name: ancestors.get(name, 0) >> 1 for name in outputs})


def _run(model: onnx.ModelProto, names: list[str], feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    import onnxruntime

    there = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in there)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = usable_cores() or 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "every_tensor.onnx"
        try:
            onnx.save(model, path, save_as_external_data=model.ByteSize() > _MESSAGE_LIMIT_BYTES)
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            found = session.run(names, dict(feeds))
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise ModelFileError(
                f"The file does not run with all of its tensors as outputs: {reason}. Leave --layers out."
            ) from error
    # sequences and the like are no tensors; they are compared with nothing
    return {
        name: value if isinstance(value, np.ndarray) else np.zeros(0) for name, value in zip(names, found, strict=True)
    }


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Inputs of a node, including outer-scope tensors that its subgraphs read."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
            for inner in graph.node:
                yield from _reads(inner)
