"""Child process of shape inference, run with limits because a malformed file can make inference take all memory.

Reads the path of a model and the lengths of its inputs (JSON) from the command line; writes shapes and counts as JSON.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import onnx
import onnx.inliner

from exporters.inspecting.multiply_adds import count_multiply_adds, known_shapes

# Shapes are computed from small tensors only; the others are left out, so that the whole stays below 2 GB.
_SMALL_BYTES = 1 << 16


def main(path: str, lengths: str, result: str) -> None:
    """Infer the shapes of the model at `path` with inputs of these lengths (name -> list) into the file `result`."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > _SMALL_BYTES:
            tensor.ClearField("raw_data")
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    graph = model.graph
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    for value in graph.input:
        for axis, length in zip(
            value.type.tensor_type.shape.dim, json.loads(lengths).get(value.name, ()), strict=False
        ):
            axis.dim_value = length
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    count = count_multiply_adds(inferred.graph)
    shapes = {name: shape for name, shape in known_shapes(inferred.graph).items() if math.prod(shape) < 2**62}
    facts = {"shapes": shapes, "total": count.total, "by_node": count.by_node, "uncounted": count.uncounted}
    Path(result).write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
